/** Records as the server represents them in JSON. Times are seconds since the epoch, sizes bytes. */
import { StowageError } from './error.ts';

export interface UploadView {
  readonly uuid: string;
  readonly state: 'created' | 'sealed' | 'dropped';
  readonly namespace: string;
  /** Durable bytes. */
  readonly size: number;
  readonly length: number | null;
  readonly created_at: number;
  readonly touched_at: number;
  readonly expires_at: number | null;
  /** Whether a request is writing to it now. */
  readonly receiving: boolean;
  /** The version that it became when it was sealed. */
  readonly outcome: { readonly artifact_uuid: string; readonly index: number; readonly blob_uuid: string } | null;
}

export interface ArtifactView {
  readonly uuid: string;
  readonly name: string;
  readonly state: 'initial' | 'created' | 'deleted' | 'error';
  readonly artifact_type: string;
  readonly namespace: string;
  readonly source_url: string;
  readonly max_versions: number;
  readonly shared: boolean;
  /** Number of the newest version; 0 if there is none. */
  readonly index: number;
  readonly blob_uuid?: string;
  readonly sha512?: string;
  /** Keyed by version number. */
  readonly blobs: Readonly<
    Record<string, { readonly uuid: string; readonly size: number; readonly reference_count: number }>
  >;
  readonly created_at: number;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface BlobView {
  readonly uuid: string;
  readonly state: string;
  readonly size: number;
  readonly sha512: string | null;
  readonly reference_count: number;
  readonly last_used: number | null;
  readonly fetched_at: number;
  readonly 'mime-type'?: string;
}

/** A version of an artifact: its blob and its number. */
export interface VersionView extends BlobView {
  readonly index: number;
}

export interface NamespaceView {
  readonly name: string;
  readonly state: string;
  readonly keys: readonly string[];
  readonly trust: { readonly full: readonly string[] };
}

/** An id and secret pair that signs S3 requests; the secret is never shown again. */
export interface AccessKeyView {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  /** Empty means all buckets. */
  readonly buckets: readonly string[];
  readonly permissions: Readonly<Record<string, boolean>>;
  readonly created_at: string;
}

export interface EventView {
  readonly timestamp: number;
  readonly type: string;
  readonly message: string;
  readonly duration: number | null;
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Members that the library relies on; a response without them is not from a Stowage server. */
const needed = {
  upload: { uuid: 'string', state: 'string' },
  artifact: { uuid: 'string', state: 'string', index: 'number', blobs: 'object' },
  blob: { uuid: 'string', size: 'number' },
  version: { uuid: 'string', size: 'number', index: 'number' },
  namespace: { name: 'string' },
  accessKey: { id: 'string', name: 'string', permissions: 'object', buckets: 'object' },
  event: { timestamp: 'number', message: 'string' },
} as const;

interface Views {
  upload: UploadView;
  artifact: ArtifactView;
  blob: BlobView;
  version: VersionView;
  namespace: NamespaceView;
  accessKey: AccessKeyView;
  event: EventView;
}

export type Kind = keyof Views;

/** Checks that a response is a record of `kind`. @throws StowageError protocol */
export function view<K extends Kind>(kind: K, value: unknown): Views[K] {
  if (typeof value === 'object' && value !== null) {
    const record = value as Record<string, unknown>;
    if (Object.entries(needed[kind]).every(([member, type]) => typeof record[member] === type))
      return value as Views[K];
  }
  throw new StowageError('protocol', `the answer is not a valid ${kind}`);
}

export function views<K extends Kind>(kind: K, value: unknown): Views[K][] {
  if (!Array.isArray(value)) throw new StowageError('protocol', `the answer is not a list of ${kind}s`);
  return value.map((item: unknown) => view(kind, item));
}
