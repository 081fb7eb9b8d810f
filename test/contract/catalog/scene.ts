import { randomUUID } from 'node:crypto';
import type { Catalog, Page, Publication, Published } from '../../../src/core/engine.ts';
import type { Artifact, Content } from '../../../src/catalog/model.ts';
import { contentOf, eventOf, sha512Of, uploadOf } from '../../support/records.ts';

export const everything: Page = { after: null, limit: 1000 };

export { contentOf, eventOf, sha512Of };

export type Wish = Partial<Publication['target']> & { readonly at?: number };

/** Helpers of the catalog suites. */
export class Scene {
  readonly catalog: Catalog;

  constructor(catalog: Catalog) {
    this.catalog = catalog;
  }

  async namespace(name: string, trusts: readonly string[] = []): Promise<void> {
    await this.catalog.namespaces.create({ name, createdAt: 1, trusts: [] }, [], eventOf('namespace', name));
    for (const other of trusts) await this.catalog.namespaces.trust(name, other, true, eventOf('namespace', name));
  }

  /** An open upload of `size` bytes. */
  async upload(namespace: string, size: number, touchedAt = 1): Promise<string> {
    const upload = uploadOf(namespace, { offset: size, touchedAt });
    await this.catalog.uploads.begin(upload);
    return upload.id;
  }

  publication(
    namespace: string,
    name: string,
    source: Publication['source'],
    { at = 10, ...wish }: Wish = {},
  ): Publication {
    return {
      target: {
        namespace,
        type: 'other',
        name,
        sourceUrl: `upload://${name}`,
        shared: false,
        maxVersions: 0,
        setMaxVersions: false,
        createOnly: false,
        ...wish,
      },
      source,
      fresh: { artifact: randomUUID(), blob: randomUUID() },
      at,
      by: namespace,
    };
  }

  publishUpload(namespace: string, name: string, upload: string, content: Content, wish?: Wish) {
    const source = { kind: 'upload', upload, content, mediaType: 'text/plain' } as const;
    return this.catalog.artifacts.publish(this.publication(namespace, name, source, wish));
  }

  publishBlob(namespace: string, name: string, blob: string, wish?: Wish) {
    return this.catalog.artifacts.publish(this.publication(namespace, name, { kind: 'blob', blob }, wish));
  }

  /** Uploads `text` and publishes it. */
  async version(namespace: string, name: string, text: string, wish?: Wish): Promise<Published> {
    const upload = await this.upload(namespace, text.length);
    return done(await this.publishUpload(namespace, name, upload, contentOf(text), wish));
  }

  /** Publishes `text` inline. */
  publishBytes(namespace: string, name: string, text: string, wish?: Wish) {
    const source = {
      kind: 'bytes',
      bytes: Buffer.from(text),
      sha512: sha512Of(text),
      mediaType: 'text/plain',
    } as const;
    return this.catalog.artifacts.publish(this.publication(namespace, name, source, wish));
  }

  async indexes(artifact: string): Promise<number[]> {
    return ((await this.catalog.artifacts.versions([artifact]))[artifact] ?? []).map((version) => version.index);
  }

  /** An artifact without versions. */
  pendingArtifact(namespace: string, name: string): Artifact {
    return {
      uuid: randomUUID(),
      namespace,
      type: 'image',
      name,
      sourceUrl: `https://example.org/${name}`,
      state: 'initial',
      fault: null,
      shared: false,
      maxVersions: 3,
      lastIndex: 0,
      createdAt: 1,
      deletedAt: null,
    };
  }
}

export function done(published: Published | string): Published {
  if (typeof published === 'string') throw new Error(`not published: ${published}`);
  return published;
}
