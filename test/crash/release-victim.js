/**
 * Publishes a release through the core with idempotency keys, and is killed before step `endAt`. Run again on the same
 * folder, at a later time, it sends the same requests again.
 */
import { writeSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { openCore } from '../../dist/core/index.js';
import { openEngine } from '../../dist/engines/index.js';

const [folder, endAt, ahead] = process.argv.slice(2).map((text, index) => (index === 0 ? text : Number(text)));
const who = { namespace: 'system', credential: 'victim' };
const day = 86_400_000;
let steps = 0;
let armed = false;

/** Every call at a port is a step; a writer that a port hands out counts too. */
function counted(target) {
  return new Proxy(target, {
    get(object, key) {
      const value = object[key];
      if (typeof value === 'object' && value !== null && !(value instanceof Promise)) return counted(value);
      if (typeof value !== 'function') return value;
      return (...args) => {
        if (armed) steps += 1;
        if (armed && steps === endAt) process.kill(process.pid, 'SIGKILL');
        const result = value.apply(object, args);
        return key === 'open' && result instanceof Promise
          ? result.then((made) => (typeof made?.write === 'function' ? counted(made) : made))
          : result;
      };
    },
  });
}

const say = (fact) => writeSync(1, `${JSON.stringify(fact)}\n`);
const opened = await openEngine({
  folder,
  strict: true,
  onFault: (why) => {
    throw new Error(why);
  },
});
const engine = {
  catalog: counted(opened.catalog),
  bytes: counted(opened.bytes),
  inlineLimit: opened.inlineLimit,
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
  clock: { now: () => Date.now() + ahead },
  limits: { maxSize: 1e9, headroom: 0, idle: day },
  ages: { multipart: 7 * day, grace: 1000, stray: 10 * day, memory: day, events: day },
  scrub: { every: day, rate: 0 },
  source: undefined,
  systemKey: 'key',
  keys: { secret: Buffer.alloc(32), configured: undefined },
});
if (!(await core.buckets.peek('releases'))) await core.buckets.create(who, 'releases');
armed = true;

const data = Buffer.alloc(150_000, 'a released artifact');
const body = () => ({
  length: data.length,
  cut: undefined,
  stop() {},
  async *[Symbol.asyncIterator]() {
    for (let at = 0; at < data.length; at += 65536) yield Uint8Array.from(data.subarray(at, at + 65536));
  },
});

async function once(word, work) {
  const { value, replayed } = await core.idempotency.once(
    { caller: 'victim', operation: word, word, wish: word },
    work,
  );
  say({ did: word, replayed });
  return value;
}

const release = await once('create', (seed) => core.releases.create(who, { product: 'app', version: '1' }, seed));
const slot = await once('presign', (seed) =>
  core.releaseFiles.open(
    release,
    { fileName: 'app.tar.gz', platform: 'linux', bucket: 'releases', outside: false },
    seed,
  ),
);
if (!(await core.objects.peek('releases', slot.key))) {
  const allowed = await core.buckets.allow(who, 'releases', 'write');
  const received = await core.objects.receive(allowed, { key: slot.key, conditions: {} }, body(), ['md5']);
  await received.keep({ etag: received.measured[0].hex, about: '{}' });
}
const wish = {
  id: slot.id,
  key: slot.key,
  platform: 'linux',
  size: data.length,
  sha256: createHash('sha256').update(data).digest('hex'),
};
await once('register', (seed) => core.releaseFiles.register(who, release, wish, seed));
await once('publish', async (_, again) => {
  const found = await core.releases.get(who, release.id);
  return again && found.status === 'published' ? found : core.releases.publish(who, release.id);
});
armed = false;
const listed = await core.releases.list(who, {}, { behind: null, offset: 0, limit: 10 });
const files = Object.values(await core.releaseFiles.list(listed)).flat();
const pinned = await core.blobs.digest(who, files[0].blob, 'sha256');
const { stored } = await core.usage.get(who);
say({
  did: 'all',
  steps,
  releases: listed.map(({ status }) => status),
  files: files.length,
  same: pinned.hex === wish.sha256,
  stored: stored / data.length,
});
await core.close();
await opened.close();
