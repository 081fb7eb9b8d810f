import type { Clock } from '../../kit/clock.ts';
import type { Algorithm, Digest } from '../../kit/digest.ts';
import { DelayedWrite } from '../../kit/batched-writes.ts';
import { isId } from '../../kit/ids.ts';
import { demandSystem, owns, visibilityOf } from '../tenants/access.ts';
import type { BlobReader, Engine, Page } from '../engine.ts';
import { lost, type Integrity } from './integrity.ts';
import type { Blob, Principal } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';

/** Milliseconds between two records of a blob's use: precise enough for the sweep, rare enough to be cheap. */
const usePrecision = 60_000;
/** Milliseconds for which records are collected before one commit. */
const gathering = 1000;

/** Look-up and reading of blobs. A uuid or hash alone gives no access; a visible version does. */
export class Blobs {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #integrity: Integrity;
  /** CRC-32s that are not recorded yet, by blob uuid. */
  readonly #sums = new Map<string, Digest>();
  /** Blobs whose use is not recorded yet. */
  readonly #unrecorded = new Set<string>();
  readonly #delayed = new DelayedWrite(() => this.#record(), gathering);

  constructor(engine: Engine, clock: Clock, integrity: Integrity) {
    this.#engine = engine;
    this.#clock = clock;
    this.#integrity = integrity;
  }

  /** @throws Refusal `not_found` if the caller cannot read such a blob */
  async get(who: Principal, uuid: string): Promise<Blob> {
    const found =
      isId(uuid) && (await this.#engine.catalog.blobs.seen(uuid, visibilityOf(who)))
        ? await this.#engine.catalog.blobs.get(uuid)
        : undefined;
    if (!found) throw new Refusal('not_found', 'blob not found');
    return found;
  }

  /** Like `get`, for callers who will change its metadata. */
  async getOwn(who: Principal, uuid: string): Promise<Blob> {
    const found = await this.get(who, uuid);
    if (!owns(who, found.namespace)) throw new Refusal('forbidden', 'only the owner of a blob may change its metadata');
    return found;
  }

  /** All blobs, by uuid. System only. */
  async list(who: Principal, page: Page): Promise<Blob[]> {
    demandSystem(who);
    return this.#engine.catalog.blobs.list(visibilityOf(who), page);
  }

  many(uuids: readonly string[]): Promise<Blob[]> {
    return this.#engine.catalog.blobs.many(uuids);
  }

  /**
   * A blob with this digest that the caller may read and whose bytes are verified, to be used instead of an upload. Its
   * use is recorded, so that the sweep keeps it.
   */
  async find(who: Principal, digest: Digest): Promise<Blob | undefined> {
    const found = await this.#engine.catalog.blobs.withDigest(digest, visibilityOf(who));
    if (!found || (await this.#integrity.verify(found.sha512)) !== 'good') return undefined;
    await this.#engine.catalog.blobs.used([found.uuid], this.#clock.now());
    return found;
  }

  /** @throws Refusal `lost` if the blob's bytes are corrupt or missing, so that nothing new refers to them */
  async demandGood(blob: Blob): Promise<void> {
    const state = await this.#integrity.verify(blob.sha512);
    if (state === 'rotten' || state === 'missing') throw lost();
  }

  /** A digest of the blob; computed and recorded if it is unknown. */
  async digest(who: Principal, uuid: string, algorithm: Algorithm): Promise<Digest> {
    return (await this.digests(who, uuid, [algorithm]))[0]!;
  }

  /** Digests of the blob in the given order. Unknown ones are computed in one read and recorded. */
  async digests(who: Principal, uuid: string, algorithms: readonly Algorithm[]): Promise<Digest[]> {
    return this.digestsOf(await this.get(who, uuid), algorithms);
  }

  /** The same for a blob that the caller is authorized to read. */
  async digestsOf(blob: Blob, algorithms: readonly Algorithm[]): Promise<Digest[]> {
    const known = new Map(Object.entries({ ...blob.digests, sha512: blob.sha512 }) as [Algorithm, string][]);
    const unknown = algorithms.filter((algorithm) => !known.has(algorithm));
    for (const { algorithm, hex } of unknown.length === 0 ? [] : await this.#integrity.digests(blob.sha512, unknown)) {
      await this.#engine.catalog.blobs.addDigest(blob.uuid, algorithm, hex);
      known.set(algorithm, hex);
    }
    return algorithms.map((algorithm) => ({ algorithm, hex: known.get(algorithm)! }));
  }

  /** Records digests that were computed during an upload. */
  async note(uuid: string, digests: readonly Digest[]): Promise<void> {
    for (const { algorithm, hex } of digests) await this.#engine.catalog.blobs.addDigest(uuid, algorithm, hex);
  }

  /**
   * Opens a blob that the caller is authorized to read.
   *
   * @throws Refusal `lost` if its bytes are missing or known to be corrupt
   */
  async open(blob: Blob): Promise<BlobReader> {
    const newer = this.#sums.get(blob.uuid);
    const known = newer ? { ...blob, digests: { ...blob.digests, crc32: newer.hex } } : blob;
    const reader = await this.#integrity.open(known, (sum) => {
      this.#sums.set(blob.uuid, sum);
      this.#delayed.changed();
    });
    const now = this.#clock.now();
    if (blob.usedAt === null || now - blob.usedAt > usePrecision) {
      this.#unrecorded.add(blob.uuid);
      this.#delayed.changed();
    }
    return reader;
  }

  /** Writes pending records. */
  close(): Promise<void> {
    return this.#delayed.now();
  }

  async #record(): Promise<void> {
    const used = [...this.#unrecorded];
    this.#unrecorded.clear();
    // A sum stays cached until it is recorded, so that a concurrent read does not compute the sha512 again.
    for (const [uuid, sum] of [...this.#sums]) {
      try {
        await this.note(uuid, [sum]);
      } finally {
        if (this.#sums.get(uuid) === sum) this.#sums.delete(uuid);
      }
    }
    if (used.length > 0) await this.#engine.catalog.blobs.used(used, this.#clock.now());
  }
}
