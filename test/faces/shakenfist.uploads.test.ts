/** Appends over the wire: raw bytes, broken connections, concurrent appends, declared digests. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { unread } from '../support/cut.ts';
import { eventually, RawConnection } from '../support/raw.ts';
import { openWorld, type World } from '../support/world.ts';

let world: World;
let uuid: string;
let auth: string;
const open: RawConnection[] = [];

beforeAll(
  async () => void (world = await openWorld({ env: { STOWAGE_MIN_RATE: '1kB', STOWAGE_RATE_WINDOW: '400ms' } })),
);
afterAll(() => world.close());
beforeEach(async () => {
  uuid = await world.upload(Buffer.alloc(0));
  auth = `Bearer ${await world.token()}`;
});
afterEach(() => {
  for (const connection of open.splice(0)) connection.close();
});

async function connect(): Promise<RawConnection> {
  const connection = await RawConnection.open(world.url);
  open.push(connection);
  return connection;
}

/** An append on a connection of its own, its body still to come. */
async function appending(headers: Record<string, string | number>): Promise<RawConnection> {
  return (await connect()).head('POST', `/upload/${uuid}`, { Authorization: auth, ...headers });
}

const size = async (): Promise<number> => (await world.get<{ size: number }>('GET', `/upload/${uuid}`)).size;
const receiving = async (): Promise<boolean> =>
  (await world.get<{ receiving: boolean }>('GET', `/upload/${uuid}`)).receiving;

/** Bytes of bodies that the server has taken from its sockets. */
async function received(): Promise<number> {
  return Number(
    /^stowage_received_bytes_total (\d+)$/m.exec((await world.ask('GET', '/metrics')).bytes.toString())![1],
  );
}

async function content(): Promise<string> {
  await world.get('POST', `/artifacts/upload/${uuid.slice(0, 8)}`, { json: { upload_uuid: uuid } });
  return (await world.ask('GET', `/artifacts/${uuid.slice(0, 8)}/data`)).bytes.toString();
}

describe('a body is bytes', () => {
  test.each([
    '{}',
    '[]',
    '7',
    'null',
    '"text"',
    '{"upload_uuid": "00000000-0000-4000-8000-000000000000"}',
    '{"__proto__": {"size": 1}}',
    '\0\0',
    'a=b&c[d]=e',
    '--x\r\n',
  ])('%j stays what it is', async (text) => {
    for (const type of [
      'application/octet-stream',
      'application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
    ]) {
      await world.get('POST', `/upload/${uuid}`, { body: text, headers: { 'Content-Type': type } });
    }
    expect(await content()).toBe(text.repeat(4));
  });

  test('what says that it is compressed is kept as it came', async () => {
    await world.get('POST', `/upload/${uuid}`, {
      body: Buffer.from([0x1f, 0x8b, 8, 0]),
      headers: { 'Content-Encoding': 'gzip' },
    });
    expect(await size()).toBe(4);
  });

  test('a chunked body is one too', async () => {
    const connection = await appending({ 'Transfer-Encoding': 'chunked' });
    connection.send('3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n');
    expect((await connection.answer()).body).toBe('5');
  });

  test('an empty append appends nothing', async () => {
    expect(await world.get('POST', `/upload/${uuid}`)).toBe(0);
    expect(await world.get('POST', `/upload/${uuid}`, { headers: { 'Upload-Offset': '0' } })).toBe(0);
  });
});

describe('a connection that breaks off', () => {
  test.each(['reset', 'end'] as const)('(%s): without an offset, nothing is kept', async (how) => {
    const connection = await appending({ 'Content-Length': 100 });
    connection.send('0123456789');
    await eventually(receiving);
    if (how === 'reset') connection.reset();
    else connection.socket.end();
    await eventually(async () => !(await receiving()));
    expect(await size()).toBe(0);
  });

  test.each(['reset', 'end'] as const)('(%s): with an offset, everything that arrived is', async (how) => {
    const connection = await appending({ 'Content-Length': 1_000_000, 'Upload-Offset': 0 });
    const before = await received();
    connection.send(Buffer.alloc(300_000));
    await eventually(async () => (await received()) >= before + 300_000);
    if (how === 'reset') connection.reset();
    else connection.socket.end();
    await eventually(async () => !(await receiving()));
    expect(await size()).toBe(300_000);
  });

  test('a chunked body without its last chunk is not whole', async () => {
    const connection = await appending({ 'Transfer-Encoding': 'chunked' });
    connection.send('3\r\nabc\r\n');
    await eventually(receiving);
    connection.socket.end();
    await eventually(async () => !(await receiving()));
    expect(await size()).toBe(0);
  });
});

describe('a newcomer', () => {
  test('makes a dead holder let go at once, and what that one brought is there', async () => {
    const dead = await appending({ 'Content-Length': 1_000_000, 'Upload-Offset': 0 });
    const before = await received();
    dead.send(Buffer.alloc(1000, 'a'));
    await eventually(async () => (await received()) === before + 1000);
    const head = await world.ask('HEAD', `/upload/${uuid}`);
    expect(head.headers.get('upload-offset')).toBe('1000');
    const superseded = await dead.answer();
    expect({ status: superseded.status, connection: superseded.headers['connection'] }).toEqual({
      status: 409,
      connection: 'close',
    });
    expect(JSON.parse(superseded.body)).toMatchObject({ code: 'superseded', offset: 1000 });
    expect(await world.get('POST', `/upload/${uuid}`, { body: 'b', headers: { 'Upload-Offset': '1000' } })).toBe(1001);
    await dead.end();
  });

  test('that only looks disturbs nobody', async () => {
    const slow = await appending({ 'Content-Length': 6, 'Upload-Offset': 0 });
    slow.send('abc');
    await eventually(receiving);
    for (let look = 0; look < 3; look += 1)
      expect(await world.get('GET', `/upload/${uuid}`)).toMatchObject({ receiving: true });
    slow.send('def');
    expect(await slow.answer()).toMatchObject({ status: 200, body: '6' });
  });

  test("with a blind append takes a blind one's place, and no bytes of it", async () => {
    const dead = await appending({ 'Content-Length': 1000 });
    dead.send('aaaa');
    await eventually(receiving);
    expect(await world.get('POST', `/upload/${uuid}`, { body: 'bbb' })).toBe(3);
    expect((await dead.answer()).status).toBe(409);
    expect(await content()).toBe('bbb');
  });
});

describe('the pace', () => {
  test('a body that falls silent is cut, and with an offset what it brought is kept', async () => {
    const silent = await appending({ 'Content-Length': 1000, 'Upload-Offset': 0 });
    silent.send('abc');
    const answer = await silent.answer();
    expect({ status: answer.status, connection: answer.headers['connection'] }).toEqual({
      status: 400,
      connection: 'close',
    });
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'interrupted', offset: 3 });
    expect(await size()).toBe(3);
    await silent.end();
  });

  test('a slow one that keeps it takes as long as it takes', async () => {
    const slow = await appending({ 'Content-Length': 20_000 });
    // Ten times the pace, so that a busy machine does not fall below it.
    await slow.drip(Array<Buffer>(20).fill(Buffer.alloc(1000)), 60);
    expect(await slow.answer()).toMatchObject({ status: 200, body: '20000' });
  });

  test('a JSON body keeps it too', async () => {
    const silent = (await connect()).head('POST', '/auth', { 'Content-Length': 100 });
    silent.send('{"namespace"');
    expect((await silent.answer()).status).toBe(400);
    await silent.end();
  });
});

describe('Expect: 100-continue', () => {
  const expecting = { Expect: '100-continue', 'Content-Length': 10 };

  test('what is welcome is asked for', async () => {
    const connection = await appending(expecting);
    expect((await connection.answer()).status).toBe(100);
    expect(await connection.send('0123456789').answer()).toMatchObject({ status: 200, body: '10' });
  });

  test.each([
    ['without a token', 401, { Authorization: 'Bearer x' }, undefined],
    ['at another offset', 409, { 'Upload-Offset': 5 }, undefined],
    ['with a nonsensical digest', 400, { 'Content-Digest': 'x' }, undefined],
    ['larger than any upload may be', 413, { 'Content-Length': 9_000_000_000_000 }, undefined],
    ['to an upload that is not there', 404, {}, '/upload/00000000-0000-4000-8000-000000000000'],
  ])('%s it is refused before a byte of the body', async (_title, status, headers, path) => {
    const connection = await connect();
    connection.head('POST', path ?? `/upload/${uuid}`, { Authorization: auth, ...expecting, ...headers });
    const answer = await connection.answer();
    expect({ status: answer.status, connection: answer.headers['connection'] }).toEqual({
      status,
      connection: 'close',
    });
    await connection.end();
  });
});

describe('a refusal before the body was read', () => {
  test('leaves the connection fit for use when the body is small', async () => {
    const connection = await connect();
    connection.head('POST', `/upload/${uuid}`, { Authorization: 'Bearer x', 'Content-Length': 2_000_000 });
    expect((await connection.answer()).status).toBe(401);
    connection.send(Buffer.alloc(2_000_000));
    connection.head('GET', '/livez');
    expect(await connection.answer()).toMatchObject({ status: 200, body: 'ok\n' });
  });

  test('ends it when the body is large, and the answer arrives all the same', async () => {
    const connection = await connect();
    connection.head('POST', `/upload/${uuid}`, { Authorization: 'Bearer x', 'Content-Length': 100_000_000 });
    connection.send(Buffer.alloc(1_000_000));
    const answer = await connection.answer();
    expect({ status: answer.status, connection: answer.headers['connection'] }).toEqual({
      status: 401,
      connection: 'close',
    });
    await connection.end();
  });
});

describe('digests', () => {
  const body = Buffer.from('promised');
  const digest = (algorithm: string, bytes = body): string =>
    `${algorithm}=:${createHash(algorithm.replace('-', '')).update(bytes).digest('base64')}:`;

  test('that match are fine, as are those that nobody here can check', async () => {
    const headers = { 'Content-Digest': `${digest('sha-512')}, ${digest('sha-256')}, unixsum=:AAAA:` };
    expect(await world.get('POST', `/upload/${uuid}`, { body, headers })).toBe(8);
  });

  test.each(['0', undefined])('that do not match leave the upload as it was (offset %s)', async (offset) => {
    const headers = {
      'Content-Digest': digest('sha-512', Buffer.from('else')),
      ...(offset ? { 'Upload-Offset': offset } : {}),
    };
    const answer = await world.ask('POST', `/upload/${uuid}`, { body, headers });
    expect(answer.json()).toMatchObject({ status: 400, code: 'digest_mismatch' });
    expect(await size()).toBe(0);
  });

  test('of the whole are checked when it is converted', async () => {
    await world.get('POST', `/upload/${uuid}`, { body });
    const convert = (headers: Record<string, string>): Promise<{ status: number }> =>
      world.ask('POST', '/artifacts/upload/promised', { json: { upload_uuid: uuid, size: 8 }, headers });
    expect((await convert({ 'Repr-Digest': digest('sha-256', Buffer.from('x')) })).status).toBe(400);
    expect((await convert({ 'Repr-Digest': digest('sha-512', Buffer.from('x')) })).status).toBe(400);
    expect(await size()).toBe(8);
    expect((await convert({ 'Repr-Digest': `${digest('sha-256')}, ${digest('sha-512')}` })).status).toBe(200);
  });
});

describe('an answer that was lost', () => {
  const agent = 'Mozilla/5.0 (Ubuntu; Linux x86_64) Shaken Fist/0.8';

  /** Sends a chunk, waits until it counts, and breaks the connection behind the answer. */
  async function lose(headers: Record<string, string>, how: 'reset' | 'end', chunk = '0'.repeat(50)): Promise<void> {
    const before = await size();
    const connection = await appending({ 'Content-Length': chunk.length, ...headers });
    connection.socket.pause();
    connection.send(chunk);
    await eventually(async () => (await size()) === before + chunk.length);
    await eventually(() => unread(connection.socket) > 0);
    if (how === 'reset') connection.reset();
    else connection.socket.destroy();
    await once(connection.socket, 'close');
  }

  test('by a reset: the same chunk again is known, and another is another', async () => {
    await lose({}, 'reset');
    expect(await world.get('POST', `/upload/${uuid}`, { body: '0'.repeat(50) })).toBe(50);
    expect(await world.get('POST', `/upload/${uuid}`, { body: '0'.repeat(50) })).toBe(100);
    await lose({}, 'reset');
    expect(await world.get('POST', `/upload/${uuid}`, { body: '1'.repeat(50) })).toBe(200);
  });

  test('by an orderly end, which from the old client means the same', async () => {
    await lose({ 'User-Agent': agent }, 'end');
    expect(await world.get('POST', `/upload/${uuid}`, { body: '0'.repeat(50), headers: { 'User-Agent': agent } })).toBe(
      50,
    );
  });

  test('from any other client an orderly end says nothing, and equal neighbours are two', async () => {
    const connection = await appending({ 'Content-Length': 3 });
    connection.send('000');
    expect((await connection.answer()).body).toBe('3');
    connection.socket.end();
    await connection.end();
    expect(await world.get('POST', `/upload/${uuid}`, { body: '000' })).toBe(6);
  });

  test('equal neighbours on one connection are two, before and after the first answer is recorded as delivered', async () => {
    for (const recorded of [false, true]) {
      const connection = await appending({ 'Content-Length': 3, 'User-Agent': agent });
      expect((await connection.send('000').answer()).status).toBe(200);
      // That the first answer arrived goes on record a while later.
      if (recorded)
        await eventually(
          async () => (await world.core.uploads.look({ namespace: 'system', credential: 'test' }, uuid)).lastAnswered,
        );
      connection
        .head('POST', `/upload/${uuid}`, { Authorization: auth, 'Content-Length': 3, 'User-Agent': agent })
        .send('000');
      expect((await connection.answer()).status).toBe(200);
    }
    expect(await size()).toBe(12);
  });
});

test('two uploads at once do not mix', async () => {
  const other = await world.upload(Buffer.alloc(0));
  const [a, b] = [randomBytes(3_000_000), randomBytes(3_000_000)];
  await Promise.all([
    world.get('POST', `/upload/${uuid}`, { body: a }),
    world.get('POST', `/upload/${other}`, { body: b }),
  ]);
  const sha = (bytes: Buffer): string => createHash('sha512').update(bytes).digest('hex');
  expect(await world.get('POST', '/artifacts/upload/a', { json: { upload_uuid: uuid } })).toMatchObject({
    sha512: sha(a),
  });
  expect(await world.get('POST', '/artifacts/upload/b', { json: { upload_uuid: other } })).toMatchObject({
    sha512: sha(b),
  });
});
