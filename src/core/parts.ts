import type { Clock } from '../kit/clock.ts';
import type { Algorithm, Digest } from '../kit/digest.ts';
import { Gate } from '../kit/gate.ts';
import { isId, newId } from '../kit/ids.ts';
import { mayInBucket } from './access.ts';
import { Assembly } from './assembly.ts';
import type { Buckets } from './buckets.ts';
import type { Engine, PartFacts } from './engine.ts';
import type { Body } from './ingest.ts';
import type { Bucket, Multipart, Part, Principal } from './model.ts';
import { ownerOf, type Facts, type Objects, type Put, type PutRequest } from './objects.ts';
import { Refusal } from './refusal.ts';
import { lockOf, type Uploads } from './uploads.ts';

/** Parts whose bytes are given up at once. */
const atOnce = 16;

/** Objects that come in numbered parts. */
export class Parts {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #buckets: Buckets;
  readonly #uploads: Uploads;
  readonly #objects: Objects;
  readonly #assembly: Assembly;
  readonly #joining = new Map<string, { readonly about: string; readonly whole: Promise<string> }>();

  constructor(parts: { engine: Engine; clock: Clock; buckets: Buckets; uploads: Uploads; objects: Objects }) {
    this.#engine = parts.engine;
    this.#clock = parts.clock;
    this.#buckets = parts.buckets;
    this.#uploads = parts.uploads;
    this.#objects = parts.objects;
    this.#assembly = new Assembly(parts.engine);
  }

  async begin(who: Principal, bucket: string, key: string, about: string): Promise<Multipart> {
    const { namespace } = await this.#buckets.get(who, bucket, 'write');
    const at = this.#clock.now();
    const multipart: Multipart = { id: newId(), bucket, key, namespace, about, createdAt: at, touchedAt: at, outcome: null };
    await this.#engine.catalog.parts.begin(multipart);
    return multipart;
  }

  /** @throws Refusal `not_found` for one that is not of that key, or has ended. */
  async get(who: Principal, bucket: string, key: string, id: string): Promise<Multipart> {
    const multipart = await this.#find(who, bucket, key, id);
    if (multipart.outcome !== null) throw missing();
    return multipart;
  }

  /** What one that has ended became; undefined while it is open. */
  async outcome(who: Principal, bucket: string, key: string, id: string): Promise<string | undefined> {
    return (await this.#find(who, bucket, key, id)).outcome ?? undefined;
  }

  async list(who: Principal, bucket: string, page: Parameters<PartFacts['list']>[1]): Promise<Multipart[]> {
    await this.#buckets.get(who, bucket, 'list');
    return this.#engine.catalog.parts.list(bucket, page);
  }

  /** Takes a part's whole body. One that breaks off changes nothing. */
  async put(
    who: Principal, multipart: Multipart, number: number, body: Body,
    { measure, describe }: { measure: readonly Algorithm[]; describe: (measured: readonly Digest[]) => Facts },
  ): Promise<Facts> {
    const bucket = await this.#buckets.get(who, multipart.bucket, 'write');
    const owner = ownerOf(bucket, who);
    const upload = await this.#uploads.begin(owner, { length: body.length ?? null });
    try {
      const { offset, measured } = await this.#uploads.append(owner, upload.id, body, { at: undefined, digests: [], measure, hashed: false });
      const facts = describe(measured);
      const put = await this.#engine.catalog.parts.put(multipart.id, { number, upload: upload.id, size: offset, ...facts, at: this.#clock.now() });
      if (!put) throw missing();
      this.#assembly.add(multipart.id, number, { stage: upload.id, size: offset });
      if (put.replaced !== null) await this.#uploads.drop(owner, put.replaced).catch(() => undefined);
      return facts;
    } catch (error) {
      await this.#uploads.drop(owner, upload.id).catch(() => undefined);
      throw error;
    }
  }

  parts(multipart: Multipart, after: number, limit: number): Promise<Part[]> {
    return this.#engine.catalog.parts.parts(multipart.id, after, limit);
  }

  /**
   * Makes an object of the parts, in order; their bytes stay where they are. Begun again after a crash, it goes on where it was.
   *
   * @param outcome what to tell whoever asks again.
   */
  async complete(who: Principal, multipart: Multipart, parts: readonly Part[], request: PutRequest, facts: Facts, outcome: (put: Put) => string): Promise<Put> {
    const bucket = await this.#buckets.get(who, multipart.bucket, 'write');
    const whole = parts.length === 1 ? parts[0]!.upload : await this.#join(who, bucket, multipart, parts);
    const put = await this.#objects.seal(who, bucket, request, whole, facts);
    await this.#end(multipart.id, outcome(put));
    return put;
  }

  async abort(who: Principal, multipart: Multipart): Promise<void> {
    await this.#buckets.get(who, multipart.bucket, 'write');
    await this.#end(multipart.id, null);
  }

  /** Gives up those that no part came for since `before`; answers how many. */
  async expire(before: number): Promise<number> {
    const idle = await this.#engine.catalog.parts.idle(before, { after: null, limit: 500 });
    for (const { id } of idle) await this.#end(id, null);
    return idle.length;
  }

  async #find(who: Principal, bucket: string, key: string, id: string): Promise<Multipart> {
    const found = await this.#buckets.get(who, bucket, 'list').catch((error: unknown) => {
      if (error instanceof Refusal && error.reason === 'forbidden') return this.#engine.catalog.buckets.get(bucket);
      throw error;
    });
    if (!found || !mayInBucket(who, 'write', found)) throw new Refusal('forbidden', 'that is not for you to do');
    const multipart = isId(id) ? await this.#engine.catalog.parts.get(id) : undefined;
    if (multipart?.bucket !== bucket || multipart.key !== key) throw missing();
    return multipart;
  }

  /** Whoever asks for the same while the parts are joined waits for that; whoever asks for others comes after it. */
  #join(who: Principal, bucket: Bucket, { id }: Multipart, parts: readonly Part[]): Promise<string> {
    const about = JSON.stringify(parts.map(({ upload }) => upload));
    const before = this.#joining.get(id);
    if (before?.about === about) return before.whole;
    const turn = before ? before.whole.then(() => undefined, () => undefined) : Promise.resolve();
    const joining = { about, whole: turn.then(() => this.#joinOnce(ownerOf(bucket, who), id, { about, parts })).finally(() => this.#joining.get(id) === joining && this.#joining.delete(id)) };
    this.#joining.set(id, joining);
    return joining.whole;
  }

  /** The whole is an upload of the same id, so that a second try after a crash goes on with the first one's bytes. */
  async #joinOnce(owner: Principal, id: string, { about, parts }: { about: string; parts: readonly Part[] }): Promise<string> {
    const ids = parts.map(({ upload }) => upload);
    const there = await this.#uploads.look(owner, id).catch((error: unknown) => {
      if (error instanceof Refusal && error.reason === 'not_found') return undefined;
      throw error;
    });
    if (there?.state === 'sealed') return id;
    const same = there?.about === about;
    // Other parts than last time: what was joined then is of no use.
    if (there && !same) await this.#uploads.drop(owner, id);
    const length = parts.reduce((sum, { size }) => sum + size, 0);
    const wish = { about, length, credit: length, joined: true };
    const whole = same ? there : await this.#uploads.begin(owner, { ...wish, id }).catch((error: unknown) => {
      // The id was used by an earlier try.
      if (error instanceof Refusal && error.reason === 'conflict') return this.#uploads.begin(owner, wish);
      throw error;
    });
    return (await this.#uploads.join(owner, whole.id, ids)).id;
  }

  /** First the record, then the bytes of the parts and of what was joined of them. */
  async #end(id: string, outcome: string | null): Promise<void> {
    const ended = await this.#engine.catalog.parts.end(id, outcome, this.#clock.now());
    this.#assembly.forget(id);
    const { locks, bytes } = this.#engine;
    const turns = new Gate(atOnce);
    await Promise.all(ended.map((upload) => turns.through(async () => {
      const hold = await locks.take(lockOf(upload));
      await bytes.drop(upload).finally(() => hold.release());
    })));
  }
}

function missing(): Refusal {
  return new Refusal('not_found', 'there is no such multipart upload', { missing: 'upload' });
}
