/** Threads that die: the next one answers, and no call waits forever. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Hasher } from '../../src/engines/embedded/bytes/hasher.ts';
import { Scanner } from '../../src/engines/embedded/bytes/scanner.ts';
import { workerUrl } from '../../src/kit/worker-url.ts';

let folder: string;
let path: string;
const content = randomBytes(8 * 1024 * 1024);
const sha512 = createHash('sha512').update(content).digest('hex');
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'threads-'));
  path = join(folder, 'content');
  await writeFile(path, content);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Starts threads, each of which dies as soon as it is asked something while `kills` are left. */
function dying(
  name: string,
  kills: number,
): { readonly workers: Worker[]; readonly start: (workerData?: unknown) => Worker } {
  const workers: Worker[] = [];
  const url = workerUrl(import.meta.url.replace('/test/engines/', '/src/engines/embedded/bytes/'), `./${name}`);
  const start = (workerData?: unknown): Worker => {
    const worker = new Worker(url, { workerData });
    workers.push(worker);
    if (workers.length <= kills) {
      worker.postMessage = () => {
        worker.terminate().catch(() => undefined);
      };
    }
    return worker;
  };
  return { workers, start };
}

describe('the threads that hash', () => {
  test('one that dies over a digest is replaced, and the digest comes from the next', async () => {
    const { workers, start } = dying('hash-worker', 1);
    const deaths: unknown[] = [];
    const hasher = new Hasher({ gentle: false, start, onRestart: (error) => deaths.push(error) });
    expect(await hasher.digest('stage', path, content.length)).toBe(sha512);
    expect(workers).toHaveLength(2);
    expect(deaths).toHaveLength(1);
    await hasher.close();
    expect(deaths).toHaveLength(1);
  });

  test('a digest over which threads die again and again is refused, to be asked for again', async () => {
    const hasher = new Hasher({ gentle: false, start: dying('hash-worker', 2).start });
    await expect(hasher.digest('stage', path, content.length)).rejects.toMatchObject({ reason: 'unavailable' });
    expect(await hasher.digest('stage', path, content.length)).toBe(sha512);
    await hasher.close();
  });
});

describe('the thread that reads the disk', () => {
  test('one that dies over a scan is replaced, and the scan done again', async () => {
    const { workers, start } = dying('scan-worker', 1);
    const deaths: unknown[] = [];
    const scanner = new Scanner((error) => deaths.push(error), start);
    expect(await scanner.digests(path, ['sha512'])).toEqual([{ algorithm: 'sha512', hex: sha512 }]);
    expect(workers).toHaveLength(2);
    expect(deaths).toHaveLength(1);
    await scanner.close();
  });

  test('a scan over which threads die again and again is refused; it says nothing of the bytes', async () => {
    const scanner = new Scanner(undefined, dying('scan-worker', 2).start);
    await expect(scanner.digests(path, ['sha512'])).rejects.toMatchObject({ reason: 'unavailable' });
    expect(await scanner.digests(path, ['sha512'])).toEqual([{ algorithm: 'sha512', hex: sha512 }]);
    await scanner.close();
  });
});
