/** Records in Releasy's JSON. Times are whole seconds. */
import type { Blob, Release, ReleaseFile } from '../../core/records.ts';
import { secondsOf } from './queries.ts';

export interface ReleaseView {
  readonly id: string;
  readonly product: string;
  readonly version: string;
  readonly status: string;
  readonly created_at: number;
  readonly published_at: number | null;
  readonly artifacts: readonly ReleaseArtifactView[] | null;
}

export interface ReleaseArtifactView {
  readonly id: string;
  readonly object_key: string;
  readonly platform: string;
  readonly checksum: string;
  readonly size: number;
  readonly filename: string;
  readonly created_at: number;
  /** Absent if a foreign store has the bytes. */
  readonly sha512?: string;
  readonly md5?: string;
}

export function releaseView(
  { id, product, version, status, createdAt, publishedAt }: Release,
  artifacts: readonly ReleaseArtifactView[] | null = null,
): ReleaseView {
  return {
    id,
    product,
    version,
    status,
    created_at: secondsOf(createdAt),
    published_at: secondsOf(publishedAt),
    artifacts,
  };
}

export function artifactView(file: ReleaseFile, blob: Blob | undefined): ReleaseArtifactView {
  const { id, key, platform, sha256, size, createdAt } = file;
  const { md5 } = blob?.digests ?? {};
  return {
    id,
    object_key: key,
    platform,
    checksum: sha256,
    size,
    filename: fileNameOf(file),
    created_at: secondsOf(createdAt),
    ...(blob ? { sha512: blob.sha512 } : {}),
    ...(md5 === undefined ? {} : { md5 }),
  };
}

/** The uploaded file name; or, if it is unsafe as a file name, the last segment of the object key or the id. */
export function fileNameOf({ fileName, key, id }: Pick<ReleaseFile, 'fileName' | 'key' | 'id'>): string {
  const dotted = /^\.{1,2}$/;
  if (/^[^/\\\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u.test(fileName) && !dotted.test(fileName)) return fileName;
  const last = key.slice(key.lastIndexOf('/') + 1);
  return dotted.test(last) ? id : last;
}
