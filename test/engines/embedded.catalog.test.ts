import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { DatabaseSync } from '@photostructure/sqlite';
import { Scene } from '../contract/catalog/scene.ts';
import { connectCatalog, openCatalog } from '../../src/engines/embedded/sqlite/thread.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-'));
  path = join(folder, 'catalog.sqlite');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const noFault = (error: unknown): never => {
  throw error;
};

const open = (): ReturnType<typeof openCatalog> => openCatalog({ path, strict: true, onFault: noFault });

/** Starts catalog threads that can die. */
function startable(): { readonly workers: Worker[]; readonly start: () => Worker; readonly dieWithin: () => void } {
  const workers: Worker[] = [];
  const dies = new SharedArrayBuffer(4);
  const start = (): Worker => {
    workers.push(
      new Worker(new URL('./mortal-catalog-worker.js', import.meta.url), { workerData: { path, strict: true, dies } }),
    );
    return workers.at(-1)!;
  };
  return { workers, start, dieWithin: () => void Atomics.store(new Int32Array(dies), 0, 1) };
}

/** Ends a thread by an exception that it does not catch, between two statements. */
async function kill(worker: Worker): Promise<void> {
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  worker.postMessage({ kind: 'calls', calls: null });
  await exit;
}

describe('the thread behind the embedded catalog', () => {
  test.each([
    [true, 2],
    [false, 0],
  ])('reads its settings back: strict %s', async (strict, synchronous) => {
    const { settings, close } = await openCatalog({ path, strict, onFault: noFault });
    expect(settings).toEqual({ journalMode: 'wal', synchronous, foreignKeys: 1 });
    await close();
  });

  test('refuses a schema that is newer than it knows, and leaves it alone', async () => {
    await (await open()).close();
    const database = new DatabaseSync(path);
    database.exec("insert into migrations values (99, 'from the future', 1)");
    database.close();
    await expect(open()).rejects.toMatchObject({
      name: 'Refusal',
      reason: 'unavailable',
      message: expect.stringContaining('newer version'),
    });
  });

  test('says so when the file is no catalog or cannot be opened', async () => {
    await expect(openCatalog({ path: join(folder, 'no', 'folder'), strict: true, onFault: noFault })).rejects.toThrow();
    await expect(openCatalog({ path: folder, strict: true, onFault: noFault })).rejects.toThrow();
  });

  test('lets mutations that wait share a commit', async () => {
    const { catalog, stats, close } = await openCatalog({ path, strict: true, onFault: noFault });
    const scene = new Scene(catalog);
    await scene.namespace('alpha');
    const before = await stats();
    const uploads = await Promise.all(Array.from({ length: 500 }, () => scene.upload('alpha', 0)));
    const move = { from: 0, to: 1, lastStart: 0, length: null, at: 2 };
    const moved = await Promise.all(uploads.map((id) => catalog.uploads.advance(id, move)));
    expect(moved.every(Boolean)).toBe(true);
    const after = await stats();
    expect(after.writes - before.writes).toBe(1000);
    expect(after.commits - before.commits).toBeLessThan(250);
    await close();
  });

  test('keeps the others when one of a batch fails', async () => {
    const { catalog, close } = await openCatalog({ path, strict: true, onFault: noFault });
    const scene = new Scene(catalog);
    await scene.namespace('alpha');
    const tried = Array.from({ length: 40 }, (_, n) => scene.upload(n % 4 ? 'alpha' : 'nobody', 0));
    const settled = await Promise.allSettled(tried);
    expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(10);
    expect((await catalog.contents.totals()).openUploads).toBe(30);
    await close();
  });

  test('a thread that dies is replaced: what was under way is refused, what follows is answered', async () => {
    const { workers, start } = startable();
    const told: string[] = [];
    const { catalog, close } = await connectCatalog(start, {
      onFault: noFault,
      onRestart: () => told.push('restart'),
      onLost: () => told.push('lost'),
    });
    const scene = new Scene(catalog);
    await scene.namespace('alpha');
    const upload = await scene.upload('alpha', 0);
    const death = kill(workers[0]!);
    const waiting = catalog.uploads.get('x');
    await expect(waiting).rejects.toMatchObject({
      name: 'Refusal',
      reason: 'unavailable',
      message: 'the catalog stopped',
    });
    await death;
    const move = { from: 0, to: 1, lastStart: 0, length: null, at: 2 };
    expect(await catalog.uploads.advance(upload, move)).toMatchObject({ offset: 1 });
    expect(told).toEqual(['restart']);
    expect(workers).toHaveLength(2);
    await close();
  });

  test('a thread that dies within a transaction leaves nothing of it behind, and no lock', async () => {
    const { workers, start, dieWithin } = startable();
    const { catalog, close } = await connectCatalog(start, { onFault: noFault });
    const scene = new Scene(catalog);
    await scene.namespace('alpha');
    for (let death = 1; death <= 2; death += 1) {
      dieWithin();
      const asked = await Promise.allSettled(Array.from({ length: 400 }, () => scene.upload('alpha', 0)));
      const acknowledged = asked.filter(({ status }) => status === 'fulfilled').length;
      expect(acknowledged).toBeLessThan(400);
      expect((await catalog.contents.totals()).openUploads).toBeGreaterThanOrEqual(acknowledged);
      await scene.upload('alpha', 0);
      expect(workers).toHaveLength(death + 1);
    }
    await close();
  });

  test('a thread that dies again and again is given up, and that is told', async () => {
    const { workers, start } = startable();
    const lost: unknown[] = [];
    const { catalog, close } = await connectCatalog(start, { onFault: noFault, onLost: (error) => lost.push(error) });
    for (let death = 1; death <= 3; death += 1) {
      expect(lost).toEqual([]);
      await kill(workers.at(-1)!);
      if (death < 3) await catalog.uploads.get('x');
    }
    await expect(catalog.uploads.get('x')).rejects.toMatchObject({
      reason: 'unavailable',
      message: 'the catalog stopped',
    });
    expect(lost).toHaveLength(1);
    await close();
  });

  test('what cannot be sent to the thread is refused, and nothing else', async () => {
    const { catalog, close } = await open();
    const scene = new Scene(catalog);
    await scene.namespace('alpha');
    const bad = catalog.uploads.get((() => undefined) as unknown as string);
    const good = catalog.namespaces.get('alpha');
    await expect(bad).rejects.toThrow(/could not be cloned/);
    expect(await good).toMatchObject({ name: 'alpha' });
    await close();
  });

  test('finishes what was asked before it closes, and refuses what comes after', async () => {
    const { catalog, close } = await openCatalog({ path, strict: true, onFault: noFault });
    const scene = new Scene(catalog);
    await scene.namespace('alpha');
    const asked = Promise.all(Array.from({ length: 20 }, () => scene.upload('alpha', 0)));
    const closed = close();
    await expect(catalog.uploads.get('x')).rejects.toMatchObject({
      reason: 'unavailable',
      message: 'the catalog is closed',
    });
    expect(await asked).toHaveLength(20);
    await closed;
    await close();
  });
});
