import { createHash } from 'node:crypto';
import { lookup } from 'mime-types';
import type { Clock } from '../../kit/clock.ts';
import { sameDigest, type Algorithm, type Digest } from '../../kit/digest.ts';
import { newId } from '../../kit/ids.ts';
import { owns } from '../tenants/access.ts';
import { slotOfCredential } from '../tenants/credential-lookup.ts';
import type { Engine, ObjectFacts, Publication, Published, Unpublished } from '../engine.ts';
import { brokenOff, readBody, writeBody, Received, type Body } from './ingest.ts';
import type { Integrity } from './integrity.ts';
import type { Artifact, Blob, Content, Principal, Upload } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';
import { holding } from './upload-locks.ts';

/** Expected size and digests; checked before anything is published. */
export interface Expectations {
  readonly size: number | undefined;
  readonly digests: readonly Digest[];
}

/** Object and multipart upload of a publication. */
type Whole = Pick<Publication, 'object' | 'multipart'>;

/**
 * Publishes uploaded bytes: verify, seal, record, clean up. A crash between two steps leaves either the open upload or
 * the complete version; recovery and sweep remove the rest.
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
    whole: Whole = {},
  ): Promise<Published> {
    const { object } = whole;
    const before = await this.#find(who, id);
    if (before.state === 'sealed') return this.#repeat(before, target, object);
    // The hash may need to catch up, so wait for it before taking the lock. A failure is ignored, because the upload
    // may change meanwhile; everything is checked again under the lock.
    await this.#engine.bytes.digest(id, before.offset, 'sha512').catch(() => undefined);
    return holding(this.#engine.locks, id, async () => {
      const upload = await this.#find(who, id);
      if (upload.state === 'sealed') return this.#repeat(upload, target, object);
      return this.#seal(who, upload, target, { expected, whole });
    });
  }

  /**
   * Receives a short body. Nothing is recorded until its version is, and a small body has no stage. An incomplete body
   * leaves nothing.
   */
  async receive(
    who: Principal,
    body: Body & { readonly length: number },
    target: Publication['target'],
    measure: readonly Algorithm[],
  ): Promise<Received<ObjectFacts, Published>> {
    const { bytes, inlineLimit } = this.#engine;
    if (body.length <= inlineLimit) {
      const small = await readBody(body, body.length, measure);
      const keep = (object: ObjectFacts): Promise<Published> => this.#publishBytes(who, small.bytes, target, object);
      return new Received(small.measured, keep, () => Promise.resolve());
    }
    const stage = newId();
    const writer = await bytes.open(stage, 0, { lasting: false });
    const drop = async (): Promise<void> => {
      await writer.close();
      await bytes.drop(stage);
    };
    try {
      const { cut, measured, written } = await writeBody(body, writer, { room: body.length, digests: [], measure });
      if (cut) throw brokenOff(cut, 0);
      const keep = async (object: ObjectFacts): Promise<Published> => {
        await writer.sync();
        await writer.close();
        const { hex } = await bytes.digest(stage, written, 'sha512');
        return this.#publishStage(who, stage, target, { kind: 'content', sha512: hex, size: written }, { object });
      };
      return new Received(measured, keep, drop);
    } catch (error) {
      await drop();
      throw error;
    }
  }

  /** Makes an existing blob a version, without a copy. */
  adopt(who: Principal, blob: string, target: Publication['target'], object?: ObjectFacts): Promise<Published> {
    return this.#publish(this.publication(who, target, { kind: 'blob', blob }, { object }));
  }

  /** @throws Refusal if the blob differs from the expectations */
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
    { expected, whole }: { expected: Expectations; whole: Whole },
  ): Promise<Published> {
    const { bytes } = this.#engine;
    const size = upload.offset;
    if (upload.length !== null && upload.length !== size) {
      throw new Refusal('conflict', `the upload has ${size} of the ${upload.length} bytes declared for it`, {
        offset: size,
      });
    }
    if (expected.size !== undefined && expected.size !== size) throw wrongSize(size, expected.size);
    for (const promised of expected.digests)
      demandSame(await bytes.digest(upload.id, size, promised.algorithm), promised);
    const digest = await bytes.digest(upload.id, size, 'sha512');
    if (upload.expects !== null) demandSame(digest, { algorithm: 'sha512', hex: upload.expects });
    const source = { kind: 'upload', sha512: digest.hex, size } as const;
    return this.#publishStage(who, upload.id, target, source, whole);
  }

  /** Publishes small bytes inline: bytes and version are one transaction, without a stage. */
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
    return this.#publish(this.publication(who, target, source, { object }));
  }

  /** Seals a stage and publishes it. */
  async #publishStage(
    who: Principal,
    stage: string,
    target: Publication['target'],
    { kind, sha512, size }: { readonly kind: 'upload' | 'content'; readonly sha512: string; readonly size: number },
    whole: Whole,
  ): Promise<Published> {
    const { bytes, catalog } = this.#engine;
    // Parts stay until the multipart upload ends, so a crash cannot lose the bytes of a joined stage that was moved.
    const address = await bytes.seal(stage, size, sha512, whole.multipart?.id === stage);
    const content: Content = { sha512, size, address, state: 'good', createdAt: this.#clock.now(), scrubbedAt: null };
    const mediaType = mediaTypeOf(target);
    const source = kind === 'upload' ? { kind, upload: stage, content, mediaType } : { kind, content, mediaType };
    try {
      const published = await this.#publish(this.publication(who, target, source, whole));
      if (published.address !== address) await bytes.remove(address);
      await bytes.drop(stage);
      return published;
    } catch (error) {
      // After a refusal nothing was recorded; after any other failure the record may exist. Whatever ended the upload
      // meanwhile may refer to these bytes, so the sweep decides.
      const uncertain = !(error instanceof Refusal) || ['unavailable', 'full', 'upload_changed'].includes(error.reason);
      if (!uncertain && (await catalog.contents.known([address])).length === 0) await bytes.unseal(stage, address);
      throw error;
    }
  }

  /** Publishes a version and removes the bytes that it replaced; known bad ones are quarantined. */
  async #publish(publication: Publication): Promise<Published> {
    const published = await this.#engine.catalog.artifacts.publish(publication);
    if (typeof published === 'string') throw unpublished(published);
    const { replaced, healed } = published;
    if (replaced !== null)
      await (healed ? this.#engine.bytes.quarantine(replaced) : this.#engine.bytes.remove(replaced));
    return published;
  }

  /** @param fresh ids for new records; default: random */
  publication(
    who: Principal,
    target: Publication['target'],
    source: Publication['source'],
    { fresh, ...whole }: Whole & { readonly fresh?: Publication['fresh'] } = {},
  ): Publication {
    return {
      ...whole,
      target,
      source,
      slot: slotOfCredential(who.credential),
      at: this.#clock.now(),
      by: who.namespace,
      fresh: fresh ?? { artifact: newId(), blob: newId() },
    };
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

/** The target of an artifact that keeps all versions and is identified by name and source. */
export function plainTarget(namespace: string, name: string, sourceUrl: string): Publication['target'] {
  return {
    namespace,
    type: 'other',
    name,
    sourceUrl,
    shared: false,
    maxVersions: 0,
    setMaxVersions: false,
    createOnly: false,
  };
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

/** The refusal for an unpublished result. */
export function unpublished(why: Unpublished): Refusal {
  switch (why) {
    case 'no_namespace':
      return new Refusal('not_found', 'namespace not found');
    case 'no_blob':
      return new Refusal('no_blob', 'blob not found');
    case 'no_upload':
      return new Refusal('upload_changed', 'the upload changed during the request');
    case 'no_bucket':
      return new Refusal('no_bucket', 'bucket not found');
    case 'no_multipart':
      return new Refusal('no_multipart', 'multipart upload not found');
    case 'other_parts':
      return new Refusal('part_replaced', 'a part was replaced during the request');
    case 'condition':
      return new Refusal('precondition', 'a precondition of the request failed');
    case 'condition_absent':
      return new Refusal('no_object', 'object not found');
    case 'slot_closed':
      return new Refusal('forbidden', 'the upload slot was closed during the request');
    case 'taken':
      return new Refusal('forbidden', 'only the owner may add versions to an artifact');
  }
}
