/** Only the server's user can access the store, also in an existing folder. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Served } from '../support/served.ts';

const key = 'the-key-of-the-private-store';
let base: string;
let folder: string;
let served: Served;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'stowage-'));
  folder = join(base, 'store');
  await mkdir(folder);
  // As an administrator makes a folder, whatever umask the tests run with.
  await chmod(folder, 0o755);
});
afterEach(async () => {
  await served.kill();
  await rm(base, { recursive: true, force: true });
});

const start = async (): Promise<void> => {
  served = await Served.start({
    STOWAGE_PORT: '0',
    STOWAGE_STORAGE_DIR: folder,
    STOWAGE_SYSTEM_KEY: key,
    STOWAGE_LOG_LEVEL: 'silent',
    STOWAGE_HEADROOM: '0',
  });
};

async function store(): Promise<void> {
  const login = await fetch(`${served.url}/auth`, {
    method: 'POST',
    body: JSON.stringify({ namespace: 'system', key }),
  });
  const { access_token: token } = (await login.json()) as { access_token: string };
  const headers = { Authorization: `Bearer ${token}` };
  for (const [name, size] of [
    ['small', 100],
    ['large', 300_000],
  ] as const) {
    await fetch(`${served.url}/artifacts/${name}/data`, { method: 'PUT', headers, body: randomBytes(size) });
  }
  const { uuid } = (await (await fetch(`${served.url}/upload`, { method: 'POST', headers })).json()) as {
    uuid: string;
  };
  await fetch(`${served.url}/upload/${uuid}`, { method: 'POST', headers, body: randomBytes(1000) });
}

/** What others may read, write or enter. */
async function open(): Promise<string[]> {
  const names = ['.', ...(await readdir(folder, { recursive: true }))];
  const found: string[] = [];
  for (const name of names) if (((await stat(join(folder, name))).mode & 0o077) !== 0) found.push(name);
  return found;
}

test('a store that is made in a folder that others can read', async () => {
  await start();
  await store();
  const names = await readdir(folder);
  for (const file of ['catalog.sqlite', 'catalog.sqlite-wal', 'catalog.sqlite-shm', 'node.json', 'in-use.sqlite'])
    expect(names).toContain(file);
  expect(await open()).toEqual([]);
});

test('a store whose files others can read, as older versions left them', async () => {
  await start();
  await store();
  await served.kill();
  for (const name of ['.', 'uploads', 'blobs', 'quarantine']) await chmod(join(folder, name), 0o755);
  for (const name of await readdir(folder))
    if ((await stat(join(folder, name))).isFile()) await chmod(join(folder, name), 0o644);
  expect(await open()).toContain('catalog.sqlite-wal');
  await start();
  await store();
  expect(await open()).toEqual([]);
});
