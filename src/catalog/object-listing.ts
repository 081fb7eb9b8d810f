/**
 * Listings with common prefixes, and listings of versions. Each entry costs one or two index look-ups: the query skips
 * all keys with a common prefix without reading them.
 */
import { sql, type RawBuilder } from 'kysely';
import type { EntriesPage, Entry } from './facts.ts';
import { successor } from '../kit/successor.ts';
import type { Dialect } from './dialect.ts';
import type { Db } from './host.ts';
import { objectOf, type Found } from './objects.ts';

/** Sorts after every character. */
const last = '\u{10ffff}';

export async function listEntries(db: Db, dialect: Dialect, bucket: string, page: EntriesPage): Promise<Entry[]> {
  if (page.limit <= 0) return [];
  const walk = new Walk(dialect, bucket, page);
  const { rows } = await (page.versions ? walk.versions() : walk.newest()).execute(db);
  return rows.map((row) => ({ key: row.entry, object: row.rolled === 1 ? undefined : objectOf(row) }));
}

type Row = Found & { readonly entry: string; readonly rolled: number };

/** Steps from key to key. A step's key is an entry, or the first key with a common prefix. */
class Walk {
  readonly #dialect: Dialect;
  readonly #bucket: string;
  readonly #page: EntriesPage;

  constructor(dialect: Dialect, bucket: string, page: EntriesPage) {
    this.#dialect = dialect;
    this.#bucket = bucket;
    this.#page = page;
  }

  /** Newest versions without delete markers. */
  newest(): RawBuilder<Row> {
    const { limit } = this.#page;
    const among = sql`o.current = 1 and o.marker = 0`;
    return sql<Row>`
      with recursive step (n, entry) as (
        select 1, ${this.#first(among)}
        union all
        select n + 1, ${this.#next(among)} from step where entry is not null and n < ${limit}
      )
      ${this.#rows(sql`objects.current = 1`)}
      where step.entry is not null order by step.n`;
  }

  /**
   * Every version and marker, newest first within a key. A step without a version number is at the start of a key:
   * unless it is a common prefix, its versions follow.
   */
  versions(): RawBuilder<Row> {
    const { limit, behind } = this.#page;
    const among = sql`1 = 1`;
    const older = sql`(select max(v.idx) from objects v where v.bucket = ${this.#bucket} and v.key = step.entry and v.idx < step.idx)`;
    const newest = sql`(select max(v.idx) from objects v where v.bucket = ${this.#bucket} and v.key = step.entry)`;
    const first =
      behind === null
        ? sql`select 1, ${this.#first(among)}, cast(null as bigint)`
        : sql`select 0, ${behind.key}, cast(${behind.index} as bigint)`;
    return sql<Row>`
      with recursive step (n, entry, idx) as (
        ${first}
        union all
        select n + 1,
          case when idx is null and ${this.#isRolled()} = 0 then entry
            when idx is not null and ${older} is not null then entry
            else ${this.#next(among)} end,
          case when idx is null then case when ${this.#isRolled()} = 0 then ${newest} end else ${older} end
        from step where entry is not null and n <= 2 * ${limit}
      )
      ${this.#rows(sql`objects.idx = step.idx`)}
      where step.entry is not null and step.n > 0 and (step.idx is not null or ${this.#isRolled()} > 0)
      order by step.n limit ${limit}`;
  }

  /** Selects for each step the common prefix or the object. */
  #rows(which: RawBuilder<unknown>): RawBuilder<unknown> {
    const rolled = this.#isRolled();
    return sql`
      select case when ${rolled} > 0 then ${this.#common()} else step.entry end as entry, case when ${rolled} > 0 then 1 else 0 end as rolled,
        objects.artifact, objects.idx, objects.bucket, objects.key, objects.version_id, objects.current, objects.marker,
        objects.etag, objects.about, objects.created_at, objects.lock_mode, objects.lock_until, objects.held, versions.blob, versions.size, buckets.namespace
      from step
      join buckets on buckets.name = ${this.#bucket}
      left join objects on ${rolled} = 0 and objects.bucket = ${this.#bucket} and objects.key = step.entry and ${which}
      left join versions on versions.artifact = objects.artifact and versions.idx = objects.idx`;
  }

  /** The first key of the page, in one look-up. */
  #first(among: RawBuilder<unknown>): RawBuilder<unknown> {
    const { prefix, after, delimiter } = this.#page;
    if (after === null || Buffer.compare(Buffer.from(after), Buffer.from(prefix)) < 0)
      return this.#look(among, sql`${prefix}`);
    const at = delimiter === '' || !after.startsWith(prefix) ? -1 : after.indexOf(delimiter, prefix.length);
    if (at >= 0 && at === after.length - delimiter.length)
      return this.#look(among, sql`${after.slice(0, -delimiter.length) + behindAll(delimiter)}`);
    return this.#look(among, sql`${after}`, sql`and o.key <> ${after}`);
  }

  /** The first key after the step: after its common prefix, or after its key. */
  #next(among: RawBuilder<unknown>): RawBuilder<unknown> {
    const { prefix, delimiter } = this.#page;
    if (delimiter === '') return this.#look(among, sql`step.entry`, sql`and o.key <> step.entry`);
    const head = sql`substr(step.entry, 1, ${lengthOf(prefix)} + ${this.#isRolled()} - 1)`;
    const from = sql`case when ${this.#isRolled()} > 0 then ${head} || ${behindAll(delimiter)} else step.entry end`;
    return this.#look(among, from, sql`and o.key <> step.entry`);
  }

  #look(among: RawBuilder<unknown>, from: RawBuilder<unknown>, but: RawBuilder<unknown> = sql``): RawBuilder<unknown> {
    const end = successor(this.#page.prefix);
    const below = end === undefined ? sql`` : sql`and o.key < ${end}`;
    return sql`(select o.key from objects o where o.bucket = ${this.#bucket} and ${among} and o.key >= ${from} ${but} ${below} order by o.key limit 1)`;
  }

  /** Position of the delimiter in the step's key after the listing's prefix; 0 if absent. */
  #isRolled(): RawBuilder<number> {
    const { prefix, delimiter } = this.#page;
    if (delimiter === '') return sql<number>`0`;
    return this.#dialect.position(sql<string>`substr(step.entry, ${lengthOf(prefix)} + 1)`, delimiter);
  }

  #common(): RawBuilder<unknown> {
    const { prefix, delimiter } = this.#page;
    if (delimiter === '') return sql`step.entry`;
    return sql`substr(step.entry, 1, ${lengthOf(prefix)} + ${this.#isRolled()} - 1 + ${lengthOf(delimiter)})`;
  }
}

/** The smallest text after all that begin with the delimiter. */
function behindAll(delimiter: string): string {
  return successor(delimiter) ?? delimiter + last;
}

/** In characters, as databases count them. */
function lengthOf(text: string): number {
  return [...text].length;
}
