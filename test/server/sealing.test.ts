/** A conversion publishes exactly the acknowledged bytes, whatever happened to the file. */
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { openWorld, type World } from '../support/world.ts';

const lines: string[] = [];
const log = pino(
  { level: 'error' },
  new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      done();
    },
  }),
);
let world: World;

beforeEach(async () => {
  lines.length = 0;
  world = await openWorld({ log });
});
afterEach(() => world.close());

const stage = (uuid: string): string => join(world.folder, 'uploads', uuid);
const convert = (uuid: string) => world.ask('POST', '/artifacts/upload/thing', { json: { upload_uuid: uuid } });
const offset = async (uuid: string): Promise<number> =>
  Number((await world.ask('HEAD', `/upload/${uuid}`)).headers.get('upload-offset'));

// Those of the larger size are hashed by a thread while they come, so that their digest is known without the file.
describe.each([5000, 700_000])('an upload of %i bytes', (size) => {
  const data = randomBytes(size);

  test('whose file lost its end is not published, and the next start says what is gone', async () => {
    const uuid = await world.upload(data);
    await truncate(stage(uuid), size - 1);
    expect((await convert(uuid)).status).toBeGreaterThanOrEqual(500);
    expect((await world.ask('GET', '/artifacts/thing')).status).toBe(404);
    lines.length = 0;
    await world.restart();
    const said = lines.find((line) => line.includes('acknowledged bytes are missing'))!;
    expect(JSON.parse(said)).toMatchObject({ damaged: [{ id: uuid, recorded: size, found: size - 1 }] });
    expect(await offset(uuid)).toBe(size - 1);
    await world.get('POST', `/upload/${uuid}`, {
      body: data.subarray(size - 1),
      headers: { 'Upload-Offset': String(size - 1) },
    });
    expect((await convert(uuid)).status).toBe(200);
    expect((await world.ask('GET', '/artifacts/thing/data')).bytes.equals(data)).toBe(true);
  });

  test('whose file is gone is not published', async () => {
    const uuid = await world.upload(data);
    await truncate(stage(uuid), 0);
    expect((await convert(uuid)).status).toBeGreaterThanOrEqual(500);
    expect((await world.ask('GET', '/artifacts/thing')).status).toBe(404);
  });

  test('whose file has more than was acknowledged is published without that', async () => {
    const uuid = await world.upload(data);
    await appendFile(stage(uuid), 'what an append left that failed');
    // Digests are of what was acknowledged, too: an algorithm other than sha512 is computed from the file.
    const wish = { upload_uuid: uuid };
    const headers = { 'Repr-Digest': `sha-256=:${createHash('sha256').update(data).digest('base64')}:` };
    expect((await world.ask('POST', '/artifacts/upload/thing', { json: wish, headers })).status).toBe(200);
    expect((await world.ask('GET', '/artifacts/thing/data')).bytes.equals(data)).toBe(true);
  });
});

test('bytes that joined uploads lost are not published either', async () => {
  const headers = {
    'Tus-Resumable': '1.0.0',
    'Upload-Concat': 'partial',
    'Content-Type': 'application/offset+octet-stream',
  };
  const parts: string[] = [];
  for (const size of [40_000, 50_000]) {
    const made = await world.ask('POST', '/tus', {
      headers: { ...headers, 'Upload-Length': String(size) },
      body: randomBytes(size),
    });
    parts.push(made.headers.get('location')!);
  }
  await truncate(stage(parts[1]!.split('/').at(-1)!), 49_999);
  const metadata = `artifact ${Buffer.from('thing').toString('base64')}`;
  const concat = `final;${parts.join(' ')}`;
  const ended = await world.ask('POST', '/tus', {
    headers: { 'Tus-Resumable': '1.0.0', 'Upload-Concat': concat, 'Upload-Metadata': metadata },
  });
  expect(ended.status).toBeGreaterThanOrEqual(500);
  expect((await world.ask('GET', '/artifacts/thing')).status).toBe(404);
});
