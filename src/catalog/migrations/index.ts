/** The numbered schema migrations. A released migration never changes. */
import { sql } from 'kysely';
import { Refusal } from '../../core/refusal.ts';
import type { Db, Host } from '../host.ts';
import type { Migration } from './migration.ts';
import { aboutUploads } from './0002-about-uploads.ts';
import { bucketsStep } from './0003-buckets.ts';
import { customersStep } from './0006-customers.ts';
import { ledgersStep } from './0004-ledgers.ts';
import { locksStep } from './0008-object-locks.ts';
import { smallStep } from './0005-inline-bytes.ts';
import { digestsStep } from './0010-digests.ts';
import { bucketGenerationsStep } from './0014-bucket-generations.ts';
import { generationsStep } from './0011-generations.ts';
import { joinedStep } from './0012-joined-uploads.ts';
import { foundation } from './0001-foundation.ts';
import { releasesStep } from './0007-releases.ts';
import { recordsStep } from './0013-records.ts';
import { upkeepStep } from './0009-upkeep.ts';

/** In order; the first is number 1. */
export const migrations: readonly Migration[] = [
  foundation,
  aboutUploads,
  bucketsStep,
  ledgersStep,
  smallStep,
  customersStep,
  releasesStep,
  locksStep,
  upkeepStep,
  digestsStep,
  generationsStep,
  joinedStep,
  recordsStep,
  bucketGenerationsStep,
];

/**
 * Migrates the schema to the newest step. Each step is a transaction that also records it, so that an interrupted
 * migration can continue.
 *
 * @param steps other steps; for tests
 * @throws Refusal `unavailable` if the catalog has a newer step than this program
 */
export async function migrate(host: Host, now: number, steps: readonly Migration[] = migrations): Promise<void> {
  const newest = await host.write(recordedStep);
  if (newest > steps.length) {
    throw new Refusal(
      'unavailable',
      `The catalog was written by a newer version: its schema is at step ${newest}, and this version knows ${steps.length}. ` +
        'Run the newer version, or restore a backup from before the upgrade.',
      { schema: newest, known: steps.length },
    );
  }
  for (const [position, step] of steps.entries()) {
    const number = position + 1;
    if (number <= newest) continue;
    await host.write(async (db) => {
      // Another process may have applied it.
      if ((await recordedStep(db)) >= number) return;
      await step.up(db, host.dialect);
      await db.insertInto('migrations').values({ number, name: step.name, applied_at: now }).execute();
    });
  }
}

/** The newest recorded step; 0 for an empty database. */
async function recordedStep(db: Db): Promise<number> {
  await sql
    .raw(
      'create table if not exists migrations (number integer primary key, name text not null, applied_at bigint not null)',
    )
    .execute(db);
  const { newest } = await db
    .selectFrom('migrations')
    .select((eb) => eb.fn.max('number').as('newest'))
    .executeTakeFirstOrThrow();
  return Number(newest ?? 0);
}
