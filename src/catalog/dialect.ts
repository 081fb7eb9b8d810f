/** SQL that differs between SQLite and PostgreSQL. */
import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';

export interface Dialect {
  /** Table option for rows stored in primary key order. */
  readonly keyed: string;
  /** Type of an auto-increment primary key. */
  readonly serial: string;
  /** 1-based position of a substring in characters; 0 if absent. */
  position(text: RawBuilder<string>, part: string): RawBuilder<number>;
  /** Type of binary data. */
  readonly bytes: string;
  /** The versions of the current artifact row as JSON of `Remembered[]`, oldest first. */
  readonly memory: RawBuilder<string>;
  /** The JSON object in `column` with one member set to `json`, or removed if null. */
  member(column: RawBuilder<string>, name: string, json: string | null): RawBuilder<string>;
  /** Statements that create a trigger. */
  trigger(rule: TriggerRule): readonly string[];
  dropTrigger(name: string, table: string): string;
}

/** Runs `action` after each row that `event` changes in `table`, if `condition` on `old` and `new` holds. */
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
