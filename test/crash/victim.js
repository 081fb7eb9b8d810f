/**
 * A process that runs every operation once and kills itself before its Nth call of a port. Each printed line is an
 * acknowledgement. Plain JavaScript, because it runs by itself on the build.
 *
 *     node victim.js FOLDER N [SABOTAGE [MOUNT...]]
 *
 * The file systems at each MOUNT are shut down first: unsynced data is lost.
 */
import { execFileSync } from 'node:child_process';
import { writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { openCore } from '../../dist/core/index.js';
import { openEngine } from '../../dist/engines/index.js';

const [folder, endAt, sabotage, ...powered] = process.argv.slice(2);
const who = { namespace: 'system', credential: 'victim' };
const day = 86_400_000;
let steps = 0;
let now = Date.now();
let armed = false;

function step(name) {
  if (!armed) return;
  steps += 1;
  if (steps === Number(endAt)) end();
}

/** EXT4_IOC_SHUTDOWN, which XFS knows by the same number, without flushing the log. */
const powerOff =
  'open(my $mount, "<", $ARGV[0]) or die $!; my $how = pack("L", 2); ioctl($mount, 0x8004587d, $how) or die $!';

function end() {
  for (const mount of powered) execFileSync('perl', ['-e', powerOff, mount]);
  process.kill(process.pid, 'SIGKILL');
}

/** Every call at a port is a step; a writer that a port hands out counts too. */
function counted(target, name) {
  return new Proxy(target, {
    get(object, key) {
      const value = object[key];
      if (typeof value === 'object' && value !== null && !(value instanceof Promise))
        return counted(value, `${name}.${String(key)}`);
      if (typeof value !== 'function') return value;
      return (...args) => {
        step(`${name}.${String(key)}`);
        const result = value.apply(object, args);
        return key === 'open' ? result.then((writer) => counted(writer, 'writer')) : result;
      };
    },
  });
}

/** Breaks the order that the protocol keeps, in one place. */
function sabotaged({ catalog, bytes, ...rest }) {
  if (sabotage === 'stage dropped before the record') {
    const seal = bytes.seal.bind(bytes);
    bytes.seal = async (stage, ...args) => {
      const address = await seal(stage, ...args);
      await bytes.drop(stage);
      return address;
    };
  }
  if (sabotage === 'bytes removed before the record') {
    const { blobs } = catalog;
    const sweep = async (...args) => {
      for await (const item of bytes.list()) if (item.kind === 'blob') await bytes.remove(item.name);
      step('sabotage');
      return blobs.sweep(...args);
    };
    return {
      ...rest,
      bytes,
      catalog: { ...catalog, namespaces: catalog.namespaces, blobs: { ...wrap(blobs), sweep } },
    };
  }
  return { ...rest, bytes, catalog };
}

const wrap = (facts) => new Proxy(facts, {});

/** Makes a way of syncing say that it did, and do nothing; for handles of which `isMeant` says so. */
async function lie(method, isMeant) {
  const handle = await open(process.execPath);
  const prototype = Object.getPrototypeOf(handle);
  const real = prototype[method];
  prototype[method] = async function () {
    if (!(await isMeant(this))) await real.call(this);
  };
  await handle.close();
}

if (sabotage === 'bytes are not synced') await lie('datasync', () => true);
if (sabotage === 'folders are not synced') await lie('sync', async (handle) => (await handle.stat()).isDirectory());

export function piece(seed, size) {
  return createHash('sha512')
    .update(String(seed))
    .digest()
    .toString('hex')
    .repeat(Math.ceil(size / 128))
    .slice(0, size);
}

function body(text) {
  const data = Buffer.from(text);
  return {
    length: data.length,
    cut: undefined,
    stop() {},
    async *[Symbol.asyncIterator]() {
      for (let at = 0; at < data.length; at += 65536) yield Uint8Array.from(data.subarray(at, at + 65536));
    },
  };
}

const say = (fact) => writeSync(1, `${JSON.stringify(fact)}\n`);

const opened = await openEngine({
  folder,
  strict: true,
  onFault: (why) => {
    throw new Error(why);
  },
});
const real = sabotaged({ catalog: opened.catalog, bytes: opened.bytes, locks: opened.locks, health: opened.health });
const engine = {
  catalog: counted(real.catalog, 'catalog'),
  bytes: counted(real.bytes, 'bytes'),
  locks: opened.locks,
  health: opened.health,
  close: () => opened.close(),
};
const core = await openCore(engine, {
  words: {
    sources: { artifact: 'sf', object: 's3' },
    accessKeys: { id: 'a', secret: 's', derived: 'l' },
    apiKeys: 'k',
    downloads: 'd',
    reservedKeys: '_',
  },
  clock: { now: () => now },
  limits: { maxSize: 1e9, headroom: 0, idle: day },
  ages: { multipart: 7 * day, grace: 1000, stray: 10 * day, memory: day, events: day },
  scrub: { every: day, rate: 0 },
  source: undefined,
  systemKey: 'key',
  keys: { secret: Buffer.alloc(32), configured: undefined },
});
armed = true;

const target = (name) => ({ name, type: 'image', namespace: null, sourceUrl: null, shared: false, maxVersions: 0 });
const none = { size: undefined, digests: [] };

async function upload(key, pieces) {
  const { id } = await core.uploads.begin(who);
  say({ did: 'begin', key, id });
  let offset = 0;
  for (const [seed, size] of pieces) {
    if (sabotage === 'acknowledged before written') say({ did: 'append', key, offset: offset + size });
    const appended = await core.uploads.append(who, id, body(piece(seed, size)), { at: offset, digests: [] });
    offset = appended.upload.offset;
    say({ did: 'append', key, offset });
  }
  return id;
}

const pieces = [
  [1, 5000],
  [2, 400_000],
  [3, 70_000],
];
const first = await upload('first', pieces);
await core.uploads.truncate(who, first, 405_000);
say({ did: 'truncate', key: 'first', offset: 405_000 });
await core.uploads.append(who, first, body(piece(3, 70_000)), { at: 405_000, digests: [] });
say({ did: 'append', key: 'first', offset: 475_000 });
await core.artifacts.convert(who, first, target('kept'), none);
say({ did: 'convert', key: 'first', name: 'kept' });

const second = await upload('second', pieces);
await core.artifacts.convert(who, second, target('twin'), none);
say({ did: 'convert', key: 'second', name: 'twin' });

const third = await upload('third', [[9, 300_000]]);
await core.artifacts.convert(who, third, target('doomed'), none);
say({ did: 'convert', key: 'third', name: 'doomed' });
say({ did: 'asked to remove', name: 'doomed' });
await core.artifacts.remove(who, 'doomed');
say({ did: 'remove', name: 'doomed' });
now += 5000;
await core.sweep.run();
say({ did: 'sweep' });

// Uploads joined, of which one is cut before the whole is converted.
const parts = [];
for (const [n, [seed, size]] of pieces.entries()) parts.push(await upload(`part ${n}`, [[seed, size]]));
const whole = await core.uploads.begin(who);
say({ did: 'begin', key: 'joined', id: whole.id });
say({ did: 'append', key: 'joined', offset: (await core.uploads.join(who, whole.id, parts)).offset });
say({ did: 'asked to truncate', key: 'part 1', offset: 10 });
await core.uploads.truncate(who, parts[1], 10);
await core.artifacts.convert(who, whole.id, target('joined'), none);
say({ did: 'convert', key: 'joined', name: 'joined' });

await core.buckets.create(who, 'bucket');
const allowed = await core.buckets.allow(who, 'bucket', 'write');
const facts = { etag: 'etag', about: '{}' };
async function put(key, bytes) {
  await (await core.objects.receive(allowed, { key, conditions: {} }, body(bytes), [])).keep(facts);
}
for (const seed of [20, 21]) {
  await put('medium', piece(seed + 10, 300_000));
  say({ did: 'put medium', offset: seed + 10 });
  await put('small', piece(seed, 5000));
  say({ did: 'put small', offset: seed });
}
const { id } = await core.multipart.begin(allowed, 'key', '{}');
say({ did: 'multipart', id });
for (const [n, [seed, size]] of pieces.entries()) {
  const multipart = await core.multipart.get(allowed, 'key', id);
  await (await core.multipart.receive(allowed, multipart, n + 1, body(piece(seed, size)), [])).keep(facts);
  say({ did: 'part', offset: n + 1 });
}
const multipart = await core.multipart.get(allowed, 'key', id);
await core.multipart.complete(
  allowed,
  multipart,
  await core.multipart.parts(multipart, 0, 10),
  { key: 'key', conditions: {} },
  facts,
  () => 'done',
);
say({ did: 'complete' });
armed = false;
await core.close();
await engine.close();
say({ did: 'all', steps });
