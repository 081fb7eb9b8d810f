/**
 * Few open files: idle connections are refused before the store runs out, and read failures do not count as corruption.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectionsWithin } from '../../src/http/connection-cap.ts';
import { eventually, RawConnection } from '../support/raw.ts';
import { Served } from '../support/served.ts';

const key = 'the-key-of-the-narrow-server';
const limit = 512;

/** What a scrub says in the log. */
interface Logged {
  readonly msg: string;
  readonly checked: number;
  readonly rotten: number;
  readonly missing: number;
  readonly unreadable: number;
}

describe('a server that may have few files open', () => {
  let folder: string;
  let served: Served;
  let connection: RawConnection;
  let token: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stowage-narrow-'));
    served = await Served.start(
      {
        STOWAGE_PORT: '0',
        STOWAGE_STORAGE_DIR: folder,
        STOWAGE_SYSTEM_KEY: key,
        STOWAGE_HEADROOM: '0',
        STOWAGE_SWEEP_CRON: 'off',
        STOWAGE_SCRUB_CRON: '* * * * * *',
        STOWAGE_SCRUB_EVERY: '0s',
      },
      [],
      limit,
    );
    connection = await RawConnection.open(served.url);
    token = (await ask<{ access_token: string }>('POST', '/auth', JSON.stringify({ namespace: 'system', key })))
      .access_token;
  });

  afterEach(async () => {
    connection?.close();
    await served?.kill();
    await rm(folder, { recursive: true, force: true });
  });

  /** Over the one connection that was there before all others. */
  async function ask<T>(method: string, path: string, body: Uint8Array | string = ''): Promise<T> {
    const type = typeof body === 'string' ? 'application/json' : 'application/octet-stream';
    const headers = {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(body),
      ...(token && { Authorization: `Bearer ${token}` }),
    };
    const answer = await connection.head(method, path, headers).send(body).answer();
    expect({ path, status: answer.status }).toEqual({ path, status: 200 });
    return JSON.parse(answer.body) as T;
  }

  async function push(name: string): Promise<void> {
    const { uuid } = await ask<{ uuid: string }>('POST', '/upload');
    for (let chunk = 0; chunk < 2; chunk += 1) await ask('POST', `/upload/${uuid}`, randomBytes(60_000));
    await ask('POST', `/artifacts/upload/${name}`, JSON.stringify({ upload_uuid: uuid }));
  }

  const scrubs = (): Logged[] =>
    served.log.map((line) => JSON.parse(line) as Logged).filter(({ msg }) => msg === 'scrubbed');

  test('idle connections beyond its limit: appends and scrubs go on, and no good object is put aside', async () => {
    expect(served.log.join('\n')).toContain('the limit of open files lowers STOWAGE_MAX_CONNECTIONS');
    for (let at = 0; at < 8; at += 1) await push(`before-${at}`);
    const ports = [served.url, served.s3Url];
    const idle = await Promise.all(Array.from({ length: 2 * limit }, (_, at) => RawConnection.open(ports[at % 2]!)));
    for (const one of idle) one.head('GET', '/livez');
    await eventually(() => idle.filter(({ ended }) => !ended).length < limit / 3);
    const before = scrubs().length;
    for (let at = 0; at < 8; at += 1) await push(`meanwhile-${at}`);
    await eventually(
      () =>
        scrubs()
          .slice(before + 1)
          .some(({ checked }) => checked === 16),
      { within: 40_000 },
    );
    expect(idle.filter(({ ended }) => !ended).length).toBeGreaterThan(0);
    for (const { rotten, missing, unreadable } of scrubs())
      expect({ rotten, missing, unreadable }).toEqual({ rotten: 0, missing: 0, unreadable: 0 });
    expect(served.log.filter((line) => line.includes('EMFILE'))).toEqual([]);
    expect(await readdir(join(folder, 'quarantine'))).toEqual([]);
    for (const one of idle) one.close();
  });
});

test('with fewer than the program needs to load, it does not start', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-narrow-'));
  const started = Served.start({ STOWAGE_PORT: '0', STOWAGE_STORAGE_DIR: folder, STOWAGE_SYSTEM_KEY: key }, [], 511);
  await expect(started).rejects.toThrow('the limit of open files is 511, and at least 512 are needed');
  await rm(folder, { recursive: true });
});

test.each([
  [4096, undefined, 4096],
  [4096, 1_048_576, 4096],
  [4096, 1024, 282],
  [100, 1024, 100],
  [4096, 512, 112],
  [2, 512, 2],
])('of %d connections wanted, a limit of %s open files leaves %d', (wanted, openFiles, left) => {
  expect(connectionsWithin(wanted, openFiles)).toBe(left);
});
