/** The IETF's resumable uploads, by section of the draft, for every supported version. */
import { createHash, randomBytes } from 'node:crypto';
import { tellResumption } from '../../src/faces/resumable/interim.ts';
import { eventually, RawConnection, type RawAnswer } from '../support/raw.ts';
import { openWorld, type Answered, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => void (world = await openWorld({ env: { STOWAGE_MAX_UPLOAD_SIZE: '1GiB' } })));
afterAll(() => world.close());

interface Made {
  readonly artifact_uuid: string;
  readonly index: number;
  readonly blob_uuid: string;
  readonly sha512: string;
  readonly size: number;
}

const digest = (algorithm: 'sha256' | 'sha512', bytes: Uint8Array | string): string =>
  `${algorithm.replace('sha', 'sha-')}=:${createHash(algorithm).update(bytes).digest('base64')}:`;
const hex = (bytes: Uint8Array | string): string => createHash('sha512').update(bytes).digest('hex');
const stored = async (name: string): Promise<string> =>
  (await world.ask('GET', `/artifacts/${name}/data`)).bytes.toString();
const fields = (answer: Answered, ...names: string[]): Record<string, string | null> =>
  Object.fromEntries(names.map((name) => [name, answer.headers.get(name)]));
/** A path of this server, whether it was told with the server's name or without. */
const pathOf = (answer: Answered): string => new URL(answer.headers.get('location')!, world.url).pathname;
const problem = (answer: Answered): unknown => ({
  status: answer.status,
  contentType: answer.headers.get('content-type'),
  type: answer.json<{ type: string }>().type.split('#')[1],
});

describe.each([
  ['interop 6', '6'],
  ['interop 7', '7'],
  ['interop 8', '8'],
  ['interop 9', '9'],
  ['the final form', undefined],
])('%s', (label, version) => {
  const name = (what: string): string => `${label.replaceAll(' ', '-')}-${what}`;
  const spoken = (headers: Record<string, string>): Record<string, string> => ({
    ...(version === undefined ? {} : { 'Upload-Draft-Interop-Version': version }),
    ...headers,
  });
  const create = (what: string, headers: Record<string, string>, body?: string): Promise<Answered> =>
    world.ask('POST', `/artifacts/${name(what)}/data`, {
      headers: spoken(headers),
      ...(body === undefined ? {} : { body }),
    });
  const append = (
    path: string,
    at: number,
    complete: boolean,
    body: string,
    headers: Record<string, string> = {},
  ): Promise<Answered> =>
    world.ask('PATCH', path, {
      headers: spoken({
        'Content-Type': 'application/partial-upload',
        'Upload-Offset': String(at),
        'Upload-Complete': complete ? '?1' : '?0',
        ...headers,
      }),
      body,
    });
  const head = (path: string): Promise<Answered> => world.ask('HEAD', path, { headers: spoken({}) });

  test('a creation with all bytes makes a version at once', async () => {
    const made = await create('whole', { 'Upload-Complete': '?1' }, 'hello');
    expect({ status: made.status, ...fields(made, 'upload-complete', 'upload-offset', 'repr-digest') }).toEqual({
      status: 201,
      'upload-complete': '?1',
      'upload-offset': '5',
      'repr-digest': digest('sha512', 'hello'),
    });
    expect(made.json<Made>()).toMatchObject({ index: 1, size: 5, sha512: hex('hello') });
    expect(await stored(name('whole'))).toBe('hello');
  });

  test('an upload is created, appended to, and completed by an append', async () => {
    const begun = await create('careful', { 'Upload-Complete': '?0', 'Upload-Length': '11' });
    expect({ status: begun.status, ...fields(begun, 'upload-complete', 'upload-offset') }).toEqual({
      status: 201,
      'upload-complete': '?0',
      'upload-offset': '0',
    });
    expect(begun.headers.get('upload-limit')).toMatch(/^max-size=1073741824,min-size=0,max-age=\d+$/);
    const path = pathOf(begun);
    const first = await append(path, 0, false, 'hello ');
    expect({ status: first.status, ...fields(first, 'upload-complete', 'upload-offset') }).toEqual({
      status: 204,
      'upload-complete': '?0',
      'upload-offset': '6',
    });
    const last = await append(path, 6, true, 'world');
    expect({ status: last.status, ...fields(last, 'upload-complete', 'upload-offset') }).toEqual({
      status: 200,
      'upload-complete': '?1',
      'upload-offset': '11',
    });
    expect(last.json<Made>()).toMatchObject({ index: 1, size: 11 });
    expect(await stored(name('careful'))).toBe('hello world');
    const repeated = await append(path, 11, true, '');
    expect({ status: repeated.status, body: repeated.json() }).toEqual({ status: 200, body: last.json() });
    expect(fields(await head(path), 'upload-complete', 'upload-offset')).toEqual({
      'upload-complete': '?1',
      'upload-offset': '11',
    });
  });

  test('an upload of unknown length is completed by an empty append', async () => {
    const begun = await create('closed', { 'Upload-Complete': '?0' }, 'abc');
    expect({ status: begun.status, ...fields(begun, 'upload-complete', 'upload-offset') }).toEqual({
      status: 201,
      'upload-complete': '?0',
      'upload-offset': '3',
    });
    expect((await append(pathOf(begun), 3, false, 'def')).headers.get('upload-offset')).toBe('6');
    expect((await append(pathOf(begun), 6, true, '')).status).toBe(200);
    expect(await stored(name('closed'))).toBe('abcdef');
  });

  test('HEAD and GET show the offset of an upload', async () => {
    const path = pathOf(await create('looked', { 'Upload-Complete': '?0', 'Upload-Length': '9' }, 'abc'));
    for (const method of ['HEAD', 'GET']) {
      const standing = await world.ask(method, path, { headers: spoken({}) });
      expect({
        status: standing.status,
        ...fields(standing, 'upload-offset', 'upload-complete', 'upload-length', 'cache-control'),
      }).toEqual({
        status: 200,
        'upload-offset': '3',
        'upload-complete': '?0',
        'upload-length': '9',
        'cache-control': 'no-store',
      });
      expect(standing.headers.get('upload-limit')).toMatch(/max-size=1073741824.*max-age=\d+/);
    }
    expect((await head('/upload/00000000-0000-4000-8000-000000000000')).status).toBe(404);
  });

  test('a wrong offset is a problem with a name, and changes nothing', async () => {
    const path = pathOf(await create('offset', { 'Upload-Complete': '?0' }, 'abc'));
    for (const at of [0, 2, 4]) {
      const refused = await append(path, at, false, 'xyz');
      expect(problem(refused)).toEqual({
        status: 409,
        contentType: 'application/problem+json',
        type: 'mismatching-upload-offset',
      });
      expect(fields(refused, 'upload-offset', 'upload-complete')).toEqual({
        'upload-offset': '3',
        'upload-complete': '?0',
      });
      expect(refused.json()).toMatchObject({ 'expected-offset': 3, 'provided-offset': at });
    }
    expect((await head(path)).headers.get('upload-offset')).toBe('3');
  });

  test('lengths that do not agree are a problem with a name', async () => {
    const refused = await create('lengths', { 'Upload-Complete': '?1', 'Upload-Length': '9' }, 'abc');
    expect(problem(refused)).toEqual({
      status: 400,
      contentType: 'application/problem+json',
      type: 'inconsistent-upload-length',
    });
    const path = pathOf(await create('lengths', { 'Upload-Complete': '?0', 'Upload-Length': '9' }, 'abc'));
    expect(problem(await append(path, 3, true, 'def'))).toEqual({
      status: 400,
      contentType: 'application/problem+json',
      type: 'inconsistent-upload-length',
    });
    expect(problem(await append(path, 3, false, 'def', { 'Upload-Length': '10' }))).toEqual({
      status: 400,
      contentType: 'application/problem+json',
      type: 'inconsistent-upload-length',
    });
    expect((await append(path, 3, true, 'defghi')).status).toBe(200);
  });

  test('more bytes than were declared end the upload', async () => {
    const path = pathOf(await create('overrun', { 'Upload-Complete': '?0', 'Upload-Length': '4' }, 'abc'));
    expect((await append(path, 3, false, 'defg')).status).toBe(413);
    expect((await head(path)).status).toBe(404);
  });

  test('appends of another type, or that leave things unsaid', async () => {
    const path = pathOf(await create('unsaid', { 'Upload-Complete': '?0' }, 'abc'));
    const other = await append(path, 3, true, 'x', { 'Content-Type': 'application/octet-stream' });
    expect({ status: other.status, 'accept-patch': other.headers.get('accept-patch') }).toEqual({
      status: 415,
      'accept-patch': 'application/partial-upload',
    });
    // A value of the wrong type is refused, never taken for none.
    for (const bad of [
      { 'Upload-Complete': '1' },
      { 'Upload-Complete': 'true' },
      { 'Upload-Offset': '"3"' },
      { 'Upload-Offset': '-3' },
    ] as Record<string, string>[]) {
      expect((await append(path, 3, true, 'x', bad)).status).toBe(400);
    }
    expect((await head(path)).headers.get('upload-offset')).toBe('3');
  });

  test('DELETE cancels an upload', async () => {
    const path = pathOf(await create('cancelled', { 'Upload-Complete': '?0' }, 'abc'));
    expect((await world.ask('DELETE', path, { headers: spoken({}) })).status).toBe(200);
    expect((await head(path)).status).toBe(404);
    expect((await append(path, 3, true, 'x')).status).toBe(404);
  });

  test('OPTIONS shows the limits to anybody', async () => {
    for (const path of [`/artifacts/${name('any')}/data`, '/upload/00000000-0000-4000-8000-000000000000']) {
      const told = await world.ask('OPTIONS', path, { as: null, headers: spoken({}) });
      expect({ status: told.status, ...fields(told, 'upload-limit', 'accept-patch') }).toEqual({
        status: 204,
        'upload-limit': 'max-size=1073741824,min-size=0',
        'accept-patch': 'application/partial-upload',
      });
    }
    expect((await create('huge', { 'Upload-Complete': '?0', 'Upload-Length': String(1024 ** 3 + 1) })).status).toBe(
      413,
    );
  });

  test('digests: of the whole, of a part, and the running one', async () => {
    const begun = await create(
      'digests',
      { 'Upload-Complete': '?0', 'Repr-Digest': digest('sha512', 'abcdefg'), 'Want-Repr-Digest': 'sha-512=5' },
      'abc',
    );
    expect(begun.headers.get('repr-digest')).toBe(digest('sha512', 'abc'));
    const path = pathOf(begun);
    expect((await append(path, 3, false, 'dex', { 'Content-Digest': digest('sha256', 'def') })).status).toBe(400);
    expect((await head(path)).headers.get('upload-offset')).toBe('3');
    const part = await append(path, 3, false, 'de', {
      'Content-Digest': digest('sha256', 'de'),
      'Want-Repr-Digest': 'sha-512=5',
    });
    expect({ status: part.status, 'repr-digest': part.headers.get('repr-digest') }).toEqual({
      status: 204,
      'repr-digest': digest('sha512', 'abcde'),
    });
    const wrong = await append(path, 5, true, 'x');
    expect(wrong.status).toBe(400);
    expect((await world.ask('GET', `/artifacts/${name('digests')}`)).status).toBe(404);
    expect(
      (await create('digests', { 'Upload-Complete': '?1', 'Repr-Digest': digest('sha256', 'other') }, 'abc')).status,
    ).toBe(400);
    expect((await create('digests', { 'Repr-Digest': 'nonsense' }, 'abc')).status).toBe(400);
  });

  test('bytes that the caller can read already need not be sent', async () => {
    const content = randomBytes(100).toString('hex');
    await world.push(name('known'), Buffer.from(content));
    const claimed = await create('claimed', {
      'Upload-Complete': '?0',
      'Upload-Length': String(content.length),
      'Repr-Digest': digest('sha512', content),
    });
    expect({ status: claimed.status, 'upload-complete': claimed.headers.get('upload-complete') }).toEqual({
      status: 201,
      'upload-complete': '?1',
    });
    expect(claimed.json<Made>()).toMatchObject({ index: 1, sha512: hex(content) });
    expect(await stored(name('claimed'))).toBe(content);
    const stranger = await world.addNamespace(name('stranger'));
    const theirs = await world.ask('POST', '/artifacts/stolen/data', {
      as: stranger,
      headers: spoken({ 'Upload-Complete': '?0', 'Repr-Digest': digest('sha512', content) }),
    });
    expect(theirs.headers.get('upload-complete')).toBe('?0');
  });

  test('104 tells where the upload is, and how much of it is safe, to those who ask for it', async () => {
    const size = 80 * 1024 * 1024;
    const connection = await RawConnection.open(world.url);
    connection.head(
      'PUT',
      `/artifacts/${name('told')}/data`,
      spoken({
        Authorization: `Bearer ${await world.token()}`,
        'Upload-Complete': '?1',
        'Content-Length': String(size),
      }),
    );
    connection.send(Buffer.alloc(size));
    const told: RawAnswer[] = [];
    for (;;) {
      told.push(await connection.answer());
      if (told.at(-1)!.status >= 200) break;
    }
    connection.close();
    const interim = told.slice(0, -1);
    expect(told.at(-1)!.status).toBe(201);
    expect(interim.every(({ status }) => status === 104)).toBe(true);
    if (version === undefined) return void expect(interim).toEqual([]);
    expect(interim[0]!.headers).toMatchObject({
      'upload-draft-interop-version': version,
      location: expect.stringMatching(/^\/upload\/[0-9a-f-]{36}$/) as string,
    });
    expect(interim[0]!.headers['upload-limit']).toContain('max-size=');
    const progress = interim.slice(1);
    expect(progress.length).toBeGreaterThan(0);
    for (const { headers } of progress) {
      expect(headers).not.toHaveProperty('location');
      expect(Number(headers['upload-offset'])).toBeLessThanOrEqual(size);
    }
  });

  test('what arrived before the line dropped lies where 104 said', async () => {
    const before = await received();
    const connection = await RawConnection.open(world.url);
    connection.head(
      'PUT',
      `/artifacts/${name('dropped')}/data`,
      spoken({
        Authorization: `Bearer ${await world.token()}`,
        'Upload-Complete': '?1',
        'Content-Length': '1000000',
      }),
    );
    connection.send(Buffer.alloc(600_000, 'a'));
    // Without 104 the upload is found among the caller's.
    const path = version === undefined ? undefined : (await connection.answer()).headers['location']!;
    await eventually(async () => (await received()) >= before + 600_000);
    connection.reset();
    const open = await world.get<{ uuid: string; length: number | null }[]>('GET', '/upload');
    const place = path ?? `/upload/${open.find(({ length }) => length === 1_000_000)!.uuid}`;
    expect(fields(await head(place), 'upload-offset', 'upload-length')).toEqual({
      'upload-offset': '600000',
      'upload-length': '1000000',
    });
    expect((await append(place, 600_000, true, 'b'.repeat(400_000))).status).toBe(200);
    expect(await stored(name('dropped'))).toBe('a'.repeat(600_000) + 'b'.repeat(400_000));
  });
});

/** Bytes of bodies that the server has read. */
async function received(): Promise<number> {
  const text = (await world.ask('GET', '/metrics')).bytes.toString();
  return Number(/^stowage_received_bytes_total (\S+)/m.exec(text)?.[1] ?? 0);
}

describe('plain uploads to a name', () => {
  test('as curl -T sends them, again and again', async () => {
    for (const [index, content] of ['one', 'two'].entries()) {
      const made = await world.ask('PUT', '/artifacts/plain/data', { body: content });
      expect({ status: made.status, index: made.json<Made>().index }).toEqual({ status: 201, index: index + 1 });
    }
    expect(await stored('plain')).toBe('two');
    expect((await world.ask('GET', '/artifacts/plain/versions/1/data')).bytes.toString()).toBe('one');
  });

  test('to an artifact by its uuid, whatever its type', async () => {
    const image = await world.push('disk', Buffer.from('old'), { json: { artifact_type: 'image' } });
    expect((await world.ask('PUT', `/artifacts/${image.uuid}/data`, { body: 'new' })).json<Made>()).toMatchObject({
      artifact_uuid: image.uuid,
      index: 2,
    });
    expect((await world.ask('PUT', '/artifacts/disk/data', { body: 'newer' })).json<Made>()).toMatchObject({
      artifact_uuid: image.uuid,
      index: 3,
    });
  });

  test('nobody, nowhere and nonsense are refused before a byte is read', async () => {
    const before = await world.get<unknown[]>('GET', '/upload');
    expect((await world.ask('PUT', '/artifacts/plain/data', { as: null, body: 'x' })).status).toBe(401);
    expect((await world.ask('PUT', '/artifacts/00000000-0000-4000-8000-000000000000/data', { body: 'x' })).status).toBe(
      404,
    );
    expect((await world.ask('PUT', `/artifacts/${'n'.repeat(1025)}/data`, { body: 'x' })).status).toBe(400);
    expect(await world.get<unknown[]>('GET', '/upload')).toHaveLength(before.length);
  });
});

describe('104', () => {
  const begin = async (headers: Record<string, string>, line = 'HTTP/1.1'): Promise<string> => {
    const connection = await RawConnection.open(world.url);
    const all = {
      Authorization: `Bearer ${await world.token()}`,
      'Upload-Complete': '?1',
      'Content-Length': '3',
      ...headers,
    };
    connection.send(
      `PUT /artifacts/asked/data ${line}\r\nHost: test\r\n${Object.entries(all)
        .map(([key, value]) => `${key}: ${value}\r\n`)
        .join('')}\r\nabc`,
    );
    const { status } = await connection.answer();
    connection.close();
    return String(status);
  };

  test('is for versions that this server knows, and never for HTTP/1.0', async () => {
    expect(await begin({ 'Upload-Draft-Interop-Version': '8' })).toBe('104');
    for (const other of ['3', '5', '10', 'x'])
      expect(await begin({ 'Upload-Draft-Interop-Version': other })).toBe('201');
    expect(await begin({ 'Upload-Draft-Interop-Version': '8' }, 'HTTP/1.0')).toBe('201');
  });

  const shown = ['Via', 'Forwarded', 'X-Forwarded-For', 'X-Forwarded-Proto', 'X-Real-IP'].map(
    (field) => [field, 'proxy'] as const,
  );
  test.each([...shown, ['Connection', 'close'] as const])(
    'is not sent where %s: %s shows a proxy',
    async (field, value) => {
      expect(await begin({ 'Upload-Draft-Interop-Version': '8', [field]: value })).toBe('201');
    },
  );

  test('comes three times in a request at most, at growing distances', () => {
    const sent: string[] = [];
    const req = { httpVersion: '1.1', headers: { 'upload-draft-interop-version': '8' } };
    const res = {
      headersSent: false,
      destroyed: false,
      _writeRaw: (text: string) => sent.push(text) > 0,
    };
    for (let kept = 0; kept < 2 ** 36; kept += 64 * 1024 * 1024)
      tellResumption(req, res, kept, { 'Upload-Offset': kept });
    const offsets = sent.map((text) => Number(/Upload-Offset: (\d+)/.exec(text)?.[1]));
    expect(offsets).toEqual([0, 64 * 1024 * 1024, 512 * 1024 * 1024]);
  });

  test('104 can be switched off', async () => {
    const silent = await openWorld({ env: { STOWAGE_SEND_104: 'off' } });
    const connection = await RawConnection.open(silent.url);
    connection
      .head('PUT', '/artifacts/asked/data', {
        Authorization: `Bearer ${await silent.token()}`,
        'Upload-Complete': '?1',
        'Content-Length': '3',
        'Upload-Draft-Interop-Version': '8',
      })
      .send('abc');
    expect((await connection.answer()).status).toBe(201);
    connection.close();
    await silent.close();
  });
});

describe('a refusal', () => {
  const draft = { 'Upload-Complete': '?0', 'Upload-Draft-Interop-Version': '8' };
  const begin = async (headers: Record<string, string> = {}): Promise<string> => {
    const made = await world.ask('PUT', '/artifacts/refused/data', { headers: { ...draft, ...headers } });
    return made.headers.get('location')!;
  };
  const append = (place: string, headers: Record<string, string>, body = 'abc'): Promise<Answered> => {
    const usual = { 'Content-Type': 'application/partial-upload', 'Upload-Offset': '0', 'Upload-Complete': '?0' };
    return world.ask('PATCH', place, { body, headers: { ...usual, ...headers } });
  };
  const told = ({ status, headers, json }: Answered): unknown => {
    return {
      status,
      complete: headers.get('upload-complete'),
      contentType: headers.get('content-type'),
      type: json<{ type: string }>().type.split('#').at(-1),
    };
  };

  test.each([
    ['of another media type', 415, 'about:blank', { 'Content-Type': 'application/octet-stream' }],
    ['without an offset', 400, 'about:blank', { 'Upload-Offset': 'x' }],
    ['without a word on completeness', 400, 'about:blank', { 'Upload-Complete': 'yes' }],
    ['of a wrong digest', 400, 'about:blank', { 'Content-Digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` }],
    ['at another offset', 409, 'mismatching-upload-offset', { 'Upload-Offset': '1' }],
    ['of another length', 400, 'inconsistent-upload-length', { 'Upload-Length': '7' }],
    ['beyond the length', 413, 'inconsistent-upload-length', {}, 'abcdefgh'],
  ])(
    'of an append %s says that the upload is not complete, in a problem document',
    async (_, status, type, headers, body = 'abc') => {
      const place = await begin({ 'Upload-Length': '5' });
      expect(told(await append(place, headers, body))).toEqual({
        status,
        complete: '?0',
        contentType: 'application/problem+json',
        type,
      });
    },
  );

  test('of an upload that nobody knows, or whose sender nobody knows', async () => {
    expect(told(await append('/upload/00000000-0000-4000-8000-000000000000', {}))).toEqual({
      status: 404,
      complete: '?0',
      contentType: 'application/problem+json',
      type: 'about:blank',
    });
    const anonymous = await world.ask('PATCH', await begin(), { as: null, headers: draft });
    expect(told(anonymous)).toEqual({
      status: 401,
      complete: '?0',
      contentType: 'application/problem+json',
      type: 'about:blank',
    });
  });

  test('of an upload that is too large says how large one may be, also by a capability', async () => {
    const huge = await world.ask('PUT', '/artifacts/huge/data', {
      headers: { ...draft, 'Upload-Length': '900000000000000' },
    });
    expect(told(huge)).toEqual({
      status: 413,
      complete: '?0',
      contentType: 'application/problem+json',
      type: 'about:blank',
    });
    expect(huge.headers.get('upload-limit')).toContain(`max-size=${world.core.uploads.limits.maxSize}`);
    const granted = await world.get<{ put: string }>('POST', '/capabilities', {
      json: { artifact: 'small', max_size: 4 },
    });
    const small = await world.ask('PUT', granted.put, { as: null, headers: { ...draft, 'Upload-Length': '5' } });
    expect(told(small)).toEqual({
      status: 413,
      complete: '?0',
      contentType: 'application/problem+json',
      type: 'about:blank',
    });
    expect(small.headers.get('upload-limit')).toContain('max-size=4,');
    const grown = await world.ask('PUT', granted.put, { as: null, body: 'abcdefgh', headers: draft });
    expect({
      status: grown.status,
      'upload-complete': grown.headers.get('upload-complete'),
      'upload-limit': grown.headers.get('upload-limit'),
    }).toEqual({ status: 413, 'upload-complete': '?0', 'upload-limit': expect.stringContaining('max-size=4,') });
  });

  test('of what was sent whole, and is not what was promised, says that sending more would not help', async () => {
    const headers = {
      ...draft,
      'Upload-Complete': '?1',
      'Repr-Digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:`,
    };
    const wrong = await world.ask('PUT', '/artifacts/wrong/data', { body: 'abc', headers });
    expect(told(wrong)).toEqual({
      status: 400,
      complete: '?1',
      contentType: 'application/problem+json',
      type: 'about:blank',
    });
  });

  test.each([
    ['PUT', '/artifacts/%FF/data'],
    ['POST', '/artifacts/a%00b/data'],
    ['PATCH', '/upload/%FF'],
  ])('of %s %s, whose path is no text, is a problem document that says so too', async (method, path) => {
    expect(told(await world.ask(method, path, { headers: draft }))).toEqual({
      status: 400,
      complete: '?0',
      contentType: 'application/problem+json',
      type: 'about:blank',
    });
    expect((await world.ask(method, path, {})).headers.get('content-type')).toContain('application/json');
  });

  test.each(['sha-256', 'md5', 'sha'])(
    'of an upload without bytes that has another %s is one of the request',
    async (name) => {
      const algorithm = name === 'sha' ? 'sha1' : name.replace('-', '');
      const right = createHash(algorithm).digest();
      const sent = (value: Buffer): Promise<Answered> =>
        world.ask('PUT', `/artifacts/none-${name}/data`, {
          headers: {
            ...draft,
            'Upload-Complete': '?1',
            'Content-Length': '0',
            'Repr-Digest': `${name}=:${value.toString('base64')}:`,
          },
        });
      expect(told(await sent(Buffer.alloc(right.length)))).toEqual({
        status: 400,
        complete: '?1',
        contentType: 'application/problem+json',
        type: 'about:blank',
      });
      expect((await sent(right)).status).toBe(201);
    },
  );
});
