/**
 * The tables. Columns have SQL names; times are milliseconds since the epoch, sizes and offsets bytes, flags 0 or 1, so
 * that SQLite and PostgreSQL hold the same values.
 */
import type { Generated, Selectable } from 'kysely';
import type { Algorithm } from '../kit/digest.ts';
import type {
  ArtifactState,
  ArtifactType,
  Bucket,
  ContentState,
  CustomerKey,
  EventType,
  ReleaseStatus,
  Retention,
  Subject,
  UploadState,
} from './model.ts';

type Flag = 0 | 1;

export interface Tables {
  namespaces: { name: string; created_at: number; generation: string | null };
  /** `namespace` lets `trusted` read and use what it owns. */
  trusts: { namespace: string; trusted: string };
  credentials: { namespace: string; name: string; verifier: string; nonce: string; created_at: number };
  uploads: UploadTable;
  /** The parts of uploads that will be joined. */
  joined_parts: { part: string; upload: string };
  contents: ContentTable;
  /** Inline bytes of contents. */
  small_contents: { sha512: string; bytes: Uint8Array };
  /** Digests besides sha512, for each namespace's blob. */
  blob_digests: { blob: string; algorithm: Algorithm; hex: string };
  blobs: BlobTable;
  artifacts: ArtifactTable;
  versions: VersionTable;
  events: EventTable;
  buckets: BucketTable;
  objects: ObjectTable;
  multiparts: MultipartTable;
  parts: PartTable;
  ledgers: LedgerTable;
  keys: KeyTable;
  releases: ReleaseTable;
  slots: SlotTable;
  release_files: ReleaseFileTable;
  downloads: DownloadTable;
  reservations: ReservationTable;
  customers: CustomerTable;
  entitlements: EntitlementTable;
  customer_keys: CustomerKeyTable;
  audits: AuditTable;
  /** `namespace` owns the subject. */
  metadata: { subject: Subject; subject_id: string; key: string; value: string; namespace: string | null };
  /** Jumps of the wall clock and downtimes: end and length. */
  clock_gaps: { ends: number; length: number };
  /** At most one row: the last observed wall clock time. */
  clock_seen: { seen: number };
  /** One row, maintained by triggers. */
  totals: TotalsTable;
  migrations: { number: number; name: string; applied_at: number };
}

interface UploadTable {
  id: string;
  namespace: string;
  state: UploadState;
  offset: number;
  length: number | null;
  last_start: number | null;
  last_answered: Flag;
  created_at: number;
  touched_at: number;
  /** When it was sealed or dropped. */
  ended_at: number | null;
  outcome_artifact: string | null;
  outcome_index: number | null;
  outcome_blob: string | null;
  about: string | null;
  expects: string | null;
}

interface ContentTable {
  sha512: string;
  size: number;
  address: string;
  state: ContentState;
  created_at: number;
  scrubbed_at: number | null;
}

interface BlobTable {
  uuid: string;
  namespace: string;
  sha512: string;
  created_at: number;
  used_at: number | null;
  media_type: string;
  /** Time since when no version refers to it; null while one does. */
  released_at: number | null;
}

interface ArtifactTable {
  uuid: string;
  namespace: string;
  type: ArtifactType;
  name: string;
  source_url: string;
  state: ArtifactState;
  fault: string | null;
  shared: Flag;
  max_versions: number;
  last_index: number;
  created_at: number;
  deleted_at: number | null;
  /** Its versions at the time of deletion: JSON of `Remembered[]`. */
  memory: string | null;
}

interface VersionTable {
  artifact: string;
  idx: number;
  blob: string;
  size: number;
  created_at: number;
  /** Copied from the artifact, so that visibility of a blob takes one index look-up. */
  namespace: string;
  shared: Flag;
}

interface EventTable {
  id: Generated<number>;
  subject: Subject;
  subject_id: string;
  at: number;
  type: EventType;
  message: string;
  duration: number | null;
  /** JSON. */
  extra: string;
}

interface BucketTable {
  name: string;
  namespace: string;
  created_at: number;
  versioning: Bucket['versioning'];
  open: Flag;
  /** JSON. */
  settings: string;
  generation: string | null;
}

interface ObjectTable {
  bucket: string;
  key: string;
  idx: number;
  artifact: string;
  version_id: string | null;
  current: Flag;
  marker: Flag;
  etag: string;
  about: string;
  created_at: number;
  lock_mode: Retention['mode'] | null;
  lock_until: number | null;
  /** Null if it was never set. */
  held: Flag | null;
}

interface MultipartTable {
  id: string;
  bucket: string;
  key: string;
  namespace: string;
  about: string;
  created_at: number;
  touched_at: number;
  outcome: string | null;
}

interface PartTable {
  multipart: string;
  number: number;
  upload: string;
  size: number;
  etag: string;
  about: string;
  at: number;
}

interface LedgerTable {
  namespace: string;
  /** Maintained by triggers, as is `records`. */
  stored: number;
  records: number;
  quota: number | null;
  month: string;
  sent: number;
  allowance: number | null;
}

interface KeyTable {
  id: string;
  namespace: string;
  name: string;
  sealed: string;
  /** JSON of a `Grant`. */
  grants: string;
  created_at: number;
  revoked_at: number | null;
}

interface ReleaseTable {
  id: string;
  namespace: string;
  product: string;
  version: string;
  status: ReleaseStatus;
  created_at: number;
  published_at: number | null;
}

interface PlaceColumns {
  id: string;
  release: string;
  bucket: string;
  key: string;
  platform: string;
  file_name: string;
  created_at: number;
}

interface SlotTable extends PlaceColumns {
  outside: Flag;
  expires_at: number;
}

interface ReleaseFileTable extends PlaceColumns {
  size: number;
  sha256: string;
  blob: string | null;
  etag: string;
  about: string;
  version_id: string | null;
  request: string;
}

interface DownloadTable {
  id: string;
  verifier: string;
  file: string;
  customer: string;
  api_key: string;
  purpose: string | null;
  created_at: number;
  expires_at: number;
}

interface ReservationTable {
  id: string;
  fingerprint: string;
  seed: string;
  /** Null while no process works on it. */
  owner: string | null;
  lease_until: number;
  /** Null until it is done. */
  outcome: string | null;
  created_at: number;
  expires_at: number;
}

interface CustomerTable {
  id: string;
  namespace: string;
  name: string;
  plan: string | null;
  /** Lower case, for searches. */
  folded_name: string;
  folded_plan: string | null;
  created_at: number;
  suspended_at: number | null;
}

interface EntitlementTable {
  id: string;
  customer: string;
  product: string;
  starts_at: number;
  ends_at: number | null;
  /** JSON. */
  metadata: string | null;
}

interface CustomerKeyTable {
  id: string;
  customer: string;
  name: string | null;
  type: CustomerKey['type'];
  /** JSON of `Scope[]`. */
  scopes: string;
  verifier: string;
  expires_at: number | null;
  created_at: number;
  revoked_at: number | null;
  last_used_at: number | null;
}

interface AuditTable {
  id: string;
  namespace: string;
  customer: string | null;
  actor: string;
  event: string;
  /** JSON. */
  payload: string;
  at: number;
}

interface TotalsTable {
  contents: number;
  bytes: number;
  blobs: number;
  artifacts: number;
  versions: number;
  named_bytes: number;
  open_uploads: number;
}

export type UploadRow = Selectable<UploadTable>;
export type ContentRow = Selectable<ContentTable>;
export type ArtifactRow = Selectable<ArtifactTable>;
export type BucketRow = Selectable<BucketTable>;
export type ObjectRow = Selectable<ObjectTable>;
export type MultipartRow = Selectable<MultipartTable>;
export type KeyRow = Selectable<KeyTable>;
export type ReleaseRow = Selectable<ReleaseTable>;
export type SlotRow = Selectable<SlotTable>;
export type ReleaseFileRow = Selectable<ReleaseFileTable>;
export type DownloadRow = Selectable<DownloadTable>;
export type CustomerRow = Selectable<CustomerTable>;
export type EntitlementRow = Selectable<EntitlementTable>;
export type CustomerKeyRow = Selectable<CustomerKeyTable>;
