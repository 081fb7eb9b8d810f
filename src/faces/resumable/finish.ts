/** Completes an upload that names its target. */
import type { ArtifactTarget } from '../../core/names/artifacts.ts';
import type { Core } from '../../core/index.ts';
import type { Principal, Upload } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { parseDigest, type Digest } from '../../kit/digest.ts';
import { aboutOf, type About } from './about.ts';
import type { Context } from './context.ts';
import { parseMetadata } from './metadata.ts';

/** The version that an upload became. */
export interface Finished {
  readonly artifact: string;
  readonly index: number;
  readonly blob: string;
}

/**
 * Makes a complete upload a version of the artifact in its path or metadata, if it has the declared digests. An upload
 * without a target stays open for any face to convert.
 *
 * @throws Refusal as `Artifacts.convert` does
 */
export async function finish(
  { core, objectFacts }: Pick<Context, 'core' | 'objectFacts'>,
  who: Principal,
  upload: Upload,
): Promise<Finished | undefined> {
  if (upload.outcome) return upload.outcome;
  const about = aboutOf(upload);
  if (upload.length === null || upload.offset !== upload.length || about.concat === 'partial') return undefined;
  if (about.object) return putObject(core, who, upload, about.object, objectFacts);
  const target = targetOf(about);
  if (!target) return undefined;
  const { artifact, index, blob } = await core.artifacts.convert(who, upload.id, target, {
    size: upload.length,
    digests: promisesOf(about),
  });
  return { artifact: artifact.uuid, index, blob };
}

/** Makes a complete upload the newest version of an object. */
async function putObject(
  core: Core,
  who: Principal,
  upload: Upload,
  { bucket, key }: NonNullable<About['object']>,
  factsOf: Context['objectFacts'],
): Promise<Finished> {
  const { hex } = await core.uploads.digest(upload, 'md5');
  await core.objects.seal(
    await core.buckets.allow(who, bucket, 'write'),
    { key, conditions: {} },
    upload.id,
    factsOf(hex),
  );
  return (await core.uploads.look(who, upload.id)).outcome!;
}

/**
 * Publishes existing content that the caller may read and whose sha512 it declares, without an upload.
 *
 * @param length declared number of bytes, if any
 * @throws Refusal as `Artifacts.adopt` does
 */
export async function claim(
  core: Core,
  who: Principal,
  about: About,
  length: number | undefined,
): Promise<(Finished & { readonly size: number }) | undefined> {
  const target = targetOf(about);
  const digests = promisesOf(about);
  const sha512 = digests.find(({ algorithm }) => algorithm === 'sha512');
  const known = target && about.concat === undefined && sha512 && (await core.blobs.find(who, sha512));
  if (!known || (length !== undefined && length !== known.size)) return undefined;
  const { artifact, index, blob } = await core.artifacts.adopt(who, known.uuid, target, { size: length, digests });
  return { artifact: artifact.uuid, index, blob, size: known.size };
}

/** The declared digests. @throws Refusal `malformed` for an invalid sha512 */
export function promisesOf({ digests = [], metadata = '' }: About): readonly Digest[] {
  const hex = parseMetadata(metadata).get('sha512');
  if (!hex) return digests;
  const digest = parseDigest('sha512', hex);
  if (!digest) throw new Refusal('malformed', 'the sha512 in the metadata is not 128 hexadecimal digits');
  return [...digests, digest];
}

/** The target artifact: from the path, or from the metadata (`artifact`, `filename` or `name`, in `namespace`). */
export function targetOf({
  artifact,
  namespace,
  type = 'other',
  metadata = '',
  object,
}: About): ArtifactTarget | undefined {
  if (object) return undefined;
  const said = parseMetadata(metadata);
  const name = artifact ?? (said.get('artifact') || said.get('filename') || said.get('name'));
  if (!name) return undefined;
  const owner = artifact === undefined ? said.get('namespace') || null : (namespace ?? null);
  return { name, type, namespace: owner, sourceUrl: null, shared: false, maxVersions: undefined };
}
