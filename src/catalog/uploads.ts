import { sql, type ExpressionBuilder } from 'kysely';
import type { Page } from './facts.ts';
import type { Event, Upload } from './model.ts';
import { Refusal } from '../core/refusal.ts';
import type { Db, Host } from './host.ts';
import { demandBytes, demandQuota } from './quota.ts';
import { demandNamespace, forgetAtOnce, inParts, recordEvents } from './events.ts';
import type { Tables, UploadRow } from './schema.ts';

interface Move {
  readonly from: number;
  readonly to: number;
  readonly lastStart: number | null;
  readonly length: number | null;
  readonly at: number;
}

/** What an upload comes from. */
interface UploadOrigin {
  /** Bytes that will be freed when the upload becomes a version. */
  readonly credit?: number;
  /** The uploads that it will be joined from. */
  readonly parts?: readonly string[];
  /** The generation of the namespace that begins it. */
  readonly generation?: string | undefined;
}

export class Uploads {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * @throws Refusal `not_found` if the namespace was deleted; `conflict` if the id was used before; `over_quota`
   */
  begin(upload: Upload, { credit = 0, parts = [], generation }: UploadOrigin = {}): Promise<void> {
    return this.#host.write(async (db) => {
      await demandNamespace(db, { namespace: upload.namespace, generation });
      const inserted = await db
        .insertInto('uploads')
        .values(rowOf(upload))
        .onConflict((conflict) => conflict.column('id').doNothing())
        .executeTakeFirst();
      if (inserted.numInsertedOrUpdatedRows !== 1n)
        throw new Refusal('conflict', 'an upload with this id already exists');
      for (const part of new Set(parts))
        await db.insertInto('joined_parts').values({ part, upload: upload.id }).execute();
      // The row just inserted already counts with its length.
      if (upload.state !== 'open') return;
      // An upload that frees bytes joins others, whose records were charged already.
      if (credit > 0) await demandBytes(db, upload.namespace, -credit);
      else await demandQuota(db, upload.namespace);
    });
  }

  get(id: string): Promise<Upload | undefined> {
    return this.#host.read(async (db) => {
      const row = await findUpload(db, id);
      return row && uploadOf(row);
    });
  }

  /** Open uploads by id, of one namespace or all; with `expects` only those that declared this sha512. */
  list(namespace: string | null, page: Page, expects: string | null = null): Promise<Upload[]> {
    return this.#host.page(async (db) => {
      let open = openUploads(db, page);
      if (namespace !== null) open = open.where('namespace', '=', namespace);
      if (expects !== null) open = open.where('expects', '=', expects);
      return (await open.execute()).map(uploadOf);
    });
  }

  /** Open uploads that will be joined from `part` and others. */
  waiting(namespace: string | null, part: string, page: Page): Promise<Upload[]> {
    return this.#host.read(async (db) => {
      let waiting = db
        .selectFrom('joined_parts')
        .innerJoin('uploads', 'uploads.id', 'joined_parts.upload')
        .selectAll('uploads')
        .where('part', '=', part)
        .where('state', '=', 'open')
        .orderBy('upload')
        .limit(page.limit);
      if (namespace !== null) waiting = waiting.where('namespace', '=', namespace);
      if (page.after !== null) waiting = waiting.where('upload', '>', page.after);
      return (await waiting.execute()).map(uploadOf);
    });
  }

  /** Open uploads not touched since `before`, by id. */
  idle(before: number, page: Page): Promise<Upload[]> {
    return this.#host.read(async (db) => {
      // Uploads of multipart parts expire with their multipart upload.
      const part = (eb: ExpressionBuilder<Tables, 'uploads'>) =>
        eb.exists(eb.selectFrom('parts').select('number').whereRef('parts.upload', '=', 'uploads.id'));
      const rows = await openUploads(db, page)
        .where('touched_at', '<', before)
        .where((eb) => eb.not(part(eb)))
        .execute();
      return rows.map(uploadOf);
    });
  }

  /**
   * Moves the offset from `from` to `to` if the upload is open and its offset is `from`. Returns the upload afterwards.
   * A truncation has `to` below `from` and `lastStart` null. `length` can be declared once.
   *
   * @throws Refusal `over_quota` if the move adds bytes that were not declared
   */
  advance(id: string, move: Move): Promise<Upload | undefined> {
    return this.#host.write(async (db) => {
      let update = db
        .updateTable('uploads')
        .set({ offset: move.to, last_start: move.lastStart, last_answered: 0, touched_at: move.at })
        .where('id', '=', id)
        .where('state', '=', 'open')
        .where('offset', '=', move.from);
      if (move.length !== null) {
        const { length } = move;
        update = update.set({ length }).where((eb) => eb.or([eb('length', 'is', null), eb('length', '=', length)]));
      }
      const before = await db.selectFrom('uploads').select('length').where('id', '=', id).executeTakeFirst();
      const row = await update.returningAll().executeTakeFirst();
      // A declared length is already reserved. This checks new bytes or a new length; a refusal rolls the update back.
      if (row && before?.length === null && (move.to > move.from || move.length !== null))
        await demandBytes(db, row.namespace);
      return row && uploadOf(row);
    });
  }

  /** Marks the newest appends as answered: `[id, offset]` pairs; ignored if the offset has changed. */
  answered(marks: readonly (readonly [id: string, offset: number])[]): Promise<void> {
    return this.#host.write(async (db) => {
      for (const [id, offset] of marks) {
        await db
          .updateTable('uploads')
          .set({ last_answered: 1 })
          .where('id', '=', id)
          .where('offset', '=', offset)
          .where('state', '=', 'open')
          .execute();
      }
    });
  }

  /** Lowers the offset to the bytes that still exist. Only for recovery, which must report the loss. */
  damaged(id: string, offset: number, event: Event): Promise<void> {
    return this.#host.write(async (db) => {
      const { numUpdatedRows } = await db
        .updateTable('uploads')
        .set({ offset, last_start: null, last_answered: 0 })
        .where('id', '=', id)
        .where('state', '=', 'open')
        .where('offset', '>', offset)
        .executeTakeFirst();
      if (numUpdatedRows > 0n) await recordEvents(db, [event]);
    });
  }

  /** Drops an open upload; false if it was not open. With `unlessSince` only if it was not touched since. */
  drop(id: string, event: Event, unlessSince?: number): Promise<boolean> {
    return this.#host.write(async (db) => {
      let update = db
        .updateTable('uploads')
        .set({ state: 'dropped', ended_at: event.at })
        .where('id', '=', id)
        .where('state', '=', 'open');
      if (unlessSince !== undefined) update = update.where('touched_at', '<', unlessSince);
      const { numUpdatedRows } = await update.executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      await recordEvents(db, [event]);
      return true;
    });
  }

  /** Deletes uploads sealed or dropped before `before`. @returns their number */
  forget(before: number): Promise<number> {
    return inParts(forgetAtOnce, () =>
      this.#host.write(async (db) => {
        const { numDeletedRows } = await db
          .deleteFrom('uploads')
          .where('id', 'in', (eb) =>
            eb.selectFrom('uploads').select('id').where('ended_at', '<', before).limit(forgetAtOnce),
          )
          .executeTakeFirst();
        return Number(numDeletedRows);
      }),
    );
  }
}

export function findUpload(db: Db, id: string): Promise<UploadRow | undefined> {
  return db.selectFrom('uploads').selectAll().where('id', '=', id).executeTakeFirst();
}

export function uploadOf(row: UploadRow): Upload {
  const { outcome_artifact: artifact, outcome_index: index, outcome_blob: blob } = row;
  return {
    id: row.id,
    namespace: row.namespace,
    state: row.state,
    offset: row.offset,
    length: row.length,
    lastStart: row.last_start,
    lastAnswered: row.last_answered === 1,
    createdAt: row.created_at,
    touchedAt: row.touched_at,
    about: row.about,
    expects: row.expects,
    outcome: artifact !== null && index !== null && blob !== null ? { artifact, index, blob } : null,
  };
}

function rowOf(upload: Upload): UploadRow {
  return {
    id: upload.id,
    namespace: upload.namespace,
    state: upload.state,
    offset: upload.offset,
    length: upload.length,
    last_start: upload.lastStart,
    last_answered: upload.lastAnswered ? 1 : 0,
    created_at: upload.createdAt,
    touched_at: upload.touchedAt,
    ended_at: upload.state === 'open' ? null : upload.touchedAt,
    outcome_artifact: upload.outcome?.artifact ?? null,
    outcome_index: upload.outcome?.index ?? null,
    outcome_blob: upload.outcome?.blob ?? null,
    about: upload.about,
    expects: upload.expects,
  };
}

/** Open uploads after the cursor, by id. The state is a literal, so that the partial index applies. */
function openUploads(db: Db, page: Page) {
  const open = db
    .selectFrom('uploads')
    .selectAll()
    .where('state', '=', sql.lit('open'))
    .orderBy('id')
    .limit(page.limit);
  return page.after === null ? open : open.where('id', '>', page.after);
}
