/** The facts of a catalog: uploads, blobs, artifacts, buckets, and who owns them. Where two callers could race, a method compares and sets, and says so in what it returns. */
import type { Algorithm, Digest } from '../kit/digest.ts';
import type {
  AccessKey,
  Artifact,
  ArtifactType,
  Blob,
  Bucket,
  BucketId,
  Content,
  ContentState,
  Credential,
  Event,
  EventType,
  Ledger,
  LockRule,
  Multipart,
  Namespace,
  ObjectConditions,
  Part,
  PublicAccess,
  Retention,
  StoredObject,
  Subject,
  Upload,
  Version,
  VersionLock,
} from './model.ts';

/**
 * What a caller may see: everything, or what `namespace` owns, what is shared, and what namespaces that trust it own.
 * A blob is seen through a version of an artifact that is seen, and in no other way.
 */
export type Visibility = 'everything' | { readonly namespace: string };

/** A page of a listing: at most `limit` records after the cursor, in the listing's own order. */
export interface Page {
  readonly after: string | null;
  readonly limit: number;
}

/** A page of a listing by time: behind a record, and then behind so many more. */
export interface TimePage {
  readonly behind: { readonly at: number; readonly id: string } | null;
  readonly offset: number;
  readonly limit: number;
}

export interface NamespaceFacts {
  /** False when the name is taken. */
  create(namespace: Namespace, credentials: readonly Credential[], event: Event): Promise<boolean>;
  get(name: string): Promise<Namespace | undefined>;
  /** Seen: itself, and those that trust it. By name. */
  list(visibility: Visibility, page: Page): Promise<Namespace[]>;
  /**
   * Removes the namespace with its keys, trusts, metadata and uploads, and deletes its artifacts; answers uploads whose bytes nobody
   * needs any more. Undefined when there is none. Whoever has the name next reaches nothing of it.
   *
   * @throws Refusal `locked` while object lock protects a version of it.
   */
  remove(name: string, event: Event): Promise<readonly string[] | undefined>;
  trust(name: string, other: string, on: boolean, event: Event): Promise<Namespace | undefined>;
  /** By name. */
  credentials(namespace: string): Promise<Credential[]>;
  credential(namespace: string, name: string): Promise<Credential | undefined>;
  /** Creates or replaces. False when there is no such namespace. */
  putCredential(credential: Credential, event: Event): Promise<boolean>;
  /** Replaces the verifier of a credential that still has its nonce. False when it has another one, or is gone. */
  reverify(credential: Pick<Credential, 'namespace' | 'name' | 'nonce' | 'verifier'>): Promise<boolean>;
  /** False when there was none. */
  dropCredential(namespace: string, name: string, event: Event): Promise<boolean>;
}

export interface UploadFacts {
  /**
   * @param credit bytes that will be freed when the upload becomes what it is for.
   * @param parts the uploads that it is to be joined of, by each of which it is found.
   * @throws Refusal `not_found` when the namespace is gone; `conflict` when the id was used before; `over_quota`.
   */
  begin(upload: Upload, credit?: number, parts?: readonly string[]): Promise<void>;
  get(id: string): Promise<Upload | undefined>;
  /** Open uploads, by id; of one namespace, or of all; with `expects`, only those of which that sha512 was promised. */
  list(namespace: string | null, page: Page, expects?: string | null): Promise<Upload[]>;
  /** Of those, the ones that are to be joined of `part` and others. */
  waiting(namespace: string | null, part: string, page: Page): Promise<Upload[]>;
  /** Open uploads not touched since `before`, by id. */
  idle(before: number, page: Page): Promise<Upload[]>;
  /**
   * Moves the offset from `from` to `to` if the upload is open and stands at `from`; answers it as it stands then.
   * Truncate is the same fact with `to` below `from` and `lastStart` null. `length` may be declared once.
   *
   * @throws Refusal `over_quota` where bytes are added that were not declared before.
   */
  advance(
    id: string,
    move: { from: number; to: number; lastStart: number | null; length: number | null; at: number },
  ): Promise<Upload | undefined>;
  /** Notes that the newest appends of these uploads were answered: `[id, offset]` pairs; ignored where the offset moved on. */
  answered(marks: readonly (readonly [id: string, offset: number])[]): Promise<void>;
  /** Lowers the offset to what is left of the bytes. Only recovery may, and it must report the loss. */
  damaged(id: string, offset: number, event: Event): Promise<void>;
  /** Ends an open upload, so that nothing more is accepted; false when it was not open. With `unlessSince`, only if untouched since then. */
  drop(id: string, event: Event, unlessSince?: number): Promise<boolean>;
  /** Forgets uploads that were sealed or dropped before `before`; answers how many. */
  forget(before: number): Promise<number>;
}

/** What becomes a version, and of which artifact. */
export interface Publication {
  readonly target: {
    readonly namespace: string;
    readonly type: ArtifactType;
    readonly name: string;
    readonly sourceUrl: string;
    /** Applied when the publication creates the artifact. */
    readonly shared: boolean;
    /** Applied when the publication creates the artifact, and when `setMaxVersions` says so. */
    readonly maxVersions: number;
    readonly setMaxVersions: boolean;
    /** The caller may create the artifact and add nothing to one that is there. */
    readonly createOnly: boolean;
  };
  readonly source:
    | { readonly kind: 'upload'; readonly upload: string; readonly content: Content; readonly mediaType: string }
    | { readonly kind: 'blob'; readonly blob: string }
    /** Bytes that were sealed before anybody was told of them. */
    | { readonly kind: 'content'; readonly content: Content; readonly mediaType: string }
    /** A small body, which the catalog keeps itself; the byte store knows its address, too. */
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly sha512: string; readonly mediaType: string };
  /** Where the artifact is an object in a bucket: what S3 knows of the version. Every such publication makes a version. */
  readonly object?: ObjectFacts | undefined;
  /** The multipart upload that the version ends: in the same transaction, if it is open and its parts are still these. */
  readonly multipart?: MultipartEnd | undefined;
  /** The slot of a release that the bytes came by: it must be open, or have become a file. */
  readonly slot?: string | undefined;
  /** Ids to use for what has to be created. */
  readonly fresh: { readonly artifact: string; readonly blob: string };
  readonly at: number;
  readonly by: string;
}

export interface MultipartEnd {
  readonly id: string;
  readonly parts: readonly Pick<Part, 'number' | 'upload'>[];
  /** What to tell whoever asks again: where the bucket keeps versions, and where it does not. */
  readonly outcome: { readonly versioned: string; readonly plain: string };
}

export interface ObjectFacts {
  readonly bucket: BucketId;
  readonly key: string;
  /** The id that the version gets where the bucket keeps versions; elsewhere it has none, and replaces the one that has none. */
  readonly versionId: string;
  readonly etag: string;
  readonly about: string;
  /** What was asked for; without a retention the version gets the bucket's. */
  readonly lock: VersionLock;
  readonly conditions: ObjectConditions;
}

/** Why nothing was published. */
export type Unpublished =
  | 'no_upload'
  | 'no_blob'
  | 'no_namespace'
  | 'no_bucket'
  | 'taken'
  | 'condition'
  | 'condition_absent'
  | 'no_multipart'
  | 'other_parts'
  | 'slot_closed';

export interface Published {
  readonly artifact: Artifact;
  readonly index: number;
  readonly blob: string;
  /** Of an object; null where its bucket keeps no versions, and for what is no object. */
  readonly versionId: string | null;
  /** False when the newest version already had these bytes, or the upload had been published before. */
  readonly added: boolean;
  /** Where the catalog now says that the bytes lie: where they were offered, unless the upload had been published before. */
  readonly address: string;
  /** Where the same bytes lay before, or bad ones; nobody is sent there any more. */
  readonly replaced: string | null;
  /** Uploads that ended with the multipart upload: nobody needs their bytes any more. */
  readonly ended: readonly string[];
  /** Whether the bytes on record had been found changed or gone. */
  readonly healed: boolean;
}

export interface ArtifactFacts {
  /**
   * The one ending of every upload: content, blob, artifact, version, trimming and the upload's own end, at once.
   *
   * An active artifact of the same namespace, type and source url gets the version; else one is created. A blob
   * that the namespace already has of this content is used again. A repeat for an upload already published
   * answers what the first run answered.
   *
   * @returns `no_upload` when the upload is neither open at the content's size nor published; `no_blob` when the
   *   blob is gone or its bytes are not good; `no_namespace` when the target's namespace is gone; `taken` when a new artifact's
   *   artifact is there already; `no_multipart` when the multipart upload is not open; `other_parts` when one of its parts was
   *   replaced.
   */
  publish(publication: Publication): Promise<Published | Unpublished>;
  /** Creates an artifact without versions, for bytes still to be fetched; answers the active one if it is there already. */
  begin(artifact: Artifact, event: Event): Promise<Artifact>;
  /** Sets state `error` with its reason, unless a version has arrived or the artifact is deleted. */
  fail(uuid: string, fault: string, event: Event): Promise<void>;
  /** Artifacts whose bytes are still to be fetched, by uuid. */
  pending(page: Page): Promise<Artifact[]>;
  get(uuid: string): Promise<Artifact | undefined>;
  /** Active artifacts of that name: of one namespace, or of all. At most 2 are needed to know that a name is ambiguous. */
  named(namespace: string | null, name: string, type?: ArtifactType): Promise<Artifact[]>;
  /** Active ones that are seen, by uuid. */
  list(
    visibility: Visibility,
    filter: { readonly namespace?: string; readonly name?: string; readonly type?: ArtifactType },
    page: Page,
  ): Promise<Artifact[]>;
  /** Versions of each artifact, oldest first, for as many artifacts as asked; those of a deleted one are a memory. */
  versions(uuids: readonly string[]): Promise<Record<string, Version[]>>;
  /** Deletes: versions end, their blobs lose the reference. Undefined when there is none or it was deleted before. */
  remove(uuid: string, at: number, event: Event): Promise<Artifact | undefined>;
  /** Deletes one version, and with the last one the artifact. Undefined when there is no such version. */
  removeVersion(uuid: string, index: number, at: number, event: Event): Promise<Artifact | undefined>;
  /** Sets the limit and trims at once. */
  setMaxVersions(uuid: string, maxVersions: number, at: number, event: Event): Promise<Artifact | undefined>;
  setShared(uuid: string, shared: boolean, event: Event): Promise<Artifact | undefined>;
  /** Forgets artifacts deleted before `before`; answers how many. */
  forget(before: number): Promise<number>;
}

export interface BlobFacts {
  get(uuid: string): Promise<Blob | undefined>;
  /** Whether `visibility` reaches the blob through any version. */
  seen(uuid: string, visibility: Visibility): Promise<boolean>;
  /** A seen blob with these bytes, its bytes good. */
  withDigest(digest: Digest, visibility: Visibility): Promise<Blob | undefined>;
  /** By uuid. */
  list(visibility: Visibility, page: Page): Promise<Blob[]>;
  many(uuids: readonly string[]): Promise<Blob[]>;
  /** Keeps a digest that was computed of the blob's bytes. */
  addDigest(uuid: string, algorithm: Algorithm, hex: string): Promise<void>;
  /** Notes that the bytes were asked for; keeps unreferenced ones from the sweep for another grace period. */
  used(uuids: readonly string[], at: number): Promise<void>;
  /** Removes up to `limit` blobs that nothing has referred to since `before`, and contents no blob names then; answers how many blobs, and which contents. */
  sweep(before: number, limit: number): Promise<{ readonly blobs: number; readonly contents: readonly Content[] }>;
}

/** A version, as people know it. */
export interface Naming {
  readonly namespace: string;
  readonly artifact: string;
  readonly name: string;
  readonly index: number;
}

export interface ContentFacts {
  get(sha512: string): Promise<Content | undefined>;
  /** The bytes themselves, where the catalog keeps them. */
  bytes(sha512: string): Promise<Uint8Array | undefined>;
  /** Those least recently scrubbed before `before`, oldest first. */
  toScrub(before: number, limit: number): Promise<Content[]>;
  /** All, by sha512. */
  list(page: Page): Promise<Content[]>;
  /**
   * Sets the state if the bytes still lie at `address`; answers whether it did. Bytes that the catalog keeps itself are looked at first:
   * right ones are not marked as rotten.
   */
  mark(sha512: string, address: string, state: ContentState, at: number, event: Event | null): Promise<boolean>;
  /** Versions that stand on a content. */
  named(sha512: string, limit: number): Promise<Naming[]>;
  /** Which of these addresses the catalog knows. */
  known(addresses: readonly string[]): Promise<string[]>;
  /** Numbers and sizes for metrics: stored once, and as often as versions name them. */
  totals(): Promise<{
    contents: number;
    bytes: number;
    blobs: number;
    artifacts: number;
    versions: number;
    namedBytes: number;
    openUploads: number;
  }>;
}

/** Objects of a bucket after a place in it. */
export interface ObjectsPage {
  readonly prefix: string;
  /** Only keys behind this one, by the bytes of their UTF-8. */
  readonly after: string | null;
  readonly limit: number;
}

/** A page of a listing that is rolled up at a delimiter. */
export interface EntriesPage extends ObjectsPage {
  /** Empty for none. */
  readonly delimiter: string;
  /** Every version and mark, not only the newest versions. */
  readonly versions: boolean;
  /** Of the key `after`, versions older than this one follow; null for none. */
  readonly behind: { readonly key: string; readonly index: number } | null;
}

/** An object, or a common prefix: then `object` is undefined, and `key` is all that the keys have in common. */
export interface Entry {
  readonly key: string;
  readonly object: StoredObject | undefined;
}

export interface Usage {
  readonly buckets: number;
  readonly objects: number;
  readonly bytes: number;
}

export interface BucketChange extends Partial<Pick<Bucket, 'versioning' | 'open'>> {
  /** Settings by name; null removes one. Settings that are not named stay as they are. */
  readonly set?: Readonly<Record<string, string | null>>;
  readonly lock?: LockRule;
  /** Null takes the block off. */
  readonly publicAccess?: PublicAccess | null;
  /** Settings that the caller decided by, as it read them; the change happens only if they are still so. */
  readonly given?: { readonly publicAccess?: PublicAccess | null } & Readonly<Record<string, unknown>>;
}

/** A change of a bucket or of what is in it is of the bucket that the caller decided upon: where that is gone, the next one of its name counts as none. */
export interface BucketFacts {
  /** False when the name is taken. */
  create(bucket: Bucket, event: Event): Promise<boolean>;
  get(name: string): Promise<Bucket | undefined>;
  /** By name; of one namespace, or of all. */
  list(namespace: string | null, page: Page): Promise<Bucket[]>;
  /**
   * Changes what is named and nothing else. A bucket with object lock keeps its versions: a change against that is refused.
   *
   * @throws Refusal `bucket_changed` where `given` no longer holds, `bucket_locked` where object lock rules the change out.
   */
  change(bucket: BucketId, change: BucketChange, event: Event): Promise<Bucket | undefined>;
  /** Removes one without objects, and what is open of multipart uploads in it; answers their uploads, which nobody needs any more. */
  remove(bucket: BucketId, event: Event): Promise<readonly string[] | 'none' | 'occupied'>;
  /** Versions and their bytes, counted when asked; of one bucket, or of all of a namespace. */
  usage(of: { readonly bucket: string } | { readonly namespace: string }): Promise<Usage>;
  /** A version of an object, or its newest. */
  object(bucket: string, key: string, version?: { readonly id: string | null }): Promise<StoredObject | undefined>;
  /** The newest versions, without marks of deletion, by the bytes of their keys. */
  objects(bucket: string, page: ObjectsPage): Promise<StoredObject[]>;
  /** A page of a listing, rolled up: costs what its entries cost, however many keys lie under a common prefix. */
  entries(bucket: BucketId, page: EntriesPage): Promise<Entry[]>;
  /** Every version and mark, by key, the newest first; after a key, or behind one version of it. */
  versions(
    bucket: BucketId,
    page: ObjectsPage & { readonly behind: { readonly key: string; readonly index: number } | null },
  ): Promise<StoredObject[]>;
  /** Sets one member of what a face keeps with a version to this JSON, or removes it; false when the version is gone. */
  describe(version: VersionName, member: string, json: string | null): Promise<boolean>;
  /** Sets or releases a legal hold; false when the version is gone. */
  hold(version: VersionName, held: boolean): Promise<boolean>;
  /**
   * Sets or takes off a retention; false when the version is gone.
   *
   * @param rights whether the caller may bypass GOVERNANCE.
   * @throws Refusal `locked` where that makes an active retention weaker.
   */
  retain(
    version: VersionName,
    retention: Retention | null,
    rights: { readonly at: number; readonly bypass: boolean },
  ): Promise<boolean>;
  /**
   * Deletes the newest version, or leaves a mark, as the bucket's versioning says; answers the mark.
   *
   * @throws Refusal `locked` where object lock protects a version that would end.
   */
  retire(request: Retirement): Promise<Retired>;
  /** Deletes a version or a mark; answers what it was. Throws as `retire` does. */
  removeVersion(request: Removal): Promise<Retired>;
}

/** Which version of an object, whatever took its place since. */
export type VersionName = Pick<StoredObject, 'artifact' | 'bucket' | 'key' | 'index'>;

export interface Retirement {
  readonly bucket: BucketId;
  readonly key: string;
  readonly conditions: ObjectConditions;
  /** The version that the caller saw: nothing happens unless it still is as it was. */
  readonly only?: StoredObject | undefined;
  /** Ids for a mark. */
  readonly fresh: { readonly artifact: string; readonly version: string };
  readonly at: number;
  readonly event: Event;
}

export interface Removal extends Omit<Retirement, 'fresh'> {
  readonly id: string | null;
  /** Whether the caller may bypass a GOVERNANCE retention, and asks to. */
  readonly bypass: boolean;
}

export type Retired =
  | { readonly kind: 'gone'; readonly object: StoredObject }
  | { readonly kind: 'marked'; readonly object: StoredObject }
  | { readonly kind: 'absent' | 'no_bucket' | 'condition' };

export interface MultipartFacts {
  /** False when the namespace has no such bucket of that generation. */
  begin(multipart: Multipart, generation?: string): Promise<boolean>;
  get(id: string): Promise<Multipart | undefined>;
  /** Open ones of a bucket, by key and then id, behind one. */
  list(
    bucket: BucketId,
    page: {
      readonly prefix: string;
      readonly behind: { readonly key: string; readonly id: string } | null;
      readonly limit: number;
    },
  ): Promise<Multipart[]>;
  /** Takes a part, in the place of one of that number; answers the upload that it replaced. Undefined when the multipart is not open. */
  put(id: string, part: Part): Promise<{ readonly replaced: string | null } | undefined>;
  /** By number, behind one. */
  parts(id: string, after: number, limit: number): Promise<Part[]>;
  /**
   * Ends an open one with an outcome, or forgets it without. With it end its parts' uploads, and what was joined of them; answers which.
   * Undefined when it is not open; with `unlessSince` also when a part came since then.
   */
  end(id: string, outcome: string | null, at: number, unlessSince?: number): Promise<string[] | undefined>;
  /** Open ones that no part came for since `before`, by id. */
  idle(before: number, page: Page): Promise<Multipart[]>;
  /** Forgets those that ended before `before`. */
  forget(before: number): Promise<void>;
}

/** What a ledger says, and what it should. */
export interface Miscounted extends Pick<Ledger, 'namespace' | 'stored' | 'records'> {
  readonly rightStored: number;
  readonly rightRecords: number;
}

export interface UsageFacts {
  /** Undefined when there is no such namespace. */
  get(namespace: string): Promise<Ledger | undefined>;
  /** Sets the limits that are named, and no other. */
  setLimits(namespace: string, limits: Partial<Pick<Ledger, 'quota' | 'allowance'>>, event: Event): Promise<boolean>;
  /** Counts the rows of every namespace again: ledgers that say something else, which `mend` sets right. */
  miscounted(mend: boolean): Promise<Miscounted[]>;
  /** Adds bytes that were sent; a new month begins at 0. */
  spend(month: string, sent: readonly (readonly [namespace: string, bytes: number])[]): Promise<void>;
}

export interface AccessKeyFacts {
  create(key: AccessKey, event: Event): Promise<void>;
  /** Revoked ones too. */
  get(id: string): Promise<AccessKey | undefined>;
  /** By id; of one namespace, or of all; without revoked ones. */
  list(namespace: string | null, page: Page): Promise<AccessKey[]>;
  /** False when there was none, or it was revoked before. */
  revoke(id: string, at: number, event: Event): Promise<boolean>;
}

export interface EventFacts {
  record(events: readonly Event[]): Promise<void>;
  /** Newest first. */
  events(subject: Subject, id: string, filter: { readonly type?: EventType; readonly limit: number }): Promise<Event[]>;
  metadata(subject: Subject, id: string): Promise<Record<string, string>>;
  /**
   * Sets, or with undefined removes; false when there is no such artifact, blob or namespace. What is noted counts as stored by its owner.
   *
   * @throws Refusal `over_quota`
   */
  setMetadata(
    subject: 'artifact' | 'blob' | 'namespace',
    id: string,
    key: string,
    value: string | undefined,
    event?: Event,
  ): Promise<boolean>;
  forget(before: number): Promise<number>;
  /** How far the wall clock was when it was last looked at, and its gaps, newest first. */
  clock(): Promise<{ readonly seen: number | null; readonly gaps: readonly ClockGap[] }>;
  /** Notes how far the wall clock is, and a gap that ends there. */
  pass(seen: number, gap: ClockGap | null): Promise<void>;
}

/** Time of the wall clock that did not pass: where it ends, and how long it is. */
export interface ClockGap {
  readonly ends: number;
  readonly length: number;
}
