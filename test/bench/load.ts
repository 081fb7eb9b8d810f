/**
 * The load generator, a separate process: does one job against one server and prints a report.
 *
 * argv: the job as JSON. Many connections use raw sockets in this process; single streams from a file use curl if it is
 * installed, else the same raw sockets.
 */
import { execFile } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { speak, type Dialect, type Digests, type Place } from './dialects.ts';
import { fullKey } from './full.ts';
import { verifying, type Job, type Report, type Work } from './job.ts';
import { askCatalog } from './operations.ts';
import { cpuSeconds, idle, machineCpuSeconds, ownCpuSeconds } from './proc.ts';
import { median } from './results.ts';
import { repeated, Wire, type Body } from './wire.ts';

const job = JSON.parse(process.argv[2]!) as Job;
const block = randomFillSync(Buffer.allocUnsafe(1 << 20));

type Of<K extends Work['kind']> = Extract<Work, { kind: K }>;

/** Runs `work` and answers how many seconds it took, and what it gave. */
async function timed<T>(work: () => Promise<T>): Promise<[seconds: number, result: T]> {
  const started = performance.now();
  const result = await work();
  return [(performance.now() - started) / 1000, result];
}

async function connected(): Promise<{ wire: Wire; dialect: Dialect }> {
  const wire = await Wire.open(job.port);
  return { wire, dialect: await speak(job.dialect, wire, job.key, job.port) };
}

/** Measures `work`; CPU time counts from here on. */
async function measured(work: () => Promise<Omit<Report, 'serverCpu' | 'clientCpu' | 'others'>>): Promise<Report> {
  const [server, client, machine] = [cpuSeconds(job.pids), ownCpuSeconds(), machineCpuSeconds()];
  const [seconds, report] = await timed(work);
  const serverCpu = cpuSeconds(job.pids) - server;
  const clientCpu = ownCpuSeconds() - client;
  return {
    ...report,
    serverCpu,
    clientCpu,
    others: Math.max(0, machineCpuSeconds() - machine - serverCpu - clientCpu) / seconds,
  };
}

async function append(wire: Wire, dialect: Dialect, place: Place, offset: number, body: Body): Promise<void> {
  dialect.carried(place, await wire.send(dialect.carry(place, offset, body.length), body), offset);
}

function fileBody(path: string, size: number): Body {
  return {
    length: size,
    pieces: (function* () {
      const file = openSync(path, 'r');
      // A piece must stay as it is until the socket is done with it, so each is new.
      for (let at = 0; at < size;) {
        const piece = Buffer.allocUnsafeSlow(Math.min(1 << 20, size - at));
        at += readSync(file, piece, 0, piece.length, at);
        yield piece;
      }
      closeSync(file);
    })(),
  };
}

/** Sends the payload by curl; answers the seconds that curl counts. */
async function appendByCurl(curl: string, dialect: Dialect, place: Place): Promise<number> {
  const { method, path, headers } = dialect.carry(place, 0, place.size);
  const fields = Object.entries({ ...headers, Expect: '' }).flatMap(([name, value]) => [
    '-H',
    `${name}:${value && ` ${value}`}`,
  ]);
  const url = `http://127.0.0.1:${job.port}${path}`;
  const args = [
    '-sS',
    '-X',
    method,
    ...fields,
    '-T',
    job.payload!.path,
    '-D',
    '-',
    '-o',
    '/dev/null',
    '-w',
    '\n%{time_total} %{http_code}',
    url,
  ];
  const { stdout } = await promisify(execFile)(curl, args);
  const [, seconds, status] = /\n([\d.]+) (\d+)$/.exec(stdout)!;
  const location = /^location: *(\S+)/im.exec(stdout)?.[1];
  dialect.carried(place, { status: Number(status), headers: location === undefined ? {} : { location } }, 0);
  return Number(seconds);
}

/** Below this, starting curl would take longer than sending. */
const worthCurl = 32 << 20;

async function whole({ size, rest = false }: Of<'whole'>): Promise<Report> {
  const { wire, dialect } = await connected();
  const payload = job.payload!;
  return measured(async () => {
    const [begun, place] = await timed(() => dialect.begin(wire, 'whole', size));
    const appended =
      job.curl !== undefined && size >= worthCurl
        ? await appendByCurl(job.curl, dialect, place)
        : (await timed(() => append(wire, dialect, place, 0, fileBody(payload.path, size))))[0];
    if (rest) await idle(job.pids);
    const [finish] = await timed(() => dialect.finish(wire, place, payload));
    return { seconds: begun + appended + finish, append: appended, finish, bytes: size };
  });
}

async function chunks({ count, size }: Of<'chunks'>): Promise<Report> {
  const { wire, dialect } = await connected();
  return measured(async () => {
    const place = await dialect.begin(wire, 'chunks', count * size);
    const [seconds] = await timed(async () => {
      for (let n = 0; n < count; n += 1) await append(wire, dialect, place, n * size, repeated(block, size));
    });
    return { seconds, append: seconds, bytes: count * size };
  });
}

async function many({ uploads, size }: Of<'many'>): Promise<Report> {
  const lanes = await Promise.all(Array.from({ length: uploads }, () => connected()));
  return measured(async () => {
    const places = await Promise.all(lanes.map(({ wire, dialect }, n) => dialect.begin(wire, `many-${n}`, size)));
    const [seconds] = await timed(() =>
      Promise.all(lanes.map(({ wire, dialect }, n) => append(wire, dialect, places[n]!, 0, repeated(block, size)))),
    );
    return { seconds, append: seconds, bytes: uploads * size };
  });
}

/** One small upload, made into what a reader can fetch. */
async function one({ wire, dialect }: { wire: Wire; dialect: Dialect }, name: string, content: Buffer): Promise<void> {
  const body = { length: content.length, pieces: [content] };
  if (dialect.small) return dialect.small(wire, name, body);
  const place = await dialect.begin(wire, name, content.length);
  await append(wire, dialect, place, 0, body);
  await dialect.finish(wire, place, digestsOf(content));
}

/** `size` bytes; no two alike, or a store that keeps every byte once would have it easy. */
function distinct(size: number, n: number): Buffer {
  const content = Buffer.from(block.subarray(0, size));
  content.writeUInt32BE(n);
  return content;
}

async function small({ count, size, lanes }: Of<'small'>): Promise<Report> {
  const connections = await Promise.all(Array.from({ length: lanes }, () => connected()));
  let next = 0;
  const lane = async (connection: { wire: Wire; dialect: Dialect }): Promise<void> => {
    while (next < count) {
      const n = next++;
      await one(connection, `small-${n}`, distinct(size, n));
    }
  };
  return measured(async () => {
    const [seconds] = await timed(() => Promise.all(connections.map(lane)));
    return { seconds, bytes: count * size };
  });
}

/** A few uploads before anything counts: a server that just started is measured at its own start, not at its work. */
async function warmUp(): Promise<void> {
  const connection = await connected();
  for (let n = 0; n < 30; n += 1)
    await one(connection, `warm-${n}`, distinct(n % 10 === 0 ? block.length : 4096, 0x80000000 + n));
  connection.wire.close();
  await idle(job.pids);
}

function digestsOf(content: Buffer): Digests {
  const digest = (algorithm: string): string => createHash(algorithm).update(content).digest('hex');
  return { sha256: digest('sha256'), sha512: digest('sha512') };
}

async function fetch({ size, from }: Of<'fetch'>): Promise<Report> {
  const { wire, dialect } = await connected();
  const place = await dialect.begin(wire, 'fetch', size);
  await append(wire, dialect, place, 0, fileBody(job.payload!.path, size));
  const path = await dialect.finish(wire, place, job.payload);
  await idle(job.pids);
  return measured(async () => {
    const range: Record<string, string> = from > 0 ? { Range: `bytes=${from}-` } : {};
    const [seconds, answer] = await timed(() =>
      wire.send({ method: 'GET', path, headers: { ...dialect.reader, ...range } }, undefined, false),
    );
    if (answer.length !== size - from) throw new Error(`${answer.length} bytes came, ${size - from} were due`);
    return { seconds, bytes: size - from };
  });
}

/** The first whole download, then pairs of one that is not verified and one that is. */
async function verify({ size, times }: Of<'verify'>): Promise<Report> {
  const { wire, dialect } = await connected();
  const place = await dialect.begin(wire, 'verify', size);
  await append(wire, dialect, place, 0, fileBody(job.payload!.path, size));
  const path = await dialect.finish(wire, place, job.payload);
  await idle(job.pids);
  const read = (bytes: number): Promise<Report> =>
    measured(async () => {
      const range: Record<string, string> = bytes < size ? { Range: `bytes=0-${bytes - 1}` } : {};
      const [seconds, answer] = await timed(() =>
        wire.send({ method: 'GET', path, headers: { ...dialect.reader, ...range } }, undefined, false),
      );
      if (answer.length !== bytes) throw new Error(`${answer.length} bytes came, ${bytes} were due`);
      return { seconds, bytes };
    });
  // The pages of the file are in memory before the first counts.
  await read(size - 1);
  const first = await read(size);
  const [plain, later]: [Report[], Report[]] = [[], []];
  for (let n = 0; n < times; n += 1) {
    plain.push(await read(size - 1));
    later.push(await read(size));
  }
  const took = (reports: readonly Report[]): number => 1000 * median(reports.map(({ seconds }) => seconds));
  const used = (reports: readonly Report[]): number => 1000 * median(reports.map(({ serverCpu }) => serverCpu));
  const questions = {
    [verifying.first.time]: took([first]),
    [verifying.first.processor]: used([first]),
    [verifying.later.time]: took(later),
    [verifying.later.processor]: used(later),
    [verifying.not.time]: took(plain),
    [verifying.not.processor]: used(plain),
  };
  const seconds = median(later.map((report) => report.seconds));
  return { ...later.at(-1)!, seconds, serverCpu: median(later.map((report) => report.serverCpu)), questions };
}

async function parts({ count, size, lanes }: Of<'parts'>): Promise<Report> {
  const connections = await Promise.all(Array.from({ length: lanes }, () => connected()));
  const [{ wire, dialect }] = connections as [{ wire: Wire; dialect: Dialect }];
  const parted = dialect.parts!;
  return measured(async () => {
    const id = await parted.begin(wire, 'parts');
    const tags: string[] = [];
    let next = 0;
    const lane = async (connection: Wire): Promise<void> => {
      while (next < count) {
        const at = next++;
        tags[at] = await parted.send(connection, { name: 'parts', id, number: at + 1 }, repeated(block, size));
      }
    };
    const [appended] = await timed(() => Promise.all(connections.map((connection) => lane(connection.wire))));
    const [finish] = await timed(() => parted.complete(wire, 'parts', id, tags));
    return { seconds: appended + finish, append: appended, finish, bytes: count * size };
  });
}

async function list({ keys, page, count }: Of<'list'>): Promise<Report> {
  const { wire, dialect } = await connected();
  return measured(async () => {
    const [seconds] = await timed(async () => {
      for (let n = 0; n < count; n += 1) {
        const found = await dialect.list!(wire, fullKey(Math.floor(Math.random() * (keys - page))), page);
        if (found !== page) throw new Error(`${found} keys came, ${page} were due`);
      }
    });
    return { seconds, bytes: 0 };
  });
}

async function catalog(): Promise<Report> {
  const { wire, dialect } = await connected();
  return measured(async () => {
    const [seconds, questions] = await timed(() => askCatalog(wire, dialect));
    return { seconds, questions, bytes: 0 };
  });
}

async function run(): Promise<Report> {
  const { work } = job;
  await warmUp();
  switch (work.kind) {
    case 'whole':
      return whole(work);
    case 'chunks':
      return chunks(work);
    case 'many':
      return many(work);
    case 'small':
      return small(work);
    case 'parts':
      return parts(work);
    case 'list':
      return list(work);
    case 'fetch':
      return fetch(work);
    case 'verify':
      return verify(work);
    case 'catalog':
      return catalog();
  }
}

process.stdout.write(JSON.stringify(await run()), () => process.exit(0));
