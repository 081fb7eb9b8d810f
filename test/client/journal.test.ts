import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JournalEntry } from '../../src/client/journal.ts';
import { fileJournal } from '../../src/client/node/journal.ts';
import { takeLock } from '../../src/client/node/lock.ts';

const entry: JournalEntry = {
  server: 'http://s',
  namespace: 'n',
  name: 'a',
  place: '/f',
  stamp: '1:2:3',
  size: 5,
  upload: 'u',
  begunAt: Date.now(),
};

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stowage-journal-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the journal on disk', () => {
  test('gives the next process what this one wrote, unless it was cleared', async () => {
    const first = await fileJournal(folder).claim(['k']);
    expect(first?.entry).toBeUndefined();
    await first!.write(entry);
    await first!.release();
    const second = await fileJournal(folder).claim(['k']);
    expect(second?.entry).toEqual(entry);
    expect(await fileJournal(folder).list()).toEqual([entry]);
    await second!.clear();
    await second!.release();
    const third = await fileJournal(folder).claim(['k']);
    expect(third?.entry).toBeUndefined();
    await third!.release();
    expect(await readdir(folder)).toEqual([]);
  });

  test('an entry has one holder; other entries are free', async () => {
    const journal = fileJournal(folder);
    const first = await journal.claim(['k', 'a']);
    expect(await journal.claim(['k', 'a'])).toBeUndefined();
    expect(await journal.claim(['k', 'b'])).toBeDefined();
    await first!.release();
    expect(await journal.claim(['k', 'a'])).toBeDefined();
  });

  test("is for its owner's eyes", async () => {
    const inner = join(folder, 'inner');
    const claim = await fileJournal(inner).claim(['k']);
    await claim!.write(entry);
    expect((await stat(inner)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(inner)) expect((await stat(join(inner, name))).mode & 0o777).toBe(0o600);
    await claim!.release();
  });

  test('what is torn or strange counts as nothing', async () => {
    const claim = await fileJournal(folder).claim(['k']);
    await claim!.write(entry);
    await claim!.release();
    const [name] = await readdir(folder);
    for (const text of ['{"server": "htt', '[]', 'null', '{"server":1}', '']) {
      await writeFile(join(folder, name!), text);
      const next = await fileJournal(folder).claim(['k']);
      expect(next?.entry).toBeUndefined();
      await next!.release();
    }
  });

  test('old entries are not listed, and go', async () => {
    const claim = await fileJournal(folder).claim(['k']);
    await claim!.write({ ...entry, begunAt: Date.now() - 15 * 24 * 3600_000 });
    await claim!.release();
    expect(await fileJournal(folder).list()).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('a lock', () => {
  test('of a process that died goes to the next', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    const path = join(folder, 'l');
    await writeFile(path, JSON.stringify({ pid: child.pid, host: hostname(), id: 'x' }));
    const lock = await takeLock(path);
    expect(lock).toBeDefined();
    await lock!.release();
    expect(await readdir(folder)).toEqual([]);
  });

  test('of a living process stays, as long as that gives signs of life', async () => {
    const path = join(folder, 'l');
    await writeFile(path, JSON.stringify({ pid: process.ppid, host: hostname(), id: 'x' }));
    expect(await takeLock(path)).toBeUndefined();
    await utimes(path, new Date(0), new Date(0));
    expect(await takeLock(path)).toBeDefined();
  });

  test('of another machine stays, as long as that gives signs of life', async () => {
    const path = join(folder, 'l');
    await writeFile(path, JSON.stringify({ pid: 1, host: 'elsewhere', id: 'x' }));
    expect(await takeLock(path)).toBeUndefined();
    await utimes(path, new Date(0), new Date(0));
    expect(await takeLock(path)).toBeDefined();
  });

  test('is had by one of many who want it', async () => {
    const path = join(folder, 'l');
    const got = (await Promise.all(Array.from({ length: 20 }, () => takeLock(path)))).filter(
      (lock) => lock !== undefined,
    );
    expect(got.length).toBe(1);
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ pid: process.pid });
    await got[0]!.release();
    expect(await readdir(folder)).toEqual([]);
  });
});
