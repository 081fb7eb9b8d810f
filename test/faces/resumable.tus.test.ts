/** tus 1.0, section by section of its specification, over the wire. */
import { createHash, randomBytes } from 'node:crypto';
import { RawConnection } from '../support/raw.ts';
import { openWorld, type Answered, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => void (world = await openWorld({ env: { STOWAGE_MAX_UPLOAD_SIZE: '1GiB' } })));
afterAll(() => world.close());

const tus = { 'Tus-Resumable': '1.0.0' };
const chunk = { ...tus, 'Content-Type': 'application/offset+octet-stream' };
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const metadata = (entries: Record<string, string>): string =>
  Object.entries(entries)
    .map(([key, value]) => `${key} ${base64(value)}`)
    .join(',');

async function create(headers: Record<string, string>, body?: Uint8Array): Promise<Answered> {
  return world.ask('POST', '/tus', {
    headers: { ...(body ? chunk : tus), ...headers },
    ...(body ? { body: Buffer.from(body) } : {}),
  });
}

async function begin(length: number, headers: Record<string, string> = {}): Promise<string> {
  const created = await create({ 'Upload-Length': String(length), ...headers });
  expect(created.status).toBe(201);
  return created.headers.get('location')!;
}

const patch = (
  path: string,
  at: number,
  body: Uint8Array | string,
  headers: Record<string, string> = {},
): Promise<Answered> =>
  world.ask('PATCH', path, { headers: { ...chunk, 'Upload-Offset': String(at), ...headers }, body: Buffer.from(body) });
const head = (path: string): Promise<Answered> => world.ask('HEAD', path, { headers: tus });
const offsetOf = async (path: string): Promise<string | null> => (await head(path)).headers.get('upload-offset');

describe('the core protocol', () => {
  test('an upload grows to its length', async () => {
    const path = await begin(11);
    expect((await head(path)).headers.get('upload-offset')).toBe('0');
    const first = await patch(path, 0, 'hello ');
    expect({
      status: first.status,
      'upload-offset': first.headers.get('upload-offset'),
      'tus-resumable': first.headers.get('tus-resumable'),
    }).toEqual({ status: 204, 'upload-offset': '6', 'tus-resumable': '1.0.0' });
    const standing = await head(path);
    expect(standing.status).toBe(200);
    expect({
      'upload-offset': standing.headers.get('upload-offset'),
      'upload-length': standing.headers.get('upload-length'),
      'cache-control': standing.headers.get('cache-control'),
    }).toEqual({ 'upload-offset': '6', 'upload-length': '11', 'cache-control': 'no-store' });
    expect((await patch(path, 6, 'world')).headers.get('upload-offset')).toBe('11');
    expect(await offsetOf(path)).toBe('11');
  });

  test('a wrong offset changes nothing', async () => {
    const path = await begin(10);
    await patch(path, 0, 'abc');
    expect((await patch(path, 1, 'xyz')).status).toBe(409);
    expect((await patch(path, 4, 'xyz')).status).toBe(409);
    expect(await offsetOf(path)).toBe('3');
  });

  test('an append of another content type, or without a valid offset, is refused', async () => {
    const path = await begin(10);
    expect(
      (
        await world.ask('PATCH', path, {
          headers: { ...tus, 'Content-Type': 'text/plain', 'Upload-Offset': '0' },
          body: 'abc',
        })
      ).status,
    ).toBe(415);
    expect((await world.ask('PATCH', path, { headers: chunk, body: 'abc' })).status).toBe(400);
    for (const offset of ['-1', 'x', '1.5'])
      expect(
        (await world.ask('PATCH', path, { headers: { ...chunk, 'Upload-Offset': offset }, body: 'abc' })).status,
      ).toBe(400);
    expect(await offsetOf(path)).toBe('0');
  });

  test('a request for another protocol version, or for none, is refused', async () => {
    for (const headers of [{}, { 'Tus-Resumable': '0.2.2' }] as Record<string, string>[]) {
      const refused = await world.ask('POST', '/tus', { headers: { ...headers, 'Upload-Length': '10' } });
      expect({ status: refused.status, 'tus-version': refused.headers.get('tus-version') }).toEqual({
        status: 412,
        'tus-version': '1.0.0',
      });
    }
  });

  test('OPTIONS tells what there is, to anybody', async () => {
    const told = await world.ask('OPTIONS', '/tus', { as: null });
    expect(told.status).toBe(204);
    expect(told.headers.get('tus-version')).toBe('1.0.0');
    expect(told.headers.get('tus-max-size')).toBe(String(1024 ** 3));
    expect(told.headers.get('tus-extension')).toContain('concatenation');
    expect(told.headers.get('tus-checksum-algorithm')).toBe('sha1,sha256,sha512,md5,crc32c');
  });

  test('the method may come in a header', async () => {
    const path = await begin(3);
    const headers = { ...chunk, 'Upload-Offset': '0', 'X-HTTP-Method-Override': 'PATCH' };
    expect((await world.ask('POST', path, { headers, body: 'abc' })).status).toBe(204);
    expect(await offsetOf(path)).toBe('3');
  });

  test('nobody, strangers, and uploads that are not', async () => {
    const path = await begin(3);
    expect((await world.ask('HEAD', path, { as: null, headers: tus })).status).toBe(401);
    await world.addNamespace('stranger');
    const strange = await world.ask('HEAD', path, { as: 'stranger', headers: tus });
    expect({ status: strange.status, 'upload-offset': strange.headers.get('upload-offset') }).toEqual({
      status: 404,
      'upload-offset': null,
    });
    for (const none of ['/tus/nothing', `/tus/${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}`])
      expect((await head(none)).status).toBe(404);
    expect((await world.ask('PUT', path, { headers: tus })).status).toBe(405);
  });
});

describe('creation', () => {
  test('needs a length that there is room for', async () => {
    for (const headers of [
      {},
      { 'Upload-Length': 'x' },
      { 'Upload-Length': '-1' },
      { 'Upload-Length': '1', 'Upload-Defer-Length': '1' },
      { 'Upload-Defer-Length': '2' },
    ] as Record<string, string>[]) {
      expect((await create(headers)).status).toBe(400);
    }
    expect((await create({ 'Upload-Length': String(1024 ** 3 + 1) })).status).toBe(413);
  });

  test('metadata comes back as it came; what is none is refused', async () => {
    const said = `${metadata({ note: 'für später' })},is_confidential`;
    expect((await head(await begin(5, { 'Upload-Metadata': said }))).headers.get('upload-metadata')).toBe(said);
    for (const bad of ['a b c', 'a !!!!', 'a YQ==,a YQ==', ' ,', 'a YQ'])
      expect((await create({ 'Upload-Length': '1', 'Upload-Metadata': bad })).status).toBe(400);
  });

  test('a creation may bring the first bytes', async () => {
    const created = await create({ 'Upload-Length': '11' }, Buffer.from('hello '));
    expect({ status: created.status, 'upload-offset': created.headers.get('upload-offset') }).toEqual({
      status: 201,
      'upload-offset': '6',
    });
    expect((await patch(created.headers.get('location')!, 6, 'world')).headers.get('upload-offset')).toBe('11');
    expect(
      (
        await world.ask('POST', '/tus', {
          headers: { ...tus, 'Upload-Length': '3', 'Content-Type': 'text/plain' },
          body: 'abc',
        })
      ).status,
    ).toBe(415);
  });

  test('with a length that comes later, once', async () => {
    const path = (await create({ 'Upload-Defer-Length': '1' })).headers.get('location')!;
    expect((await head(path)).headers.get('upload-defer-length')).toBe('1');
    await patch(path, 0, 'abc');
    expect((await patch(path, 3, 'def', { 'Upload-Length': '9' })).status).toBe(204);
    const known = await head(path);
    expect({
      'upload-length': known.headers.get('upload-length'),
      'upload-defer-length': known.headers.get('upload-defer-length'),
    }).toEqual({ 'upload-length': '9', 'upload-defer-length': null });
    expect((await patch(path, 6, 'ghi', { 'Upload-Length': '10' })).status).toBe(400);
    expect((await patch(path, 6, 'ghi', { 'Upload-Length': '9' })).headers.get('upload-offset')).toBe('9');
  });

  test('more than the length is refused', async () => {
    const path = await begin(3);
    expect((await patch(path, 0, 'abcd')).status).toBe(413);
    expect(await offsetOf(path)).toBe('0');
  });
});

describe('checksums', () => {
  const body = 'Stowage keeps every byte once';
  test.each(['sha1', 'sha256', 'sha512', 'md5'])('%s', async (algorithm) => {
    const path = await begin(100);
    const right = createHash(algorithm).update(body).digest('base64');
    expect((await patch(path, 0, `${body}!`, { 'Upload-Checksum': `${algorithm} ${right}` })).status).toBe(460);
    expect(await offsetOf(path)).toBe('0');
    expect((await patch(path, 0, body, { 'Upload-Checksum': `${algorithm} ${right}` })).status).toBe(204);
    expect(await offsetOf(path)).toBe(String(body.length));
  });

  test('CRC-32C checksums are verified', async () => {
    const path = await begin(9);
    // The check value of the catalogue of parametrised CRC algorithms.
    const right = Buffer.from('e3069283', 'hex').toString('base64');
    expect((await patch(path, 0, '123456780', { 'Upload-Checksum': `crc32c ${right}` })).status).toBe(460);
    expect((await patch(path, 0, '123456789', { 'Upload-Checksum': `crc32c ${right}` })).status).toBe(204);
  });

  test('of another algorithm, or none', async () => {
    const path = await begin(9);
    for (const bad of ['sha3 YWJj', 'sha1', 'sha1 abc', 'sha1 YWJj'])
      expect((await patch(path, 0, 'abc', { 'Upload-Checksum': bad })).status).toBe(400);
    expect(await offsetOf(path)).toBe('0');
  });

  test('behind the bytes, as a trailer', async () => {
    const path = await begin(6);
    const send = async (at: number, text: string, checksum: string | undefined): Promise<number> => {
      const connection = await RawConnection.open(world.url);
      connection.head('PATCH', path, {
        ...chunk,
        Authorization: `Bearer ${await world.token()}`,
        'Upload-Offset': String(at),
        'Transfer-Encoding': 'chunked',
        Trailer: 'Upload-Checksum',
      });
      connection.send(
        `${text.length.toString(16)}\r\n${text}\r\n0\r\n${checksum === undefined ? '' : `Upload-Checksum: ${checksum}\r\n`}\r\n`,
      );
      const { status } = await connection.answer();
      connection.close();
      return status;
    };
    const sha1 = (text: string): string => `sha1 ${createHash('sha1').update(text).digest('base64')}`;
    expect(await send(0, 'abc', sha1('abd'))).toBe(460);
    expect(await send(0, 'abc', undefined)).toBe(400);
    expect(await offsetOf(path)).toBe('0');
    expect(await send(0, 'abc', sha1('abc'))).toBe(204);
    expect(await offsetOf(path)).toBe('3');
  });
});

describe('expiration', () => {
  test('is told, and moves with every byte', async () => {
    const path = await begin(6);
    const first = (await patch(path, 0, 'abc')).headers.get('upload-expires')!;
    world.clock.move(3_600_000);
    const second = (await patch(path, 3, 'd')).headers.get('upload-expires')!;
    expect(Date.parse(second) - Date.parse(first)).toBeGreaterThanOrEqual(3_599_000);
    world.clock.move(25 * 3_600_000);
    await world.core.sweep.run();
    expect((await head(path)).status).toBe(404);
  });
});

test('DELETE ends an upload', async () => {
  const path = await begin(6);
  await patch(path, 0, 'abc');
  expect((await world.ask('DELETE', path, { headers: tus })).status).toBe(204);
  expect((await head(path)).status).toBe(404);
  expect((await world.ask('DELETE', path, { headers: tus })).status).toBe(404);
});

describe('concatenation', () => {
  test('parts become a whole, and stay parts', async () => {
    const [a, b] = [randomBytes(300_000), randomBytes(70_000)];
    const paths: string[] = [];
    for (const part of [a, b]) {
      const path = await begin(part.length, { 'Upload-Concat': 'partial' });
      await patch(path, 0, part);
      expect((await head(path)).headers.get('upload-concat')).toBe('partial');
      paths.push(path);
    }
    const concat = `final;${paths[0]} ${world.url}${paths[1]} ${paths[0]}`;
    const created = await create({ 'Upload-Concat': concat, 'Upload-Metadata': metadata({ filename: 'joined' }) });
    expect(created.status).toBe(201);
    const whole = await head(created.headers.get('location')!);
    expect({
      'upload-offset': whole.headers.get('upload-offset'),
      'upload-length': whole.headers.get('upload-length'),
      'upload-concat': whole.headers.get('upload-concat'),
    }).toEqual({ 'upload-offset': '670000', 'upload-length': '670000', 'upload-concat': concat });
    expect((await world.ask('GET', '/artifacts/joined/data')).bytes.equals(Buffer.concat([a, b, a]))).toBe(true);
    expect((await patch(created.headers.get('location')!, 670_000, 'x')).status).toBe(403);
    expect(await offsetOf(paths[1]!)).toBe('70000');
  });

  test('may be asked for while parts are still under way', async () => {
    const [one, two] = [await begin(3, { 'Upload-Concat': 'partial' }), await begin(3, { 'Upload-Concat': 'partial' })];
    await patch(one, 0, 'abc');
    const concat = `final;${one} ${two}`;
    const created = await create({ 'Upload-Concat': concat, 'Upload-Metadata': metadata({ filename: 'later' }) });
    expect(created.status).toBe(201);
    const final = created.headers.get('location')!;
    const waiting = await head(final);
    expect({
      status: waiting.status,
      'upload-offset': waiting.headers.get('upload-offset'),
      'upload-length': waiting.headers.get('upload-length'),
      'upload-concat': waiting.headers.get('upload-concat'),
    }).toEqual({ status: 200, 'upload-offset': null, 'upload-length': null, 'upload-concat': concat });
    expect((await patch(final, 0, 'x')).status).toBe(403);
    await patch(two, 0, 'de');
    expect(await offsetOf(final)).toBeNull();
    // The last part's last byte makes the whole, before anybody looks.
    await patch(two, 2, 'f');
    expect((await world.ask('GET', '/artifacts/later/data')).bytes.toString()).toBe('abcdef');
    expect({
      offsetOf: await offsetOf(final),
      'upload-length': (await head(final)).headers.get('upload-length'),
    }).toEqual({ offsetOf: '6', 'upload-length': '6' });
  });

  test('a partial upload asks for the uploads that wait for it, however many others are open', async () => {
    const who = { namespace: 'system', credential: 'test' };
    const others = await Promise.all(Array.from({ length: 2500 }, () => world.core.uploads.begin(who)));
    const path = await begin(3, { 'Upload-Concat': 'partial' });
    const final = (await create({ 'Upload-Concat': `final;${path}` })).headers.get('location')!;
    const { list } = world.core.uploads;
    world.core.uploads.list = () => Promise.reject(new Error('open uploads were listed'));
    try {
      expect((await patch(path, 0, 'abc')).status).toBe(204);
    } finally {
      world.core.uploads.list = list;
    }
    const waiting = await world.core.uploads.waiting(who, path.split('/').at(-1)!, { after: null, limit: 10 });
    expect(waiting.map(({ id, offset }) => [`/tus/${id}`, offset])).toEqual([[final, 3]]);
    await Promise.all(others.map(({ id }) => world.core.uploads.drop(who, id)));
  });

  test('waits for an upload that another face gave bytes of its own', async () => {
    const parts: string[] = [];
    for (const text of ['abc', '', 'defg']) {
      const path = await begin(text.length, { 'Upload-Concat': 'partial' });
      if (text) await patch(path, 0, text);
      parts.push(path);
    }
    const who = { namespace: 'system', credential: 'test' };
    const about = JSON.stringify({ concat: `final;${parts.join(' ')}`, metadata: metadata({ filename: 'resumed' }) });
    const { id } = await world.core.uploads.begin(who, { length: 7, about });
    await world.get('POST', `/upload/${id}`, { body: 'xyz', headers: { 'Upload-Offset': '0' } });
    const waiting = await head(`/tus/${id}`);
    expect({ status: waiting.status, 'upload-offset': waiting.headers.get('upload-offset') }).toEqual({
      status: 200,
      'upload-offset': '3',
    });
    expect((await world.ask('POST', `/upload/${id}/truncate/0`)).status).toBe(200);
    expect(await offsetOf(`/tus/${id}`)).toBe('7');
    expect((await world.ask('GET', '/artifacts/resumed/data')).bytes.toString()).toBe('abcdefg');
  });

  test('moves no byte, and stays what it was when a part is cut and written anew', async () => {
    const parts: string[] = [];
    for (const text of ['abc', 'defg']) {
      const path = await begin(text.length, { 'Upload-Concat': 'partial' });
      await patch(path, 0, text);
      parts.push(path);
    }
    const final = (await create({ 'Upload-Concat': `final;${parts.join(' ')}` })).headers.get('location')!;
    const id = parts[0]!.split('/').at(-1)!;
    await world.get('POST', `/upload/${id}/truncate/0`);
    await world.get('POST', `/upload/${id}`, { body: 'xyz', headers: { 'Upload-Offset': '0' } });
    const whole = final.split('/').at(-1)!;
    expect((await world.ask('POST', `/upload/${whole}`, { body: '', headers: { 'Upload-Offset': '7' } })).status).toBe(
      200,
    );
    expect((await world.ask('POST', '/artifacts/upload/unmoved', { json: { upload_uuid: whole } })).status).toBe(200);
    expect((await world.ask('GET', '/artifacts/unmoved/data')).bytes.toString()).toBe('abcdefg');
  });

  test('is cut as any upload, and takes nothing more', async () => {
    const part = await begin(4, { 'Upload-Concat': 'partial' });
    await patch(part, 0, 'abcd');
    const whole = (await create({ 'Upload-Concat': `final;${part} ${part}` })).headers
      .get('location')!
      .split('/')
      .at(-1)!;
    expect((await world.ask('POST', `/upload/${whole}/truncate/5`)).status).toBe(200);
    const refused = await world.ask('POST', `/upload/${whole}`, { body: 'zz', headers: { 'Upload-Offset': '5' } });
    expect({ status: refused.status, text: refused.bytes.toString() }).toEqual({
      status: 409,
      text: expect.stringContaining('accepts no more bytes'),
    });
    const [cut, left] = [await head(`/tus/${whole}`), await head(part)];
    expect({ status: cut.status, 'upload-offset': cut.headers.get('upload-offset') }).toEqual({
      status: 200,
      'upload-offset': '5',
    });
    expect({ status: left.status, 'upload-offset': left.headers.get('upload-offset') }).toEqual({
      status: 200,
      'upload-offset': '4',
    });
  });

  test('of what is not there, or no part', async () => {
    const [open, plain] = [await begin(5, { 'Upload-Concat': 'partial' }), await begin(0)];
    for (const parts of [plain, '/elsewhere/1'])
      expect((await create({ 'Upload-Concat': `final;${parts}` })).status).toBe(400);
    expect((await create({ 'Upload-Concat': 'final;/tus/00000000-0000-4000-8000-000000000000' })).status).toBe(404);
    expect((await create({ 'Upload-Concat': 'both', 'Upload-Length': '1' })).status).toBe(400);
    expect((await create({ 'Upload-Concat': `final;${open}`, 'Upload-Length': '5' })).status).toBe(400);
  });
});

describe('the end of an upload', () => {
  test('is a version of what its metadata names, with what it became in the answer', async () => {
    const sha512 = createHash('sha512').update('hello').digest('hex');
    const path = await begin(5, { 'Upload-Metadata': metadata({ filename: 'greeting.txt', sha512 }) });
    const done = await patch(path, 0, 'hello');
    const artifact = await world.get<{ uuid: string; blob_uuid: string }>('GET', '/artifacts/greeting.txt');
    expect({
      'x-artifact-uuid': done.headers.get('x-artifact-uuid'),
      'x-artifact-version': done.headers.get('x-artifact-version'),
      'x-blob-uuid': done.headers.get('x-blob-uuid'),
    }).toEqual({ 'x-artifact-uuid': artifact.uuid, 'x-artifact-version': '1', 'x-blob-uuid': artifact.blob_uuid });
    expect((await head(path)).headers.get('x-artifact-uuid')).toBe(artifact.uuid);
    expect(await offsetOf(path)).toBe('5');
    expect((await patch(path, 5, '')).status).toBe(204);
    expect((await patch(path, 5, 'x')).status).toBe(409);
  });

  test('is refused when the bytes are others, and the upload stays', async () => {
    const path = await begin(5, { 'Upload-Metadata': metadata({ artifact: 'wrong', sha512: '0'.repeat(128) }) });
    expect((await patch(path, 0, 'hello')).status).toBe(460);
    expect((await world.ask('GET', '/artifacts/wrong')).status).toBe(404);
  });

  test('is the beginning, where the caller can read those bytes already', async () => {
    const content = randomBytes(64);
    const { sha512 } = await world.push('there', content);
    const said = { 'Upload-Metadata': metadata({ filename: 'claimed', sha512 }), 'Upload-Length': '64' };
    const claimed = await create(said);
    expect({
      status: claimed.status,
      'upload-offset': claimed.headers.get('upload-offset'),
      'x-artifact-version': claimed.headers.get('x-artifact-version'),
    }).toEqual({ status: 201, 'upload-offset': '64', 'x-artifact-version': '1' });
    expect((await world.ask('GET', '/artifacts/claimed/data')).bytes.equals(content)).toBe(true);
    const path = claimed.headers.get('location')!;
    expect({
      offsetOf: await offsetOf(path),
      'nothing at the end': (await patch(path, 64, '')).status,
      'bytes at the start': (await patch(path, 0, content)).status,
    }).toEqual({ offsetOf: '64', 'nothing at the end': 204, 'bytes at the start': 409 });
    expect((await create({ ...said, 'Upload-Length': '63' })).headers.get('upload-offset')).toBeNull();
    await world.addNamespace('curious');
    const theirs = await world.ask('POST', '/tus', { as: 'curious', headers: { ...tus, ...said } });
    expect({ status: theirs.status, 'upload-offset': theirs.headers.get('upload-offset') }).toEqual({
      status: 201,
      'upload-offset': null,
    });
  });

  test('of an empty one is at once', async () => {
    const created = await create({ 'Upload-Length': '0', 'Upload-Metadata': metadata({ filename: 'nothing' }) });
    expect({
      status: created.status,
      'upload-offset': created.headers.get('upload-offset'),
      'x-artifact-version': created.headers.get('x-artifact-version'),
    }).toEqual({ status: 201, 'upload-offset': '0', 'x-artifact-version': '1' });
    expect((await world.ask('GET', '/artifacts/nothing/data')).bytes).toHaveLength(0);
  });

  test('an upload that another face created is continued with tus', async () => {
    const path = await begin(6);
    const uuid = path.slice('/tus/'.length);
    await patch(path, 0, 'abc');
    expect(await world.get('POST', `/upload/${uuid}`, { body: 'def', headers: { 'Upload-Offset': '3' } })).toBe(6);
    expect(await offsetOf(path)).toBe('6');
    await world.get('POST', '/artifacts/upload/crossed', { json: { upload_uuid: uuid } });
    expect((await world.ask('GET', '/artifacts/crossed/data')).bytes.toString()).toBe('abcdef');
  });

  test('may be of an upload that another face began', async () => {
    const uuid = await world.upload(Buffer.from('abc'));
    expect(await offsetOf(`/tus/${uuid}`)).toBe('3');
    expect((await patch(`/tus/${uuid}`, 3, 'def')).headers.get('upload-offset')).toBe('6');
    expect((await world.get<{ size: number }>('GET', `/upload/${uuid}`)).size).toBe(6);
  });
});
