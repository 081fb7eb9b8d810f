/**
 * Isolation of tenants: wrong logins, idle connections, listings of many common prefixes and scrubs run at once, while
 * another tenant puts small objects.
 *
 * Server, crowd and neighbour are separate processes, so that only the server is measured.
 */
import { fork } from 'node:child_process';
import { on, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseSync } from '@photostructure/sqlite';
import { Served } from '../support/served.ts';
import { presignByHand, type HandKey } from '../support/sigv4.ts';
import { patience, report, rounds, tortured } from '../support/torture.ts';
import { openWorld, type World } from '../support/world.ts';

const wrongLogins = rounds(60, 1500);
const idleConnections = rounds(40, 1000);
const listers = rounds(2, 10);
const keysOfPrefix = rounds(2, 50);
const putsAtLeast = rounds(30, 500);
/** Connections of whoever shows wrong keys. */
const pool = 50;
const prefixes = 1000;
/** The most that a neighbour's p99 may grow under all of it. */
const mostGrowth = 3;
/** Puts after a start that are not measured. */
const warmUp = rounds(5, 200);
const urlLife = 7 * 86_400;

interface Put {
  readonly status: number;
  readonly ms: number;
  /** Milliseconds that the server's main thread worked meanwhile. Other processes of the machine do not count in it. */
  readonly work: number;
}

interface Crowd {
  /** How often each status answered. */
  readonly logins: Readonly<Record<number, number>>;
  readonly listings: readonly { readonly status: number; readonly prefixes: number }[];
}

let world: World;
/** What the crowd met. */
let met: Crowd;
let keys: { readonly crowd: HandKey; readonly neighbour: HandKey };

beforeAll(async () => {
  world = await openWorld();
  for (const name of ['crowd', 'neighbour']) await world.addNamespace(name);
  keys = { crowd: await world.accessKey('crowd'), neighbour: await world.accessKey('neighbour') };
  for (const name of ['crowd', 'neighbour'] as const) {
    await fetch(signed(world.s3Url, name, 'PUT', `/${name}-bucket`), { method: 'PUT' });
  }
  await fetch(signed(world.s3Url, 'crowd', 'PUT', '/crowd-bucket/first'), { method: 'PUT', body: 'x' });
  for (let at = 0; at < 8; at += 1) await world.push(`scrubbed-${at}`, Buffer.alloc(4 * 1024 * 1024, at));
  await world.server.close();
  addPrefixes();
}, patience);

afterAll(() => world.close());

/** More rows than it is worth to put one by one; each is the first one's under another key. */
function addPrefixes(): void {
  const database = new DatabaseSync(join(world.folder, 'catalog.sqlite'));
  const columns = ['bucket', 'artifact', '1', 'current', 'marker', 'etag', 'about', 'created_at'].join(', ');
  const insert = database.prepare(
    `insert into objects (key, bucket, artifact, idx, current, marker, etag, about, created_at)
     select ?, ${columns} from objects where bucket = 'crowd-bucket' and key = 'first'`,
  );
  database.exec('begin');
  for (let prefix = 0; prefix < prefixes; prefix += 1) {
    for (let key = 0; key < keysOfPrefix; key += 1) insert.run(`many/${String(prefix).padStart(4, '0')}/${key}`);
  }
  database.exec('commit');
  database.close();
}

function signed(s3Url: string, who: 'crowd' | 'neighbour', method: string, path: string): string {
  return presignByHand({ key: keys[who], method, url: new URL(path, s3Url) }, urlLife);
}

/** The store's server as an operator runs it, warmed up. */
async function serve(env: Readonly<Record<string, string>>, options: readonly string[] = []): Promise<Served> {
  const served = await Served.start(
    {
      STOWAGE_PORT: '0',
      STOWAGE_STORAGE_DIR: world.folder,
      STOWAGE_SYSTEM_KEY: world.key,
      STOWAGE_LOG_LEVEL: 'warn',
      STOWAGE_HEADROOM: '1MiB',
      STOWAGE_SWEEP_CRON: 'off',
      STOWAGE_SCRUB_CRON: 'off',
      STOWAGE_SCRUB_EVERY: '0s',
      ...env,
    },
    options,
  );
  await puts(served, (count) => count < warmUp);
  return served;
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
afterAll(() => agent.destroy());

/** Puts small objects one after the other for as long as `more` says. */
async function puts(served: Served, more: (count: number) => boolean): Promise<Put[]> {
  const answers: Put[] = [];
  while (more(answers.length)) {
    const url = signed(served.s3Url, 'neighbour', 'PUT', `/neighbour-bucket/key-${answers.length}`);
    const worked = mainThreadTime(served.pid);
    const began = performance.now();
    const status = await new Promise<number>((resolve, reject) => {
      const sent = request(url, { method: 'PUT', agent, headers: { 'Content-Length': 4096 } }, (res) => {
        res.resume().on('end', () => resolve(res.statusCode!));
      });
      sent.on('error', reject).end('x'.repeat(4096));
    });
    answers.push({ status, ms: performance.now() - began, work: mainThreadTime(served.pid) - worked });
  }
  return answers;
}

/** What the neighbour and the crowd meet at the same time. */
async function crowded(served: Served): Promise<{ readonly loud: readonly Put[]; readonly crowd: Crowd }> {
  const listing = '/crowd-bucket?list-type=2&prefix=many%2F&delimiter=%2F';
  const wishes = {
    authUrl: `${served.url}/auth`,
    idleUrl: served.s3Url,
    wrongLogins,
    pool,
    idle: idleConnections,
    listingUrls: Array.from({ length: listers }, () => signed(served.s3Url, 'crowd', 'GET', listing)),
  };
  const child = fork(fileURLToPath(new URL('crowd.js', import.meta.url)), [JSON.stringify(wishes)]);
  try {
    await once(child, 'message');
    let busy = true;
    const crowd = (async (): Promise<Crowd> => {
      for await (const [message] of on(child, 'message', { close: ['exit'] })) {
        if (message === 'logins done') busy = false;
        else return message as Crowd;
      }
      throw new Error('the crowd ended before it told what it met');
    })();
    crowd.catch(() => (busy = false));
    const loud = await puts(served, (count) => busy || count < putsAtLeast);
    child.send('stop');
    return { loud, crowd: await crowd };
  } finally {
    child.kill('SIGKILL');
  }
}

function p99(answers: readonly Put[], of: 'ms' | 'work' = 'ms'): number {
  const sorted = answers.map((answer) => answer[of]).toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1]!;
}

/** Processor time that a process has used, in milliseconds; NaN where the system does not tell. */
function processorTime(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

/** The same of its main thread alone. */
function mainThreadTime(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return Number.NaN;
  }
}

const good = ({ status }: Put): boolean => status === 200;
const tenth = (value: number): number => Math.round(value * 10) / 10;

/** What the crowd may meet, and the neighbour may not. */
function faultsOf({ logins, listings }: Crowd, neighbour: readonly Put[]): string[] {
  const faults: string[] = [];
  for (const answer of neighbour) if (!good(answer)) faults.push(`a PUT was answered ${answer.status}`);
  for (const status of Object.keys(logins))
    if (status !== '401' && status !== '429') faults.push(`a wrong login was answered ${status}`);
  if (logins[429] === undefined) faults.push('no wrong login was refused by a limit');
  for (const { status, prefixes: shown } of listings) {
    if (status !== 200 || shown !== prefixes) faults.push(`a listing was answered ${status} with ${shown} prefixes`);
  }
  return faults;
}

test(
  'a neighbour is served while others crowd the server',
  async () => {
    const calm = await serve({});
    const quiet = await puts(calm, (count) => count < putsAtLeast);
    await calm.kill();

    const profile = process.env['STOWAGE_TORTURE_PROFILE'];
    const served = await serve(
      { STOWAGE_SCRUB_CRON: '* * * * * *' },
      profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [],
    );
    try {
      const before = processorTime(served.pid);
      const began = performance.now();
      const { loud, crowd } = await crowded(served);
      const figures = { serverMs: processorTime(served.pid) - before, wallMs: Math.round(performance.now() - began) };
      met = crowd;
      expect(faultsOf(crowd, [...quiet, ...loud])).toEqual([]);
      const login = await fetch(`${served.url}/auth`, {
        method: 'POST',
        body: JSON.stringify({ namespace: 'neighbour', key: world.know('neighbour') }),
      });
      expect(login.status).toBe(200);
      expect(served.log).toEqual([]);
      const ratio = p99(loud) / p99(quiet);
      report('neighbours', {
        wrongLogins,
        idleConnections,
        listers,
        listings: crowd.listings.length,
        prefixes,
        puts: loud.length,
        ...figures,
        quietP99: tenth(p99(quiet)),
        loudP99: tenth(p99(loud)),
        quietWorkP99: tenth(p99(quiet, 'work')),
        loudWorkP99: tenth(p99(loud, 'work')),
        ratio: Math.round(ratio * 100) / 100,
      });
      if (tortured) expect(ratio).toBeLessThanOrEqual(mostGrowth);
    } finally {
      if (profile) await served.stop();
      await served.kill();
    }
  },
  patience,
);

test('the check finds a server without a limit of logins, one that cuts a listing short, and one that refuses a neighbour (sabotaged)', () => {
  expect(faultsOf({ ...met, logins: { 401: wrongLogins } }, [])).toEqual(['no wrong login was refused by a limit']);
  expect(faultsOf({ ...met, listings: [{ status: 200, prefixes: prefixes - 1 }] }, [])).toHaveLength(1);
  expect(faultsOf(met, [{ status: 503, ms: 1, work: 1 }])).toEqual(['a PUT was answered 503']);
});

test(
  'a server whose limit is out of reach is found (sabotaged)',
  async () => {
    const wide = await serve({ STOWAGE_LOGIN_FAILURES: '1000000' });
    try {
      const body = (at: number): string => JSON.stringify({ namespace: 'crowd', key: `wrong-${at}` });
      const sent = Array.from({ length: 22 }, (_, at) => fetch(`${wide.url}/auth`, { method: 'POST', body: body(at) }));
      const logins: Record<number, number> = {};
      for (const { status } of await Promise.all(sent)) logins[status] = (logins[status] ?? 0) + 1;
      expect(faultsOf({ logins, listings: [] }, [])).toEqual(['no wrong login was refused by a limit']);
    } finally {
      await wide.kill();
    }
  },
  patience,
);
