import { sql } from 'kysely';
import type { Page, Publication, Published, Unpublished, Visibility } from './facts.ts';
import type { Artifact, ArtifactType, Event, Version } from './model.ts';
import type { Db, Host } from './host.ts';
import { demandNamespace, dropMetadata, forgetAtOnce, inParts, recordEvents } from './events.ts';
import { artifactBranches } from './artifact-listing.ts';
import type { ArtifactFilter } from './artifact-listing.ts';
import { chunks, mergedKeys } from './paging.ts';
import { publish } from './publish.ts';
import { demandRecords } from './quota.ts';
import { demandUnpinned } from './releases/rows.ts';
import { artifactOf, changeArtifact, findActive, findArtifact, rowOf } from './artifact-records.ts';
import type { ArtifactRow } from './schema.ts';
import { deleteArtifacts, endVersions, findVersions, trimVersions } from './versions.ts';

export class Artifacts {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * Ends an upload: records content, blob, artifact and version, trims old versions, and seals the upload, in one
   * transaction.
   *
   * The version is added to the active artifact of the same namespace, type and source URL, or to a new one. A blob of
   * the namespace with the same content is reused. Repeating it for a published upload returns the first result.
   *
   * @returns `no_upload` if the upload is neither open with the content's size nor published; `no_blob` if the blob is
   *   gone or its bytes are bad; `no_namespace` if the namespace was deleted; `taken` if `createOnly` is set and the
   *   artifact exists; `no_multipart` if the multipart upload is not open; `other_parts` if one of its parts was
   *   replaced.
   */
  publish(publication: Publication): Promise<Published | Unpublished> {
    return this.#host.write((db) => publish(db, publication));
  }

  /**
   * Creates an artifact without versions, for bytes to be fetched. Returns the active one if it exists.
   *
   * @throws Refusal `not_found` if the namespace was deleted
   */
  begin(artifact: Artifact, event: Event): Promise<Artifact> {
    return this.#host.write(async (db) => {
      await demandNamespace(db, { namespace: artifact.namespace });
      const active = await findActive(db, artifact);
      if (active) return active;
      await db.insertInto('artifacts').values(rowOf(artifact)).execute();
      await demandRecords(db, artifact.namespace);
      await recordEvents(db, [event]);
      return artifact;
    });
  }

  /** Sets state `error` with its reason, unless a version was added or the artifact was deleted. */
  fail(uuid: string, fault: string, event: Event): Promise<void> {
    return this.#host.write(async (db) => {
      const { numUpdatedRows } = await db
        .updateTable('artifacts')
        .set({ state: 'error', fault })
        .where('uuid', '=', uuid)
        .where('state', 'in', ['initial', 'error'])
        .executeTakeFirst();
      if (numUpdatedRows > 0n) await recordEvents(db, [event]);
    });
  }

  /** Artifacts whose bytes are still to be fetched, by uuid. */
  pending(page: Page): Promise<Artifact[]> {
    return this.#host.read(async (db) => {
      const rows = await db
        .selectFrom('artifacts')
        .selectAll()
        .where('state', '=', sql.lit('initial'))
        .where('uuid', '>', page.after ?? '')
        .orderBy('uuid')
        .limit(page.limit)
        .execute();
      return rows.map(artifactOf);
    });
  }

  get(uuid: string): Promise<Artifact | undefined> {
    return this.#host.read((db) => findArtifact(db, uuid));
  }

  /** Active artifacts with this name, of one namespace or all; at most 2, which shows that a name is ambiguous. */
  named(namespace: string | null, name: string, type?: ArtifactType): Promise<Artifact[]> {
    return this.#host.read(async (db) => {
      let query = db.selectFrom('artifacts').selectAll().where('name', '=', name).where('deleted_at', 'is', null);
      if (namespace !== null) query = query.where('namespace', '=', namespace);
      if (type !== undefined) query = query.where('type', '=', type);
      const rows = await query.orderBy('namespace').orderBy('uuid').limit(2).execute();
      return rows.map(artifactOf);
    });
  }

  /** Visible active artifacts, by uuid. */
  list(visibility: Visibility, filter: ArtifactFilter, page: Page): Promise<Artifact[]> {
    return this.#host.page(async (db) => {
      const branches = await artifactBranches(db, visibility, filter, page);
      const found: Artifact[] = [];
      for (const keys of chunks(await mergedKeys<string>(db, branches, page.limit))) {
        const rows = await db.selectFrom('artifacts').selectAll().where('uuid', 'in', keys).orderBy('uuid').execute();
        for (const row of rows) found.push(artifactOf(row));
      }
      return found;
    });
  }

  /** Versions of each artifact, oldest first; those of deleted artifacts come from their history. */
  versions(uuids: readonly string[]): Promise<Record<string, Version[]>> {
    return this.#host.read((db) => findVersions(db, uuids));
  }

  /** Deletes an artifact and its versions. Undefined if there is none or it was deleted before. */
  remove(uuid: string, at: number, event: Event): Promise<Artifact | undefined> {
    return this.#host.write((db) => this.#delete(db, uuid, at, event));
  }

  /** Deletes one version, and the artifact with its last one. Undefined if there is none. */
  removeVersion(uuid: string, index: number, at: number, event: Event): Promise<Artifact | undefined> {
    return this.#host.write(async (db) => {
      const version = db.selectFrom('versions').select('idx').where('artifact', '=', uuid);
      if (!(await version.where('idx', '=', index).executeTakeFirst())) return undefined;
      if (!(await version.where('idx', '!=', index).limit(1).executeTakeFirst()))
        return this.#delete(db, uuid, at, event);
      await demandUnpinned(db, uuid);
      await endVersions(db, { at, bypass: false }, { artifact: uuid, first: index, last: index });
      await recordEvents(db, [event]);
      return findArtifact(db, uuid);
    });
  }

  /** Sets the limit and trims at once. */
  setMaxVersions(uuid: string, maxVersions: number, at: number, event: Event): Promise<Artifact | undefined> {
    return this.#host.write(async (db) => {
      const artifact = await this.#change(db, uuid, { max_versions: maxVersions }, event);
      if (artifact) await trimVersions(db, at, uuid, { keep: maxVersions, asked: true });
      return artifact;
    });
  }

  setShared(uuid: string, shared: boolean, event: Event): Promise<Artifact | undefined> {
    return this.#host.write(async (db) => {
      const flag = shared ? 1 : 0;
      const artifact = await this.#change(db, uuid, { shared: flag }, event);
      if (artifact) await db.updateTable('versions').set({ shared: flag }).where('artifact', '=', uuid).execute();
      return artifact;
    });
  }

  /** Removes artifacts deleted before `before`. @returns their number */
  forget(before: number): Promise<number> {
    return inParts(forgetAtOnce, () =>
      this.#host.write(async (db) => {
        const gone = await db
          .deleteFrom('artifacts')
          .where('uuid', 'in', (eb) =>
            eb.selectFrom('artifacts').select('uuid').where('deleted_at', '<', before).limit(forgetAtOnce),
          )
          .returning('uuid')
          .execute();
        await dropMetadata(
          db,
          'artifact',
          gone.map((row) => row.uuid),
        );
        return gone.length;
      }),
    );
  }

  async #delete(db: Db, uuid: string, at: number, event: Event): Promise<Artifact | undefined> {
    await demandUnpinned(db, uuid);
    if ((await deleteArtifacts(db, this.#host.dialect, at, { uuid })) === 0) return undefined;
    await recordEvents(db, [event]);
    return findArtifact(db, uuid);
  }

  async #change(db: Db, uuid: string, change: Partial<ArtifactRow>, event: Event): Promise<Artifact | undefined> {
    await demandUnpinned(db, uuid);
    const artifact = await changeArtifact(db, uuid, change);
    if (artifact) await recordEvents(db, [event]);
    return artifact;
  }
}
