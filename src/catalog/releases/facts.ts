/** The facts of releases: their files, who may have those, and requests that happen once. */
import type { Page, TimePage, Publication, Unpublished } from '../facts.ts';
import type {
  Audit,
  Customer,
  CustomerKey,
  Download,
  Entitlement,
  Event,
  Release,
  ReleaseFile,
  ReleaseStatus,
  Slot,
} from '../model.ts';

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

export interface ReleaseFacts {
  /**
   * Answers the release of that product and version, which is another where it was there already.
   *
   * @throws Refusal `not_found` when the namespace is gone.
   */
  create(release: Release, event: Event): Promise<Release>;
  get(id: string): Promise<Release | undefined>;
  /** Newest first. */
  list(namespace: string, filter: ReleaseFilter, page: TimePage): Promise<Release[]>;
  /** Changes the status if it is `from`; undefined when it is not, or there is no such release. */
  turn(id: string, from: ReleaseStatus, to: ReleaseStatus, at: number, event: Event): Promise<Release | undefined>;
  /**
   * Removes the release with its files, the artifacts that hold them, its slots and tokens, and the objects that lie at their
   * keys, but those of buckets with object lock. Answers which files and slots there were; undefined when there was no such release.
   */
  remove(
    id: string,
    at: number,
    event: Event,
  ): Promise<{ readonly files: readonly ReleaseFile[]; readonly slots: readonly Slot[] } | undefined>;
  /** Answers the slot of that id, which is there already when it was asked for again; undefined when the release is gone. */
  open(slot: Slot): Promise<Slot | undefined>;
  slot(id: string): Promise<Slot | undefined>;
  /** Those that end before `before`, by id. */
  lapsed(before: number, page: Page): Promise<Slot[]>;
  /** Removes a slot that ended before `before`, and the object at its key. False where there is none, or a client is filling it. */
  close(id: string, before: number, event: Event): Promise<boolean>;
  /**
   * Makes a slot the file that came of it. Asked again for the same request, it answers the file.
   *
   * @returns `taken` where there is such a file of another request; `no_slot`; what `publish` returns.
   */
  register(registration: Registration): Promise<ReleaseFile | 'taken' | 'no_slot' | Unpublished>;
  file(id: string): Promise<ReleaseFile | undefined>;
  /** Files of each release, by time and id. */
  files(releases: readonly string[]): Promise<Record<string, ReleaseFile[]>>;
}

export interface DownloadFacts {
  /** False when the file is gone. */
  create(download: Download): Promise<boolean>;
  get(id: string): Promise<Download | undefined>;
  proved(verifier: string): Promise<Download | undefined>;
  /** Forgets those that ended before `before`. */
  forget(before: number): Promise<void>;
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

export interface IdempotencyFacts {
  /** Takes the request, unless it is done, somebody works on it, or the word stands for another one. */
  reserve(reservation: Reservation): Promise<Reserved>;
  /** False when somebody else has it by now. */
  renew(id: string, owner: string, leaseUntil: number): Promise<boolean>;
  /** False when somebody else has it by now. */
  settle(id: string, owner: string, outcome: string): Promise<boolean>;
  /** Gives back everything that somebody works on, to be gone on with at once. */
  abandon(): Promise<void>;
  /** Gives it back without an outcome: as if it had never been asked for, or to be gone on with by the same request alone. */
  giveUp(id: string, owner: string, forgetting: boolean): Promise<void>;
  /** Forgets those that ended before `before`. */
  forget(before: number): Promise<void>;
}

export interface CustomerFilter {
  readonly id?: string | undefined;
  /** Part of the name, in small or capital letters. */
  readonly name?: string | undefined;
  /** In small or capital letters. */
  readonly plan?: string | undefined;
}

export interface CustomerFacts {
  /**
   * Answers the customer of that id, which may have been there before.
   *
   * @throws Refusal `not_found` when the namespace is gone.
   */
  create(customer: Customer, event: Event): Promise<Customer>;
  get(id: string): Promise<Customer | undefined>;
  /** Newest first. */
  list(namespace: string, filter: CustomerFilter, page: TimePage): Promise<Customer[]>;
  change(
    id: string,
    change: Partial<Pick<Customer, 'name' | 'plan' | 'suspendedAt'>>,
    event: Event,
  ): Promise<Customer | undefined>;
  /** Answers the entitlement of that id, which may have been there before; undefined when the customer is gone. */
  entitle(entitlement: Entitlement, event: Event): Promise<Entitlement | undefined>;
  /** By their start. */
  entitlements(customer: string, product: string | undefined, page: TimePage): Promise<Entitlement[]>;
  /** @throws Refusal `ends_too_early` */
  changeEntitlement(
    customer: string,
    id: string,
    change: Partial<Pick<Entitlement, 'product' | 'startsAt' | 'endsAt' | 'metadata'>>,
    event: Event,
  ): Promise<Entitlement | undefined>;
  dropEntitlement(customer: string, id: string, event: Event): Promise<boolean>;
  /** Products that the customer may have at that time. */
  entitled(customer: string, at: number): Promise<string[]>;
  /** False when there is no such customer in the namespace. */
  addKey(namespace: string, key: CustomerKey, event: Event): Promise<boolean>;
  key(id: string): Promise<{ readonly key: CustomerKey; readonly customer: Customer } | undefined>;
  /** The key with that verifier, whatever became of it. */
  proved(verifier: string): Promise<{ readonly key: CustomerKey; readonly customer: Customer } | undefined>;
  /** False when there was none, or it was revoked before. */
  revokeKey(id: string, at: number, event: Event): Promise<boolean>;
  /** Notes when keys were last used. */
  used(marks: readonly (readonly [id: string, at: number])[]): Promise<void>;
}

export interface AuditFilter {
  readonly customer?: string | undefined;
  readonly actor?: string | undefined;
  readonly event?: string | undefined;
  /** Both inclusive. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export interface AuditFacts {
  record(audits: readonly Audit[]): Promise<void>;
  /** Newest first. */
  list(namespace: string, filter: AuditFilter, page: TimePage): Promise<Audit[]>;
  /** Forgets those from before `before`; answers how many. */
  forget(before: number): Promise<number>;
}
