/**
 * Rot is never served whole and never stands in for good bytes.
 *
 * A whole read is hashed on the way and ends before its last bytes where it differs. The first one compares the sha512, which costs
 * about six times as much as a CRC-32, and notes the CRC-32; later ones compare that alone, and ask the sha512 where it differs.
 * Small bytes are hashed before the first of them leaves, also for a range. Other ranges are left to the scrub.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../kit/clock.ts';
import type { Digest } from '../../kit/digest.ts';
import type { BlobReader, CheckAlgorithm, Engine, Naming } from '../engine.ts';
import type { Blob, Content, ContentState, Event } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';

/** What found that bytes are not what they were. */
export type Finder = 'download' | 'claim' | 'scrub';

export interface Rot {
  readonly content: Content;
  readonly state: Exclude<ContentState, 'good'>;
  readonly finder: Finder;
  /** Versions that stand on the bytes, as many as `mostNamed`. */
  readonly versions: readonly Naming[];
}

/** What became of bytes; `unreadable` ones could not be looked at, which tells nothing of them. */
export type Inspected = ContentState | 'unreadable';

/** Milliseconds for which bytes that were read and found good vouch for a claim, unless their file was touched since. */
const vouchedFor = 24 * 3_600_000;
/** Milliseconds that a claim waits for bytes to be read; whoever claims them may send them instead. */
const claimPatience = 20_000;
/** Contents whose last inspection is kept in mind. */
const mostVouched = 10_000;
/** Versions that are named where bytes are lost. */
const mostNamed = 20;
/** Times that the record is read again where bytes moved between the record and the reading. */
const tries = 5;

export class Integrity {
  /** How often bytes were found changed or gone, by what found it. */
  readonly found: Record<Finder, number> = { download: 0, claim: 0, scrub: 0 };
  /** How often bytes could not be read, for a reason that tells nothing of them. */
  unreadable = 0;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #told: (rot: Rot) => void;
  /** By sha512: when the bytes were found good, and what told their file from another. */
  readonly #vouched = new LRUCache<string, { readonly at: number; readonly fingerprint: string }>({ max: mostVouched });
  readonly #inspecting = new Map<string, Promise<Inspected>>();

  constructor(engine: Engine, clock: Clock, told: (rot: Rot) => void = () => undefined) {
    this.#engine = engine;
    this.#clock = clock;
    this.#told = told;
  }

  /**
   * Opens the bytes of a blob.
   *
   * @param onSum told the CRC-32 of a blob that had none on record, once its bytes were found good.
   * @throws Refusal `lost` when they are gone or wrong; `unavailable` when they cannot be read now.
   */
  async open(blob: Blob, onSum: (sum: Digest) => void): Promise<BlobReader> {
    return this.#atRest(blob.sha512, async (content) => {
      const reader = await this.#engine.bytes.read(content.address);
      try {
        if (reader.size !== content.size) throw lost();
        if (content.size <= this.#engine.inlineLimit) return await this.#openSmall(content, reader);
        return this.#checked(content, reader, { crc32: blob.digests.crc32, onSum });
      } catch (error) {
        await reader.close();
        throw error;
      }
    });
  }

  /** Digests of a content's bytes, which are found to be the right ones in the same go. @throws Refusal as `open` does. */
  async digests(sha512: string, algorithms: readonly Digest['algorithm'][]): Promise<Digest[]> {
    return this.#atRest(sha512, async (content) => {
      const [whole, ...digests] = await this.#engine.bytes.digests(content.address, ['sha512', ...algorithms]);
      if (whole!.hex === sha512) return digests;
      await this.condemn(content, 'rotten', 'claim');
      throw lost();
    });
  }

  /**
   * Whether the bytes on disk are good, for whoever wants them to stand in for bytes of its own. Bytes that were read within a day and
   * whose file was not touched since are not read again. Where reading takes longer than a claim waits, `unreadable`; it goes on, and
   * the next claim has its result.
   */
  async vouch(sha512: string): Promise<Inspected> {
    const content = await this.#engine.catalog.contents.get(sha512);
    if (!content) return 'missing';
    if (content.state !== 'good' || (await this.#isVouched(content))) return content.state;
    const running =
      this.#inspecting.get(sha512) ?? this.#inspectForClaim(content).finally(() => this.#inspecting.delete(sha512));
    this.#inspecting.set(sha512, running);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Inspected>((resolve) => (timer = setTimeout(resolve, claimPatience, 'unreadable')));
    return Promise.race([running, late]).finally(() => clearTimeout(timer));
  }

  /** Notes that bytes are wrong or gone, and puts wrong ones aside, unless others are in their place by now; answers whether it did. */
  async condemn(content: Content, state: Rot['state'], finder: Finder): Promise<boolean> {
    const { contents } = this.#engine.catalog;
    if (!(await contents.mark(content.sha512, content.address, state, this.#clock.now(), this.#event(content, state))))
      return false;
    this.#vouched.delete(content.sha512);
    this.found[finder] += 1;
    if (state === 'rotten') await this.#engine.bytes.quarantine(content.address);
    this.#told({ content, state, finder, versions: await contents.named(content.sha512, mostNamed) });
    return true;
  }

  /** Reads the bytes again after something went wrong over them, unless it is known by now what. */
  async #examine(content: Content, finder: Finder): Promise<void> {
    const now = await this.#engine.catalog.contents.get(content.sha512);
    if (now?.state !== 'good' || now.address !== content.address) return;
    const state = await inspect(this.#engine, content, { readData: true });
    if (state === 'unreadable') this.unreadable += 1;
    else if (state === 'rotten' || state === 'missing') await this.condemn(content, state, finder);
  }

  /** Does something with the bytes of a good content. Where they are gone because others took their place, it is done with those. */
  async #atRest<T>(sha512: string, work: (content: Content) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const content = await this.#engine.catalog.contents.get(sha512);
      if (content?.state !== 'good') throw lost();
      try {
        return await work(content);
      } catch (error) {
        if (isUnavailable(error)) this.unreadable += 1;
        if (!isLost(error)) throw error;
        const now = await this.#engine.catalog.contents.get(sha512);
        if (now?.address === content.address || attempt === tries) {
          await this.#examine(content, 'download');
          throw lost();
        }
      }
    }
  }

  async #openSmall(content: Content, reader: BlobReader): Promise<BlobReader> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of reader.whole(['sha512'], (digests) => this.#demandSha512(content, digests)))
      chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const read = async function* (from: number, to: number): AsyncIterable<Uint8Array> {
      if (from < to) yield bytes.subarray(from, to);
    };
    return { size: reader.size, read, whole: () => read(0, bytes.length), close: () => reader.close() };
  }

  /** A reader whose whole reads end only with the right bytes. */
  #checked(
    content: Content,
    reader: BlobReader,
    { crc32, onSum }: { crc32: string | undefined; onSum: (sum: Digest) => void },
  ): BlobReader {
    const algorithms: CheckAlgorithm[] = crc32 === undefined ? ['sha512', 'crc32'] : ['crc32'];
    const judge = async (digests: readonly Digest[]): Promise<void> => {
      const sum = digests.find(({ algorithm }) => algorithm === 'crc32')!;
      if (crc32 === undefined) await this.#demandSha512(content, digests);
      if (sum.hex === crc32) return;
      // A CRC-32 on record may be wrong itself: the sha512 decides.
      if (crc32 !== undefined && (await this.#sumOf(content)) !== sum.hex) throw lost();
      onSum(sum);
    };
    const whole = (): AsyncIterable<Uint8Array> => this.#watched(content, reader.whole(algorithms, judge));
    return {
      size: reader.size,
      whole,
      close: () => reader.close(),
      read: (from, to) => (from === 0 && to === reader.size ? whole() : this.#watched(content, reader.read(from, to))),
    };
  }

  /** Bytes that end too soon are looked at before whoever reads them hears of it, and asks for the rest. */
  async *#watched(content: Content, chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* chunks;
    } catch (error) {
      if (isUnavailable(error)) this.unreadable += 1;
      if (isLost(error)) await this.#examine(content, 'download');
      throw error;
    }
  }

  /** @throws Refusal `lost` unless the first digest is the content's sha512; it is condemned by then. */
  async #demandSha512(content: Content, [sha512]: readonly Digest[]): Promise<void> {
    if (sha512!.hex === content.sha512) return;
    await this.condemn(content, 'rotten', 'download');
    throw lost();
  }

  /** The CRC-32 of bytes that have the content's sha512; others are condemned. @throws Refusal `lost` */
  async #sumOf(content: Content): Promise<string> {
    const [sha512, sum] = await this.#engine.bytes.digests(content.address, ['sha512', 'crc32']);
    await this.#demandSha512(content, [sha512!]);
    return sum!.hex;
  }

  async #isVouched({ sha512, address }: Content): Promise<boolean> {
    const vouched = this.#vouched.get(sha512);
    if (!vouched || this.#clock.now() - vouched.at > vouchedFor) return false;
    return (await this.#engine.bytes.fingerprint(address)) === vouched.fingerprint;
  }

  async #inspectForClaim(content: Content): Promise<Inspected> {
    const fingerprint = await this.#engine.bytes.fingerprint(content.address);
    const state = await inspect(this.#engine, content, { readData: true });
    if (state === undefined || state === 'unreadable') {
      this.unreadable += 1;
      return 'unreadable';
    }
    if (state !== 'good') {
      await this.condemn(content, state, 'claim');
      return (await this.#engine.catalog.contents.get(content.sha512))?.state ?? 'missing';
    }
    this.#vouched.delete(content.sha512);
    if (fingerprint !== undefined) this.#vouched.set(content.sha512, { at: this.#clock.now(), fingerprint });
    return 'good';
  }

  #event({ sha512 }: Content, state: Rot['state']): Event {
    const message =
      state === 'rotten' ? 'bytes changed on disk and were moved to quarantine' : 'bytes are missing on disk';
    return {
      subject: 'blob',
      id: sha512,
      at: this.#clock.now(),
      type: 'status',
      message,
      duration: null,
      extra: { sha512 },
    };
  }
}

/**
 * What became of bytes on disk; undefined when told to stop first.
 *
 * @param how `readData` compares every byte's digest; without it only presence and length are looked at.
 */
export async function inspect(
  engine: Engine,
  content: Content,
  how: { readData: boolean; rate?: number; signal?: AbortSignal | undefined },
): Promise<Inspected | undefined> {
  try {
    const size = await engine.bytes.stat(content.address);
    if (size === undefined) return 'missing';
    if (size !== content.size) return 'rotten';
    if (!how.readData) return 'good';
    const [digest] = await engine.bytes.digests(content.address, ['sha512'], how.rate, how.signal);
    return digest!.hex === content.sha512 ? 'good' : 'rotten';
  } catch (error) {
    if (how.signal?.aborted) return undefined;
    // Whatever else went wrong says nothing of the bytes.
    return isLost(error) ? 'missing' : 'unreadable';
  }
}

/** What whoever asks for bytes is told that are not there any more. */
export function lost(): Refusal {
  return new Refusal(
    'lost',
    'the bytes of this blob are missing or damaged; upload the same content again to repair it',
  );
}

function isLost(error: unknown): boolean {
  return error instanceof Refusal && error.reason === 'lost';
}

function isUnavailable(error: unknown): boolean {
  return error instanceof Refusal && error.reason === 'unavailable';
}
