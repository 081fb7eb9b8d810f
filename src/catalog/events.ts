import { Refusal } from '../core/refusal.ts';
import type { Event, EventType, NamespaceId, Subject } from './model.ts';
import type { ClockGap } from './facts.ts';
import type { Db, Host } from './host.ts';
import { chunks, mergedKeys } from './paging.ts';
import { withinQuota } from './quota.ts';

/** Every type, so that a missing one is a compile error. */
const eventTypes = Object.keys({
  audit: true,
  mutate: true,
  status: true,
  usage: true,
  resources: true,
  prune: true,
  historic: true,
} satisfies Record<EventType, true>) as EventType[];

/** Rows deleted in one transaction, so that other writes do not wait long. */
export const forgetAtOnce = 1000;

/** Clock gaps considered for ages; older ones precede every retention period. */
const mostGaps = 500;

export class Events {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  record(events: readonly Event[]): Promise<void> {
    return this.#host.write((db) => recordEvents(db, events));
  }

  /** Newest first. */
  events(
    subject: Subject,
    id: string,
    filter: { readonly type?: EventType; readonly limit: number },
  ): Promise<Event[]> {
    return this.#host.page(async (db) => {
      const branches = (filter.type ? [filter.type] : eventTypes).map((type) =>
        db
          .selectFrom('events')
          .select('id as key')
          .where('subject', '=', subject)
          .where('subject_id', '=', id)
          .where('type', '=', type)
          .orderBy('id', 'desc')
          .limit(filter.limit),
      );
      const found: Event[] = [];
      for (const keys of chunks(await mergedKeys<number>(db, branches, filter.limit, 'desc'))) {
        const rows = await db.selectFrom('events').selectAll().where('id', 'in', keys).orderBy('id', 'desc').execute();
        for (const { subject_id, id: _, extra, ...row } of rows) {
          found.push({ ...row, id: subject_id, extra: JSON.parse(extra) as Event['extra'] });
        }
      }
      return found;
    });
  }

  metadata(subject: Subject, id: string): Promise<Record<string, string>> {
    return this.#host.read(async (db) => {
      const rows = await db
        .selectFrom('metadata')
        .select(['key', 'value'])
        .where('subject', '=', subject)
        .where('subject_id', '=', id)
        .orderBy('key')
        .execute();
      return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
    });
  }

  /**
   * Sets or, with undefined, removes a value; false if the subject does not exist. Counts toward its owner's quota.
   *
   * @throws Refusal `over_quota`
   */
  setMetadata(
    subject: 'artifact' | 'blob' | 'namespace',
    id: string,
    key: string,
    value: string | undefined,
    event?: Event,
  ): Promise<boolean> {
    return this.#host.write(async (db) => {
      const namespace = await ownerOf(db, subject, id);
      if (namespace === undefined) return false;
      if (event) await recordEvents(db, [event]);
      if (value === undefined) {
        await dropMetadata(db, subject, [id], key);
        return true;
      }
      const row = { subject, subject_id: id, key, value, namespace };
      await withinQuota(db, namespace, () =>
        db
          .insertInto('metadata')
          .values(row)
          .onConflict((conflict) => conflict.columns(['subject', 'subject_id', 'key']).doUpdateSet(row))
          .execute(),
      );
      return true;
    });
  }

  forget(before: number): Promise<number> {
    return inParts(forgetAtOnce, () =>
      this.#host.write(async (db) => {
        const { numDeletedRows } = await db
          .deleteFrom('events')
          .where('id', 'in', (eb) => eb.selectFrom('events').select('id').where('at', '<', before).limit(forgetAtOnce))
          .executeTakeFirst();
        return Number(numDeletedRows);
      }),
    );
  }

  /** The last observed wall clock time and its gaps, newest first. */
  clock(): Promise<{ seen: number | null; gaps: ClockGap[] }> {
    return this.#host.read(async (db) => ({
      seen: (await db.selectFrom('clock_seen').select('seen').limit(1).executeTakeFirst())?.seen ?? null,
      gaps: await db.selectFrom('clock_gaps').selectAll().orderBy('ends', 'desc').limit(mostGaps).execute(),
    }));
  }

  /** Records the wall clock time and a gap that ends there. */
  pass(seen: number, gap: ClockGap | null): Promise<void> {
    return this.#host.write(async (db) => {
      await db.deleteFrom('clock_seen').execute();
      await db.insertInto('clock_seen').values({ seen }).execute();
      if (gap)
        await db
          .insertInto('clock_gaps')
          .values(gap)
          .onConflict((conflict) => conflict.column('ends').doUpdateSet(gap))
          .execute();
    });
  }
}

/** The owner of an artifact, blob or namespace; undefined if it does not exist. */
async function ownerOf(db: Db, subject: 'artifact' | 'blob' | 'namespace', id: string): Promise<string | undefined> {
  if (subject === 'namespace')
    return (await db.selectFrom('namespaces').select('name').where('name', '=', id).executeTakeFirst())?.name;
  const table = subject === 'artifact' ? 'artifacts' : 'blobs';
  return (await db.selectFrom(table).select('namespace').where('uuid', '=', id).executeTakeFirst())?.namespace;
}

/** @throws Refusal `not_found` if the namespace was deleted */
export async function demandNamespace(db: Db, { namespace, generation }: NamespaceId): Promise<void> {
  const row = await db.selectFrom('namespaces').select('generation').where('name', '=', namespace).executeTakeFirst();
  if (row === undefined || (generation !== undefined && row.generation !== generation))
    throw new Refusal('not_found', 'The namespace was deleted.');
}

/**
 * Appends events in order.
 *
 * @throws Refusal `not_found` if the namespace of an actor was deleted
 */
export async function recordEvents(db: Db, events: readonly Event[]): Promise<void> {
  for (const { actor } of events) if (actor?.generation !== undefined) await demandNamespace(db, actor);
  for (const some of chunks(events)) {
    await db
      .insertInto('events')
      .values(
        some.map(({ id, extra, actor: _, ...event }) => ({ ...event, subject_id: id, extra: JSON.stringify(extra) })),
      )
      .execute();
  }
}

/** Removes the metadata of these subjects, or one key of it. */
export async function dropMetadata(db: Db, subject: Subject, ids: readonly string[], key?: string): Promise<void> {
  for (const some of chunks(ids)) {
    const all = db.deleteFrom('metadata').where('subject', '=', subject).where('subject_id', 'in', some);
    await (key === undefined ? all : all.where('key', '=', key)).execute();
  }
}

/** Repeats `part`, which handles at most `size` items, until it handles fewer. @returns the total */
export async function inParts(size: number, part: () => Promise<number>): Promise<number> {
  let all = 0;
  for (;;) {
    const done = await part();
    all += done;
    if (done < size) return all;
  }
}
