/** Object lock in the catalog: finds protected versions. See `object-lock-rules.ts`. */
import type { ExpressionBuilder, Expression, SqlBool } from 'kysely';
import { locked } from './object-lock-rules.ts';
import type { VersionLock } from './model.ts';
import type { Db } from './host.ts';
import type { ObjectRow, Tables } from './schema.ts';

/** When versions end, and whether the caller may bypass GOVERNANCE. */
export interface Ending {
  readonly at: number;
  readonly bypass: boolean;
}

type Versions =
  { readonly namespace: string } | { readonly artifact: string; readonly first: number; readonly last: number };

/** @throws Refusal `locked` if object lock protects one of these versions */
export async function demandUnlocked(db: Db, versions: Versions, ending: Ending): Promise<void> {
  const query = db.selectFrom('objects').select('idx').where(protectedAt(ending)).limit(1);
  const found = await (
    'namespace' in versions
      ? query.where('bucket', 'in', (eb) =>
          eb.selectFrom('buckets').select('name').where('namespace', '=', versions.namespace),
        )
      : query
          .where('artifact', '=', versions.artifact)
          .where('idx', '>=', versions.first)
          .where('idx', '<=', versions.last)
  ).executeTakeFirst();
  if (found) throw locked();
}

/** Numbers of the protected versions of an artifact up to `last`. */
export async function lockedVersions(
  db: Db,
  { artifact, last }: { readonly artifact: string; readonly last: number },
  at: number,
): Promise<number[]> {
  const rows = await db
    .selectFrom('objects')
    .select('idx')
    .where(protectedAt({ at, bypass: false }))
    .where('artifact', '=', artifact)
    .where('idx', '<=', last)
    .execute();
  return rows.map(({ idx }) => idx);
}

/** Legal holds and COMPLIANCE cannot be bypassed. The first term matches the condition of the partial index. */
function protectedAt({ at, bypass }: Ending) {
  return (eb: ExpressionBuilder<Tables, 'objects'>): Expression<SqlBool> => {
    const retained = eb('lock_until', '>', at);
    return eb.and([
      eb.or([eb('held', '=', eb.lit(1)), eb('lock_until', 'is not', null)]),
      eb.or([eb('held', '=', eb.lit(1)), bypass ? eb.and([retained, eb('lock_mode', '=', 'COMPLIANCE')]) : retained]),
    ]);
  };
}

export function lockOfRow({
  lock_mode,
  lock_until,
  held,
}: Pick<ObjectRow, 'lock_mode' | 'lock_until' | 'held'>): VersionLock {
  return {
    retention: lock_mode === null || lock_until === null ? null : { mode: lock_mode, until: lock_until },
    held: held === null ? null : held === 1,
  };
}

export function lockColumns({ retention, held }: VersionLock): Pick<ObjectRow, 'lock_mode' | 'lock_until' | 'held'> {
  return {
    lock_mode: retention?.mode ?? null,
    lock_until: retention?.until ?? null,
    held: held === null ? null : held ? 1 : 0,
  };
}
