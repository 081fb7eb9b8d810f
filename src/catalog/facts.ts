/** The interfaces of the catalog. Where callers can race, a method compares and sets, and returns the outcome. */
import type {
  Artifact,
  ArtifactType,
  Bucket,
  BucketId,
  Content,
  Event,
  Ledger,
  LockRule,
  ObjectConditions,
  Part,
  PublicAccess,
  StoredObject,
  VersionLock,
} from './model.ts';

/**
 * What a caller may see: everything; or what `namespace` owns, what is shared, and what namespaces that trust it own. A
 * blob is visible only through a visible version.
 */
export type Visibility = 'everything' | { readonly namespace: string };

/** A page of a listing: at most `limit` records after the cursor, in the listing's order. */
export interface Page {
  readonly after: string | null;
  readonly limit: number;
}

/** A page of a listing by time: after a record, skipping `offset` more. */
export interface TimePage {
  readonly behind: { readonly at: number; readonly id: string } | null;
  readonly offset: number;
  readonly limit: number;
}

/** The content of a version and its artifact. */
export interface Publication {
  readonly target: {
    readonly namespace: string;
    readonly type: ArtifactType;
    readonly name: string;
    readonly sourceUrl: string;
    /** Applies only to a new artifact. */
    readonly shared: boolean;
    /** Applies to a new artifact, and to an existing one if `setMaxVersions`. */
    readonly maxVersions: number;
    readonly setMaxVersions: boolean;
    /** The caller may create the artifact but not add to an existing one. */
    readonly createOnly: boolean;
  };
  readonly source:
    | { readonly kind: 'upload'; readonly upload: string; readonly content: Content; readonly mediaType: string }
    | { readonly kind: 'blob'; readonly blob: string }
    /** Bytes that were sealed before the call. */
    | { readonly kind: 'content'; readonly content: Content; readonly mediaType: string }
    /** Small bytes that the catalog stores inline. */
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly sha512: string; readonly mediaType: string };
  /** S3 metadata if the artifact is an object. Every such publication adds a version. */
  readonly object?: ObjectFacts | undefined;
  /** The multipart upload to complete in the same transaction, if it is open and its parts are still these. */
  readonly multipart?: MultipartEnd | undefined;
  /** The release slot of the upload; it must be open, or have become a file. */
  readonly slot?: string | undefined;
  /** Ids for new records. */
  readonly fresh: { readonly artifact: string; readonly blob: string };
  readonly at: number;
  readonly by: string;
}

export interface MultipartEnd {
  readonly id: string;
  readonly parts: readonly Pick<Part, 'number' | 'upload'>[];
  /** Responses for a repeated completion, for buckets with and without versioning. */
  readonly outcome: { readonly versioned: string; readonly plain: string };
}

export interface ObjectFacts {
  readonly bucket: BucketId;
  readonly key: string;
  /** The version id if the bucket is versioned. Otherwise the version has none and replaces the one without. */
  readonly versionId: string;
  readonly etag: string;
  readonly about: string;
  /** The requested lock; without a retention the bucket's default applies. */
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
  /** Version id of an object; null in an unversioned bucket, and for other artifacts. */
  readonly versionId: string | null;
  /** False if the newest version already had these bytes, or the upload was published before. */
  readonly added: boolean;
  /** The recorded address of the bytes: the offered one, unless the upload was published before. */
  readonly address: string;
  /** The previous address of the same or of corrupt bytes; it is no longer used. */
  readonly replaced: string | null;
  /** Uploads that ended with the multipart upload; their stages are no longer needed. */
  readonly ended: readonly string[];
  /** Whether the recorded bytes were known to be corrupt or missing. */
  readonly healed: boolean;
}

/** A version, for messages. */
export interface NamedVersion {
  readonly namespace: string;
  readonly artifact: string;
  readonly name: string;
  readonly index: number;
}

/** A page of the objects of a bucket. */
export interface ObjectsPage {
  readonly prefix: string;
  /** Only keys after this one, in UTF-8 byte order. */
  readonly after: string | null;
  readonly limit: number;
}

/** A page of all versions, after `behind`. */
export interface VersionsPage extends ObjectsPage {
  readonly behind: { readonly key: string; readonly index: number } | null;
}

/** A page of a bucket's open multipart uploads, after `behind`. */
export interface MultipartPage {
  readonly prefix: string;
  readonly behind: { readonly key: string; readonly id: string } | null;
  readonly limit: number;
}

/** A page of a listing with common prefixes. */
export interface EntriesPage extends ObjectsPage {
  /** Empty for none. */
  readonly delimiter: string;
  /** Whether to list every version and marker instead of the newest versions. */
  readonly versions: boolean;
  /** Continues with older versions of the key `after`; null for none. */
  readonly behind: { readonly key: string; readonly index: number } | null;
}

/** An object; or, if `object` is undefined, a common prefix in `key`. */
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
  /** Settings to change, by name; null removes one. */
  readonly set?: Readonly<Record<string, string | null>>;
  readonly lock?: LockRule;
  /** Null removes the block. */
  readonly publicAccess?: PublicAccess | null;
  /** Settings that the decision depends on, as the caller read them; the change fails if they differ. */
  readonly given?: { readonly publicAccess?: PublicAccess | null } & Readonly<Record<string, unknown>>;
}

/** Identifies a version, even if it is no longer the newest. */
export type VersionName = Pick<StoredObject, 'artifact' | 'bucket' | 'key' | 'index'>;

export interface Retirement {
  readonly bucket: BucketId;
  readonly key: string;
  readonly conditions: ObjectConditions;
  /** The version that the caller read; nothing happens unless it is unchanged. */
  readonly only?: StoredObject | undefined;
  /** Ids for a new marker. */
  readonly fresh: { readonly artifact: string; readonly version: string };
  readonly at: number;
  readonly event: Event;
}

export interface Removal extends Omit<Retirement, 'fresh'> {
  readonly id: string | null;
  /** Whether the caller may and does bypass a GOVERNANCE retention. */
  readonly bypass: boolean;
}

export type Retired =
  | { readonly kind: 'gone'; readonly object: StoredObject }
  | { readonly kind: 'marked'; readonly object: StoredObject }
  | { readonly kind: 'absent' | 'no_bucket' | 'condition' };

/** A ledger with wrong totals, and the correct ones. */
export interface Miscounted extends Pick<Ledger, 'namespace' | 'stored' | 'records'> {
  readonly rightStored: number;
  readonly rightRecords: number;
}

/** An interval of wall clock time that did not really pass: its end and length. */
export interface ClockGap {
  readonly ends: number;
  readonly length: number;
}
