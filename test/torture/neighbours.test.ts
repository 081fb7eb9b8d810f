/**
 * What some do must not be felt by others: wrong logins, idle connections, listings of many common prefixes and a scrub,
 * all at once, while another tenant puts small objects.
 */
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { presignByHand, type HandKey } from '../support/sigv4.ts';
import { patience, report, rounds, tortured } from '../support/torture.ts';
import { openWorld, type World } from '../support/world.ts';

const wrongLogins = rounds(60, 1500);
const idleConnections = rounds(40, 1000);
const listers = rounds(3, 10);
const keysOfPrefix = rounds(2, 50);
const putsAtLeast = rounds(30, 500);
const prefixes = 1000;
/** The most that a neighbour's p99 may grow under all of it. */
const mostGrowth = 3;

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly ms: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

function send(method: string, url: string, { body = '', from = '127.0.0.1' } = {}): Promise<Answer> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Length': Buffer.byteLength(body) };
    const sent = request(url, { method, agent, localAddress: from, headers }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      res.on('end', () => resolve({ status: res.statusCode!, text, ms: performance.now() - began }));
    });
    sent.on('error', reject).end(body);
  });
}

let world: World;
/** What the crowd met. */
let done: Crowd;
let keys: { readonly crowd: HandKey; readonly neighbour: HandKey };

beforeAll(async () => {
  world = await openWorld({ env: { STOWAGE_DURABILITY: 'strict', STOWAGE_SCRUB_EVERY: '0s', STOWAGE_TOKEN_LIFETIME: '12h' } });
  for (const name of ['crowd', 'neighbour']) await world.addNamespace(name);
  keys = { crowd: await world.accessKey('crowd'), neighbour: await world.accessKey('neighbour') };
  for (const name of ['crowd', 'neighbour'] as const) await s3(name, 'PUT', `/${name}-bucket`);
  await s3('crowd', 'PUT', '/crowd-bucket/first', 'x');
  for (let at = 0; at < 8; at += 1) await world.push(`scrubbed-${at}`, Buffer.alloc(4 * 1024 * 1024, at));
  await world.server.close();
  // More rows than it is worth to put one by one; each is the first one's under another key.
  const database = new DatabaseSync(join(world.folder, 'catalog.sqlite'));
  const columns = "bucket, artifact, 1, current, marker, etag, about, created_at from objects where bucket = 'crowd-bucket' and key = 'first'";
  const insert = database.prepare(`insert into objects (key, bucket, artifact, idx, current, marker, etag, about, created_at) select ?, ${columns}`);
  database.exec('begin');
  for (let prefix = 0; prefix < prefixes; prefix += 1) {
    for (let key = 0; key < keysOfPrefix; key += 1) insert.run(`many/${String(prefix).padStart(4, '0')}/${key}`);
  }
  database.exec('commit');
  database.close();
  await world.start();
}, patience);

afterAll(async () => {
  agent.destroy();
  await world.close();
});

function s3(who: 'crowd' | 'neighbour', method: string, path: string, body = ''): Promise<Answer> {
  const url = presignByHand({ key: keys[who], method, url: new URL(path, world.s3Url) });
  return send(method, url, { body });
}

/** Puts small objects until `until` has ended, and at least so many. */
async function puts(until: Promise<unknown>): Promise<Answer[]> {
  let going = true;
  until.then(() => (going = false), () => (going = false));
  const answers: Answer[] = [];
  for (let at = 0; going || at < putsAtLeast; at += 1) {
    answers.push(await s3('neighbour', 'PUT', `/neighbour-bucket/key-${at}`, 'x'.repeat(4096)));
  }
  return answers;
}

interface Crowd {
  readonly logins: readonly Answer[];
  readonly listings: readonly Answer[];
}

/** Everything that others do at once; ends when each has been done once. */
async function crowd(): Promise<Crowd> {
  const idle = await Promise.all(Array.from({ length: idleConnections }, () => open()));
  try {
    const body = (at: number): string => JSON.stringify({ namespace: 'crowd', key: `wrong-${at}` });
    const [logins, listings] = await Promise.all([
      Promise.all(Array.from({ length: wrongLogins }, (_, at) => send('POST', `${world.url}/auth`, { body: body(at), from: '127.0.0.2' }))),
      Promise.all(Array.from({ length: listers }, () => s3('crowd', 'GET', '/crowd-bucket?list-type=2&prefix=many%2F&delimiter=%2F'))),
      world.server.upkeep.scrub(),
    ]);
    return { logins, listings };
  } finally {
    for (const socket of idle) socket.destroy();
  }
}

function open(): Promise<Socket> {
  const { hostname, port } = new URL(world.s3Url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => resolve(socket));
    socket.on('error', reject);
  });
}

function p99(answers: readonly Answer[]): number {
  const sorted = answers.map(({ ms }) => ms).toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1]!;
}

const good = ({ status }: Answer): boolean => status === 200;

/** What the crowd may meet, and the neighbour may not. */
function faultsOf({ logins, listings }: Crowd, neighbour: readonly Answer[]): string[] {
  const faults: string[] = [];
  for (const answer of neighbour) if (!good(answer)) faults.push(`a PUT was answered ${answer.status}`);
  for (const { status } of logins) if (status !== 401 && status !== 429) faults.push(`a wrong login was answered ${status}`);
  if (logins.length > 20 && !logins.some(({ status }) => status === 429)) faults.push('no wrong login was refused by a limit');
  for (const { status, text } of listings) {
    const shown = text.split('<CommonPrefixes>').length - 1;
    if (status !== 200 || shown !== prefixes) faults.push(`a listing was answered ${status} with ${shown} prefixes`);
  }
  return faults;
}

test('a neighbour is served while others crowd the server', async () => {
  const quiet = await puts(Promise.resolve());
  const doing = crowd();
  const loud = await puts(doing);
  done = await doing;
  expect(faultsOf(done, loud)).toEqual([]);
  const login = await send('POST', `${world.url}/auth`, { body: JSON.stringify({ namespace: 'neighbour', key: world.know('neighbour') }) });
  expect(login.status).toBe(200);
  expect([...world.server.faults.counts]).toEqual([]);
  const ratio = p99(loud) / p99(quiet);
  report('neighbours', {
    wrongLogins, idleConnections, listers, prefixes, puts: loud.length, quietP99: Math.round(p99(quiet) * 10) / 10,
    loudP99: Math.round(p99(loud) * 10) / 10, ratio: Math.round(ratio * 100) / 100,
  });
  if (tortured) expect(ratio).toBeLessThanOrEqual(mostGrowth);
}, patience);

test('the check finds a server without a limit of logins, and one that cuts a listing short (sabotaged)', async () => {
  const unlimited = done.logins.map((answer) => ({ ...answer, status: 401 }));
  expect(faultsOf({ ...done, logins: unlimited }, [])).toEqual(['no wrong login was refused by a limit']);
  const short = done.listings.map((answer) => ({ ...answer, text: answer.text.replace('<CommonPrefixes>', '<Cut>') }));
  expect(faultsOf({ ...done, listings: short }, [])).toHaveLength(listers);
  const wide = await openWorld({ env: { STOWAGE_LOGIN_FAILURES: '1000000' } });
  try {
    const logins = await Promise.all(Array.from({ length: 22 }, (_, at) =>
      send('POST', `${wide.url}/auth`, { body: JSON.stringify({ namespace: 'system', key: `wrong-${at}` }), from: '127.0.0.3' })));
    expect(faultsOf({ logins, listings: [] }, [])).toEqual(['no wrong login was refused by a limit']);
  } finally {
    await wide.close();
  }
}, patience);
