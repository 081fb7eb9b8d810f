/**
 * The records of the domain. Times are whole milliseconds since the epoch; sizes and offsets are whole bytes.
 */
import type { Algorithm } from '../kit/digest.ts';

/** The namespace of the operators, which sees and may do everything. */
export const SYSTEM = 'system';

export interface Namespace {
  readonly name: string;
  readonly createdAt: number;
  /** Other namespaces that may see and use what this one owns. `system` is always among them and not listed. */
  readonly trusts: readonly string[];
  /** Differs from that of every other namespace that had the name; absent for those of old stores, and for `system`. */
  readonly generation?: string | undefined;
}

/** A named key of a namespace. The key itself is never kept, only what proves it. */
export interface Credential {
  readonly namespace: string;
  readonly name: string;
  /** What `core/access` made of the key; see there for the form. */
  readonly verifier: string;
  /** Changes with every replacement, so that tokens minted for an older key die with it. */
  readonly nonce: string;
  readonly createdAt: number;
  /** The namespace's, where it is read. */
  readonly generation?: string | undefined;
}

export type UploadState = 'open' | 'sealed' | 'dropped';

/** Bytes arriving. */
export interface Upload {
  readonly id: string;
  readonly namespace: string;
  readonly state: UploadState;
  /** How many bytes are on disk for good; never promised and then taken back, except by truncate. */
  readonly offset: number;
  /** The final size, if it was declared. */
  readonly length: number | null;
  /** Where the newest append began; null when none is known, or a truncate came after it. */
  readonly lastStart: number | null;
  /** Whether the answer of the newest append reached its client, as far as the server can tell. */
  readonly lastAnswered: boolean;
  readonly createdAt: number;
  /** When a byte was last accepted or cut off; idle time counts from here. */
  readonly touchedAt: number;
  /** What its creator said of it, in the words of the face that began it; null when nothing. */
  readonly about: string | null;
  /** The sha512 that its creator promised of the whole, in hex; it becomes nothing else. Null when nothing was promised. */
  readonly expects: string | null;
  /** What it became, once sealed. */
  readonly outcome: { readonly artifact: string; readonly index: number; readonly blob: string } | null;
}

/** Sealed bytes as one namespace knows them. Two namespaces that hold the same bytes hold two blobs on one content. */
export interface Blob {
  readonly uuid: string;
  readonly namespace: string;
  readonly sha512: string;
  readonly size: number;
  readonly createdAt: number;
  /** When its bytes were last asked for; null when never. */
  readonly usedAt: number | null;
  readonly mediaType: string;
  /** Digests known beside sha512, hex by algorithm. */
  readonly digests: Readonly<Partial<Record<Algorithm, string>>>;
  /** How many versions name it: counted when asked, never kept. */
  readonly references: number;
  readonly contentState: ContentState;
}

/** `good` bytes may be served; `rotten` ones were found changed, `missing` ones not found. */
export type ContentState = 'good' | 'rotten' | 'missing';

/** Bytes on disk, once, however many blobs name them. */
export interface Content {
  readonly sha512: string;
  readonly size: number;
  /** The engine's own word for where they lie. */
  readonly address: string;
  readonly state: ContentState;
  readonly createdAt: number;
  readonly scrubbedAt: number | null;
}

export type ArtifactType = 'image' | 'snapshot' | 'label' | 'other';
export type ArtifactState = 'initial' | 'created' | 'deleted' | 'error';

/** A name in a namespace, and its numbered pointers to blobs. */
export interface Artifact {
  readonly uuid: string;
  readonly namespace: string;
  readonly type: ArtifactType;
  readonly name: string;
  readonly sourceUrl: string;
  readonly state: ArtifactState;
  /** Why, when the state is `error`. */
  readonly fault: string | null;
  readonly shared: boolean;
  /** How many versions are kept; 0 keeps all. */
  readonly maxVersions: number;
  /** The newest number ever given; never goes back. */
  readonly lastIndex: number;
  readonly createdAt: number;
  readonly deletedAt: number | null;
}

/** A numbered pointer from an artifact to a blob. After deletion what is left of it is a memory: `references` is then 0. */
export interface Version {
  readonly index: number;
  readonly blob: string;
  readonly size: number;
  readonly references: number;
  readonly createdAt: number;
}

/** A container of artifacts with a name that is its own in the whole house. */
export interface Bucket {
  readonly name: string;
  readonly namespace: string;
  readonly createdAt: number;
  /** Whether an overwritten or deleted object stays as a version. Once it was on it can only be suspended. */
  readonly versioning: 'off' | 'enabled' | 'suspended';
  /** Whether anybody may read what is in it. */
  readonly open: boolean;
  /** Object lock, where it is on; once on, it stays on. */
  readonly lock?: LockRule | undefined;
  /** Which ways of opening it to the public are blocked, where that was set. */
  readonly publicAccess?: PublicAccess | undefined;
  /** Digests that are kept of everything that comes in, because somebody will ask for them. */
  readonly digests?: readonly Algorithm[] | undefined;
  /** What is set on it beside that, by the name of the setting, in the words of the face that set it. Nothing else reads it. */
  readonly settings: Readonly<Record<string, string>>;
  /** Differs from that of every other bucket that had the name; absent for those of old stores. */
  readonly generation?: string | undefined;
}

/** Which bucket a decision is about: another one that has its name by now is not meant. */
export type BucketId = Pick<Bucket, 'name' | 'generation'>;

/** New versions get a retention where there is a mode. */
export interface LockRule {
  readonly mode?: Retention['mode'];
  readonly days?: number;
  readonly years?: number;
}

/** The `Block` switches refuse what would open a bucket to the public; the others are asked at each request. */
export interface PublicAccess {
  readonly BlockPublicAcls: boolean;
  readonly IgnorePublicAcls: boolean;
  readonly BlockPublicPolicy: boolean;
  readonly RestrictPublicBuckets: boolean;
}

/** An artifact in a bucket, at one of its versions. Its name in the bucket is its key. */
export interface StoredObject {
  readonly artifact: string;
  readonly index: number;
  readonly bucket: string;
  /** Whose bucket it is in. */
  readonly namespace: string;
  readonly key: string;
  /** Null for a version made while versions were not kept; there is one such at most. */
  readonly versionId: string | null;
  /** Whether it is the newest of its key. */
  readonly current: boolean;
  /** Null for a mark that says that the object was deleted. */
  readonly content:
    | (VersionLock & { readonly blob: string; readonly size: number; readonly etag: string; readonly about: string })
    | null;
  readonly createdAt: number;
}

/** Until when a version may not end. */
export interface Retention {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly until: number;
}

/** What keeps a version from ending. */
export interface VersionLock {
  readonly retention: Retention | null;
  /** Null where nobody ever said. */
  readonly held: boolean | null;
}

/** What must hold of the version at hand, or of the newest one, at the moment of a change. An etag of `*` means any. */
export interface ObjectConditions {
  readonly match?: readonly string[] | undefined;
  readonly noneMatch?: readonly string[] | undefined;
  /** Whole seconds since the epoch. */
  readonly modifiedAt?: number | undefined;
  readonly size?: number | undefined;
}

/** What keeps a version from being changed; undefined where all holds. A mark counts as none, and `condition_absent` says that there is none to match. */
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

/** An object that comes in numbered parts. Each part's bytes are an upload. */
export interface Multipart {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly namespace: string;
  /** What its creator said of it, in the words of the face that began it. */
  readonly about: string;
  readonly createdAt: number;
  /** When a part last came; idle time counts from here. */
  readonly touchedAt: number;
  /** What it became, in the words of the face that ended it; null while it is open. */
  readonly outcome: string | null;
}

export interface Part {
  /** From 1. */
  readonly number: number;
  readonly upload: string;
  readonly size: number;
  readonly etag: string;
  /** What came with it, in the words of the face that took it. */
  readonly about: string;
  readonly at: number;
}

/** A pair of id and secret that signs requests, for some buckets and some verbs. */
export interface AccessKey {
  readonly id: string;
  readonly namespace: string;
  /** What people call it. */
  readonly name: string;
  /** The secret, enciphered. */
  readonly sealed: string;
  readonly grant: Grant;
  readonly createdAt: number;
  readonly revokedAt: number | null;
  /** The namespace's, where it is read. */
  readonly generation?: string | undefined;
}

export type Verb = 'read' | 'write' | 'delete' | 'admin';

export interface Grant {
  /** Names; null for every bucket of the namespace. */
  readonly buckets: readonly string[] | null;
  readonly verbs: readonly Verb[];
}

/** What a namespace stores and has sent, and how much of that it may. */
export interface Ledger {
  readonly namespace: string;
  /** Bytes of versions, as often as they are named. */
  readonly stored: number;
  /** What its rows in the catalog count: their texts, and 512 bytes each. */
  readonly records: number;
  /** Bytes of open uploads, those included that are declared and still to come. */
  readonly reserved: number;
  /** Null for any number. */
  readonly quota: number | null;
  /** `YYYY-MM`, in UTC. */
  readonly month: string;
  /** Bytes sent in that month. */
  readonly sent: number;
  /** Bytes that may be sent in a month; null for any number. */
  readonly allowance: number | null;
}

export type ReleaseStatus = 'draft' | 'published';

/** A version of a product, and the files that go with it. */
export interface Release {
  readonly id: string;
  readonly namespace: string;
  readonly product: string;
  readonly version: string;
  readonly status: ReleaseStatus;
  readonly createdAt: number;
  /** Null while it is a draft. */
  readonly publishedAt: number | null;
}

/** Where a file of a release is to be put before it is registered. */
export interface Slot {
  /** The file will have it. */
  readonly id: string;
  readonly release: string;
  readonly bucket: string;
  readonly key: string;
  readonly platform: string;
  readonly fileName: string;
  /** Whether the bucket is of another store. */
  readonly outside: boolean;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** A file of a release: bytes that nothing done to the object they came from can change. */
export interface ReleaseFile extends Omit<Slot, 'expiresAt'> {
  readonly size: number;
  readonly sha256: string;
  /** What holds the bytes, by the artifact of the file's own id; null where another store has them. */
  readonly blob: string | null;
  readonly etag: string;
  /** What the face that stored the object said of it. */
  readonly about: string;
  /** The other store's own name for the version; null where it keeps none. */
  readonly versionId: string | null;
  /** What tells one request to register it from another. */
  readonly request: string;
}

/** The right of a customer to fetch one file for a while. */
export interface Download {
  readonly id: string;
  /** What proves the token, which is never kept. */
  readonly verifier: string;
  readonly file: string;
  readonly customer: string;
  /** The customer's key that asked for it. */
  readonly apiKey: string;
  readonly purpose: string | null;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Somebody who may have what is released. */
export interface Customer {
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly plan: string | null;
  readonly createdAt: number;
  /** Since when no key of its opens anything; null while they do. */
  readonly suspendedAt: number | null;
}

/** That a customer may have a product, from one time to another. */
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

/** An API key of a customer. The key itself is never kept. */
export interface CustomerKey {
  readonly id: string;
  readonly customer: string;
  readonly name: string | null;
  readonly type: 'human' | 'ci' | 'integration';
  readonly scopes: readonly Scope[];
  /** What `keyedHash` made of the key. */
  readonly verifier: string;
  readonly expiresAt: number | null;
  readonly createdAt: number;
  readonly revokedAt: number | null;
  readonly lastUsedAt: number | null;
}

/** What somebody tried, and what came of it. */
export interface Audit {
  readonly id: string;
  readonly namespace: string;
  /** Null where nobody knows which. */
  readonly customer: string | null;
  readonly actor: string;
  readonly event: string;
  readonly payload: Readonly<Record<string, string | null>>;
  readonly at: number;
}

/** What can have metadata and events. */
export type Subject = 'artifact' | 'blob' | 'bucket' | 'customer' | 'key' | 'namespace' | 'release' | 'upload';

export type EventType = 'audit' | 'mutate' | 'status' | 'usage' | 'resources' | 'prune' | 'historic';

export interface Event {
  readonly subject: Subject;
  /** The subject's uuid, or a namespace's name. */
  readonly id: string;
  readonly at: number;
  readonly type: EventType;
  readonly message: string;
  /** Seconds, where the event is of something that took time. */
  readonly duration: number | null;
  readonly extra: Readonly<Record<string, string | number | boolean | null>>;
}

/** Who asks, once proved. */
export interface Principal {
  readonly namespace: string;
  /** The name of the credential used; for logs and events. */
  readonly credential: string;
  /** The id of the access key that was shown, if one was. */
  readonly accessKey?: string;
  /** What an access key is for; absent for whoever may do all that the namespace may. */
  readonly grant?: Grant;
  /** The namespace's; grants of others name it. */
  readonly generation?: string | undefined;
}

/** Whoever proves nothing. No namespace has an empty name. */
export const ANYBODY: Principal = { namespace: '', credential: 'anonymous', grant: { buckets: null, verbs: [] } };
