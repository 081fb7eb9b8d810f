/** The catalog on its connection, without the thread: its SQL, and its reaction to SQLite errors. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { sql, type CompiledQuery, type QueryResult } from 'kysely';
import { catalogContract, type OpenedCatalog } from '../contract/catalog.ts';
import { Scene, contentOf, done, eventOf, everything, sha512Of } from '../contract/catalog/scene.ts';
import { isLockedRefusal } from '../../src/catalog/object-lock-rules.ts';
import { catalogOn, migrate } from '../../src/catalog/index.ts';
import type { Bucket } from '../../src/catalog/model.ts';
import type { Migration } from '../../src/catalog/migrations/migration.ts';
import { demandUnlocked } from '../../src/catalog/object-locks.ts';
import { GroupCommit } from '../../src/engines/embedded/sqlite/group-commit.ts';
import { SqliteConnection } from '../../src/engines/embedded/sqlite/connection.ts';

/** A connection that tells what was asked of it, and fails when told to. */
class Watched extends SqliteConnection {
  readonly asked = new Set<string>();
  /** SQLite's code for the next commit. */
  failCommit: number | undefined;

  override executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    this.asked.add(query.sql);
    return super.executeQuery<Row>(query);
  }

  override run(sql: string): void {
    if (sql === 'commit' && this.failCommit !== undefined) {
      throw Object.assign(new Error('made to fail'), { errcode: this.failCommit });
    }
    super.run(sql);
  }
}

async function openHere(path: string): Promise<OpenedCatalog> {
  const host = new GroupCommit(new SqliteConnection(path, true), (error) => {
    throw error;
  });
  await migrate(host, 1);
  const close = (): Promise<void> => host.close();
  return { catalog: catalogOn(host), close, reopen: async () => (await close(), openHere(path)) };
}

describe('without a thread', () => {
  let folder: string;
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'sqlite-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));
  catalogContract('embedded', () => openHere(join(folder, 'catalog.sqlite')));
});

describe('the embedded catalog on SQLite', () => {
  let folder: string;
  let path: string;
  let connection: Watched;
  let host: GroupCommit;
  let scene: Scene;
  let faults: unknown[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sqlite-'));
    path = join(folder, 'catalog.sqlite');
    connection = new Watched(path, true);
    faults = [];
    host = new GroupCommit(connection, (error) => faults.push(error));
    await migrate(host, 1);
    scene = new Scene(catalogOn(host));
    await scene.namespace('alpha');
    await scene.namespace('beta', ['alpha']);
  });
  afterEach(async () => {
    await host.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('asks nothing that makes SQLite read a table from end to end', async () => {
    // A step of the schema may read what was there before it, once.
    connection.asked.clear();
    await askEverything(scene);
    const plans = new DatabaseSync(path);
    const reading: string[] = [];
    for (const sql of connection.asked) {
      if (!/^\s*(with|select|update|delete|insert)/.test(sql)) continue;
      const parameters = [...sql.matchAll(/\?/g)].map(() => 0);
      const steps = plans.prepare(`explain query plan ${sql}`).all(...parameters) as { detail: string }[];
      for (const { detail } of steps) if (!harmless(detail)) reading.push(`${detail}: ${sql}`);
    }
    plans.close();
    expect(connection.asked.size).toBeGreaterThan(90);
    expect(reading).toEqual([]);
  });

  test('writes and short reads wait for one page of rows at most, and pages for one transaction', async () => {
    const order: string[] = [];
    const note =
      (name: string): (() => Promise<void>) =>
      async () =>
        void order.push(name);
    const asked: Promise<unknown>[] = [];
    /** Each write asks for another, as clients do that never rest. */
    const write = async (at: number): Promise<void> => {
      await host.write(note(`write ${at}`));
      if (at < 8) await write(at + 1);
    };
    for (let at = 0; at < 4; at += 1) {
      const page = async (): Promise<void> => {
        order.push(`page ${at}`);
        if (at === 0) asked.push(host.read(note('read')), write(0));
      };
      asked.push(host.page(page));
    }
    await Promise.all(asked);
    await Promise.all(asked);
    expect(order.slice(0, 8)).toEqual([
      'page 0',
      'read',
      'write 0',
      'page 1',
      'write 1',
      'page 2',
      'write 2',
      'page 3',
    ]);
  });

  test('a listing that is rolled up goes from prefix to prefix by looks into an index, and reads no key between', async () => {
    const event = eventOf('bucket', 'b');
    await scene.catalog.buckets.create(bucketOf('b'), event);
    const raw = new DatabaseSync(path);
    raw.exec('begin');
    const insert = raw.prepare(
      "insert into objects (bucket, key, idx, artifact, current, marker, etag, about, created_at) values ('b', ?, 1, ?, 1, 0, 'etag', '{}', 1)",
    );
    for (let prefix = 1000; prefix < 2000; prefix += 1) {
      for (let key = 10; key < 60; key += 1) insert.run(`p${prefix}/k${key}`, `artifact-${prefix}-${key}`);
    }
    raw.exec('commit');
    const page = { prefix: '', delimiter: '/', after: null, behind: null, limit: 1001 };
    for (const versions of [false, true]) {
      connection.asked.clear();
      const entries = await scene.catalog.buckets.entries({ name: 'b' }, { ...page, versions });
      expect(entries.map(({ key }) => key)).toEqual(Array.from({ length: 1000 }, (_, at) => `p${1000 + at}/`));
      // The first asks whether the bucket is still the one that was decided upon.
      expect(connection.asked.size).toBe(2);
      const [, sql] = [...connection.asked];
      const steps = raw.prepare(`explain query plan ${sql}`).all(...[...sql!.matchAll(/\?/g)].map(() => 0)) as {
        detail: string;
      }[];
      const looks = steps.filter(({ detail }) => /^(SEARCH|SCAN) (o|v|objects)\b/.test(detail));
      expect(looks.length).toBeGreaterThanOrEqual(3);
      for (const { detail } of looks) expect(detail).toMatch(/^SEARCH .*\(bucket=\? AND key(>\?|=\?|>\? AND key<\?)/);
    }
    raw.close();
  });

  test('refuses what the schema rules out', async () => {
    const { artifact, blob } = await scene.version('alpha', 'a', 'bytes');
    const raw = new DatabaseSync(path);
    const rule = (sql: string) => expect(() => raw.exec(sql)).toThrow(/constraint/i);
    rule(`delete from blobs where uuid = '${blob}'`);
    rule(`delete from contents where sha512 = '${sha512Of('bytes')}'`);
    rule(`delete from artifacts where uuid = '${artifact.uuid}'`);
    rule(`update versions set blob = 'nothing' where artifact = '${artifact.uuid}'`);
    rule(
      `insert into blobs select 'other', namespace, sha512, 1, null, media_type, null from blobs where uuid = '${blob}'`,
    );
    rule(
      `insert into artifacts select 'other', namespace, type, name, source_url, state, fault, shared, 0, 1, 1, null, null from artifacts`,
    );
    raw.close();
  });

  test('refuses when the disk is full, and goes on when there is room again', async () => {
    connection.run('pragma max_page_count = 80');
    const filled = async () => {
      for (let n = 0; n < 1000; n += 1) await scene.version('alpha', `n${n}`, `n${n}`);
    };
    await expect(filled()).rejects.toMatchObject({ name: 'Refusal', reason: 'full' });
    const { versions } = await scene.catalog.contents.totals();
    expect(versions).toBeGreaterThan(0);
    connection.run('pragma max_page_count = 100000');
    await scene.version('alpha', 'after', 'after');
    expect(await scene.catalog.contents.totals()).toMatchObject({ versions: versions + 1 });
    expect(faults).toEqual([]);
  });

  test('takes nothing more after a commit that the disk failed, and still reads', async () => {
    const { artifact } = await scene.version('alpha', 'kept', 'kept');
    const ids = await Promise.all([scene.upload('alpha', 1), scene.upload('alpha', 1)]);
    connection.failCommit = 10 | (4 << 8);
    const drops = await Promise.allSettled(ids.map((id) => scene.catalog.uploads.drop(id, eventOf('upload', id))));
    for (const drop of drops)
      expect(drop).toMatchObject({ status: 'rejected', reason: { name: 'Refusal', reason: 'unavailable' } });
    expect(faults).toMatchObject([{ errcode: 1034 }]);
    connection.failCommit = undefined;
    await expect(scene.upload('alpha', 1)).rejects.toMatchObject({ reason: 'unavailable' });
    expect((await scene.catalog.uploads.get(ids[0]))?.state).toBe('open');
    expect((await scene.catalog.artifacts.get(artifact.uuid))?.name).toBe('kept');
    expect(faults).toHaveLength(1);
  });

  test('a commit that finds no room is refused, and is no lasting fault', async () => {
    connection.failCommit = 13;
    await expect(scene.upload('alpha', 1)).rejects.toMatchObject({ reason: 'full' });
    connection.failCommit = undefined;
    await scene.upload('alpha', 1);
    expect((await scene.catalog.contents.totals()).openUploads).toBe(1);
    expect(faults).toEqual([]);
  });

  test('a migration that dies half way leaves nothing, and the next try finishes it', async () => {
    const { migrations } = await import('../../src/catalog/migrations/index.ts');
    let dies = true;
    const second: Migration = {
      name: 'second',
      async up(db) {
        await db.schema.createTable('second').addColumn('id', 'integer').execute();
        if (dies) throw new Error('half way');
      },
    };
    await expect(migrate(host, 2, [...migrations, second])).rejects.toThrow('half way');
    dies = false;
    await migrate(host, 3, [...migrations, second]);
    await migrate(host, 4, [...migrations, second]);
    await expect(migrate(host, 5)).rejects.toMatchObject({
      reason: 'unavailable',
      details: { schema: migrations.length + 1, known: migrations.length },
    });
  });

  test('final uploads that an older version began are found by their parts after the migration', async () => {
    const { migrations } = await import('../../src/catalog/migrations/index.ts');
    const old = new GroupCommit(new Watched(join(folder, 'old.sqlite'), true), (error) => faults.push(error));
    const step = migrations.findIndex(({ name }) => name === 'uploads that wait for others');
    await migrate(old, 1, migrations.slice(0, step));
    const [one, two] = [randomUUID(), randomUUID()];
    await old.write(async (db) => {
      await sql.raw("insert into namespaces (name, created_at) values ('alpha', 1)").execute(db);
      const begun = (id: string, state: 'open' | 'dropped', concat: string) =>
        db
          .insertInto('uploads')
          .values({
            ...{ id, namespace: 'alpha', state, offset: 0, length: null, last_start: null, last_answered: 0 },
            ...{ created_at: 1, touched_at: 1, ended_at: state === 'open' ? null : 1, expects: null },
            ...{ outcome_artifact: null, outcome_index: null, outcome_blob: null },
            about: JSON.stringify({ metadata: `filename ${two}`, concat }),
          })
          .execute();
      await begun('waits', 'open', `final;/tus/${one} http://host/tus/${two}/ /tus/${one}`);
      await begun('ended', 'dropped', `final;/tus/${one}`);
      await begun(one, 'open', 'partial');
    });
    await migrate(old, 2);
    const page = { after: null, limit: 10 };
    for (const part of [one, two])
      expect((await catalogOn(old).uploads.waiting(null, part, page)).map(({ id }) => id)).toEqual(['waits']);
    await old.close();
  });

  test('locks that an older version kept in what S3 says of a version hold after the migration', async () => {
    const { migrations } = await import('../../src/catalog/migrations/index.ts');
    const old = new GroupCommit(new Watched(join(folder, 'old.sqlite'), true), (error) => faults.push(error));
    await migrate(
      old,
      1,
      migrations.slice(
        0,
        migrations.findIndex(({ name }) => name === 'object locks'),
      ),
    );
    const retained = (mode: string, until: number) => ({ type: 'a/b', retention: { mode, until } });
    const kinds = [
      { type: 'a/b' },
      { type: 'a/b', held: true },
      { type: 'a/b', held: false },
      retained('COMPLIANCE', 100),
      retained('GOVERNANCE', 100),
      retained('GOVERNANCE', 10),
      { ...retained('GOVERNANCE', 10), held: true },
      { type: 'a/b', meta: { note: '"held":true' } },
    ];
    // More versions than the step takes in one go.
    const last = 1201;
    await old.write(async (db) => {
      const run = (text: string) => sql.raw(text).execute(db);
      await run("insert into namespaces values ('alpha', 1)");
      await run("insert into buckets values ('locked', 'alpha', 1, 'enabled', 0, '{\"lock\":\"{}\"}')");
      await run("insert into contents values ('c', 1, 'c', 'good', 1, null)");
      await run("insert into blobs values ('b', 'alpha', 'c', 1, null, 'a/b', null)");
      await run(
        `insert into artifacts values ('a', 'alpha', 'other', 'k', 's3://locked/k', 'created', null, 0, 0, ${last}, 1, null, null)`,
      );
      for (let idx = 1; idx <= last; idx += 1) {
        const about = JSON.stringify(kinds[idx % kinds.length]);
        await run(`insert into versions values ('a', ${idx}, 'b', 1, 1, 'alpha', 0)`);
        await run(
          `insert into objects values ('locked', 'k', ${idx}, 'a', 'v${idx}', ${idx === last ? 1 : 0}, 0, 'e', '${about}', 1)`,
        );
      }
    });
    await migrate(old, 2);
    const catalog = catalogOn(old);
    const isProtected = async (bypass: boolean): Promise<boolean[]> => {
      const found: boolean[] = [];
      for (let idx = 1; idx <= last; idx += 1) {
        const asked = old.write((db) =>
          demandUnlocked(db, { artifact: 'a', first: idx, last: idx }, { at: 50, bypass }),
        );
        found.push(
          await asked.then(
            () => false,
            (error: unknown) => isLockedRefusal(error),
          ),
        );
      }
      return found;
    };
    const all = (protectedKinds: readonly number[]): boolean[] =>
      Array.from({ length: last }, (_, n) => protectedKinds.includes((n + 1) % kinds.length));
    expect(await isProtected(false)).toEqual(all([1, 3, 4, 6]));
    expect(await isProtected(true)).toEqual(all([1, 3, 6]));
    const shown = async (idx: number) => {
      const { content } = (await catalog.buckets.object('locked', 'k', { id: `v${idx}` }))!;
      return { about: JSON.parse(content!.about) as unknown, retention: content!.retention, held: content!.held };
    };
    expect(await shown(1198)).toEqual({
      about: { type: 'a/b' },
      retention: { mode: 'GOVERNANCE', until: 10 },
      held: true,
    });
    expect(await shown(1194)).toEqual({ about: { type: 'a/b' }, retention: null, held: false });
    expect(await shown(1199)).toEqual({ about: kinds[7], retention: null, held: null });
    await expect(catalog.namespaces.remove('alpha', eventOf('namespace', 'alpha'))).rejects.toMatchObject({
      reason: 'locked',
    });
    await old.close();
  });

  /** A catalog at the step before the named one, filled with rows as they were then. */
  async function catalogBefore(step: string, rows: readonly string[]): Promise<GroupCommit> {
    const { migrations } = await import('../../src/catalog/migrations/index.ts');
    const old = new GroupCommit(new Watched(join(folder, 'old.sqlite'), true), (error) => faults.push(error));
    const until = migrations.findIndex(({ name }) => name === step);
    await migrate(old, 1, migrations.slice(0, until));
    await old.write(async (db) => {
      for (const row of rows) await sql.raw(row).execute(db);
    });
    return old;
  }

  test('digests that an older version kept with contents are found by every blob of them after the migration', async () => {
    const old = await catalogBefore('digests of blobs', [
      "insert into namespaces values ('alpha', 1), ('beta', 1)",
      "insert into contents values ('c', 1, 'c', 'good', 1, null), ('d', 1, 'd', 'good', 1, null)",
      "insert into blobs values ('a1', 'alpha', 'c', 1, null, 'a/b', null), ('b1', 'beta', 'c', 1, null, 'a/b', null)",
      "insert into blobs values ('a2', 'alpha', 'd', 1, null, 'a/b', null)",
      "insert into digests values ('c', 'md5', 'aa'), ('c', 'sha256', 'bb'), ('d', 'md5', 'cc')",
    ]);
    await migrate(old, 2);
    const { rows } = await old.read((db) =>
      sql<object>`select * from blob_digests order by blob, algorithm`.execute(db),
    );
    expect(rows).toEqual([
      { blob: 'a1', algorithm: 'md5', hex: 'aa' },
      { blob: 'a1', algorithm: 'sha256', hex: 'bb' },
      { blob: 'a2', algorithm: 'md5', hex: 'cc' },
      { blob: 'b1', algorithm: 'md5', hex: 'aa' },
      { blob: 'b1', algorithm: 'sha256', hex: 'bb' },
    ]);
    await old.close();
  });

  test('namespaces of an older version have no generation; later ones of their name have one', async () => {
    const old = await catalogBefore('generations of namespaces', ["insert into namespaces values ('alpha', 1)"]);
    await migrate(old, 2);
    const { namespaces } = catalogOn(old);
    expect(await namespaces.get('alpha')).toEqual({ name: 'alpha', createdAt: 1, trusts: [] });
    await namespaces.remove('alpha', eventOf('namespace', 'alpha'));
    const next = { name: 'alpha', createdAt: 1, trusts: [], generation: 'g' };
    await namespaces.create(next, [], eventOf('namespace', 'alpha'));
    expect(await namespaces.get('alpha')).toEqual(next);
    await old.close();
  });

  test('ledgers of an older version count every row after the migration', async () => {
    const old = await catalogBefore('records in ledgers', [
      "insert into namespaces values ('alpha', 1, null), ('beta', 1, null)",
      "insert into buckets values ('b', 'alpha', 1, 'enabled', 0, '{}')",
      "insert into contents values ('c', 7, 'c', 'good', 1, null)",
      "insert into blobs values ('x', 'alpha', 'c', 1, null, 'a/b', null)",
      `insert into artifacts values
        ('a', 'alpha', 'other', 'é', 's', 'created', null, 0, 0, 1, 1, null, null),
        ('d', 'alpha', 'other', 'k', 's', 'deleted', null, 0, 0, 1, 1, 2, '[]')`,
      "insert into versions values ('a', 1, 'x', 7, 1, 'alpha', 0)",
      `insert into objects values
        ('b', 'k', 1, 'a', 'v', 0, 0, 'e', 'ab', 1, null, null, null), ('b', 'k', 2, 'a', 'w', 1, 1, '', '', 1, null, null, null)`,
      "insert into metadata values ('artifact', 'a', 'k', 'é', 'alpha', 2)",
    ]);
    await migrate(old, 2);
    const { usage } = catalogOn(old);
    // Bucket, artifact, version, object, marker and note, whose text is stored bytes; a deleted artifact does not count.
    const records = 6 * 512 + Buffer.byteLength('b{}' + 'és' + 'keab' + 'k');
    expect(await usage.get('alpha')).toMatchObject({ stored: 7 + Buffer.byteLength('ké'), records });
    expect(await usage.get('beta')).toMatchObject({ stored: 0, records: 0 });
    expect(await usage.miscounted(false)).toEqual([]);
    await catalogOn(old).namespaces.create(
      { name: 'gamma', createdAt: 1, trusts: [] },
      [],
      eventOf('namespace', 'gamma'),
    );
    expect(await usage.get('gamma')).toMatchObject({ stored: 0, records: 0, quota: null });
    await old.close();
  });

  test('a ledger that is wrong is found, and put right where that is asked for', async () => {
    await scene.version('alpha', 'a', '12345');
    const { usage } = scene.catalog;
    const right = (await usage.get('alpha'))!;
    await host.write((db) =>
      sql`update ledgers set stored = stored + 7, records = records - 1 where namespace = 'alpha'`.execute(db),
    );
    const [stored, records] = [right.stored + 7, right.records - 1];
    const wrong = { namespace: 'alpha', stored, records, rightStored: right.stored, rightRecords: right.records };
    expect(await usage.miscounted(false)).toEqual([wrong]);
    expect(await usage.miscounted(true)).toEqual([wrong]);
    expect({ 'get alpha': await usage.get('alpha'), 'miscounted false': await usage.miscounted(false) }).toEqual({
      'get alpha': right,
      'miscounted false': [],
    });
  });

  test('buckets of an older version have no generation, and are not the next ones of their name', async () => {
    const old = await catalogBefore('generations of buckets', [
      "insert into namespaces values ('alpha', 1, null)",
      "insert into buckets values ('b', 'alpha', 1, 'off', 0, '{}')",
    ]);
    await migrate(old, 2);
    const { buckets } = catalogOn(old);
    const before = (await buckets.get('b'))!;
    expect(before).toEqual({ ...bucketOf('b'), generation: undefined });
    expect(await buckets.remove(before, eventOf('bucket', 'b'))).toEqual([]);
    await buckets.create({ ...bucketOf('b'), generation: 'g' }, eventOf('bucket', 'b'));
    expect(await buckets.remove(before, eventOf('bucket', 'b'))).toBe('none');
    expect(await buckets.get('b')).toEqual({ ...bucketOf('b'), generation: 'g' });
    await old.close();
  });

  test('copies its log into the file as it goes', async () => {
    await scene.catalog.events.record(Array.from({ length: 30_000 }, () => eventOf('upload', 'x')));
    await scene.catalog.events.record([eventOf('upload', 'x')]);
    const reader = new DatabaseSync(path);
    const [{ busy, log, checkpointed }] = reader.prepare('pragma wal_checkpoint(passive)').all() as [
      { busy: number; log: number; checkpointed: number },
    ];
    expect(busy).toBe(0);
    expect(log - checkpointed).toBeLessThan(100);
    reader.close();
  });
});

const bucketOf = (name: string): Bucket => ({
  name,
  namespace: 'alpha',
  createdAt: 1,
  versioning: 'off',
  open: false,
  settings: {},
});

/** Steps of a plan that cost what they answer: a search, a merge of limited branches, one row, the open uploads in order. */
function harmless(detail: string): boolean {
  if (!detail.startsWith('SCAN')) return true;
  return /^SCAN (branch|step|CONSTANT ROW|\d+-ROW VALUES CLAUSE|totals|migrations|uploads USING INDEX uploads_open)/.test(
    detail,
  );
}

/** Calls every method that asks the database anything, on every path that asks it in other words. */
async function askEverything({ catalog, ...rest }: Scene): Promise<void> {
  const scene = Object.assign(new Scene(catalog), rest);
  const { artifacts, blobs, contents, events: journal, namespaces, uploads } = catalog;
  const alpha = { namespace: 'alpha' };
  const event = eventOf('artifact', 'x');
  const later = { after: '0', limit: 10 };
  const { artifact, blob, address } = await scene.version('alpha', 'a', 'one', { maxVersions: 2 });
  for (const text of ['two', 'three', 'three'])
    await scene.version('alpha', 'a', text, { maxVersions: 3, setMaxVersions: true });
  done(await scene.publishBlob('beta', 'b', blob));
  const upload = await scene.upload('alpha', 0);
  await uploads.advance(upload, { from: 0, to: 1, lastStart: 0, length: 5, at: 1 });
  await uploads.advance(upload, { from: 1, to: 2, lastStart: 1, length: null, at: 1 });
  await uploads.answered([[upload, 2]]);
  await uploads.damaged(upload, 1, event);
  for (const page of [everything, later]) {
    await uploads.list(null, page);
    await uploads.list('alpha', page);
    await uploads.idle(5, page);
    await uploads.waiting(null, upload, page);
    await uploads.waiting('alpha', upload, page);
    await artifacts.pending(page);
    await contents.list(page);
    for (const visibility of ['everything', alpha] as const) {
      await namespaces.list(visibility, page);
      await blobs.list(visibility, page);
      for (const type of [{}, { type: 'image' as const }]) {
        for (const filter of [
          {},
          { name: 'a' },
          { namespace: 'beta' },
          { namespace: 'gamma' },
          { namespace: 'beta', name: 'a' },
        ]) {
          await artifacts.list(visibility, { ...filter, ...type }, page);
        }
      }
    }
  }
  for (const visibility of ['everything', alpha] as const) {
    await blobs.seen(blob, visibility);
    await blobs.withDigest({ algorithm: 'sha512', hex: sha512Of('one') }, visibility);
    await blobs.withDigest({ algorithm: 'md5', hex: 'aa' }, visibility);
  }
  await blobs.addDigest(blob, 'md5', 'aa');
  await blobs.used([blob], 2);
  await blobs.many([blob, 'x']);
  await contents.toScrub(100, 10);
  await contents.mark(sha512Of('one'), address, 'rotten', 3, event);
  await scene.version('alpha', 'heals', 'one');
  await contents.named(sha512Of('one'), 10);
  await contents.known([address]);
  await contents.totals();
  await artifacts.named(null, 'a');
  await artifacts.named('alpha', 'a', 'other');
  const pending = scene.pendingArtifact('alpha', 'p');
  await artifacts.begin(pending, event);
  await artifacts.fail(pending.uuid, 'x', event);
  await artifacts.versions([artifact.uuid]);
  await artifacts.setMaxVersions(artifact.uuid, 2, 4, event);
  await artifacts.setShared(artifact.uuid, true, event);
  await artifacts.removeVersion(artifact.uuid, 3, 4, event);
  await artifacts.remove(artifact.uuid, 4, event);
  await artifacts.forget(5);
  await journal.record([event]);
  await journal.events('artifact', 'x', { limit: 5 });
  await journal.events('artifact', 'x', { type: 'audit', limit: 5 });
  await journal.setMetadata('blob', blob, 'k', 'v');
  await journal.setMetadata('blob', blob, 'k', undefined);
  await journal.metadata('blob', blob);
  await namespaces.credentials('alpha');
  await namespaces.credential('alpha', 'k');
  await namespaces.putCredential({ namespace: 'alpha', name: 'k', verifier: 'v', nonce: 'n', createdAt: 1 }, event);
  await namespaces.dropCredential('alpha', 'k', event);
  await namespaces.trust('beta', 'alpha', false, event);
  await namespaces.get('alpha');
  await askBuckets(scene);
  await askCustomers(scene);
  await uploads.drop(upload, event, 100);
  await uploads.forget(100);
  await namespaces.remove('beta', event);
  await blobs.sweep(100, 10);
  await journal.forget(2);
}

/** The same for customers, and who tried to get in. */
async function askCustomers({ catalog: { customers, audits } }: Scene): Promise<void> {
  const event = eventOf('customer', 'x');
  await customers.create({ id: 'c', namespace: 'alpha', name: 'n', plan: 'p', createdAt: 1, suspendedAt: null }, event);
  await customers.entitle({ id: 'e', customer: 'c', product: 'p', startsAt: 1, endsAt: null, metadata: null }, event);
  await customers.addKey(
    'alpha',
    {
      id: 'k',
      customer: 'c',
      name: null,
      type: 'ci',
      scopes: [],
      verifier: 'v',
      expiresAt: null,
      createdAt: 1,
      revokedAt: null,
      lastUsedAt: null,
    },
    event,
  );
  await customers.change('c', { plan: null }, event);
  await customers.changeEntitlement('c', 'e', { endsAt: 9 }, event);
  await customers.entitled('c', 5);
  await customers.proved('v');
  await customers.key('k');
  await customers.used([['k', 1]]);
  await customers.revokeKey('k', 1, event);
  for (const behind of [null, { at: 0, id: '' }]) {
    const page = { behind, offset: 1, limit: 5 };
    for (const filter of [{}, { id: 'c' }, { name: 'n', plan: 'p' }]) await customers.list('alpha', filter, page);
    for (const product of [undefined, 'p']) await customers.entitlements('c', product, page);
    for (const filter of [{}, { customer: 'c' }, { actor: 'a', event: 'e', from: 1, to: 2 }])
      await audits.list('alpha', filter, page);
  }
  await audits.record([{ id: 'a', namespace: 'alpha', customer: null, actor: 'a', event: 'e', payload: {}, at: 1 }]);
  await audits.forget(1);
  await customers.dropEntitlement('c', 'e', event);
}

/** The same for buckets, what is in them, and what goes with them. */
async function askBuckets(scene: Scene): Promise<void> {
  const { artifacts, buckets, accessKeys: keys, usage: ledgers, multipart: parts } = scene.catalog;
  const event = eventOf('bucket', 'b');
  await buckets.create(bucketOf('b'), event);
  for (const versioning of ['off', 'enabled', 'suspended'] as const) {
    await buckets.change({ name: 'b' }, { versioning }, event);
    for (const text of ['x', 'y']) {
      const upload = await scene.upload('alpha', text.length);
      const publication = scene.publication(
        'alpha',
        'b/k',
        { kind: 'upload', upload, content: contentOf(text), mediaType: 'text/plain' },
        { sourceUrl: 's3://b/k' },
      );
      const object = {
        bucket: { name: 'b' },
        key: 'k',
        versionId: `v${text}`,
        etag: text,
        about: '{}',
        lock: { retention: { mode: 'GOVERNANCE', until: 5 }, held: null } as const,
        conditions: { noneMatch: ['none'] },
      };
      await artifacts.publish({ ...publication, object });
    }
    await buckets.retire({
      bucket: { name: 'b' },
      key: 'k',
      conditions: {},
      fresh: { artifact: 'f', version: 'm' },
      at: 9,
      event,
    });
  }
  for (const namespace of [null, 'alpha']) {
    await buckets.list(namespace, { after: null, limit: 5 });
    await keys.list(namespace, { after: 'a', limit: 5 });
  }
  const place = { artifact: 'f', bucket: 'b', key: 'k', index: 1 };
  for (const version of [undefined, { id: null }, { id: 'vx' }]) await buckets.object('b', 'k', version);
  for (const after of [null, 'a']) {
    await buckets.objects('b', { prefix: 'k', after, limit: 5 });
    await buckets.versions({ name: 'b' }, { prefix: '', after, limit: 5, behind: after === null ? place : null });
  }
  for (const delimiter of ['', '/']) {
    for (const versions of [false, true]) {
      for (const after of [null, 'a', 'k/']) {
        const behind = versions && after !== null ? place : null;
        await buckets.entries({ name: 'b' }, { prefix: 'k', after, delimiter, versions, behind, limit: 5 });
      }
    }
  }
  for (const of of [{ bucket: 'b' }, { namespace: 'alpha' }]) await buckets.usage(of);
  for (const json of ['{}', null]) await buckets.describe(place, 'tags', json);
  await buckets.hold(place, true);
  await buckets.retain(place, { mode: 'COMPLIANCE', until: 5 }, { at: 1, bypass: true });
  await buckets.removeVersion({
    bucket: { name: 'b' },
    key: 'k',
    id: 'vx',
    conditions: {},
    bypass: true,
    at: 9,
    event,
  });
  const whole = {
    id: 'w',
    bucket: 'b',
    key: 'k',
    namespace: 'alpha',
    about: '{}',
    createdAt: 1,
    touchedAt: 1,
    outcome: null,
  };
  await parts.begin(whole);
  await parts.put('w', { number: 1, upload: 'u', size: 1, etag: 'e', about: '{}', at: 2 });
  await parts.parts('w', 0, 5);
  for (const behind of [null, { key: 'k', id: 'a' }])
    await parts.list({ name: 'b' }, { prefix: 'k', behind, limit: 5 });
  await parts.idle(9, { after: null, limit: 5 });
  await parts.end('w', 'made', 3);
  await parts.forget(9);
  await keys.create(
    {
      id: 'i',
      namespace: 'alpha',
      name: 'n',
      sealed: 's',
      grant: { buckets: null, verbs: [] },
      createdAt: 1,
      revokedAt: null,
    },
    event,
  );
  await keys.get('i');
  await keys.revoke('i', 2, event);
  await ledgers.setLimits('alpha', { quota: 1e9, allowance: 1e9 }, event);
  await ledgers.get('alpha');
  await ledgers.spend('2026-11', [['alpha', 5]]);
  await scene.version('alpha', 'within', 'quota');
  await buckets.remove({ name: 'b' }, event);
}
