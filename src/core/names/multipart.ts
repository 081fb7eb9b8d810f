import type { Clock } from '../../kit/clock.ts';
import type { Algorithm } from '../../kit/digest.ts';
import { isId, newId } from '../../kit/ids.ts';
import { ownerOf, type Allowed } from '../tenants/access.ts';
import { idOf } from './buckets.ts';
import { Assembly } from './assembly.ts';
import type { Engine, MultipartPage } from '../engine.ts';
import { Received, type Body } from '../bytes/ingest.ts';
import type { Multipart, Part, Principal } from '../../catalog/model.ts';
import type { Facts, Objects, PutRequest } from './objects.ts';
import { Refusal } from '../refusal.ts';
import { unpublished } from '../bytes/sealer.ts';
import { dropStages } from '../bytes/stages.ts';
import { lockOf } from '../bytes/upload-locks.ts';
import type { Uploads } from '../bytes/uploads.ts';

/** Metadata of a face for a part. */
type PartFacts = Pick<Part, 'etag' | 'about'>;

/** Maximum number of parts. */
const mostParts = 10_000;

/** Objects uploaded in numbered parts. */
export class MultipartUploads {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #uploads: Uploads;
  readonly #objects: Objects;
  readonly #assembly: Assembly;
  readonly #joining = new Map<string, { readonly about: string; readonly whole: Promise<string> }>();

  constructor(parts: { engine: Engine; clock: Clock; uploads: Uploads; objects: Objects }) {
    this.#engine = parts.engine;
    this.#clock = parts.clock;
    this.#uploads = parts.uploads;
    this.#objects = parts.objects;
    this.#assembly = new Assembly(parts.engine);
  }

  async begin({ bucket }: Allowed<'write'>, key: string, about: string): Promise<Multipart> {
    const at = this.#clock.now();
    const multipart: Multipart = {
      id: newId(),
      bucket: bucket.name,
      key,
      namespace: bucket.namespace,
      about,
      createdAt: at,
      touchedAt: at,
      outcome: null,
    };
    if (!(await this.#engine.catalog.multipart.begin(multipart, bucket.generation))) throw unpublished('no_bucket');
    return multipart;
  }

  /** @throws Refusal `no_multipart` if it has another key, or has ended */
  async get(allowed: Allowed<'write'>, key: string, id: string): Promise<Multipart> {
    const multipart = await this.#find(allowed, key, id);
    if (multipart.outcome !== null) throw missing();
    return multipart;
  }

  /** The outcome of a completed upload; undefined while it is open. */
  async outcome(allowed: Allowed<'write'>, key: string, id: string): Promise<string | undefined> {
    return (await this.#find(allowed, key, id)).outcome ?? undefined;
  }

  list({ bucket }: Allowed<'list'>, page: MultipartPage): Promise<Multipart[]> {
    return this.#engine.catalog.multipart.list(idOf(bucket), page);
  }

  /** Receives a part. An incomplete body changes nothing. Keeping it throws `no_multipart` if the upload has ended. */
  async receive(
    allowed: Allowed<'write'>,
    multipart: Multipart,
    number: number,
    body: Body,
    measure: readonly Algorithm[],
  ): Promise<Received<PartFacts, void>> {
    const owner = ownerOf(allowed);
    const { upload, measured } = await this.#uploads.receive(owner, body, { measure, hashed: false });
    const { id, offset: size } = upload;
    const keep = async (facts: PartFacts): Promise<void> => {
      const part = { ...facts, number, upload: id, size, at: this.#clock.now() };
      const put = await this.#engine.catalog.multipart.put(multipart.id, part);
      if (!put) throw missing();
      this.#assembly.add(multipart.id, number, { stage: id, size });
      if (put.replaced !== null) await this.#uploads.discard(owner, put.replaced);
    };
    return new Received(measured, keep, () => this.#uploads.discard(owner, id));
  }

  parts(multipart: Multipart, after: number, limit: number): Promise<Part[]> {
    return this.#engine.catalog.multipart.parts(multipart.id, after, limit);
  }

  /**
   * Makes an object of the parts, in order, without copying bytes. After a crash it continues. The catalog decides in
   * one transaction, so only one of concurrent completions and aborts takes effect.
   *
   * @param outcome response for repeated requests
   * @returns the outcome, or that of a concurrent completion
   * @throws Refusal `no_multipart` if it was aborted; `part_replaced`
   */
  async complete(
    allowed: Allowed<'write'>,
    multipart: Multipart,
    parts: readonly Part[],
    request: PutRequest,
    facts: Facts,
    outcome: (versionId: string | null) => string,
  ): Promise<string> {
    const { id } = multipart;
    const owner = ownerOf(allowed);
    let whole: string | undefined;
    try {
      whole = parts.length === 1 ? parts[0]!.upload : await this.#join(owner, multipart, parts);
      const { ended, versionId } = await this.#objects.seal(allowed, request, whole, facts, { id, parts, outcome });
      await this.#dropStages(id, ended);
      return (await this.#engine.catalog.multipart.get(id))?.outcome ?? outcome(versionId);
    } catch (error) {
      // A retry with a new id has its own upload.
      if (whole !== undefined && whole !== id && parts.length > 1) await this.#uploads.discard(owner, whole);
      return await this.#explain(multipart, parts, error);
    }
  }

  /** Checks whether a concurrent completion, abort or new part caused the failure. */
  async #explain({ id }: Multipart, parts: readonly Part[], error: unknown): Promise<string> {
    const now = await this.#engine.catalog.multipart.get(id);
    if (!now) throw missing();
    if (now.outcome !== null) return now.outcome;
    const there = new Map(
      (await this.#engine.catalog.multipart.parts(id, 0, mostParts)).map(({ number, upload }) => [number, upload]),
    );
    if (parts.some(({ number, upload }) => there.get(number) !== upload)) throw unpublished('other_parts');
    throw error;
  }

  /** @throws Refusal `no_multipart` if it ended meanwhile */
  async abort({ bucket }: Allowed<'write'>, multipart: Multipart): Promise<void> {
    if (multipart.bucket !== bucket.name || !(await this.#end(multipart.id))) throw missing();
  }

  /** Aborts uploads without a new part since `before`, unless they are being completed. @returns their number */
  async expire(before: number): Promise<number> {
    const idle = await this.#engine.catalog.multipart.idle(before, { after: null, limit: 500 });
    let ended = 0;
    for (const { id } of idle) {
      if (!this.#joining.has(id) && !this.#engine.locks.held(lockOf(id)) && (await this.#end(id, before))) ended += 1;
    }
    return ended;
  }

  async #find({ bucket }: Allowed, key: string, id: string): Promise<Multipart> {
    const multipart = isId(id) ? await this.#engine.catalog.multipart.get(id) : undefined;
    if (multipart?.bucket !== bucket.name || multipart.key !== key) throw missing();
    return multipart;
  }

  /** Joins the parts. Concurrent calls with the same parts share one join; others run after it. */
  #join(owner: Principal, { id }: Multipart, parts: readonly Part[]): Promise<string> {
    const about = JSON.stringify(parts.map(({ upload }) => upload));
    const before = this.#joining.get(id);
    if (before?.about === about) return before.whole;
    const turn = before
      ? before.whole.then(
          () => undefined,
          () => undefined,
        )
      : Promise.resolve();
    const joining = {
      about,
      whole: turn
        .then(() => this.#joinOnce(owner, id, { about, parts }))
        .finally(() => this.#joining.get(id) === joining && this.#joining.delete(id)),
    };
    this.#joining.set(id, joining);
    return joining.whole;
  }

  /** The joined upload has the multipart id, so that a retry after a crash reuses its bytes. */
  async #joinOnce(
    owner: Principal,
    id: string,
    { about, parts }: { about: string; parts: readonly Part[] },
  ): Promise<string> {
    const ids = parts.map(({ upload }) => upload);
    const there = await this.#uploads.look(owner, id).catch((error: unknown) => {
      if (error instanceof Refusal && error.reason === 'not_found') return undefined;
      throw error;
    });
    if (there?.state === 'sealed') return id;
    const same = there?.about === about;
    // The earlier join had other parts, so it is dropped.
    if (there && !same) await this.#uploads.drop(owner, id);
    const length = parts.reduce((sum, { size }) => sum + size, 0);
    // The parts were charged already and will be removed.
    const wish = { about, length, credit: Number.MAX_SAFE_INTEGER, joined: true };
    const whole = same
      ? there
      : await this.#uploads.begin(owner, { ...wish, id }).catch((error: unknown) => {
          // The id was used by an earlier try.
          if (error instanceof Refusal && error.reason === 'conflict') return this.#uploads.begin(owner, wish);
          throw error;
        });
    return (await this.#uploads.join(owner, whole.id, ids)).id;
  }

  /** Ends the record, then drops the uploads of the parts and the joined one. False if ended or used since. */
  async #end(id: string, unlessSince?: number): Promise<boolean> {
    const ended = await this.#engine.catalog.multipart.end(id, null, this.#clock.now(), unlessSince);
    if (ended) await this.#dropStages(id, ended);
    return ended !== undefined;
  }

  async #dropStages(id: string, ended: readonly string[]): Promise<void> {
    this.#assembly.forget(id);
    await dropStages(this.#engine, ended);
  }
}

function missing(): Refusal {
  return new Refusal('no_multipart', 'multipart upload not found');
}
