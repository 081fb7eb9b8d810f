import type { Dialect } from '../dialect.ts';
import type { Db } from '../host.ts';

/** A numbered step of the schema. */
export interface Migration {
  readonly name: string;
  up(db: Db, dialect: Dialect): Promise<void>;
}
