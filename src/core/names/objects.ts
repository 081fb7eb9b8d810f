import type { Clock } from '../../kit/clock.ts';
import type { Algorithm, Digest } from '../../kit/digest.ts';
import { isId, newId } from '../../kit/ids.ts';
import type { Blobs } from '../bytes/blobs.ts';
import { noBucket } from '../../catalog/bucket-records.ts';
import { idOf } from './buckets.ts';
import type {
  Engine,
  EntriesPage,
  Entry,
  MultipartEnd,
  ObjectFacts,
  Publication,
  Published,
  Retired,
  VersionName,
  VersionsPage,
} from '../engine.ts';
import { Received, type Body } from '../bytes/ingest.ts';
import { ownerOf, type Allowed } from '../tenants/access.ts';
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
import { plainTarget, unpublished, type Sealer } from '../bytes/sealer.ts';
import type { SourceUrls } from './source-urls.ts';
import type { Uploads } from '../bytes/uploads.ts';

const unrecordedLimit = 32 * 1024 * 1024;
/** No expectations beyond the checks of the face. */
const anything = { size: undefined, digests: [] };

/** Metadata of a face for a version. */
export interface Facts {
  readonly etag: string;
  readonly about: string;
  /** The requested lock; otherwise the bucket's default applies. */
  readonly lock?: VersionLock;
}

export interface PutRequest {
  readonly key: string;
  readonly conditions: ObjectConditions;
}

export interface Completion extends Pick<MultipartEnd, 'id' | 'parts'> {
  readonly outcome: (versionId: string | null) => string;
}

export interface Deletion {
  readonly conditions?: ObjectConditions;
  /** The version that the caller read; nothing is deleted unless it is unchanged. */
  readonly only?: StoredObject;
  /** Whether the caller is authorized to bypass GOVERNANCE and requests it. */
  readonly bypass?: boolean;
}

/** A stored object. */
export interface Put {
  readonly versionId: string | null;
  readonly etag: string;
  readonly blob: string;
}

/** Objects: artifacts in buckets, by key. */
export class Objects {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #uploads: Uploads;
  readonly #blobs: Blobs;
  readonly #sealer: Sealer;
  readonly #sources: SourceUrls;

  constructor(parts: {
    engine: Engine;
    clock: Clock;
    uploads: Uploads;
    blobs: Blobs;
    sealer: Sealer;
    sources: SourceUrls;
  }) {
    this.#engine = parts.engine;
    this.#clock = parts.clock;
    this.#uploads = parts.uploads;
    this.#blobs = parts.blobs;
    this.#sealer = parts.sealer;
    this.#sources = parts.sources;
  }

  /** @throws Refusal as keeping a received body does, as far as it can be checked without the body */
  async demandPut({ bucket }: Allowed<'write'>, { key, conditions }: PutRequest): Promise<void> {
    if (Object.values(conditions).every((condition) => condition === undefined)) return;
    const why = unmet(conditions, await this.#engine.catalog.buckets.object(bucket.name, key));
    if (why) throw unpublished(why);
  }

  /**
   * Receives a body, to be kept as the newest version of a key. An incomplete body changes nothing.
   *
   * @throws Refusal as `Uploads.append` does; keeping it throws `precondition`, `no_object`, `no_bucket`
   */
  async receive(
    allowed: Allowed<'write'>,
    request: PutRequest,
    body: Body,
    measure: readonly Algorithm[],
  ): Promise<Received<Facts, Put>> {
    const { digests: kept = [] } = allowed.bucket;
    const all = [...new Set([...measure, ...kept])];
    const received = await (isShort(body)
      ? this.#receiveBrief(allowed, request, body, all)
      : this.#receiveRecorded(allowed, request, body, all));
    const keep = async (facts: Facts): Promise<Put> => {
      const object = objectFacts(allowed, request, facts);
      const { blob, versionId } = await received.keep(object);
      await this.#blobs.note(
        blob,
        received.measured.filter(({ algorithm }) => kept.includes(algorithm)),
      );
      return { versionId, etag: facts.etag, blob };
    };
    return new Received(received.measured, keep, () => received.drop());
  }

  async #receiveBrief(
    allowed: Allowed,
    { key }: PutRequest,
    body: Body & { readonly length: number },
    measure: readonly Algorithm[],
  ): Promise<Received<ObjectFacts, Published>> {
    await this.#uploads.demandRoom(body.length);
    return this.#sealer.receive(ownerOf(allowed), body, this.#targetOf(allowed, key), measure);
  }

  async #receiveRecorded(
    allowed: Allowed,
    { key }: PutRequest,
    body: Body,
    measure: readonly Algorithm[],
  ): Promise<Received<ObjectFacts, Published>> {
    const owner = ownerOf(allowed);
    const credit = await this.#freedBy(allowed.bucket, key);
    const { upload, measured } = await this.#uploads.receive(owner, body, { measure, credit });
    return new Received(
      measured,
      (object: ObjectFacts) =>
        this.#sealer.publish(owner, upload.id, this.#targetOf(allowed, key), anything, { object }),
      () => this.#uploads.discard(owner, upload.id),
    );
  }

  /**
   * Makes an upload of the bucket's namespace the newest version of a key.
   *
   * @param ends the multipart upload to complete, with its response for repeated requests
   */
  async seal(
    allowed: Allowed<'write'>,
    request: PutRequest,
    upload: string,
    facts: Facts,
    ends?: Completion,
  ): Promise<Put & { readonly ended: readonly string[] }> {
    const object = objectFacts(allowed, request, facts);
    const multipart = ends && {
      ...ends,
      outcome: { versioned: ends.outcome(object.versionId), plain: ends.outcome(null) },
    };
    const target = this.#targetOf(allowed, request.key);
    const published = await this.#sealer.publish(ownerOf(allowed), upload, target, anything, { object, multipart });
    const { blob, versionId, ended } = published;
    return { versionId, etag: facts.etag, blob, ended };
  }

  /** Makes an existing blob the newest version of a key, without a copy. */
  async copy(allowed: Allowed<'write'>, request: PutRequest, blob: string, facts: Facts): Promise<Put> {
    try {
      const object = objectFacts(allowed, request, facts);
      const { versionId } = await this.#sealer.adopt(allowed.as, blob, this.#targetOf(allowed, request.key), object);
      return { versionId, etag: facts.etag, blob };
    } catch (error) {
      const isThere =
        error instanceof Refusal && error.reason === 'no_blob' && (await this.#engine.catalog.blobs.get(blob));
      throw isThere ? lost() : error;
    }
  }

  /** The blob of a version; the caller is authorized. @throws Refusal `no_object` for a marker; `lost` */
  async blob({ content }: StoredObject): Promise<Blob> {
    if (!content) throw new Refusal('no_object', 'the object was deleted');
    const blob = await this.#engine.catalog.blobs.get(content.blob);
    if (!blob) throw new Refusal('lost', 'the bytes of this object are missing');
    return blob;
  }

  /** A digest of the blob; computed and recorded if it is unknown. */
  async digest(blob: Blob, algorithm: Algorithm): Promise<Digest> {
    return (await this.#blobs.digestsOf(blob, [algorithm]))[0]!;
  }

  open(blob: Blob): ReturnType<Blobs['open']> {
    return this.#blobs.open(blob);
  }

  /** Opens a blob for a partial copy, which gets a new hash; verifies its bytes first. */
  async openForCopy(blob: Blob): ReturnType<Blobs['open']> {
    await this.#blobs.demandGood(blob);
    return this.#blobs.open(blob);
  }

  /** A page of a listing with common prefixes. */
  entries({ bucket }: Allowed<'list'>, page: EntriesPage): Promise<Entry[]> {
    return this.#engine.catalog.buckets.entries(idOf(bucket), page);
  }

  versions({ bucket }: Allowed<'list'>, page: VersionsPage): Promise<StoredObject[]> {
    return this.#engine.catalog.buckets.versions(idOf(bucket), page);
  }

  /** A version of a key, or its newest, without authorization, for faces that authorize themselves. */
  peek(bucket: string, key: string, version?: { readonly id: string | null }): Promise<StoredObject | undefined> {
    return this.#engine.catalog.buckets.object(bucket, key, version);
  }

  /** Sets or removes one member of a version's metadata (JSON); false if the version is gone. */
  describe(allowed: Allowed<'write'>, version: StoredObject, member: string, json: string | null): Promise<boolean> {
    return this.#engine.catalog.buckets.describe(versionIn(allowed, version), member, json);
  }

  /** Sets or releases a legal hold; false if the version is gone. */
  hold(allowed: Allowed<'write'>, version: StoredObject, held: boolean): Promise<boolean> {
    return this.#engine.catalog.buckets.hold(versionIn(allowed, version), held);
  }

  /**
   * Sets or removes a retention; false if the version is gone.
   *
   * @param bypass whether the caller is authorized to bypass GOVERNANCE
   * @throws Refusal `locked` if this weakens an active retention
   */
  retain(
    allowed: Allowed<'write'>,
    version: StoredObject,
    retention: Retention | null,
    bypass: boolean,
  ): Promise<boolean> {
    const rights = { at: this.#clock.now(), bypass };
    return this.#engine.catalog.buckets.retain(versionIn(allowed, version), retention, rights);
  }

  /** Deletes the newest version or adds a delete marker, as the bucket's versioning says. Idempotent. */
  async remove(
    { bucket, as }: Allowed<'delete'>,
    key: string,
    { conditions = {}, only }: Omit<Deletion, 'bypass'> = {},
  ): Promise<StoredObject | undefined> {
    const retired = await this.#engine.catalog.buckets.retire({
      bucket: idOf(bucket),
      key,
      conditions,
      only,
      fresh: { artifact: newId(), version: newVersionId() },
      at: this.#clock.now(),
      event: this.#event(bucket.name, `${key} deleted`, as),
    });
    return retiredObject(retired);
  }

  /** @throws Refusal `locked` if object lock protects the version */
  async removeVersion(
    { bucket, as }: Allowed<'delete'>,
    key: string,
    id: string | null,
    { conditions = {}, only, bypass = false }: Deletion = {},
  ): Promise<StoredObject | undefined> {
    const event = this.#event(bucket.name, `version ${id ?? 'null'} of ${key} deleted`, as);
    const removal = { bucket: idOf(bucket), key, id, conditions, only, bypass, at: this.#clock.now(), event };
    return retiredObject(await this.#engine.catalog.buckets.removeVersion(removal));
  }

  #targetOf({ bucket: { name, namespace } }: Allowed, key: string): Publication['target'] {
    return plainTarget(namespace, `${name}/${key}`, this.#sources.object(name, key));
  }

  /** Bytes of the version that a new one replaces. */
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

/** Whether the text has the form of a version id. */
export function isVersionId(text: string): boolean {
  // A version pinned by a release has the id of the release's artifact.
  return /^[0-9a-f]{32}$/.test(text) || isId(text);
}

/** Whether a body is short enough to be received without a record and a reservation. */
function isShort(body: Body): body is Body & { readonly length: number } {
  return body.length !== undefined && body.length <= unrecordedLimit;
}

function objectFacts(
  { bucket }: Allowed,
  request: PutRequest,
  { lock = { retention: null, held: null }, ...facts }: Facts,
): ObjectFacts {
  return { ...request, ...facts, bucket: idOf(bucket), lock, versionId: newVersionId() };
}

/** Identifies a version in the bucket that the right is for. */
function versionIn({ bucket }: Allowed, { artifact, key, index }: StoredObject): VersionName {
  return { artifact, bucket: bucket.name, key, index };
}

function retiredObject(retired: Retired): StoredObject | undefined {
  switch (retired.kind) {
    case 'gone':
    case 'marked':
      return retired.object;
    case 'absent':
      return undefined;
    case 'no_bucket':
      throw noBucket();
    case 'condition':
      throw new Refusal('precondition', 'a precondition of the request failed');
  }
}
