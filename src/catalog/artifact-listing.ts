/** Queries of artifact listings, one for each index range. */
import type { ExpressionBuilder } from 'kysely';
import type { Page, Visibility } from './facts.ts';
import type { ArtifactType } from './model.ts';
import type { Db } from './host.ts';
import type { Branch } from './paging.ts';
import type { Tables } from './schema.ts';
import { owners } from './visibility.ts';

export interface ArtifactFilter {
  readonly namespace?: string;
  readonly name?: string;
  readonly type?: ArtifactType;
}

/** Every type, so that a missing one is a compile error. */
const artifactTypes = Object.keys({
  image: true,
  snapshot: true,
  label: true,
  other: true,
} satisfies Record<ArtifactType, true>) as ArtifactType[];

/**
 * Queries that together return every active, visible artifact that matches the filter.
 *
 * The indexes begin with the type, so a listing of all types reads one range a type, and a listing of a rare type never
 * scans the others.
 */
export async function artifactBranches(
  db: Db,
  visibility: Visibility,
  filter: ArtifactFilter,
  page: Page,
): Promise<Branch<string>[]> {
  const types = filter.type === undefined ? artifactTypes : [filter.type];
  const after = activeAfter(db, page);
  // Few artifacts share a name. `coalesce` keeps the planner from using the index of a common type instead.
  const anyOfTypes = (eb: ExpressionBuilder<Tables, 'artifacts'>) => eb(eb.fn.coalesce('type', 'type'), 'in', types);
  const named = filter.name === undefined ? undefined : after.where('name', '=', filter.name).where(anyOfTypes);
  const typed = named ? [named] : types.map((type) => after.where('type', '=', type));

  if (visibility === 'everything') {
    if (filter.namespace !== undefined) return typed.map((branch) => branch.where('namespace', '=', filter.namespace!));
    return named || filter.type !== undefined ? typed : [after];
  }
  const visible = await owners(db, visibility.namespace);
  const wanted = visible.filter((owner) => filter.namespace === undefined || filter.namespace === owner);
  const owned = wanted.flatMap((owner) => typed.map((branch) => branch.where('namespace', '=', owner)));
  if (filter.namespace !== undefined && wanted.length > 0) return owned;
  const shared = typed.map((branch) => {
    const all = branch.where((eb) => eb('shared', '=', eb.lit(1)));
    return filter.namespace === undefined ? all : all.where('namespace', '=', filter.namespace);
  });
  return [...owned, ...shared];
}

function activeAfter(db: Db, page: Page) {
  return db
    .selectFrom('artifacts')
    .select('uuid as key')
    .where('deleted_at', 'is', null)
    .where('uuid', '>', page.after ?? '')
    .orderBy('uuid')
    .limit(page.limit);
}
