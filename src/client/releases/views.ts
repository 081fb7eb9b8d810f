/** Releases as the server represents them. Times are seconds since the epoch, sizes bytes. */
import { StowageError } from '../error.ts';

export interface ReleaseView {
  readonly id: string;
  readonly product: string;
  readonly version: string;
  readonly status: 'draft' | 'published';
  readonly created_at: number;
  readonly published_at: number | null;
  /** Null if they were not requested. */
  readonly artifacts: readonly ReleaseArtifactView[] | null;
}

export interface ReleaseArtifactView {
  readonly id: string;
  readonly object_key: string;
  readonly platform: string;
  /** SHA-256 in hex. */
  readonly checksum: string;
  readonly size: number;
  /** Absent on servers that do not report it. */
  readonly filename?: string;
  /** Hex; absent if a foreign store has the bytes. */
  readonly sha512?: string;
}

/** @throws StowageError protocol */
export function readRelease(value: unknown): ReleaseView {
  return demand<ReleaseView>(value, 'release', {
    id: 'string',
    product: 'string',
    version: 'string',
    status: 'string',
  });
}

/** @throws StowageError protocol */
export function readReleaseArtifact(value: unknown): ReleaseArtifactView {
  return demand<ReleaseArtifactView>(value, 'artifact of a release', {
    id: 'string',
    object_key: 'string',
    checksum: 'string',
    size: 'number',
    platform: 'string',
  });
}

/** File name of an artifact; servers that do not report it have it at the end of the object key. */
export function artifactNameOf({ filename, object_key: key }: ReleaseArtifactView): string {
  return filename ?? key.slice(key.lastIndexOf('/') + 1);
}

function demand<T>(value: unknown, kind: string, needed: Readonly<Record<string, string>>): T {
  const record = (typeof value === 'object' ? value : null) as Record<string, unknown> | null;
  if (record && Object.entries(needed).every(([member, type]) => typeof record[member] === type)) return value as T;
  throw new StowageError('protocol', `the answer is not a valid ${kind}`);
}
