/** The records of the domain. Times are whole milliseconds since the epoch; sizes and offsets are bytes. */
import type { Algorithm } from '../kit/digest.ts';

/** The operators' namespace, which may see and do everything. */
export const SYSTEM = 'system';

export interface Namespace {
  readonly name: string;
  readonly createdAt: number;
  /** Namespaces that may read and use what this one owns. `system` always may and is not listed. */
  readonly trusts: readonly string[];
  /** Distinguishes namespaces of the same name over time; absent for those of old stores, and for `system`. */
  readonly generation?: string | undefined;
}

/** A named key of a namespace. Only a verifier is stored, not the key. */
export interface Credential {
  readonly namespace: string;
  readonly name: string;
  /** Made by `core/tenants/access.ts`, which documents its format. */
  readonly verifier: string;
  /** Changes with every replacement, which invalidates tokens of the older key. */
  readonly nonce: string;
  readonly createdAt: number;
  /** Generation of the namespace; set when read. */
  readonly generation?: string | undefined;
}

export type UploadState = 'open' | 'sealed' | 'dropped';

/** An upload. */
export interface Upload {
  readonly id: string;
  readonly namespace: string;
  readonly state: UploadState;
  /** Durable bytes. Only a truncation lowers it. */
  readonly offset: number;
  /** Declared final size; null if unknown. */
  readonly length: number | null;
  /** Offset at which the newest append began; null if unknown, or after a truncation. */
  readonly lastStart: number | null;
  /** Whether the response of the newest append reached its client, as far as the server knows. */
  readonly lastAnswered: boolean;
  readonly createdAt: number;
  /** Last time that bytes were accepted or removed; idle time counts from here. */
  readonly touchedAt: number;
  /** Metadata of the face that began the upload; null for none. */
  readonly about: string | null;
  /** The sha512 that the creator declared, in hex; the upload is refused with any other. Null if undeclared. */
  readonly expects: string | null;
  /** The version that it became when it was sealed. */
  readonly outcome: { readonly artifact: string; readonly index: number; readonly blob: string } | null;
}

/** A content as one namespace knows it. Two namespaces with the same bytes have two blobs on one content. */
export interface Blob {
  readonly uuid: string;
  readonly namespace: string;
  readonly sha512: string;
  readonly size: number;
  readonly createdAt: number;
  /** Last time that its bytes were requested; null for never. */
  readonly usedAt: number | null;
  readonly mediaType: string;
  /** Known digests besides sha512, hex by algorithm. */
  readonly digests: Readonly<Partial<Record<Algorithm, string>>>;
  /** Number of versions that refer to it; counted on read. */
  readonly references: number;
  readonly contentState: ContentState;
}

/** Whether bytes may be served: `rotten` bytes were found changed, `missing` ones not found. */
export type ContentState = 'good' | 'rotten' | 'missing';

/** Stored bytes, which any number of blobs may share. */
export interface Content {
  readonly sha512: string;
  readonly size: number;
  /** The engine's address of the bytes. */
  readonly address: string;
  readonly state: ContentState;
  readonly createdAt: number;
  readonly scrubbedAt: number | null;
}

export type ArtifactType = 'image' | 'snapshot' | 'label' | 'other';
export type ArtifactState = 'initial' | 'created' | 'deleted' | 'error';

/** A name in a namespace with numbered versions. */
export interface Artifact {
  readonly uuid: string;
  readonly namespace: string;
  readonly type: ArtifactType;
  readonly name: string;
  readonly sourceUrl: string;
  readonly state: ArtifactState;
  /** The reason for state `error`. */
  readonly fault: string | null;
  readonly shared: boolean;
  /** Number of versions to keep; 0 keeps all. */
  readonly maxVersions: number;
  /** The highest version number so far; never decreases. */
  readonly lastIndex: number;
  readonly createdAt: number;
  readonly deletedAt: number | null;
}

/** A numbered reference to a blob. Versions of a deleted artifact remain as history, with `references` 0. */
export interface Version {
  readonly index: number;
  readonly blob: string;
  readonly size: number;
  readonly references: number;
  readonly createdAt: number;
}

/** A container of objects with a globally unique name. */
export interface Bucket {
  readonly name: string;
  readonly namespace: string;
  readonly createdAt: number;
  /** Whether overwritten and deleted objects are kept as versions. Once enabled, it can only be suspended. */
  readonly versioning: 'off' | 'enabled' | 'suspended';
  /** Whether anyone may read its objects. */
  readonly open: boolean;
  /** Object lock; once set, it stays. */
  readonly lock?: LockRule | undefined;
  /** The public access block, if it is set. */
  readonly publicAccess?: PublicAccess | undefined;
  /** Digests to store for every object. */
  readonly digests?: readonly Algorithm[] | undefined;
  /** Other settings by name, in the format of the face that set them; only that face reads them. */
  readonly settings: Readonly<Record<string, string>>;
  /** Distinguishes buckets of the same name over time; absent for those of old stores. */
  readonly generation?: string | undefined;
}

/** Identifies the bucket of a decision, unlike a later one of the same name. */
export type BucketId = Pick<Bucket, 'name' | 'generation'>;

/** With `mode`, new versions get a default retention. */
export interface LockRule {
  readonly mode?: Retention['mode'];
  readonly days?: number;
  readonly years?: number;
}

/** S3's four settings. The `Block` settings refuse changes; the others apply to each request. */
export interface PublicAccess {
  readonly BlockPublicAcls: boolean;
  readonly IgnorePublicAcls: boolean;
  readonly BlockPublicPolicy: boolean;
  readonly RestrictPublicBuckets: boolean;
}

/** A version of an artifact in a bucket, addressed by its key. */
export interface StoredObject {
  readonly artifact: string;
  readonly index: number;
  readonly bucket: string;
  /** Owner of the bucket. */
  readonly namespace: string;
  readonly key: string;
  /** Null for a version made without versioning; a key has at most one. */
  readonly versionId: string | null;
  /** Whether it is the newest of its key. */
  readonly current: boolean;
  /** Null for a delete marker. */
  readonly content:
    | (VersionLock & { readonly blob: string; readonly size: number; readonly etag: string; readonly about: string })
    | null;
  readonly createdAt: number;
}

/** The time until which a version may not be deleted. */
export interface Retention {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly until: number;
}

/** The locks of a version. */
export interface VersionLock {
  readonly retention: Retention | null;
  /** Null if it was never set. */
  readonly held: boolean | null;
}

/** Conditions on the addressed or newest version at the time of a change. The etag `*` matches any. */
export interface ObjectConditions {
  readonly match?: readonly string[] | undefined;
  readonly noneMatch?: readonly string[] | undefined;
  /** Whole seconds since the epoch. */
  readonly modifiedAt?: number | undefined;
  readonly size?: number | undefined;
}

/** The unmet condition; undefined if all hold. A marker counts as absent, which is `condition_absent`. */
export function unmet(
  { match, noneMatch, modifiedAt, size }: ObjectConditions,
  version: StoredObject | undefined,
): 'condition' | 'condition_absent' | undefined {
  const { content = null, createdAt = 0 } = version ?? {};
  const named = (tags: readonly string[]): boolean =>
    content !== null && (tags.includes('*') || tags.includes(content.etag));
  if (match && !named(match)) return content ? 'condition' : 'condition_absent';
  if (noneMatch && named(noneMatch)) return 'condition';
  if (modifiedAt !== undefined && Math.floor(createdAt / 1000) !== modifiedAt) return 'condition';
  return size === undefined || content?.size === size ? undefined : 'condition';
}

/** A multipart upload of an object. The bytes of each part are an upload. */
export interface Multipart {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly namespace: string;
  /** Metadata of the face that began it. */
  readonly about: string;
  readonly createdAt: number;
  /** Last time that a part arrived; idle time counts from here. */
  readonly touchedAt: number;
  /** The response of the face that completed it; null while open. */
  readonly outcome: string | null;
}

export interface Part {
  /** From 1. */
  readonly number: number;
  readonly upload: string;
  readonly size: number;
  readonly etag: string;
  /** Metadata of the face that received it. */
  readonly about: string;
  readonly at: number;
}

/** An id and secret pair that signs requests, limited to buckets and verbs. */
export interface AccessKey {
  readonly id: string;
  readonly namespace: string;
  /** Label for people. */
  readonly name: string;
  /** The encrypted secret. */
  readonly sealed: string;
  readonly grant: Grant;
  readonly createdAt: number;
  readonly revokedAt: number | null;
  /** Generation of the namespace; set when read. */
  readonly generation?: string | undefined;
}

export type Verb = 'read' | 'write' | 'delete' | 'admin';

export interface Grant {
  /** Bucket names; null for all buckets of the namespace. */
  readonly buckets: readonly string[] | null;
  readonly verbs: readonly Verb[];
}

/** What a namespace stores and has sent, and its limits. */
export interface Ledger {
  readonly namespace: string;
  /** Bytes of versions, counted for each version. */
  readonly stored: number;
  /** Bytes charged for its catalog rows: their texts, and 512 bytes each. */
  readonly records: number;
  /** Bytes of open uploads, including declared bytes that have not arrived. */
  readonly reserved: number;
  /** Null for no limit. */
  readonly quota: number | null;
  /** `YYYY-MM`, in UTC. */
  readonly month: string;
  /** Bytes sent in that month. */
  readonly sent: number;
  /** Limit of sent bytes a month; null for none. */
  readonly allowance: number | null;
}

export type ReleaseStatus = 'draft' | 'published';

/** A version of a product and its files. */
export interface Release {
  readonly id: string;
  readonly namespace: string;
  readonly product: string;
  readonly version: string;
  readonly status: ReleaseStatus;
  readonly createdAt: number;
  /** Null for a draft. */
  readonly publishedAt: number | null;
}

/** The upload target of a release file before its registration. */
export interface Slot {
  /** Id of the future file. */
  readonly id: string;
  readonly release: string;
  readonly bucket: string;
  readonly key: string;
  readonly platform: string;
  readonly fileName: string;
  /** Whether the bucket is in a foreign store. */
  readonly outside: boolean;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** A file of a release. Changes of the object that it came from do not affect it. */
export interface ReleaseFile extends Omit<Slot, 'expiresAt'> {
  readonly size: number;
  readonly sha256: string;
  /** The blob of the artifact with the file's id; null for a foreign store. */
  readonly blob: string | null;
  readonly etag: string;
  /** Metadata of the face that stored the object. */
  readonly about: string;
  /** Version id in the foreign store; null if it is unversioned. */
  readonly versionId: string | null;
  /** Identifies the registration request. */
  readonly request: string;
}

/** A customer's temporary right to fetch one file. */
export interface Download {
  readonly id: string;
  /** Verifier of the token, which is not stored. */
  readonly verifier: string;
  readonly file: string;
  readonly customer: string;
  /** The API key that requested it. */
  readonly apiKey: string;
  readonly purpose: string | null;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** A customer of the releases. */
export interface Customer {
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly plan: string | null;
  readonly createdAt: number;
  /** Time since when its keys are refused; null while it is active. */
  readonly suspendedAt: number | null;
}

/** A customer's right to a product for a period. */
export interface Entitlement {
  readonly id: string;
  readonly customer: string;
  readonly product: string;
  readonly startsAt: number;
  /** Inclusive; null for no end. */
  readonly endsAt: number | null;
  /** JSON; null for none. */
  readonly metadata: string | null;
}

export type Scope = 'releases:read' | 'downloads:read' | 'downloads:token' | 'keys:read' | 'keys:write' | 'audit:read';

/** A customer's API key. The key itself is not stored. */
export interface CustomerKey {
  readonly id: string;
  readonly customer: string;
  readonly name: string | null;
  readonly type: 'human' | 'ci' | 'integration';
  readonly scopes: readonly Scope[];
  /** Made by `keyedHash`. */
  readonly verifier: string;
  readonly expiresAt: number | null;
  readonly createdAt: number;
  readonly revokedAt: number | null;
  readonly lastUsedAt: number | null;
}

/** An audited attempt and its result. */
export interface Audit {
  readonly id: string;
  readonly namespace: string;
  /** Null if unidentified. */
  readonly customer: string | null;
  readonly actor: string;
  readonly event: string;
  readonly payload: Readonly<Record<string, string | null>>;
  readonly at: number;
}

/** Kinds of records with metadata or events. */
export type Subject = 'artifact' | 'blob' | 'bucket' | 'customer' | 'key' | 'namespace' | 'release' | 'upload';

export type EventType = 'audit' | 'mutate' | 'status' | 'usage' | 'resources' | 'prune' | 'historic';

export interface Event {
  readonly subject: Subject;
  /** The subject's uuid, or a namespace's name. */
  readonly id: string;
  readonly at: number;
  readonly type: EventType;
  readonly message: string;
  /** Seconds; null for an instant. */
  readonly duration: number | null;
  readonly extra: Readonly<Record<string, string | number | boolean | null>>;
  /** Who acts, not stored: a transaction is refused if its actor's namespace was deleted, even if another has its name. */
  readonly actor?: NamespaceId;
}

/** A namespace among all that had its name; without a generation, any of them. */
export type NamespaceId = Pick<Principal, 'namespace' | 'generation'>;

/** An authenticated caller. */
export interface Principal {
  readonly namespace: string;
  /** Name of the credential, for logs and events. */
  readonly credential: string;
  /** Id of the access key, if the caller used one. */
  readonly accessKey?: string;
  /** The scope of an access key; absent for full rights of the namespace. */
  readonly grant?: Grant;
  /** Generation of the namespace, which grants to it refer to. */
  readonly generation?: string | undefined;
}

/** An anonymous caller. No namespace has an empty name. */
export const ANYBODY: Principal = { namespace: '', credential: 'anonymous', grant: { buckets: null, verbs: [] } };
