/**
 * Where an artifact says that it came from. Namespace, type and source URL together are what two publications of one artifact share, so
 * the source URLs that the server makes itself are marks, which no client may set: by one it would reach what another API owns.
 */
import type { Artifact } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';

/** Schemes of the marks that faces show to their clients. */
export interface SourceSchemes {
  readonly artifact: string;
  readonly object: string;
}

/** Schemes that are kept for the core itself. */
const own = ['release', 'slot', 'download', 'catalog', 'stowage'];

export class SourceUrls {
  readonly #schemes: SourceSchemes;
  readonly #reserved: RegExp;

  constructor(schemes: SourceSchemes) {
    this.#schemes = schemes;
    this.#reserved = new RegExp(`^\\s*(?:${[schemes.artifact, schemes.object, ...own].join('|')})[:/]`, 'i');
  }

  /** Of the versions of an object in a bucket. */
  object(bucket: string, key: string): string {
    return `${this.#schemes.object}://${bucket}/${key}`;
  }

  /**
   * The source URL that a client names for an artifact; null for one that was uploaded or labelled, and of which nobody said where it
   * came from. The one that the artifact has anyway may be named, too.
   *
   * @throws Refusal `reserved_source` for one that the server keeps for itself.
   */
  named(url: string | null, { type, namespace, name }: Pick<Artifact, 'type' | 'namespace' | 'name'>): string {
    const usual = `${this.#schemes.artifact}://${type === 'label' ? 'label' : 'upload'}/${namespace}/${name}`;
    if (url === null || url === usual) return usual;
    if (this.#reserved.test(url))
      throw new Refusal('reserved_source', 'the source URL has a scheme that is reserved for the server');
    return url;
  }
}

/** Of an artifact that holds a file of a release. */
export function releaseSource(release: string, file: string): string {
  return `release:${release}/${file}`;
}
