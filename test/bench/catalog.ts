/**
 * What the embedded catalog's questions cost with few and with many artifacts, asked through the port.
 *
 *     node --no-warnings node_modules/.cache/stowage-bench/test/bench/catalog.js [folder] [few] [many]
 *
 * Run it from the top level, after a build. Fills one catalog with each number of artifacts (1,000 and 1,000,000), asks both in turns, and prints medians.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import type { Catalog, Publication } from '../../src/core/engine.ts';
import { contentOf, eventOf, sha512Of, uploadOf } from '../support/records.ts';
import { openCatalog } from './built.ts';

const event = eventOf('artifact', 'x');

/** Half of all belongs to `big`, which trusts `friend`; the rest to 50 others. One in 1,000 is an image, and one is shared. */
const ownerOf = (n: number): string => (n % 2 === 0 ? 'big' : `n${n % 50}`);

async function fill(path: string, artifacts: number): Promise<void> {
  const { catalog, close } = await openCatalog({ path, strict: false, onFault: console.error });
  for (const name of ['big', 'friend', ...Array.from({ length: 50 }, (_, n) => `n${n}`)]) {
    await catalog.namespaces.create({ name, createdAt: 1, trusts: [] }, [], {
      ...event,
      subject: 'namespace',
      id: name,
    });
  }
  await catalog.namespaces.trust('big', 'friend', true, event);
  await close();
  const database = new DatabaseSync(path);
  database.exec('pragma synchronous = off; pragma cache_size = -4000000; pragma foreign_keys = off');
  const into = (table: string, columns: number) =>
    database.prepare(`insert into ${table} values (${Array(columns).fill('?').join()})`);
  const [content, blob, artifact, version] = [
    into('contents', 6),
    into('blobs', 7),
    into('artifacts', 13),
    into('versions', 7),
  ];
  const noted = database.prepare(
    "insert into events (subject, subject_id, at, type, message, duration, extra) values (?, ?, ?, 'audit', 'made', null, '{}')",
  );
  database.exec('begin');
  for (let n = 0; n < artifacts; n += 1) {
    const [sha512, uuid, bytes] = [sha512Of(`s${n}`), randomUUID(), randomUUID()];
    const shared = n % 1000 === 1 ? 1 : 0;
    content.run(sha512, 100, `${sha512}.seed`, 'good', n, null);
    blob.run(bytes, ownerOf(n), sha512, n, null, 'text/plain', null);
    artifact.run(
      uuid,
      ownerOf(n),
      n % 1000 === 0 ? 'image' : 'other',
      `name${n}`,
      `upload://name${n}`,
      'created',
      null,
      shared,
      3,
      1,
      n,
      null,
      null,
    );
    version.run(uuid, 1, bytes, 100, n, ownerOf(n), shared);
    noted.run('artifact', uuid, n);
    noted.run('blob', bytes, n);
  }
  database.exec('commit; pragma wal_checkpoint(truncate)');
  database.close();
}

interface Sample {
  readonly artifacts: readonly string[];
  readonly blobs: readonly string[];
  readonly numbers: readonly number[];
}

/** Records spread over the whole catalog, so that nothing is asked twice and caches do not help more than they would. */
function sampleOf(path: string, artifacts: number): Sample {
  const numbers = Array.from({ length: 900 }, () => Math.floor(Math.random() * artifacts));
  const database = new DatabaseSync(path, { readOnly: true });
  const one = database.prepare(
    'select uuid, blob from artifacts, versions where artifact = uuid and name = ? and deleted_at is null',
  );
  // An earlier run has removed some.
  const rows = numbers.map((n) => ({ n, ...(one.get(`name${n}`) as { uuid: string; blob: string } | undefined) }));
  const left = rows.flatMap(({ n, uuid, blob }) =>
    uuid === undefined || blob === undefined ? [] : [{ n, uuid, blob }],
  );
  database.close();
  return {
    numbers: left.map(({ n }) => n),
    artifacts: left.map(({ uuid }) => uuid),
    blobs: left.map(({ blob }) => blob),
  };
}

type Question = (n: number) => Promise<unknown>;

function questions(
  { artifacts, blobs, contents, events: journal, uploads }: Catalog,
  sample: Sample,
): Record<string, Question> {
  const at = <T>(list: readonly T[], n: number): T => list[n % list.length]!;
  const page = (n: number) => ({ after: at(sample.artifacts, n), limit: 100 });
  const friend = { namespace: 'friend' };
  const big = { namespace: 'big' };
  const begin = async (size: number): Promise<string> => {
    const upload = uploadOf('n1', { offset: size });
    await uploads.begin(upload);
    return upload.id;
  };
  const publication = (name: string, source: Publication['source']): Publication => ({
    target: {
      namespace: 'n1',
      type: 'other',
      name,
      sourceUrl: `upload://${name}`,
      shared: false,
      maxVersions: 3,
      setMaxVersions: false,
      createOnly: false,
    },
    source,
    fresh: { artifact: randomUUID(), blob: randomUUID() },
    at: Date.now(),
    by: 'n1',
  });
  const publish = async (name: string, text: string) => {
    const content = contentOf(text);
    const source = { kind: 'upload', upload: await begin(5), content, mediaType: 'text/plain' } as const;
    return artifacts.publish(publication(name, source));
  };
  return {
    'artifacts.get': (n) => artifacts.get(at(sample.artifacts, n)),
    'artifacts.named': (n) => artifacts.named(ownerOf(at(sample.numbers, n)), `name${at(sample.numbers, n)}`),
    'artifacts.named, anywhere': (n) => artifacts.named(null, `name${at(sample.numbers, n)}`),
    'artifacts.list 100, everything': (n) => artifacts.list('everything', {}, page(n)),
    'artifacts.list 100, own': (n) => artifacts.list(big, {}, page(n)),
    'artifacts.list 100, trusted': (n) => artifacts.list(friend, {}, page(n)),
    'artifacts.list, one name': (n) =>
      artifacts.list(friend, { name: `name${at(sample.numbers, n)}` }, { after: null, limit: 100 }),
    'artifacts.list 1 image': (n) =>
      artifacts.list('everything', { type: 'image' }, { after: at(sample.artifacts, n)[0]!, limit: 1 }),
    'artifacts.versions of 20': (n) =>
      artifacts.versions(Array.from({ length: 20 }, (_, k) => at(sample.artifacts, n + k))),
    'blobs.get': (n) => blobs.get(at(sample.blobs, n)),
    'blobs.seen': (n) => blobs.seen(at(sample.blobs, n), friend),
    'blobs.withDigest, found': (n) =>
      blobs.withDigest({ algorithm: 'sha512', hex: sha512Of(`s${at(sample.numbers, n)}`) }, friend),
    'blobs.withDigest, unknown': (n) => blobs.withDigest({ algorithm: 'sha512', hex: sha512Of(`unknown${n}`) }, friend),
    'blobs.list 100, trusted': (n) => blobs.list(friend, page(n)),
    'contents.known of 100': (n) =>
      contents.known(Array.from({ length: 100 }, (_, k) => `${sha512Of(`s${at(sample.numbers, n + k)}`)}.seed`)),
    'contents.toScrub 10': () => contents.toScrub(Number.MAX_SAFE_INTEGER, 10),
    'contents.totals': () => contents.totals(),
    'journal.events': (n) => journal.events('artifact', at(sample.artifacts, n), { limit: 20 }),
    'uploads.begin': () => begin(0),
    'begin and publish, new name': (n) => publish(`new${n}-${randomUUID()}`, `new${n}-${randomUUID()}`),
    'begin and publish, next version': (n) => publish(`name${at(sample.numbers, n) | 1}`, `next${n}-${randomUUID()}`),
    'artifacts.setShared': (n) => artifacts.setShared(at(sample.artifacts, n), n % 2 === 0, event),
    'journal.record': () => journal.record([event]),
    'artifacts.remove': (n) => artifacts.remove(at(sample.artifacts, n), 100, event),
    'blobs.sweep 1': () => blobs.sweep(101, 1),
  };
}

const median = (times: number[]): number => times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;

const [folder = join(tmpdir(), 'catalog-bench'), ...sizes] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const asked = [];
for (const size of sizes.length > 0 ? sizes.map(Number) : [1000, 1_000_000]) {
  const path = join(folder, `${size}.sqlite`);
  // A small one is soon filled, and soon used up.
  if (size < 100_000) for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
  if (!existsSync(path)) {
    const begun = performance.now();
    await fill(path, size);
    console.log(`filled ${size} in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  }
  const open = await openCatalog({ path, strict: true, onFault: console.error });
  asked.push({ open, questions: questions(open.catalog, sampleOf(path, size)) });
}
for (const name of Object.keys(asked[0]!.questions)) {
  const times = asked.map(() => [] as number[]);
  for (let n = 0; n < 300; n += 1) {
    for (const [which, { questions: ask }] of asked.entries()) {
      const begun = performance.now();
      await ask[name]!(n);
      times[which]!.push((performance.now() - begun) * 1000);
    }
  }
  const medians = times.map(median);
  const ratio = (medians.at(-1)! / medians[0]!).toFixed(2);
  console.log(`${name.padEnd(34)} ${medians.map((us) => `${us.toFixed(0)} us`.padStart(9)).join(' ')}  x${ratio}`);
}
for (const { open } of asked) await open.close();
