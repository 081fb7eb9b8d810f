/** A store whose catalog is missing, old or another's is not opened, because unknown records would count as none. */
import { createHash, randomBytes } from 'node:crypto';
import { copyFile, cp, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config/index.ts';
import { checkStore, startServer, type RunningServer } from '../../src/server/index.ts';

const key = 'the-key-of-the-restored';
const large = randomBytes(100_000);
let base: string;
let folder: string;
const running = new Set<RunningServer>();

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'stowage-'));
  folder = join(base, 'store');
});
afterEach(async () => {
  for (const server of running) await server.close();
  running.clear();
  await rm(base, { recursive: true, force: true });
});

async function start(where = folder, more: Record<string, string> = {}): Promise<RunningServer> {
  const server = await startServer(
    readConfig({
      STOWAGE_PORT: '0',
      STOWAGE_STORAGE_DIR: where,
      STOWAGE_LOG_LEVEL: 'silent',
      STOWAGE_SYSTEM_KEY: key,
      STOWAGE_SWEEP_CRON: 'off',
      STOWAGE_HEADROOM: '0',
      STOWAGE_STRAY_AGE: '1m',
      ...more,
    }),
  );
  running.add(server);
  return server;
}

async function close(server: RunningServer): Promise<void> {
  running.delete(server);
  await server.close();
}

/** Stores bytes under a name. */
async function put(server: RunningServer, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const answer = await ask(server, 'PUT', `/artifacts/${name}/data`, bytes);
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
}

async function ask(
  server: RunningServer,
  method: string,
  path: string,
  body?: Uint8Array<ArrayBuffer>,
): Promise<Response> {
  const login = await fetch(`${server.urls[0]}/auth`, {
    method: 'POST',
    body: JSON.stringify({ namespace: 'system', key }),
  });
  const { access_token: token } = (await login.json()) as { access_token: string };
  return fetch(`${server.urls[0]}${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}` },
    ...(body ? { body } : {}),
  });
}

/** A store that was closed, with one artifact whose bytes lie in a file. */
async function closedStore(where = folder): Promise<void> {
  const server = await start(where);
  await put(server, 'kept', large);
  await close(server);
}

/** Moves the files of stored bytes back to a time at which a sweep takes the strays among them. */
async function age(): Promise<string[]> {
  const blobs = (await readdir(join(folder, 'blobs'), { recursive: true })).filter((name) => name.includes('.'));
  const old = new Date(Date.now() - 3_600_000);
  for (const blob of blobs) await utimes(join(folder, 'blobs', blob), old, old);
  return blobs;
}

/** Demands that the store is refused, by the server and by `check`, and that nothing in it was changed. */
async function demandRefused(why: RegExp): Promise<void> {
  const before = await filesOf(folder);
  await expect(start()).rejects.toThrow(why);
  await expect(start()).rejects.toThrow(/--accept-loss/);
  const { faults } = await checkStore(folder, { readData: false });
  expect(faults).toEqual([expect.stringMatching(why)]);
  expect(await filesOf(folder)).toEqual(before);
}

/** What lies in a folder, by its sha256; without SQLite's side files, which come and go. */
async function filesOf(path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of await readdir(path, { recursive: true })) {
    if (name.includes('in-use') || /-(?:wal|shm)$/.test(name) || !(await stat(join(path, name))).isFile()) continue;
    found[name] = createHash('sha256')
      .update(await readFile(join(path, name)))
      .digest('hex');
  }
  return found;
}

test('a catalog that is missing beside stored bytes', async () => {
  await closedStore();
  await rm(join(folder, 'catalog.sqlite'));
  await demandRefused(/the catalog is missing/);
  await rm(join(folder, 'node.json'));
  await expect(start()).rejects.toThrow(/the catalog is missing/);
});

test('a catalog that is missing where all bytes were in it', async () => {
  const server = await start();
  await put(server, 'small', Buffer.from('small bytes'));
  await close(server);
  await rm(join(folder, 'catalog.sqlite'));
  await demandRefused(/the catalog is missing/);
});

test('a catalog that was emptied', async () => {
  await closedStore();
  await writeFile(join(folder, 'catalog.sqlite'), '');
  await demandRefused(/the catalog is missing/);
});

test('a catalog that was copied without its log, from a server that runs', async () => {
  const server = await start();
  await put(server, 'kept', large);
  const copy = join(base, 'copy');
  await cp(folder, copy, { recursive: true, filter: (source) => !/-(?:wal|shm)$/.test(source) });
  await close(server);
  folder = copy;
  await demandRefused(/older than the store/);
});

test('a catalog that lost its log after the log was copied into the file', async () => {
  const server = await start();
  // Changes enough that the log is copied, which leaves a file that looks whole.
  const who = { namespace: 'system', credential: 'test' };
  await Promise.all(Array.from({ length: 2100 }, () => server.core.uploads.begin(who)));
  await put(server, 'kept', large);
  const copy = join(base, 'copy');
  await cp(folder, copy, { recursive: true, filter: (source) => !/-(?:wal|shm)$/.test(source) });
  await close(server);
  folder = copy;
  await demandRefused(/older than the store/);
});

test('a catalog from a backup that is older', async () => {
  await closedStore();
  await copyFile(join(folder, 'catalog.sqlite'), join(base, 'backup.sqlite'));
  const server = await start();
  await put(server, 'newer', randomBytes(100_000));
  await close(server);
  await copyFile(join(base, 'backup.sqlite'), join(folder, 'catalog.sqlite'));
  await demandRefused(/older than the store/);
});

test('the catalog of another store', async () => {
  await closedStore();
  await closedStore(join(base, 'other'));
  await copyFile(join(base, 'other', 'catalog.sqlite'), join(folder, 'catalog.sqlite'));
  await demandRefused(/belongs to store/);
});

test('the right catalog, put back, opens the store as if nothing had been', async () => {
  await closedStore();
  await copyFile(join(folder, 'catalog.sqlite'), join(base, 'right.sqlite'));
  await rm(join(folder, 'catalog.sqlite'));
  await demandRefused(/the catalog is missing/);
  await copyFile(join(base, 'right.sqlite'), join(folder, 'catalog.sqlite'));
  const server = await start();
  expect(Buffer.from(await (await ask(server, 'GET', '/artifacts/kept/data')).arrayBuffer()).equals(large)).toBe(true);
});

test('a loss that is accepted: the store works, and no sweep ever takes the bytes that lost their record', async () => {
  await closedStore();
  const blobs = await age();
  await rm(join(folder, 'catalog.sqlite'));
  let server = await start(folder, { STOWAGE_ACCEPT_LOSS: 'yes' });
  expect((await ask(server, 'GET', '/artifacts/kept')).status).toBe(404);
  await put(server, 'again', randomBytes(50_000));
  await server.core.sweep.run();
  await close(server);
  server = await start();
  await server.core.sweep.run();
  expect(await readdir(join(folder, 'quarantine'))).toEqual([]);
  for (const blob of blobs) expect((await stat(join(folder, 'blobs', blob))).size).toBe(large.length);
});

test('an older catalog that is accepted is the newest from then on', async () => {
  await closedStore();
  await copyFile(join(folder, 'catalog.sqlite'), join(base, 'backup.sqlite'));
  const server = await start();
  await put(server, 'newer', randomBytes(100_000));
  await close(server);
  await copyFile(join(base, 'backup.sqlite'), join(folder, 'catalog.sqlite'));
  await close(await start(folder, { STOWAGE_ACCEPT_LOSS: 'yes' }));
  const after = await start();
  expect((await ask(after, 'GET', '/artifacts/kept')).status).toBe(200);
  expect((await ask(after, 'GET', '/artifacts/newer')).status).toBe(404);
});

test('a store from before there were marks is opened, and marked', async () => {
  await closedStore();
  const node = JSON.parse(await readFile(join(folder, 'node.json'), 'utf8')) as Record<string, unknown>;
  delete node['catalog'];
  await writeFile(join(folder, 'node.json'), JSON.stringify(node));
  await close(await start());
  expect(JSON.parse(await readFile(join(folder, 'node.json'), 'utf8'))).toMatchObject({
    catalog: { id: expect.any(String), generation: expect.any(Number) },
  });
});
