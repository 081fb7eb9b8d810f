import { createHash } from 'node:crypto';
import { lookup } from 'mime-types';
import type { Clock } from '../../kit/clock.ts';
import { sameDigest, type Algorithm, type Digest } from '../../kit/digest.ts';
import { newId } from '../../kit/ids.ts';
import { owns } from '../tenants/access.ts';
import { slotOf } from '../tenants/credential-lookup.ts';
import type { Engine, ObjectFacts, Publication, Published, Unpublished } from '../engine.ts';
import { brokenOff, gather, pour, type Body } from './ingest.ts';
import type { Integrity } from './integrity.ts';
import type { Artifact, Blob, Principal, Upload } from '../../catalog/model.ts';
import { isLockedRefusal } from '../../catalog/object-lock-rules.ts';
import { Refusal } from '../refusal.ts';
import { holding } from './upload-locks.ts';

/** What the caller says of the bytes; checked before anything is made of them. */
export interface Expectations {
  readonly size: number | undefined;
  readonly digests: readonly Digest[];
}

/**
 * The one ending of bytes that arrived: check, give them a place, put them on record, clean up. A crash between any
 * two steps leaves either the upload as it was or the version complete; what is left over, recovery removes.
 */
export class Sealer {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #integrity: Integrity;

  constructor(engine: Engine, clock: Clock, integrity: Integrity) {
    this.#engine = engine;
    this.#clock = clock;
    this.#integrity = integrity;
  }

  async publish(
    who: Principal,
    id: string,
    target: Publication['target'],
    expected: Expectations,
    whole: Pick<Publication, 'object' | 'multipart'> = {},
  ): Promise<Published> {
    const { object } = whole;
    const before = await this.#find(who, id);
    if (before.state === 'sealed') return this.#repeat(before, target, object);
    // Catching up can take a while; nobody has to wait for it, and the answer is at hand when the lock is taken.
    // Only a head start: whoever truncates or ends the upload meanwhile makes it fail, and what holds is asked again under the lock.
    await this.#engine.bytes.digest(id, before.offset, 'sha512').catch(() => undefined);
    return holding(this.#engine.locks, id, async () => {
      const upload = await this.#find(who, id);
      if (upload.state === 'sealed') return this.#repeat(upload, target, object);
      return this.#seal(who, upload, target, { expected, whole });
    });
  }

  /**
   * Publishes a body as it comes. Nobody is told of its bytes before they are a version, so nothing is on record until then; a body
   * that breaks off leaves nothing.
   *
   * @param objectOf what it becomes, once it was measured; may throw.
   */
  async publishBody(
    who: Principal,
    body: Body & { readonly length: number },
    target: Publication['target'],
    { measure, objectOf }: { measure: readonly Algorithm[]; objectOf: (measured: readonly Digest[]) => ObjectFacts },
  ): Promise<{ blob: string; versionId: string | null; object: ObjectFacts }> {
    if (body.length <= this.#engine.inlineLimit) {
      const { bytes, measured } = await gather(body, body.length, measure);
      const object = objectOf(measured);
      const { blob, versionId } = await this.#publishBytes(who, bytes, target, object);
      return { blob, versionId, object };
    }
    const { bytes } = this.#engine;
    const stage = newId();
    let sealed: string | undefined;
    const writer = await bytes.open(stage, 0, { lasting: false });
    try {
      const { cut, measured, written } = await pour(body, writer, { room: body.length, digests: [], measure });
      if (cut) throw brokenOff(cut, 0);
      const object = objectOf(measured);
      await writer.sync();
      await writer.close();
      const { hex: sha512 } = await bytes.digest(stage, written, 'sha512');
      sealed = await bytes.seal(stage, written, sha512);
      const published = await this.#engine.catalog.artifacts.publish(
        this.#publication(who, target, object, {
          kind: 'content',
          mediaType: mediaTypeOf(target),
          content: {
            sha512,
            size: written,
            address: sealed,
            state: 'good',
            createdAt: this.#clock.now(),
            scrubbedAt: null,
          },
        }),
      );
      await this.#tidy(stage, sealed, published);
      if (typeof published === 'string') throw unpublished(published);
      return { blob: published.blob, versionId: published.versionId, object };
    } catch (error) {
      await writer.close();
      await bytes.drop(stage);
      if (sealed !== undefined && isCertain(error)) await bytes.remove(sealed);
      throw error;
    }
  }

  /** @throws Refusal when a blob is not what the caller expects. */
  async verifyBlob(blob: Blob, expected: Expectations): Promise<void> {
    if (expected.size !== undefined && expected.size !== blob.size) throw wrongSize(blob.size, expected.size);
    for (const digest of expected.digests) {
      const known = digest.algorithm === 'sha512' ? blob.sha512 : blob.digests[digest.algorithm];
      if (known !== undefined) {
        demandSame({ algorithm: digest.algorithm, hex: known }, digest);
        continue;
      }
      for (const actual of await this.#integrity.digests(blob.sha512, [digest.algorithm])) demandSame(actual, digest);
    }
  }

  async #seal(
    who: Principal,
    upload: Upload,
    target: Publication['target'],
    {
      expected,
      whole: { object, multipart },
    }: { expected: Expectations; whole: Pick<Publication, 'object' | 'multipart'> },
  ): Promise<Published> {
    const { bytes } = this.#engine;
    const size = upload.offset;
    if (upload.length !== null && upload.length !== size) {
      throw new Refusal('conflict', `the upload has ${size} of the ${upload.length} bytes declared for it`, {
        offset: size,
      });
    }
    if (expected.size !== undefined && expected.size !== size) throw wrongSize(size, expected.size);
    for (const digest of expected.digests) demandSame(await bytes.digest(upload.id, size, digest.algorithm), digest);
    const whole = await bytes.digest(upload.id, size, 'sha512');
    if (upload.expects !== null) demandSame(whole, { algorithm: 'sha512', hex: upload.expects });
    const { hex: sha512 } = whole;
    // The parts of a multipart upload stay until it ends, so a crash loses nothing of a whole that was moved.
    const address = await bytes.seal(upload.id, size, sha512, multipart?.id === upload.id);
    const content = { sha512, size, address, state: 'good', createdAt: this.#clock.now(), scrubbedAt: null } as const;
    const source = { kind: 'upload', upload: upload.id, mediaType: mediaTypeOf(target), content } as const;
    const published = await this.#engine.catalog.artifacts
      .publish(this.#publication(who, target, object, source, multipart))
      .catch(async (error: unknown) => {
        if (isCertain(error)) await bytes.unseal(upload.id, address);
        throw error;
      });
    await this.#tidy(upload.id, address, published);
    if (typeof published === 'string') throw unpublished(published);
    return published;
  }

  /** Small bytes and their version are one fact, and there is no stage. */
  async #publishBytes(
    who: Principal,
    bytes: Uint8Array,
    target: Publication['target'],
    object: ObjectFacts,
  ): Promise<Published> {
    const health = this.#engine.health();
    if (!health.writable) throw new Refusal('unavailable', `the store is read-only: ${health.why}`);
    const sha512 = createHash('sha512').update(bytes).digest('hex');
    const source = { kind: 'bytes', bytes, sha512, mediaType: mediaTypeOf(target) } as const;
    const published = await this.#engine.catalog.artifacts.publish(this.#publication(who, target, object, source));
    if (typeof published === 'string') throw unpublished(published);
    await this.#putAway(published);
    return published;
  }

  #publication(
    who: Principal,
    target: Publication['target'],
    object: ObjectFacts | undefined,
    source: Publication['source'],
    multipart?: Publication['multipart'],
  ): Publication {
    return {
      target,
      object,
      source,
      multipart,
      slot: slotOf(who.credential),
      at: this.#clock.now(),
      by: who.namespace,
      fresh: { artifact: newId(), blob: newId() },
    };
  }

  /** What the record no longer needs goes away. */
  async #tidy(upload: string, address: string, published: Published | string): Promise<void> {
    const { bytes } = this.#engine;
    // Whatever took the upload away meanwhile may stand on these very bytes; the sweep will know.
    if (published === 'no_upload') return;
    if (typeof published === 'string') {
      if ((await this.#engine.catalog.contents.known([address])).length === 0) await bytes.unseal(upload, address);
      return;
    }
    if (published.address !== address) await bytes.remove(address);
    await bytes.drop(upload);
    await this.#putAway(published);
  }

  /** Takes away what the bytes replaced; what was known to be bad is put aside for a person to look at. */
  async #putAway({ replaced, healed }: Published): Promise<void> {
    if (replaced === null) return;
    await (healed ? this.#engine.bytes.quarantine(replaced) : this.#engine.bytes.remove(replaced));
  }

  async #repeat(upload: Upload, target: Publication['target'], object: ObjectFacts | undefined): Promise<Published> {
    const outcome = upload.outcome!;
    const artifact: Artifact | undefined = await this.#engine.catalog.artifacts.get(outcome.artifact);
    if (!artifact) throw new Refusal('not_found', 'upload not found');
    if (artifact.namespace !== target.namespace || artifact.name !== target.name || artifact.type !== target.type) {
      throw new Refusal('conflict', 'the upload has already become another artifact', {
        artifact: artifact.uuid,
        index: outcome.index,
      });
    }
    const newest = object && (await this.#engine.catalog.buckets.object(object.bucket.name, object.key));
    const versionId = newest?.index === outcome.index ? newest.versionId : null;
    return {
      artifact,
      index: outcome.index,
      blob: outcome.blob,
      versionId,
      added: false,
      address: '',
      replaced: null,
      healed: false,
      ended: [],
    };
  }

  async #find(who: Principal, id: string): Promise<Upload> {
    const upload = await this.#engine.catalog.uploads.get(id);
    if (!upload || upload.state === 'dropped' || !owns(who, upload.namespace))
      throw new Refusal('not_found', 'upload not found');
    return upload;
  }
}

function mediaTypeOf({ name }: Publication['target']): string {
  return lookup(name) || 'application/octet-stream';
}

function wrongSize(actual: number, expected: number): Refusal {
  return new Refusal('conflict', `there are ${actual} bytes, not the ${expected} expected`, { size: actual });
}

function demandSame(actual: Digest, expected: Digest): void {
  if (!sameDigest(actual, expected)) {
    throw new Refusal('digest_mismatch', `the bytes do not have the ${expected.algorithm} of the request`, {
      actual: actual.hex,
    });
  }
}

/** Whether a publication that failed is not on record; after any other failure it may be. */
function isCertain(error: unknown): boolean {
  return error instanceof Refusal && (error.reason === 'over_quota' || isLockedRefusal(error));
}

/** Why bytes that are there became no version. */
export function unpublished(why: Unpublished): Refusal {
  switch (why) {
    case 'no_namespace':
      return new Refusal('not_found', 'namespace not found');
    case 'no_blob':
      return new Refusal('not_found', 'blob not found');
    case 'no_upload':
      return new Refusal('conflict', 'the upload changed during the request');
    case 'no_bucket':
      return new Refusal('not_found', 'bucket not found', { missing: 'bucket' });
    case 'no_multipart':
      return new Refusal('not_found', 'multipart upload not found', { missing: 'upload' });
    case 'other_parts':
      return new Refusal('conflict', 'a part was replaced during the request', { what: 'part' });
    case 'condition':
      return new Refusal('precondition', 'a precondition of the request failed');
    case 'condition_absent':
      return new Refusal('not_found', 'object not found', { missing: 'object' });
    case 'slot_closed':
      return new Refusal('forbidden', 'the upload slot was closed during the request');
    case 'taken':
      return new Refusal('forbidden', 'only the owner may add versions to an artifact');
  }
}
