/**
 * Where an artifact says that it came from. Namespace, type and source URL together are what two publications of one artifact share, so
 * the source URLs that the server makes itself are marks, which no client may set: by one it would reach what another API owns.
 */
import type { Artifact, ArtifactType } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';

/** Schemes that the server keeps for itself. A mark that it makes begins with one of them. */
const marks = ['sf', 's3', 'release', 'slot', 'download', 'catalog', 'stowage'] as const;
const reserved = new RegExp(`^\\s*(?:${marks.join('|')})[:/]`, 'i');

type Mark = (typeof marks)[number];

const mark = (scheme: Mark, rest: string): string => `${scheme}:${rest}`;

/** Of an artifact that was uploaded or labelled, and of which nobody said where it came from. */
export function ownSource({
  type,
  namespace,
  name,
}: {
  readonly type: ArtifactType;
  readonly namespace: string;
  readonly name: string;
}): string {
  return mark('sf', `//${type === 'label' ? 'label' : 'upload'}/${namespace}/${name}`);
}

/** Of the versions of an object in a bucket. */
export function objectSource(bucket: string, key: string): string {
  return mark('s3', `//${bucket}/${key}`);
}

/** Of an artifact that holds a file of a release. */
export function releaseSource(release: string, file: string): string {
  return mark('release', `${release}/${file}`);
}

/** Whether an artifact holds a file of a release. */
export function isPinned({ sourceUrl }: Pick<Artifact, 'sourceUrl'>): boolean {
  return sourceUrl.startsWith(mark('release', ''));
}

/**
 * The source URL that a client names. The one that the artifact has anyway may be named, too.
 *
 * @throws Refusal `malformed` for one that the server keeps for itself.
 */
export function clientSource(named: string | null, artifact: Parameters<typeof ownSource>[0]): string {
  const own = ownSource(artifact);
  if (named === null || named === own) return own;
  if (reserved.test(named)) throw new Refusal('malformed', 'source_url has a scheme that is reserved for the server');
  return named;
}
