/** Converts artifacts between rows and records. */
import type { Artifact, ArtifactType } from './model.ts';
import type { Db } from './host.ts';
import type { ArtifactRow } from './schema.ts';

export async function findArtifact(db: Db, uuid: string): Promise<Artifact | undefined> {
  const row = await db.selectFrom('artifacts').selectAll().where('uuid', '=', uuid).executeTakeFirst();
  return row && artifactOf(row);
}

/** The active artifact of a namespace, type and source URL; the schema allows one. */
export async function findActive(
  db: Db,
  {
    namespace,
    type,
    sourceUrl,
  }: { readonly namespace: string; readonly type: ArtifactType; readonly sourceUrl: string },
): Promise<Artifact | undefined> {
  const row = await db
    .selectFrom('artifacts')
    .selectAll()
    .where('namespace', '=', namespace)
    .where('type', '=', type)
    .where('source_url', '=', sourceUrl)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  return row && artifactOf(row);
}

/** Changes an active artifact; undefined if there is none. */
export async function changeArtifact(
  db: Db,
  uuid: string,
  change: Partial<ArtifactRow>,
): Promise<Artifact | undefined> {
  const row = await db
    .updateTable('artifacts')
    .set(change)
    .where('uuid', '=', uuid)
    .where('deleted_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
  return row && artifactOf(row);
}

export function artifactOf(row: ArtifactRow): Artifact {
  return {
    uuid: row.uuid,
    namespace: row.namespace,
    type: row.type,
    name: row.name,
    sourceUrl: row.source_url,
    state: row.state,
    fault: row.fault,
    shared: row.shared === 1,
    maxVersions: row.max_versions,
    lastIndex: row.last_index,
    createdAt: row.created_at,
    deletedAt: row.deleted_at,
  };
}

export function rowOf(artifact: Artifact): ArtifactRow {
  return {
    uuid: artifact.uuid,
    namespace: artifact.namespace,
    type: artifact.type,
    name: artifact.name,
    source_url: artifact.sourceUrl,
    state: artifact.state,
    fault: artifact.fault,
    shared: artifact.shared ? 1 : 0,
    max_versions: artifact.maxVersions,
    last_index: artifact.lastIndex,
    created_at: artifact.createdAt,
    deleted_at: artifact.deletedAt,
    memory: null,
  };
}
