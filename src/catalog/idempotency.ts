import type { Reservation, Reserved } from './releases/facts.ts';
import type { Host } from './host.ts';

export class Idempotency {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Takes the request, unless it is done, in progress, or the key belongs to another request. */
  reserve({ id, fingerprint, seed, owner, at, leaseUntil, expiresAt }: Reservation): Promise<Reserved> {
    return this.#host.write(async (db): Promise<Reserved> => {
      const there = await db.selectFrom('reservations').selectAll().where('id', '=', id).executeTakeFirst();
      if (there && there.expires_at > at) {
        if (there.fingerprint !== fingerprint) return { kind: 'other' };
        if (there.outcome !== null) return { kind: 'done', outcome: there.outcome };
        if (there.owner !== null && there.lease_until > at) return { kind: 'busy', until: there.lease_until };
        await db.updateTable('reservations').set({ owner, lease_until: leaseUntil }).where('id', '=', id).execute();
        return { kind: 'yours', seed: there.seed, fresh: false };
      }
      if (there) await db.deleteFrom('reservations').where('id', '=', id).execute();
      await db
        .insertInto('reservations')
        .values({
          id,
          fingerprint,
          seed,
          owner,
          lease_until: leaseUntil,
          outcome: null,
          created_at: at,
          expires_at: expiresAt,
        })
        .execute();
      return { kind: 'yours', seed, fresh: true };
    });
  }

  /** Returns false if another process has taken over. */
  renew(id: string, owner: string, leaseUntil: number): Promise<boolean> {
    return this.#change(id, owner, { lease_until: leaseUntil });
  }

  /** Returns false if another process has taken over. */
  settle(id: string, owner: string, outcome: string): Promise<boolean> {
    return this.#change(id, owner, { outcome, owner: null });
  }

  /** Releases a request without an outcome: deleted if `forgetting`, else only the same request can resume it. */
  giveUp(id: string, owner: string, forgetting: boolean): Promise<void> {
    return this.#host.write(async (db) => {
      if (forgetting) await db.deleteFrom('reservations').where('id', '=', id).where('owner', '=', owner).execute();
      else
        await db
          .updateTable('reservations')
          .set({ owner: null })
          .where('id', '=', id)
          .where('owner', '=', owner)
          .execute();
    });
  }

  /** Ends all leases, so that the requests can be resumed at once. */
  abandon(): Promise<void> {
    return this.#host.write(
      async (db) =>
        void (await db.updateTable('reservations').set({ owner: null }).where('owner', 'is not', null).execute()),
    );
  }

  /** Deletes those that ended before `before`. */
  forget(before: number): Promise<void> {
    return this.#host.write(
      async (db) => void (await db.deleteFrom('reservations').where('expires_at', '<', before).execute()),
    );
  }

  #change(
    id: string,
    owner: string,
    change: { lease_until?: number; outcome?: string; owner?: null },
  ): Promise<boolean> {
    return this.#host.write(async (db) => {
      const { numUpdatedRows } = await db
        .updateTable('reservations')
        .set(change)
        .where('id', '=', id)
        .where('owner', '=', owner)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    });
  }
}
