/** The facts of releases: their files, who may have those, and requests that happen once. */
import type { Publication } from '../facts.ts';
import type { Event, ReleaseFile, ReleaseStatus } from '../model.ts';

export interface ReleaseFilter {
  readonly product?: string | undefined;
  readonly version?: string | undefined;
  readonly status?: ReleaseStatus | undefined;
  /** Only of these. */
  readonly products?: readonly string[] | undefined;
}

/** A file as it is put on record. One that is here is published as the artifact that holds it, in the same step. */
export interface Registration {
  readonly file: ReleaseFile;
  readonly publication: Publication | null;
  readonly event: Event;
}

/** A request that is to happen once, however often it is sent. */
export interface Reservation {
  /** Who asks for what, and the caller's own word for this request, as one text. */
  readonly id: string;
  /** What tells this request from others for which the caller took the same word. */
  readonly fingerprint: string;
  /** What the effects of the request are known by; stays when somebody else goes on with it. */
  readonly seed: string;
  /** Who works on it. */
  readonly owner: string;
  readonly at: number;
  /** Until when nobody else may. */
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
  /** Part of the name, in small or capital letters. */
  readonly name?: string | undefined;
  /** In small or capital letters. */
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
