/** What SQLite and PostgreSQL say differently. Everything else in this room is written once. */
import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';

export interface Dialect {
  /** Ends the definition of a table whose rows should lie in the order of its primary key. */
  readonly keyed: string;
  /** The type of a primary key that numbers its own rows. */
  readonly serial: string;
  /** Where a text first has another in it, in characters from 1 on; 0 for nowhere. */
  position(text: RawBuilder<string>, part: string): RawBuilder<number>;
  /** The type of bytes. */
  readonly bytes: string;
  /** The versions of the artifact in the row at hand, as JSON of `Remembered[]`, oldest first. */
  readonly memory: RawBuilder<string>;
  /** The JSON object in `column` with one member set to `json`, or removed where that is null; all others stay as they are. */
  member(column: RawBuilder<string>, name: string, json: string | null): RawBuilder<string>;
  /** Statements that make a trigger. */
  trigger(rule: TriggerRule): readonly string[];
  dropTrigger(name: string, table: string): string;
}

/** Runs `action` after each row that `event` touches in `table`, where `condition` holds for `old` and `new`. */
export interface TriggerRule {
  readonly name: string;
  readonly table: string;
  readonly event: string;
  readonly condition: string;
  readonly action: string;
}

export const sqliteDialect: Dialect = {
  keyed: 'without rowid',
  serial: 'integer primary key',
  bytes: 'blob',
  position: (text, part) => sql<number>`instr(${text}, ${part})`,
  memory: sql<string>`(
    select json_group_array(json_object('index', idx, 'blob', blob, 'size', size, 'createdAt', created_at) order by idx)
    from versions where versions.artifact = artifacts.uuid)`,
  member: (column, name, json) => {
    const path = `$."${name}"`;
    return json === null ? sql`json_remove(${column}, ${path})` : sql`json_set(${column}, ${path}, json(${json}))`;
  },
  trigger: ({ name, table, event, condition, action }) => [
    `create trigger ${name} after ${event} on ${table} when ${condition} begin ${action}; end`,
  ],
  dropTrigger: (name) => `drop trigger ${name}`,
};
