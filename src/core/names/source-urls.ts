/**
 * Source URLs of artifacts. Namespace, type and source URL identify an artifact for publication. The URLs that the
 * server generates are reserved; otherwise a client could publish to artifacts of another API.
 */
import type { Artifact } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';

/** Schemes of the source URLs that the faces show to clients. */
export interface SourceSchemes {
  readonly artifact: string;
  readonly object: string;
}

/** Schemes reserved for the core. */
const own = ['release', 'slot', 'download', 'catalog', 'stowage'];

export class SourceUrls {
  readonly #schemes: SourceSchemes;
  readonly #reserved: RegExp;

  constructor(schemes: SourceSchemes) {
    this.#schemes = schemes;
    this.#reserved = new RegExp(`^\\s*(?:${[schemes.artifact, schemes.object, ...own].join('|')})[:/]`, 'i');
  }

  /** The source of the versions of an object. */
  object(bucket: string, key: string): string {
    return `${this.#schemes.object}://${bucket}/${key}`;
  }

  /**
   * The source URL for a client's value; null for an upload or label without an origin. The artifact's own default is
   * allowed.
   *
   * @throws Refusal `reserved_source` for a reserved scheme
   */
  named(url: string | null, { type, namespace, name }: Pick<Artifact, 'type' | 'namespace' | 'name'>): string {
    const usual = `${this.#schemes.artifact}://${type === 'label' ? 'label' : 'upload'}/${namespace}/${name}`;
    if (url === null || url === usual) return usual;
    if (this.#reserved.test(url))
      throw new Refusal('reserved_source', 'the source URL has a scheme that is reserved for the server');
    return url;
  }
}

/** The source of the artifact that keeps a release file. */
export function releaseSource(release: string, file: string): string {
  return `release:${release}/${file}`;
}
