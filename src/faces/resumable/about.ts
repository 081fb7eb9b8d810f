/** Metadata of an upload that this face stores, as text, in the upload's record. */
import type { ArtifactType, Upload } from '../../core/records.ts';
import type { Digest } from '../../kit/digest.ts';

export interface About {
  /** `Upload-Metadata`, unchanged. */
  readonly metadata?: string;
  /** `Upload-Concat`, unchanged: `partial`, or `final;` with the URLs of the parts. */
  readonly concat?: string;
  /** The artifact named by the path or the capability. */
  readonly artifact?: string;
  /** Owner of that artifact; absent for the caller's namespace. */
  readonly namespace?: string;
  /** Type of the artifact; absent for `other`. */
  readonly type?: ArtifactType;
  /** The object that the upload becomes, if its capability says so. */
  readonly object?: { readonly bucket: string; readonly key: string };
  /** Digests declared for the whole upload. */
  readonly digests?: readonly Digest[];
}

export function printAbout(about: About): string {
  return JSON.stringify(about);
}

/** Empty for an upload that another face began. */
export function aboutOf(upload: Upload): About {
  if (upload.about === null) return {};
  const about: unknown = JSON.parse(upload.about);
  return typeof about === 'object' && about !== null ? about : {};
}
