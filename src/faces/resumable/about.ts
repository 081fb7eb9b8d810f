/** What this face keeps of an upload beside its bytes: in the record, as text that only this face reads. */
import type { ArtifactType, Upload } from '../../core/records.ts';
import type { Digest } from '../../kit/digest.ts';

export interface About {
  /** As it came. */
  readonly metadata?: string;
  /** As it came: `partial`, or `final;` with the parts' URLs. */
  readonly concat?: string;
  /** The artifact that a request's path or capability named. */
  readonly artifact?: string;
  /** Whose that artifact is; absent for the caller's own. */
  readonly namespace?: string;
  /** Its type; absent for `other`. */
  readonly type?: ArtifactType;
  /** The object that it becomes, where its capability says so. */
  readonly object?: { readonly bucket: string; readonly key: string };
  /** What the whole of it is to be. */
  readonly digests?: readonly Digest[];
}

export function printAbout(about: About): string {
  return JSON.stringify(about);
}

/** Nothing, for an upload that another face began. */
export function aboutOf(upload: Upload): About {
  if (upload.about === null) return {};
  const about: unknown = JSON.parse(upload.about);
  return typeof about === 'object' && about !== null ? about : {};
}
