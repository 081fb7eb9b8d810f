import type { Clock } from '../../kit/clock.ts';
import type { Algorithm, Digest } from '../../kit/digest.ts';
import { isId, newId } from '../../kit/ids.ts';
import type { Blobs } from '../bytes/blobs.ts';
import { idOf, type Buckets } from './buckets.ts';
import type {
  Engine,
  EntriesPage,
  Entry,
  MultipartEnd,
  ObjectFacts,
  ObjectsPage,
  Publication,
  Retired,
} from '../engine.ts';
import type { Body } from '../bytes/ingest.ts';
import { lost } from '../bytes/integrity.ts';
import { eventBy } from '../tenants/events.ts';
import {
  unmet,
  type Blob,
  type Bucket,
  type Event,
  type ObjectConditions,
  type Principal,
  type Retention,
  type StoredObject,
  type VersionLock,
} from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';
import { unpublished, type Sealer } from '../bytes/sealer.ts';
import { objectSource } from './source-urls.ts';
import type { Uploads } from '../bytes/uploads.ts';

export type { ObjectsPage } from '../engine.ts';

const unrecordedLimit = 32 * 1024 * 1024;

/** What a face keeps with a version. */
export interface Facts {
  readonly etag: string;
  readonly about: string;
  /** What object lock the request asks for; without one, the bucket says. */
  readonly lock?: VersionLock;
}

export interface PutRequest {
  readonly bucket: string;
  readonly key: string;
  readonly conditions: ObjectConditions;
}

export interface PutOptions {
  readonly measure: readonly Algorithm[];
  /** What to keep with it, once the bytes are there; may throw, and then nothing comes of them. */
  readonly describe: (measured: readonly Digest[]) => Facts;
}

export interface Ends extends Pick<MultipartEnd, 'id' | 'parts'> {
  readonly outcome: (versionId: string | null) => string;
}

export interface Deletion {
  readonly conditions?: ObjectConditions;
  /** The version that the caller saw: nothing is deleted unless it still is as it was. */
  readonly only?: StoredObject;
  /** Whether the caller was found to be allowed to bypass GOVERNANCE, and asks to. */
  readonly bypass?: boolean;
}

/** An object as it was put. */
export interface Put {
  readonly versionId: string | null;
  readonly etag: string;
  readonly blob: string;
}

/** Artifacts in buckets, by key. */
export class Objects {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #buckets: Buckets;
  readonly #uploads: Uploads;
  readonly #blobs: Blobs;
  readonly #sealer: Sealer;

  constructor(parts: {
    engine: Engine;
    clock: Clock;
    buckets: Buckets;
    uploads: Uploads;
    blobs: Blobs;
    sealer: Sealer;
  }) {
    this.#engine = parts.engine;
    this.#clock = parts.clock;
    this.#buckets = parts.buckets;
    this.#uploads = parts.uploads;
    this.#blobs = parts.blobs;
    this.#sealer = parts.sealer;
  }

  /**
   * @throws Refusal as `put` does, for what is known before a byte has come.
   */
  async demandPut(who: Principal, { bucket, key, conditions }: PutRequest): Promise<void> {
    await this.#buckets.get(who, bucket, 'write');
    if (Object.values(conditions).every((condition) => condition === undefined)) return;
    const why = unmet(conditions, await this.#engine.catalog.buckets.object(bucket, key));
    if (why) throw unpublished(why);
  }

  /**
   * Takes a whole body as the newest version of a key. A body that breaks off leaves everything as it was.
   *
   * @throws Refusal as `Uploads.append` does; `precondition`, `not_found`, `forbidden`.
   */
  async put(who: Principal, request: PutRequest, body: Body, { measure, describe }: PutOptions): Promise<Put> {
    const bucket = await this.#buckets.get(who, request.bucket, 'write');
    const kept = keptIn(bucket);
    let known: readonly Digest[] = [];
    const put = await this.#put(who, bucket, request, body, {
      measure: [...new Set([...measure, ...kept])],
      describe: (measured) => {
        known = measured.filter(({ algorithm }) => kept.includes(algorithm));
        return describe(measured);
      },
    });
    await this.#blobs.note(put.blob, known);
    return put;
  }

  async #put(
    who: Principal,
    bucket: Bucket,
    request: PutRequest,
    body: Body,
    { measure, describe }: PutOptions,
  ): Promise<Put> {
    const owner = ownerOf(bucket, who);
    if (isBrief(body)) {
      await this.#uploads.demandRoom(body.length);
      const objectOf = (measured: readonly Digest[]): ObjectFacts => objectFacts(bucket, request, describe(measured));
      const { blob, versionId, object } = await this.#sealer.publishBody(owner, body, targetOf(bucket, request.key), {
        measure,
        objectOf,
      });
      return { versionId, etag: object.etag, blob };
    }
    const upload = await this.#uploads.begin(owner, {
      length: body.length ?? null,
      credit: await this.#freedBy(bucket, request.key),
    });
    try {
      const { measured } = await this.#uploads.append(owner, upload.id, body, { at: undefined, digests: [], measure });
      return await this.seal(who, bucket, request, upload.id, describe(measured));
    } catch (error) {
      await this.#uploads.drop(owner, upload.id).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Makes an upload of the bucket's namespace the newest version of a key.
   *
   * @param ends the multipart upload that ends with it, and what to tell whoever asks again.
   */
  async seal(
    who: Principal,
    bucket: Bucket,
    request: PutRequest,
    upload: string,
    facts: Facts,
    ends?: Ends,
  ): Promise<Put & { readonly ended: readonly string[] }> {
    const object = objectFacts(bucket, request, facts);
    const multipart = ends && {
      ...ends,
      outcome: { versioned: ends.outcome(object.versionId), plain: ends.outcome(null) },
    };
    const published = await this.#sealer.publish(
      ownerOf(bucket, who),
      upload,
      targetOf(bucket, request.key),
      { size: undefined, digests: [] },
      { object, multipart },
    );
    const { blob, versionId, ended } = published;
    return { versionId, etag: facts.etag, blob, ended };
  }

  /** Makes bytes that are here the newest version of a key; none is moved. */
  async copy(who: Principal, request: PutRequest, blob: string, facts: Facts): Promise<Put> {
    const bucket = await this.#buckets.get(who, request.bucket, 'write');
    const published = await this.#engine.catalog.artifacts.publish({
      target: targetOf(bucket, request.key),
      source: { kind: 'blob', blob },
      object: objectFacts(bucket, request, facts),
      fresh: { artifact: newId(), blob: newId() },
      at: this.#clock.now(),
      by: who.namespace,
    });
    if (published === 'no_blob' && (await this.#engine.catalog.blobs.get(blob))) throw lost();
    if (typeof published === 'string') throw unpublished(published);
    return { versionId: published.versionId, etag: facts.etag, blob };
  }

  /** The bytes of a version that the caller was found to be allowed to read. @throws Refusal `not_found` for a mark; `lost` */
  async blob({ content }: StoredObject): Promise<Blob> {
    if (!content) throw new Refusal('not_found', 'the object was deleted', { missing: 'object' });
    const blob = await this.#engine.catalog.blobs.get(content.blob);
    if (!blob) throw new Refusal('lost', 'the bytes of this object are missing');
    return blob;
  }

  /** A digest of those bytes, from the record, or computed now and recorded. */
  async digest(blob: Blob, algorithm: Algorithm): Promise<Digest> {
    return (await this.#blobs.digestsOf(blob, [algorithm]))[0]!;
  }

  open(blob: Blob): ReturnType<Blobs['open']> {
    return this.#blobs.open(blob);
  }

  /** Opens a blob whose bytes, or some of them, will be known by another hash: they are found to be good first. */
  async openForCopy(blob: Blob): ReturnType<Blobs['open']> {
    await this.#blobs.demandGood(blob);
    return this.#blobs.open(blob);
  }

  /** A page of a listing, rolled up at its delimiter. */
  async entries(who: Principal, bucket: string, page: EntriesPage): Promise<Entry[]> {
    await this.#buckets.get(who, bucket, 'list');
    return this.#engine.catalog.buckets.entries(bucket, page);
  }

  async versions(
    who: Principal,
    bucket: string,
    page: ObjectsPage & { readonly behind: { readonly key: string; readonly index: number } | null },
  ): Promise<StoredObject[]> {
    await this.#buckets.get(who, bucket, 'list');
    return this.#engine.catalog.buckets.versions(bucket, page);
  }

  /** A version of a key, or its newest, mark or not, for a face that has rights of its own to ask. */
  peek(bucket: string, key: string, version?: { readonly id: string | null }): Promise<StoredObject | undefined> {
    return this.#engine.catalog.buckets.object(bucket, key, version);
  }

  /** Sets one member of what a face keeps with a version to this JSON, or removes it; false when the version is gone. */
  async describe(who: Principal, version: StoredObject, member: string, json: string | null): Promise<boolean> {
    await this.#buckets.get(who, version.bucket, 'write');
    return this.#engine.catalog.buckets.describe(version, member, json);
  }

  /** Sets or releases a legal hold; false when the version is gone. */
  async hold(who: Principal, version: StoredObject, held: boolean): Promise<boolean> {
    await this.#buckets.get(who, version.bucket, 'write');
    return this.#engine.catalog.buckets.hold(version, held);
  }

  /**
   * Sets or takes off a retention; false when the version is gone.
   *
   * @param bypass whether the caller was found to be allowed to bypass GOVERNANCE.
   * @throws Refusal `forbidden` where that makes an active retention weaker.
   */
  async retain(who: Principal, version: StoredObject, retention: Retention | null, bypass: boolean): Promise<boolean> {
    await this.#buckets.get(who, version.bucket, 'write');
    return this.#engine.catalog.buckets.retain(version, retention, { at: this.#clock.now(), bypass });
  }

  /** Deletes the newest version, or leaves a mark, as the bucket's versioning says. One that is not there is deleted, too. */
  async remove(
    who: Principal,
    name: string,
    key: string,
    { conditions = {}, only }: Omit<Deletion, 'bypass'> = {},
  ): Promise<StoredObject | undefined> {
    const bucket = idOf(await this.#buckets.get(who, name, 'delete'));
    const retired = await this.#engine.catalog.buckets.retire({
      bucket,
      key,
      conditions,
      only,
      fresh: { artifact: newId(), version: newVersionId() },
      at: this.#clock.now(),
      event: this.#event(name, `${key} deleted`, who),
    });
    return retiredObject(retired);
  }

  /** @throws Refusal `forbidden` for a version that object lock protects. */
  async removeVersion(
    who: Principal,
    name: string,
    key: string,
    id: string | null,
    { conditions = {}, only, bypass = false }: Deletion = {},
  ): Promise<StoredObject | undefined> {
    const bucket = idOf(await this.#buckets.get(who, name, 'delete'));
    const event = this.#event(name, `version ${id ?? 'null'} of ${key} deleted`, who);
    const removal = { bucket, key, id, conditions, only, bypass, at: this.#clock.now(), event };
    return retiredObject(await this.#engine.catalog.buckets.removeVersion(removal));
  }

  /** Bytes of the object whose place a new one takes. */
  async #freedBy(bucket: Bucket, key: string): Promise<number> {
    if (bucket.versioning === 'enabled') return 0;
    return (await this.#engine.catalog.buckets.object(bucket.name, key, { id: null }))?.content?.size ?? 0;
  }

  #event(bucket: string, message: string, who: Principal): Event {
    return eventBy(who, this.#clock.now(), { subject: 'bucket', id: bucket, message });
  }
}

function newVersionId(): string {
  return newId().replaceAll('-', '');
}

/** Whether a version could be called so. */
export function isVersionId(text: string): boolean {
  // A version that a release pins has the id of the release's artifact.
  return /^[0-9a-f]{32}$/.test(text) || isId(text);
}

/** Whether a body is over so soon that it needs no record, and no room kept for it, while it comes. */
function isBrief(body: Body): body is Body & { readonly length: number } {
  return body.length !== undefined && body.length <= unrecordedLimit;
}

function objectFacts(
  bucket: Bucket,
  { key, conditions }: PutRequest,
  { lock = { retention: null, held: null }, ...facts }: Facts,
): ObjectFacts {
  return { bucket: idOf(bucket), key, conditions, ...facts, lock, versionId: newVersionId() };
}

/** The namespace acts for whoever was found to be allowed to: the bytes are its own. */
export function ownerOf(bucket: Bucket, who: Principal): Principal {
  return { namespace: bucket.namespace, credential: who.credential, within: idOf(bucket) };
}

/** Digests that are kept of everything that comes into the bucket, because somebody will ask for them. */
function keptIn({ settings }: Bucket): readonly Algorithm[] {
  return (settings['digests']?.split(' ') ?? []) as Algorithm[];
}

function targetOf(bucket: Bucket, key: string): Publication['target'] {
  return {
    namespace: bucket.namespace,
    type: 'other',
    name: `${bucket.name}/${key}`,
    sourceUrl: objectSource(bucket.name, key),
    shared: false,
    maxVersions: 0,
    setMaxVersions: false,
    createOnly: false,
  };
}

function retiredObject(retired: Retired): StoredObject | undefined {
  switch (retired.kind) {
    case 'gone':
    case 'marked':
      return retired.object;
    case 'absent':
      return undefined;
    case 'no_bucket':
      throw new Refusal('not_found', 'bucket not found', { missing: 'bucket' });
    case 'condition':
      throw new Refusal('precondition', 'a precondition of the request failed');
  }
}
