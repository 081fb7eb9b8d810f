/**
 * Corrupt bytes are never served completely and never used for deduplication.
 *
 * A whole read is hashed, and broken off before its last bytes if the digest differs. The first read compares the
 * sha512, which costs about six times a CRC-32, and records the CRC-32. Later reads compare that, and check the sha512
 * if it differs. Inline bytes are verified before any is sent, also for a range. Other ranges rely on the scrub.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../kit/clock.ts';
import type { Digest } from '../../kit/digest.ts';
import type { BlobReader, CheckAlgorithm, Engine, NamedVersion } from '../engine.ts';
import type { Blob, Content, ContentState, Event } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';

/** What detected the corruption. */
export type Finder = 'download' | 'claim' | 'scrub';

export interface Rot {
  readonly content: Content;
  readonly state: Exclude<ContentState, 'good'>;
  readonly finder: Finder;
  /** Versions that refer to the bytes, at most `mostNamed`. */
  readonly versions: readonly NamedVersion[];
}

/** The result of an inspection; `unreadable` bytes could not be read, which does not mean corruption. */
export type Inspected = ContentState | 'unreadable';

/** Milliseconds for which a verified file may be used for deduplication without another read, if it is unchanged. */
const verifiedFor = 24 * 3_600_000;
/** Milliseconds that deduplication waits for verification; the client can upload the bytes instead. */
const claimPatience = 20_000;
/** Contents whose last verification is remembered. */
const mostVerified = 10_000;
/** Versions named in a report of lost bytes. */
const mostNamed = 20;
/** Retries if bytes moved between reading the record and opening them. */
const tries = 5;

export class Integrity {
  /** Number of corrupt or missing contents, by detector. */
  readonly found: Record<Finder, number> = { download: 0, claim: 0, scrub: 0 };
  /** Number of failed reads that do not mean corruption. */
  unreadable = 0;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #onRot: (rot: Rot) => void;
  /** By sha512: time and file fingerprint of the last verification. */
  readonly #verified = new LRUCache<string, { readonly at: number; readonly fingerprint: string }>({
    max: mostVerified,
  });
  readonly #inspecting = new Map<string, Promise<Inspected>>();

  constructor(engine: Engine, clock: Clock, told: (rot: Rot) => void = () => undefined) {
    this.#engine = engine;
    this.#clock = clock;
    this.#onRot = told;
  }

  /**
   * Opens the bytes of a blob.
   *
   * @param onSum called with the CRC-32 of a blob without a recorded one, once its bytes are verified
   * @throws Refusal `lost` if they are missing or corrupt; `unavailable` if they cannot be read now
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

  /** Digests of a content, computed in the same read that verifies it. @throws Refusal as `open` does */
  async digests(sha512: string, algorithms: readonly Digest['algorithm'][]): Promise<Digest[]> {
    return this.#atRest(sha512, async (content) => {
      const [whole, ...digests] = await this.#engine.bytes.digests(content.address, ['sha512', ...algorithms]);
      if (whole!.hex === sha512) return digests;
      await this.condemn(content, 'rotten', 'claim');
      throw lost();
    });
  }

  /**
   * Verifies stored bytes for deduplication. Bytes that were verified within a day and whose file is unchanged are not
   * read again. Returns `unreadable` if it takes longer than `claimPatience`; the read continues for the next claim.
   */
  async verify(sha512: string): Promise<Inspected> {
    const content = await this.#engine.catalog.contents.get(sha512);
    if (!content) return 'missing';
    if (content.state !== 'good' || (await this.#isVerified(content))) return content.state;
    const running =
      this.#inspecting.get(sha512) ?? this.#inspectForClaim(content).finally(() => this.#inspecting.delete(sha512));
    this.#inspecting.set(sha512, running);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Inspected>((resolve) => (timer = setTimeout(resolve, claimPatience, 'unreadable')));
    return Promise.race([running, late]).finally(() => clearTimeout(timer));
  }

  /** Marks bytes as corrupt or missing, and quarantines corrupt ones. False if they were replaced meanwhile. */
  async condemn(content: Content, state: Rot['state'], finder: Finder): Promise<boolean> {
    const { contents } = this.#engine.catalog;
    if (!(await contents.mark(content.sha512, content.address, state, this.#clock.now(), this.#event(content, state))))
      return false;
    this.#verified.delete(content.sha512);
    this.found[finder] += 1;
    if (state === 'rotten') await this.#engine.bytes.quarantine(content.address);
    this.#onRot({ content, state, finder, versions: await contents.named(content.sha512, mostNamed) });
    return true;
  }

  /** Verifies the bytes after an error, unless their state is already known. */
  async #examine(content: Content, finder: Finder): Promise<void> {
    const now = await this.#engine.catalog.contents.get(content.sha512);
    if (now?.state !== 'good' || now.address !== content.address) return;
    const state = await inspect(this.#engine, content, { readData: true });
    if (state === 'unreadable') this.unreadable += 1;
    else if (state === 'rotten' || state === 'missing') await this.condemn(content, state, finder);
  }

  /** Runs `work` on a good content. Retries if its bytes moved to another address meanwhile. */
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

  /** A reader whose whole reads only complete if the digest matches. */
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
      // The recorded CRC-32 may itself be wrong, so the sha512 decides.
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

  /** Examines missing bytes before the reader gets the error and retries. */
  async *#watched(content: Content, chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* chunks;
    } catch (error) {
      if (isUnavailable(error)) this.unreadable += 1;
      if (isLost(error)) await this.#examine(content, 'download');
      throw error;
    }
  }

  /** @throws Refusal `lost` after condemning the content, unless the first digest is its sha512 */
  async #demandSha512(content: Content, [sha512]: readonly Digest[]): Promise<void> {
    if (sha512!.hex === content.sha512) return;
    await this.condemn(content, 'rotten', 'download');
    throw lost();
  }

  /** The CRC-32 of the content, if its sha512 matches; otherwise the content is condemned. @throws Refusal `lost` */
  async #sumOf(content: Content): Promise<string> {
    const [sha512, sum] = await this.#engine.bytes.digests(content.address, ['sha512', 'crc32']);
    await this.#demandSha512(content, [sha512!]);
    return sum!.hex;
  }

  async #isVerified({ sha512, address }: Content): Promise<boolean> {
    const vouched = this.#verified.get(sha512);
    if (!vouched || this.#clock.now() - vouched.at > verifiedFor) return false;
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
    this.#verified.delete(content.sha512);
    if (fingerprint !== undefined) this.#verified.set(content.sha512, { at: this.#clock.now(), fingerprint });
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
 * Inspects stored bytes; undefined if aborted.
 *
 * @param how `readData` compares digests; otherwise only presence and size are checked
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
    // Other errors do not mean corruption.
    return isLost(error) ? 'missing' : 'unreadable';
  }
}

/** The refusal for missing or corrupt bytes. */
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
