/** Catalog interfaces of releases, customers and idempotency. */
import type { Publication } from '../facts.ts';
import type { Event, ReleaseFile, ReleaseStatus } from '../model.ts';

export interface ReleaseFilter {
  readonly product?: string | undefined;
  readonly version?: string | undefined;
  readonly status?: ReleaseStatus | undefined;
  /** Only these products. */
  readonly products?: readonly string[] | undefined;
}

/** A file to register. One in this store is published in the same transaction as the artifact that keeps it. */
export interface Registration {
  readonly file: ReleaseFile;
  readonly publication: Publication | null;
  readonly event: Event;
}

/** An idempotent request. */
export interface Reservation {
  /** Caller, operation and idempotency key, as one text. */
  readonly id: string;
  /** Digest of the request, to detect reuse of the key for another one. */
  readonly fingerprint: string;
  /** Seed for the ids of the request's effects; kept when another process takes over. */
  readonly seed: string;
  /** The process that works on it. */
  readonly owner: string;
  readonly at: number;
  /** Time until which no other process may take over. */
  readonly leaseUntil: number;
  readonly expiresAt: number;
}

export type Reserved =
  | { readonly kind: 'yours'; readonly seed: string; readonly fresh: boolean }
  | { readonly kind: 'done'; readonly outcome: string }
  | { readonly kind: 'busy'; readonly until: number }
  | { readonly kind: 'other' };

export interface CustomerFilter {
  readonly id?: string | undefined;
  /** Substring of the name, ignoring case. */
  readonly name?: string | undefined;
  /** Ignoring case. */
  readonly plan?: string | undefined;
}

export interface AuditFilter {
  readonly customer?: string | undefined;
  readonly actor?: string | undefined;
  readonly event?: string | undefined;
  /** Both inclusive. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}
