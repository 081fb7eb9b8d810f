/** tus-js-client from the registry, unmodified, over a connection that breaks. */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { Upload, type UploadOptions } from 'tus-js-client';
import { blackHoleAfter, openProxy, resetAfter, resetAfterRequest, type Fault, type Proxy } from '../support/cut.ts';
import { openWorld, type World } from '../support/world.ts';

const MiB = 1024 * 1024;
const content = randomBytes(12 * MiB + 3);

let world: World;
let proxy: Proxy;
let headers: Record<string, string>;

beforeAll(async () => {
  world = await openWorld();
  proxy = await openProxy({ host: '127.0.0.1', port: Number(new URL(world.url).port) });
  headers = { Authorization: `Bearer ${await world.token()}` };
});
afterAll(async () => {
  await proxy.close();
  await world.close();
});

/** Uploads as an application does; answers the client's last word. */
function send(name: string, options: Partial<UploadOptions>, source: Buffer | Readable = content): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const upload = new Upload(source, {
      endpoint: `${proxy.url}/tus`,
      headers,
      metadata: { filename: name, filetype: 'application/octet-stream' },
      retryDelays: Array.from({ length: 20 }, () => 20),
      onError: reject,
      onSuccess: () => resolve(upload),
      ...options,
    });
    upload.start();
  });
}

const stored = async (name: string): Promise<Buffer> => (await world.ask('GET', `/artifacts/${name}/data`)).bytes;

test('a file goes in one request', async () => {
  await send('plain', {});
  expect((await stored('plain')).equals(content)).toBe(true);
});

test('a file goes in chunks', async () => {
  await send('chunks', { chunkSize: MiB });
  expect((await stored('chunks')).equals(content)).toBe(true);
});

test('the creation brings the first bytes', async () => {
  await send('during', { uploadDataDuringCreation: true, chunkSize: 3 * MiB });
  expect((await stored('during')).equals(content)).toBe(true);
});

test('a stream of unknown length is uploaded', async () => {
  await send('deferred', { uploadLengthDeferred: true, chunkSize: MiB }, Readable.from(pieces()));
  expect((await stored('deferred')).equals(content)).toBe(true);
});

test('parallel uploads are joined at the end', async () => {
  await send('parallel', { parallelUploads: 3 });
  expect((await stored('parallel')).equals(content)).toBe(true);
});

/** A line of its own, since the client keeps connections. */
async function broken(faults: readonly Fault[], work: (line: Proxy) => Promise<unknown>): Promise<number> {
  const line = await openProxy({ host: '127.0.0.1', port: Number(new URL(world.url).port) });
  line.script(...faults);
  await work(line);
  expect(line.connections.length).toBeGreaterThan(faults.length);
  const arrived = line.connections.reduce((sum, { arrived: bytes }) => sum + bytes, 0);
  await line.close();
  return arrived;
}

test('connections that are reset cost little that is sent twice', async () => {
  const faults = [resetAfter(3 * MiB), resetAfter(400), resetAfter(2 * MiB), resetAfterRequest(), resetAfter(70_000)];
  const arrived = await broken(faults, (line) => send('resets', { endpoint: `${line.url}/tus` }));
  expect((await stored('resets')).equals(content)).toBe(true);
  // At most 64 KiB of what arrived may be lost at each break; heads of requests count too.
  expect(arrived - content.length).toBeLessThan(faults.length * 64 * 1024 + 64 * 1024);
}, 60_000);

test('a dead connection, which the server has not noticed, does not keep the client from going on', async () => {
  const faults = [blackHoleAfter(2 * MiB), blackHoleAfter(1000), blackHoleAfter(3 * MiB)];
  await broken(faults, (line) => send('holes', { endpoint: `${line.url}/tus` }));
  expect((await stored('holes')).equals(content)).toBe(true);
}, 60_000);

test('an upload that was given up is continued by its URL, or ended', async () => {
  const upload = await new Promise<Upload>((resolve, reject) => {
    const started: Upload = new Upload(content, {
      endpoint: `${proxy.url}/tus`,
      headers,
      metadata: { filename: 'given-up' },
      chunkSize: MiB,
      onError: reject,
      onChunkComplete: (_size, done) => {
        if (done >= 4 * MiB) void started.abort().then(() => resolve(started));
      },
    });
    started.start();
  });
  await send('given-up', { uploadUrl: upload.url });
  expect((await stored('given-up')).equals(content)).toBe(true);
  const doomed = await send('doomed-part', { metadata: {} });
  await doomed.abort(true);
  expect(
    (await world.ask('HEAD', new URL(doomed.url!).pathname, { headers: { 'Tus-Resumable': '1.0.0' } })).status,
  ).toBe(404);
});

function* pieces(): Generator<Buffer> {
  for (let at = 0; at < content.length; at += 100_000) yield content.subarray(at, at + 100_000);
}
