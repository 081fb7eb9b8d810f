/** The end of an upload that says what it is to become. */
import type { Core } from '../../core/index.ts';
import type { Principal, Upload } from '../../core/model.ts';
import { Refusal } from '../../core/refusal.ts';
import { parseDigest } from '../../kit/digest.ts';
import { aboutOf } from './about.ts';
import { parseMetadata } from './metadata.ts';

/** What an upload became. */
export interface Finished {
  readonly artifact: string;
  readonly index: number;
  readonly blob: string;
}

/**
 * Makes a whole upload a version of the artifact that its metadata names: `artifact`, or `filename` or `name`; in `namespace`;
 * with `sha512` only if it has it. One that names nothing stays an upload, which any face may convert.
 *
 * @throws Refusal as `Artifacts.convert` does.
 */
export async function finish(core: Core, who: Principal, upload: Upload): Promise<Finished | undefined> {
  if (upload.outcome) return upload.outcome;
  const { metadata = '', concat } = aboutOf(upload);
  if (upload.length === null || upload.offset !== upload.length || concat === 'partial') return undefined;
  const said = parseMetadata(metadata);
  const name = said.get('artifact') || said.get('filename') || said.get('name');
  if (!name) return undefined;
  const target = { name, type: 'other', namespace: said.get('namespace') || null, sourceUrl: null, shared: false, maxVersions: undefined } as const;
  const { artifact, index, blob } = await core.artifacts.convert(who, upload.id, target, { size: upload.length, digests: digestsOf(said.get('sha512')) });
  return { artifact: artifact.uuid, index, blob };
}

function digestsOf(hex: string | undefined): NonNullable<ReturnType<typeof parseDigest>>[] {
  if (!hex) return [];
  const digest = parseDigest('sha512', hex);
  if (!digest) throw new Refusal('malformed', 'the sha512 in the metadata is not 128 hexadecimal digits');
  return [digest];
}
