import { createHash, randomUUID } from 'node:crypto';
import type { Catalog, Page, Publication, Published } from '../../../src/core/engine.ts';
import type { Artifact, Content, Event, Subject, Upload } from '../../../src/catalog/model.ts';

export const everything: Page = { after: null, limit: 1000 };

export const sha512Of = (text: string): string => createHash('sha512').update(text).digest('hex');

/** Content as an engine would offer it: every offer lies at a place of its own. */
export function contentOf(text: string, address = `${sha512Of(text)}.${randomUUID()}`): Content {
  return { sha512: sha512Of(text), size: text.length, address, state: 'good', createdAt: 1, scrubbedAt: null };
}

export function eventOf(subject: Subject, id: string, message = 'noted', at = 1): Event {
  return { subject, id, at, type: 'audit', message, duration: null, extra: {} };
}

export type Wish = Partial<Publication['target']> & { readonly at?: number };

/** Short words for what the suites do over and over. */
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
    const upload: Upload = {
      id: randomUUID(),
      namespace,
      state: 'open',
      offset: size,
      length: null,
      lastStart: null,
      lastAnswered: false,
      createdAt: 1,
      touchedAt,
      about: null,
      expects: null,
      outcome: null,
    };
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

  /** Uploads `text` and makes it a version. */
  async version(namespace: string, name: string, text: string, wish?: Wish): Promise<Published> {
    const upload = await this.upload(namespace, text.length);
    return done(await this.publishUpload(namespace, name, upload, contentOf(text), wish));
  }

  /** Makes `text` itself a version. */
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
