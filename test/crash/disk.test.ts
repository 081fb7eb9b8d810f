/** A real server on a disk that is full, or fails to write or sync. */
import { fork, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const data = randomBytes(1_500_000);
let folder: string;
let server: ChildProcess;
let url: string;
let token: string;

async function start(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'stowage-disk-'));
  server = fork(fileURLToPath(new URL('./faulty-server.js', import.meta.url)), [folder]);
  [{ url }] = (await once(server, 'message')) as [{ url: string }];
  const answer = await fetch(`${url}/auth`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ namespace: 'system', key: 'the-key-of-the-faulty-server' }),
  });
  ({ access_token: token } = (await answer.json()) as { access_token: string });
}

async function stop(): Promise<void> {
  const ended = once(server, 'exit');
  server.disconnect();
  await ended;
  await rm(folder, { recursive: true });
}

beforeAll(start);
afterAll(stop);
/** Tells the disk to work again. A store that trusts its disk no more has to be a new one. */
afterEach(async () => {
  await fail('sync', '', 0);
  if ((await ask('GET', '/readyz')).status === 200) return;
  await stop();
  await start();
});

type Failing = 'write' | 'sync' | 'folder' | 'folderSync';

async function fail(call: Failing | undefined, code = '', times = Infinity): Promise<Record<Failing, number>> {
  server.send({ call, code, times: times === Infinity ? 1e9 : times });
  const [{ counted }] = (await once(server, 'message')) as [{ counted: Record<Failing, number> }];
  return counted;
}

async function ask(
  method: string,
  path: string,
  body?: BodyInit,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Buffer }> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
}

const json = (answer: { body: Buffer }): Record<string, unknown> =>
  JSON.parse(answer.body.toString()) as Record<string, unknown>;

async function begin(): Promise<string> {
  return json(await ask('POST', '/upload'))['uuid'] as string;
}

const sizeOf = async (id: string): Promise<unknown> => json(await ask('GET', `/upload/${id}`))['size'];

async function convert(id: string, name: string): Promise<void> {
  const answer = await ask('POST', `/artifacts/upload/${name}`, JSON.stringify({ upload_uuid: id }), {
    'Content-Type': 'application/json',
  });
  expect(answer.status).toBe(200);
  const { body } = await ask('GET', `/artifacts/${name}/data`);
  expect(createHash('sha256').update(body).digest('hex')).toBe(createHash('sha256').update(data).digest('hex'));
}

test.each([
  ['ENOSPC', 507],
  ['EDQUOT', 507],
  ['EIO', 503],
  ['EROFS', 503],
])(
  '%s on write: nothing is acknowledged, nothing is lost, and it goes on when the fault is gone',
  async (code, status) => {
    const id = await begin();
    await ask('POST', `/upload/${id}`, data.subarray(0, 500_000));
    const other = await begin();
    await ask('POST', `/upload/${other}`, data);
    await convert(other, 'whole');
    await fail('write', code);
    for (const headers of [{}, { 'Upload-Offset': '500000' }]) {
      expect(
        (await ask('POST', `/upload/${id}`, data.subarray(500_000), headers as Record<string, string>)).status,
      ).toBe(status);
      expect(await sizeOf(id)).toBe(500_000);
    }
    expect((await ask('GET', '/artifacts/whole/data')).body.equals(data)).toBe(true);
    expect((await ask('DELETE', '/artifacts/whole')).status).toBe(200);
    await fail('write', '', 0);
    expect((await ask('POST', `/upload/${id}`, data.subarray(500_000))).body.toString()).toBe(String(data.length));
    await convert(id, 'finished');
  },
);

test('a failed sync refuses the append, is not tried again, and its bytes have to be sent again', async () => {
  const id = await begin();
  await ask('POST', `/upload/${id}`, data.subarray(0, 500_000));
  await fail('sync', 'EIO', 1);
  expect((await ask('POST', `/upload/${id}`, data.subarray(500_000), { 'Upload-Offset': '500000' })).status).toBe(503);
  // One for the append that failed; one for the cut that took its bytes back, which is other work.
  expect((await fail(undefined)).sync).toBeLessThanOrEqual(2);
  expect(await sizeOf(id)).toBe(500_000);
  expect((await ask('GET', '/readyz')).status).toBe(200);
  expect((await ask('POST', `/upload/${id}`, data.subarray(500_000), { 'Upload-Offset': '500000' })).status).toBe(200);
  await convert(id, 'after-all');
});

test('a disk that fails to sync again is not trusted any more: the store reads, and says why it does not write', async () => {
  const id = await begin();
  await ask('POST', `/upload/${id}`, data);
  await convert(id, 'before');
  const next = await begin();
  await fail('sync', 'EIO');
  expect((await ask('POST', `/upload/${next}`, data)).status).toBe(503);
  await ask('POST', `/upload/${next}`, data);
  await fail('sync', '', 0);
  const refused = await ask('POST', `/upload/${next}`, data);
  expect({ status: refused.status, code: json(refused)['code'] }).toEqual({ status: 503, code: 'unavailable' });
  expect((await ask('GET', '/readyz')).status).toBe(503);
  expect((await ask('GET', '/livez')).status).toBe(200);
  expect((await ask('GET', '/artifacts/before/data')).body.equals(data)).toBe(true);
});

test.each(['EMFILE', 'ENFILE', 'ENOMEM', 'EACCES'])(
  '%s at the open of a folder to sync refuses that request, and the store goes on',
  async (code) => {
    const id = await begin();
    await fail('folder', code, 1);
    expect((await ask('POST', `/upload/${id}`, data)).status).toBe(503);
    expect((await fail(undefined)).folder).toBe(1);
    expect(await sizeOf(id)).toBe(0);
    expect((await ask('GET', '/readyz')).status).toBe(200);
    expect((await ask('POST', `/upload/${id}`, data)).status).toBe(200);
    await fail('folder', code, 1);
    const conversion = JSON.stringify({ upload_uuid: id });
    expect(
      (await ask('POST', '/artifacts/upload/refused', conversion, { 'Content-Type': 'application/json' })).status,
    ).toBe(503);
    await convert(id, 'kept');
  },
);

test('a folder that failed to sync makes the store read-only: it is unknown which names are on disk', async () => {
  const id = await begin();
  await fail('folderSync', 'EIO', 1);
  expect((await ask('POST', `/upload/${id}`, data)).status).toBe(503);
  expect((await ask('GET', '/readyz')).status).toBe(503);
  expect((await ask('POST', `/upload/${id}`, data)).status).toBe(503);
});
