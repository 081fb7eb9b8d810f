/** What this face keeps of an upload beside its bytes: in the record, as text that only this face reads. */
import type { Upload } from '../../core/model.ts';

export interface About {
  /** As it came. */
  readonly metadata?: string;
  /** As it came: `partial`, or `final;` with the parts' URLs. */
  readonly concat?: string;
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
