import type { Page, TimePage, Unpublished } from '../facts.ts';
import type { Registration, ReleaseFilter } from './facts.ts';
import type { Event, Release, ReleaseFile, ReleaseStatus, Slot } from '../model.ts';
import { findBucket } from '../bucket-records.ts';
import { endObjects } from '../buckets.ts';
import { Refusal } from '../../core/refusal.ts';
import type { Db, Host } from '../host.ts';
import { demandNamespace, recordEvents } from '../events.ts';
import { publish } from '../publish.ts';
import { demandRecords } from '../quota.ts';
import {
  fileOf,
  fileRowOf,
  findFile,
  findFiles,
  findRelease,
  findSlot,
  isBeingFilled,
  releaseOf,
  releaseRowOf,
  slotOf,
  slotRowOf,
} from './rows.ts';
import { deleteArtifacts } from '../versions.ts';

export class Releases {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * Returns the release of that product and version, which may already exist.
   *
   * @throws Refusal `not_found` if the namespace was deleted
   */
  create(release: Release, event: Event): Promise<Release> {
    return this.#host.write(async (db) => {
      await demandNamespace(db, { namespace: release.namespace });
      const { namespace, product, version } = release;
      const there = await db
        .selectFrom('releases')
        .selectAll()
        .where('namespace', '=', namespace)
        .where('product', '=', product)
        .where('version', '=', version)
        .executeTakeFirst();
      if (there) return releaseOf(there);
      await db.insertInto('releases').values(releaseRowOf(release)).execute();
      await demandRecords(db, namespace);
      await recordEvents(db, [event]);
      return release;
    });
  }

  get(id: string): Promise<Release | undefined> {
    return this.#host.read((db) => findRelease(db, id));
  }

  /** Newest first. */
  list(
    namespace: string,
    { product, version, status, products }: ReleaseFilter,
    { behind, offset, limit }: TimePage,
  ): Promise<Release[]> {
    if (products?.length === 0) return Promise.resolve([]);
    return this.#host.page(async (db) => {
      let query = db.selectFrom('releases').selectAll().where('namespace', '=', namespace);
      if (product !== undefined) query = query.where('product', '=', product);
      if (version !== undefined) query = query.where('version', '=', version);
      if (status !== undefined) query = query.where('status', '=', status);
      if (products) query = query.where('product', 'in', products);
      if (behind) {
        const { at, id } = behind;
        query = query.where((eb) =>
          eb.or([eb('created_at', '<', at), eb.and([eb('created_at', '=', at), eb('id', '<', id)])]),
        );
      }
      return (
        await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).offset(offset).execute()
      ).map(releaseOf);
    });
  }

  /** Changes the status if it is `from`; undefined if it is not, or the release does not exist. */
  turn(id: string, from: ReleaseStatus, to: ReleaseStatus, at: number, event: Event): Promise<Release | undefined> {
    return this.#host.write(async (db) => {
      const row = await db
        .updateTable('releases')
        .set({ status: to, published_at: to === 'published' ? at : null })
        .where('id', '=', id)
        .where('status', '=', from)
        .returningAll()
        .executeTakeFirst();
      if (row) await recordEvents(db, [event]);
      return row && releaseOf(row);
    });
  }

  /**
   * Removes the release with its files and their artifacts, slots, tokens, and the objects at their keys, except in
   * buckets with object lock. @returns the removed files and slots; undefined if there is no such release
   */
  remove(id: string, at: number, event: Event): Promise<{ files: ReleaseFile[]; slots: Slot[] } | undefined> {
    return this.#host.write(async (db) => {
      if (!(await findRelease(db, id))) return undefined;
      const files = (await findFiles(db, [id]))[id] ?? [];
      const slots = (await db.selectFrom('slots').selectAll().where('release', '=', id).execute()).map(slotOf);
      // Deleted first, because they pin their artifacts. Tokens go with them by foreign key; artifacts do not.
      await db.deleteFrom('release_files').where('release', '=', id).execute();
      await db.deleteFrom('slots').where('release', '=', id).execute();
      await db.deleteFrom('releases').where('id', '=', id).execute();
      for (const place of [...files, ...slots]) await this.#clear(db, place, at);
      for (const file of files) await deleteArtifacts(db, this.#host.dialect, at, { uuid: file.id });
      await recordEvents(db, [event]);
      return { files, slots };
    });
  }

  /** Creates a slot or returns the existing one with that id; undefined if the release is gone. */
  open(slot: Slot): Promise<Slot | undefined> {
    return this.#host.write(async (db) => {
      const release = await findRelease(db, slot.release);
      if (!release) return undefined;
      // Deleting a slot deletes the object at its key, so the bucket must belong to the release's owner.
      if (!slot.outside && (await findBucket(db, slot.bucket))?.namespace !== release.namespace)
        throw new Refusal('unavailable', 'artifact storage not configured');
      await db
        .insertInto('slots')
        .values(slotRowOf(slot))
        .onConflict((conflict) => conflict.column('id').doNothing())
        .execute();
      await demandRecords(db, release.namespace);
      return findSlot(db, slot.id);
    });
  }

  slot(id: string): Promise<Slot | undefined> {
    return this.#host.read((db) => findSlot(db, id));
  }

  /** Slots that expired before `before`, by id. */
  lapsed(before: number, page: Page): Promise<Slot[]> {
    return this.#host.read(async (db) => {
      const rows = await db
        .selectFrom('slots')
        .selectAll()
        .where('expires_at', '<', before)
        .where('id', '>', page.after ?? '')
        .orderBy('id')
        .limit(page.limit)
        .execute();
      return rows.map(slotOf);
    });
  }

  /** Removes a slot expired before `before` and its object. False if there is none, or it is being filled. */
  close(id: string, before: number, event: Event): Promise<boolean> {
    return this.#host.write(async (db) => {
      const slot = await findSlot(db, id);
      if (!slot || slot.expiresAt >= before || (await isBeingFilled(db, slot))) return false;
      await db.deleteFrom('slots').where('id', '=', id).execute();
      await this.#clear(db, slot, event.at);
      await recordEvents(db, [event]);
      return true;
    });
  }

  /**
   * Turns a slot into a file. Repeating the request returns the file.
   *
   * @returns `taken` if another request registered it; `no_slot`; results of `publish`
   */
  register({ file, publication, event }: Registration): Promise<ReleaseFile | 'taken' | 'no_slot' | Unpublished> {
    return this.#host.write(async (db) => {
      const there = await findFile(db, file.id);
      if (there) return there.request === file.request ? there : 'taken';
      const slot = await findSlot(db, file.id);
      if (slot?.release !== file.release || slot.key !== file.key) return 'no_slot';
      const published = publication && (await publish(db, publication));
      if (typeof published === 'string') return published;
      const row = fileRowOf(published ? { ...file, blob: published.blob } : file);
      await db.insertInto('release_files').values(row).execute();
      await db.deleteFrom('slots').where('id', '=', file.id).execute();
      await demandRecords(db, (await findRelease(db, file.release))!.namespace);
      await recordEvents(db, [event]);
      return fileOf(row);
    });
  }

  file(id: string): Promise<ReleaseFile | undefined> {
    return this.#host.read((db) => findFile(db, id));
  }

  /** Files of each release, by time and id. */
  files(releases: readonly string[]): Promise<Record<string, ReleaseFile[]>> {
    return this.#host.read((db) => findFiles(db, releases));
  }

  /** Removes the object at the key of a file or slot; only release files are stored there. */
  async #clear(db: Db, { outside, bucket, key }: Pick<Slot, 'outside' | 'bucket' | 'key'>, at: number): Promise<void> {
    if (!outside) await endObjects(db, this.#host.dialect, { bucket, key }, at);
  }
}
