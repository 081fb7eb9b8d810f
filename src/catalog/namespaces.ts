import { sql } from 'kysely';
import type { Page, Visibility } from './facts.ts';
import type { Credential, Event, Namespace } from './model.ts';
import type { Db, Host } from './host.ts';
import { dropMetadata, recordEvents } from './events.ts';
import { chunks, mergedKeys } from './paging.ts';
import { withinQuota } from './quota.ts';
import { uploadsWithin } from './multipart.ts';
import { deleteArtifacts } from './versions.ts';

export class Namespaces {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Returns false if the name is taken. */
  create(namespace: Namespace, credentials: readonly Credential[], event: Event): Promise<boolean> {
    return this.#host.write(async (db) => {
      const { numInsertedOrUpdatedRows: created } = await db
        .insertInto('namespaces')
        .values({ name: namespace.name, created_at: namespace.createdAt, generation: namespace.generation ?? null })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      if (!created) return false;
      for (const trusted of namespace.trusts) {
        await db.insertInto('trusts').values({ namespace: namespace.name, trusted }).execute();
      }
      for (const credential of credentials) await saveCredential(db, credential);
      await recordEvents(db, [event]);
      return true;
    });
  }

  get(name: string): Promise<Namespace | undefined> {
    return this.#host.read(async (db) => (await findNamespaces(db, [name]))[0]);
  }

  /** The namespace itself and those that trust it, by name. */
  list(visibility: Visibility, page: Page): Promise<Namespace[]> {
    return this.#host.page(async (db) => {
      const after = page.after ?? '';
      const all = db
        .selectFrom('namespaces')
        .select('name as key')
        .where('name', '>', after)
        .orderBy('name')
        .limit(page.limit);
      if (visibility === 'everything') return findNamespaces(db, await mergedKeys<string>(db, [all], page.limit));
      const trusting = db
        .selectFrom('trusts')
        .select('namespace as key')
        .where('trusted', '=', visibility.namespace)
        .where('namespace', '>', after)
        .orderBy('namespace')
        .limit(page.limit);
      const branches = [all.where('name', '=', visibility.namespace), trusting];
      return findNamespaces(db, await mergedKeys<string>(db, branches, page.limit));
    });
  }

  /**
   * Removes the namespace with its keys, trusts, metadata, uploads and artifacts; undefined if there is none. A later
   * namespace of the same name inherits nothing.
   *
   * @returns uploads whose stages are no longer needed
   * @throws Refusal `locked` if object lock protects one of its versions
   */
  remove(name: string, event: Event): Promise<readonly string[] | undefined> {
    return this.#host.write(async (db) => {
      if (!(await namespaceExists(db, name))) return undefined;
      const open = await db
        .selectFrom('uploads')
        .select('id')
        .where('namespace', '=', name)
        .where('state', '=', 'open')
        .execute();
      const uploads = new Set([...open.map(({ id }) => id), ...(await uploadsWithin(db, { namespace: name }))]);
      await deleteArtifacts(db, this.#host.dialect, event.at, { namespace: name });
      await dropMetadata(db, 'namespace', [name]);
      await disown(db, name);
      // Foreign keys delete its keys, trusts in both directions and uploads.
      await db.deleteFrom('namespaces').where('name', '=', name).execute();
      await recordEvents(db, [event]);
      return [...uploads];
    });
  }

  /** Also undefined if the namespace `other` does not exist. */
  trust(name: string, other: string, on: boolean, event: Event): Promise<Namespace | undefined> {
    return this.#host.write(async (db) => {
      if (!(await namespaceExists(db, name))) return undefined;
      if (on && !(await namespaceExists(db, other))) return undefined;
      if (await setTrust(db, name, other, on)) await recordEvents(db, [event]);
      return (await findNamespaces(db, [name]))[0];
    });
  }

  /** By name. */
  credentials(namespace: string): Promise<Credential[]> {
    return this.#host.read(async (db) => {
      const rows = await db
        .selectFrom('credentials')
        .selectAll()
        .where('namespace', '=', namespace)
        .orderBy('name')
        .execute();
      return rows.map(({ created_at, ...row }) => ({ ...row, createdAt: created_at }));
    });
  }

  credential(namespace: string, name: string): Promise<Credential | undefined> {
    return this.#host.read(async (db) => {
      const row = await db
        .selectFrom('credentials')
        .innerJoin('namespaces', 'namespaces.name', 'credentials.namespace')
        .selectAll('credentials')
        .select('namespaces.generation')
        .where('credentials.namespace', '=', namespace)
        .where('credentials.name', '=', name)
        .executeTakeFirst();
      if (!row) return undefined;
      const { created_at, generation, ...credential } = row;
      return { ...credential, createdAt: created_at, generation: generation ?? undefined };
    });
  }

  /** Creates or replaces a credential. Returns false if the namespace does not exist. */
  putCredential(credential: Credential, event: Event): Promise<boolean> {
    return this.#host.write(async (db) => {
      if (!(await namespaceExists(db, credential.namespace))) return false;
      await withinQuota(db, credential.namespace, () => saveCredential(db, credential));
      await recordEvents(db, [event]);
      return true;
    });
  }

  /** Replaces the verifier of a credential. Returns false if the nonce differs or the credential is gone. */
  reverify({
    namespace,
    name,
    nonce,
    verifier,
  }: Pick<Credential, 'namespace' | 'name' | 'nonce' | 'verifier'>): Promise<boolean> {
    return this.#host.write(async (db) => {
      const { numUpdatedRows } = await db
        .updateTable('credentials')
        .set({ verifier })
        .where('namespace', '=', namespace)
        .where('name', '=', name)
        .where('nonce', '=', nonce)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    });
  }

  /** Returns false if there was none. */
  dropCredential(namespace: string, name: string, event: Event): Promise<boolean> {
    return this.#host.write(async (db) => {
      const { numDeletedRows } = await db
        .deleteFrom('credentials')
        .where('namespace', '=', namespace)
        .where('name', '=', name)
        .executeTakeFirst();
      if (numDeletedRows === 0n) return false;
      await recordEvents(db, [event]);
      return true;
    });
  }
}

/**
 * Renames the owner of a namespace's remaining records: deleted artifacts, and blobs that wait for the sweep or are
 * used elsewhere. The new name is invalid, so no later namespace owns them. Their metadata is deleted.
 */
async function disown(db: Db, name: string): Promise<void> {
  const renamed = sql<string>`${name} || ' (deleted) ' || uuid`;
  // All of them are deleted by now.
  const artifacts = db
    .selectFrom('artifacts')
    .select('uuid')
    .where('namespace', '=', name)
    .where('deleted_at', 'is not', null);
  const blobs = db.selectFrom('blobs').select('uuid').where('namespace', '=', name);
  await db.deleteFrom('metadata').where('subject', '=', 'artifact').where('subject_id', 'in', artifacts).execute();
  await db.deleteFrom('metadata').where('subject', '=', 'blob').where('subject_id', 'in', blobs).execute();
  await db
    .updateTable('artifacts')
    .set({ namespace: renamed })
    .where('namespace', '=', name)
    .where('deleted_at', 'is not', null)
    .execute();
  await db.updateTable('blobs').set({ namespace: renamed }).where('namespace', '=', name).execute();
}

export async function namespaceExists(db: Db, name: string): Promise<boolean> {
  const row = await db.selectFrom('namespaces').select('name').where('name', '=', name).executeTakeFirst();
  return row !== undefined;
}

/** The existing ones of these namespaces, by name. */
async function findNamespaces(db: Db, names: readonly string[]): Promise<Namespace[]> {
  const found: Namespace[] = [];
  for (const some of chunks(names)) {
    const rows = await db.selectFrom('namespaces').selectAll().where('name', 'in', some).orderBy('name').execute();
    const pairs = await db.selectFrom('trusts').selectAll().where('namespace', 'in', some).orderBy('trusted').execute();
    const trusted = new Map(rows.map(({ name }) => [name, [] as string[]]));
    for (const trust of pairs) trusted.get(trust.namespace)?.push(trust.trusted);
    for (const { name, created_at, generation } of rows) {
      const trusts = trusted.get(name) ?? [];
      found.push({ name, createdAt: created_at, trusts, generation: generation ?? undefined });
    }
  }
  return found;
}

/** Returns whether it changed anything. */
async function setTrust(db: Db, namespace: string, trusted: string, on: boolean): Promise<boolean> {
  if (!on) {
    const { numDeletedRows } = await db
      .deleteFrom('trusts')
      .where('namespace', '=', namespace)
      .where('trusted', '=', trusted)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('trusts')
    .values({ namespace, trusted })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (numInsertedOrUpdatedRows ?? 0n) > 0n;
}

async function saveCredential(db: Db, credential: Credential): Promise<void> {
  const { namespace, name, verifier, nonce, createdAt: created_at } = credential;
  await db
    .insertInto('credentials')
    .values({ namespace, name, verifier, nonce, created_at })
    .onConflict((conflict) => conflict.columns(['namespace', 'name']).doUpdateSet({ verifier, nonce, created_at }))
    .execute();
}
