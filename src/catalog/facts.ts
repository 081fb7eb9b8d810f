/** The facts of a catalog: uploads, blobs, artifacts, buckets, and who owns them. Where two callers could race, a method compares and sets, and says so in what it returns. */
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

/** A version, as people know it. */
export interface Naming {
  readonly namespace: string;
  readonly artifact: string;
  readonly name: string;
  readonly index: number;
}

/** Objects of a bucket after a place in it. */
export interface ObjectsPage {
  readonly prefix: string;
  /** Only keys behind this one, by the bytes of their UTF-8. */
  readonly after: string | null;
  readonly limit: number;
}

/** Every version of those objects, behind one. */
export interface VersionsPage extends ObjectsPage {
  readonly behind: { readonly key: string; readonly index: number } | null;
}

/** Open multipart uploads of a bucket, behind one. */
export interface MultipartPage {
  readonly prefix: string;
  readonly behind: { readonly key: string; readonly id: string } | null;
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

/** What a ledger says, and what it should. */
export interface Miscounted extends Pick<Ledger, 'namespace' | 'stored' | 'records'> {
  readonly rightStored: number;
  readonly rightRecords: number;
}

/** Time of the wall clock that did not pass: where it ends, and how long it is. */
export interface ClockGap {
  readonly ends: number;
  readonly length: number;
}
