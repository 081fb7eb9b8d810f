/** Ends versions: their blobs lose the reference, and a deleted artifact keeps their history. */
import type { Expression, ExpressionBuilder, SqlBool } from 'kysely';
import type { Version } from './model.ts';
import type { Dialect } from './dialect.ts';
import type { Db } from './host.ts';
import { forgetAllObjects, forgetObjects } from './objects.ts';
import { demandUnlocked, lockedVersions, type Ending } from './object-locks.ts';
import { chunks } from './paging.ts';
import type { ArtifactRow, Tables } from './schema.ts';

/** The history of a version in a deleted artifact. */
interface Remembered {
  readonly index: number;
  readonly blob: string;
  readonly size: number;
  readonly createdAt: number;
}

/** Versions of all artifacts of a namespace, or of one artifact from number `first` to `last`. */
type Scope =
  { readonly namespace: string } | { readonly artifact: string; readonly first: number; readonly last: number };

/**
 * Ends the versions in `scope` and marks blobs without other versions as released. Versions end only here or in
 * `deleteArtifacts`.
 *
 * @throws Refusal `locked` if object lock protects one of them
 */
export async function endVersions(db: Db, ending: Ending, scope: Extract<Scope, { artifact: string }>): Promise<void> {
  await demandUnlocked(db, scope, ending);
  await dropVersions(db, ending.at, scope);
  await forgetObjects(db, scope);
}

async function dropVersions(db: Db, at: number, scope: Scope): Promise<void> {
  await db
    .updateTable('blobs')
    .set({ released_at: at })
    .where('uuid', 'in', (eb) => eb.selectFrom('versions').select('blob').where(within(scope)))
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('versions')
            .select('idx')
            .whereRef('versions.blob', '=', 'blobs.uuid')
            .where((other) => other.not(within(scope)(other))),
        ),
      ),
    )
    .execute();
  await db.deleteFrom('versions').where(within(scope)).execute();
}

/**
 * Ends all but the newest `keep` versions; 0 keeps all.
 *
 * @param asked whether the caller sets the limit now; a locked version then refuses it. An earlier limit skips locked
 *   versions.
 * @throws Refusal as `endVersions` does
 */
export async function trimVersions(
  db: Db,
  at: number,
  artifact: string,
  { keep, asked }: { readonly keep: number; readonly asked: boolean },
): Promise<void> {
  if (keep === 0) return;
  const surplus = await db
    .selectFrom('versions')
    .select('idx')
    .where('artifact', '=', artifact)
    .orderBy('idx', 'desc')
    .limit(1)
    .offset(keep)
    .executeTakeFirst();
  if (!surplus) return;
  const stay = asked ? [] : await lockedVersions(db, { artifact, last: surplus.idx }, at);
  let first = 0;
  for (const index of [...stay.toSorted((a, b) => a - b), surplus.idx + 1]) {
    if (first < index) await endVersions(db, { at, bypass: false }, { artifact, first, last: index - 1 });
    first = index + 1;
  }
}

/**
 * Deletes an active artifact, or all of a namespace, with their versions. @returns their number
 *
 * @throws Refusal as `endVersions` does
 */
export async function deleteArtifacts(
  db: Db,
  dialect: Dialect,
  at: number,
  which: { readonly uuid: string } | { readonly namespace: string },
): Promise<number> {
  const all = 'uuid' in which ? { artifact: which.uuid, first: 0, last: Number.MAX_SAFE_INTEGER } : which;
  await demandUnlocked(db, all, { at, bypass: false });
  const update = db
    .updateTable('artifacts')
    .set({ state: 'deleted', fault: null, deleted_at: at, memory: dialect.memory })
    .where('deleted_at', 'is', null);
  const { numUpdatedRows } = await (
    'uuid' in which ? update.where('uuid', '=', which.uuid) : update.where('namespace', '=', which.namespace)
  ).executeTakeFirst();
  if (numUpdatedRows > 0n) {
    await forgetAllObjects(db, which);
    await dropVersions(db, at, all);
  }
  return Number(numUpdatedRows);
}

/** Versions of each artifact, oldest first; for deleted artifacts from their history. */
export async function findVersions(db: Db, uuids: readonly string[]): Promise<Record<string, Version[]>> {
  const found: Record<string, Version[]> = Object.fromEntries(uuids.map((uuid) => [uuid, []]));
  for (const some of chunks(uuids)) {
    const rows = await db
      .selectFrom('versions')
      .select(['artifact', 'idx as index', 'blob', 'size', 'created_at as createdAt'])
      .select((eb) =>
        eb
          .selectFrom('versions as others')
          .select((count) => count.fn.countAll<number>().as('number'))
          .whereRef('others.blob', '=', 'versions.blob')
          .as('references'),
      )
      .where('artifact', 'in', some)
      .orderBy('artifact')
      .orderBy('idx')
      .execute();
    for (const { artifact, ...version } of rows)
      found[artifact]?.push({ ...version, references: Number(version.references) });
    const deleted = await db
      .selectFrom('artifacts')
      .select(['uuid', 'memory'])
      .where('uuid', 'in', some)
      .where('memory', 'is not', null)
      .execute();
    for (const row of deleted) found[row.uuid] = remembered(row);
  }
  return found;
}

function remembered({ memory }: Pick<ArtifactRow, 'memory'>): Version[] {
  return (JSON.parse(memory ?? '[]') as Remembered[]).map((version) => ({ ...version, references: 0 }));
}

function within(scope: Scope) {
  return (eb: ExpressionBuilder<Tables, 'versions'>): Expression<SqlBool> =>
    'namespace' in scope
      ? eb('versions.namespace', '=', scope.namespace)
      : eb.and([
          eb('versions.artifact', '=', scope.artifact),
          eb('versions.idx', '>=', scope.first),
          eb('versions.idx', '<=', scope.last),
        ]);
}
