import type { Clock } from '../../kit/clock.ts';
import type { Algorithm, Digest } from '../../kit/digest.ts';
import { isId, newId } from '../../kit/ids.ts';
import { isSystem, owns } from '../tenants/access.ts';
import { eventBy } from '../tenants/events.ts';
import { DeliveryMarks } from './delivery-marks.ts';
import { Append } from './append.ts';
import type { Engine, Hold, Page } from '../engine.ts';
import { brokenOff, writeBody, type Body } from './ingest.ts';
import type { Principal, Upload } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';
import { holding, lockOf } from './upload-locks.ts';

export interface UploadLimits {
  /** Maximum bytes of an upload. */
  readonly maxSize: number;
  /** Free bytes that uploads must leave on the disk. */
  readonly headroom: number;
  /** Milliseconds after which the sweep removes an idle upload. */
  readonly idle: number;
}

/** Parameters of an append. */
export interface AppendRequest {
  /** The expected offset. With it, bytes before a cut are kept; without it, a body counts whole or not at all. */
  readonly at: number | undefined;
  /** Digests of this body. */
  readonly digests: readonly Digest[];
  /** Declares the final size, once. */
  readonly length?: number | undefined;
  /** Digests in trailers; called once the body is complete. */
  readonly late?: (() => readonly Digest[]) | undefined;
  /** Called with the durable offset during a long body. */
  readonly kept?: ((offset: number) => void) | undefined;
  /** Digests of this body to compute. */
  readonly measure?: readonly Algorithm[] | undefined;
  /** False if the upload's sha512 will not be needed. */
  readonly hashed?: boolean | undefined;
  /** Limit of the whole upload, if it is below the server's. */
  readonly most?: number | undefined;
}

/** Properties of a new upload. */
export type Beginning = Partial<Pick<Upload, 'id' | 'length' | 'about' | 'expects'>> & {
  /** Bytes that will be freed when it becomes a version. */
  readonly credit?: number;
  /** Whether it will be joined from parts, so that it needs no space of its own. */
  readonly joined?: boolean;
  /** The parts, if it must be found by each of them. */
  readonly parts?: readonly string[];
};

export interface Appended {
  /** The upload afterwards. */
  readonly upload: Upload;
  /** Whether the body repeated the previous append, whose response was lost; nothing was added. */
  readonly replay: boolean;
  /** The computed digests. */
  readonly measured: readonly Digest[];
  /** Call with whether the response reached the client. */
  readonly settle: (answered: boolean) => void;
}

/** Uploads: begin, append, truncate, look, drop. */
export class Uploads {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #answers: DeliveryMarks;
  readonly limits: UploadLimits;
  #space: { readonly at: number; readonly free: number } | undefined;

  constructor(engine: Engine, clock: Clock, limits: UploadLimits) {
    this.#engine = engine;
    this.#clock = clock;
    this.#answers = new DeliveryMarks(engine.catalog.uploads);
    this.limits = limits;
  }

  async begin(who: Principal, { credit = 0, joined = false, parts = [], ...given }: Beginning = {}): Promise<Upload> {
    const upload = this.#newUpload(who, given);
    if (upload.length !== null && !joined) await this.demandRoom(upload.length);
    await this.#engine.catalog.uploads.begin(upload, { credit, parts, generation: who.generation });
    return upload;
  }

  /** Records an upload of existing bytes as complete, with `outcome` as its version. */
  async beginWhole(
    who: Principal,
    size: number,
    outcome: NonNullable<Upload['outcome']>,
    about: Pick<Beginning, 'about' | 'expects'> = {},
  ): Promise<Upload> {
    const upload = this.#newUpload(who, { state: 'sealed', offset: size, length: size, outcome, ...about });
    await this.#engine.catalog.uploads.begin(upload, { generation: who.generation });
    return upload;
  }

  #newUpload({ namespace }: Principal, given: Partial<Upload>): Upload {
    const at = this.#clock.now();
    return {
      id: newId(),
      namespace,
      state: 'open',
      offset: 0,
      length: null,
      lastStart: null,
      lastAnswered: true,
      createdAt: at,
      touchedAt: at,
      about: null,
      expects: null,
      outcome: null,
      ...given,
    };
  }

  /** A digest of the bytes so far. The sha512 was computed during the appends; others read the bytes again. */
  async digest(upload: Upload, algorithm: Algorithm = 'sha512'): Promise<Digest> {
    return this.#engine.bytes.digest(upload.id, upload.offset, algorithm);
  }

  /**
   * Joins other open uploads, in order, into an empty one. No bytes are copied, and the parts stay unchanged. After a
   * crash it continues where it stopped.
   *
   * @throws Refusal `conflict` if a part is no longer open, or the upload has bytes of its own
   */
  async join(who: Principal, joined: string, parts: readonly string[]): Promise<Upload> {
    return this.#holdingAll(who, [...new Set([joined, ...parts])].sort(), async (uploads) => {
      const whole = uploads.get(joined)!;
      const stages = parts.map((id) => ({ stage: id, size: uploads.get(id)!.offset }));
      const sum = stages.reduce((before, { size }) => before + size, 0);
      const length = agreedLength(whole, sum)!;
      const recorded = whole.offset === length && whole.length === length;
      // An interrupted seal may have moved the stage.
      if (whole.state !== 'open' || (recorded && (await this.#engine.bytes.size(joined)) === length)) return whole;
      if (length > this.limits.maxSize)
        throw new Refusal('too_large', `an upload may have at most ${this.limits.maxSize} bytes`, {
          max: this.limits.maxSize,
        });
      if ((!recorded && whole.offset > 0) || stages.some(({ stage }) => uploads.get(stage)!.state !== 'open'))
        throw new Refusal('conflict', 'the uploads can no longer be joined');
      await this.#engine.bytes.join(joined, stages);
      if (recorded) return whole;
      const advanced = await this.#engine.catalog.uploads.advance(joined, {
        from: 0,
        to: length,
        lastStart: null,
        length,
        at: this.#clock.now(),
      });
      if (!advanced) throw new Refusal('conflict', 'the upload changed during the request');
      return advanced;
    });
  }

  /** Open uploads of the caller, or all for the system; with `expects`, those that declared this sha512. */
  list(who: Principal, page: Page, expects: string | null = null): Promise<Upload[]> {
    return this.#engine.catalog.uploads.list(isSystem(who) ? null : who.namespace, page, expects);
  }

  /** Open uploads that will be joined from `part` and others. */
  waiting(who: Principal, part: string, page: Page): Promise<Upload[]> {
    return this.#engine.catalog.uploads.waiting(isSystem(who) ? null : who.namespace, part, page);
  }

  /**
   * Reads an upload without fencing a running append.
   *
   * @throws Refusal `not_found` if there is none, or it belongs to another namespace
   */
  async look(who: Principal, id: string): Promise<Upload> {
    const upload = isId(id) ? await this.#engine.catalog.uploads.get(id) : undefined;
    if (!upload || upload.state === 'dropped' || !owns(who, upload.namespace))
      throw new Refusal('not_found', 'upload not found');
    return upload;
  }

  /** Fences a running append and returns the upload; its offset is final. */
  async fence(who: Principal, id: string): Promise<Upload> {
    return this.#holding(who, id, async (upload) => upload);
  }

  /** Whether a request is writing to the upload. */
  receiving(id: string): boolean {
    return this.#engine.locks.held(lockOf(id));
  }

  /** When the sweep may remove the idle upload; null once it is sealed. */
  expiresAt(upload: Upload): number | null {
    return upload.state === 'open' ? upload.touchedAt + this.limits.idle : null;
  }

  /**
   * Appends a body. When this returns, the bytes up to the returned offset are durable.
   *
   * @throws Refusal `offset_mismatch`, `digest_mismatch`, `too_large`, `full`, `conflict` (no longer open);
   *   `interrupted` or `superseded` for an incomplete body, whose bytes are kept if `request.at` was given
   */
  append(who: Principal, id: string, body: Body, request: AppendRequest): Promise<Appended> {
    return this.#holding(who, id, async (upload, hold) => {
      demandOpen(upload);
      if (request.at !== undefined && request.at !== upload.offset) {
        throw new Refusal('offset_mismatch', `the upload ends at ${upload.offset}, not at ${request.at}`, {
          offset: upload.offset,
        });
      }
      const length = agreedLength(upload, request.length);
      const most = Math.min(this.limits.maxSize, request.most ?? Infinity);
      if (length !== null && length > most)
        throw new Refusal('too_large', `this upload may have at most ${most} bytes`, { max: most });
      const room = (length ?? most) - upload.offset;
      if (body.length !== undefined) {
        if (body.length > room)
          throw new Refusal('too_large', 'the body is longer than the rest of the upload', { room });
        await this.demandRoom(body.length);
      }
      const append = await Append.open(this.#engine, this.#clock, upload, {
        length,
        blind: request.at === undefined,
        hashed: request.hashed ?? true,
      });
      try {
        return await this.#receive(append, body, request, room, hold);
      } finally {
        await append.close();
      }
    });
  }

  /** Receives a body as a new upload. An incomplete body leaves nothing. @throws Refusal as `append` does */
  async receive(
    who: Principal,
    body: Body,
    { credit = 0, ...request }: Pick<AppendRequest, 'measure' | 'hashed'> & Pick<Beginning, 'credit'>,
  ): Promise<Appended> {
    const { id } = await this.begin(who, { length: body.length ?? null, credit });
    try {
      return await this.append(who, id, body, { at: undefined, digests: [], ...request });
    } catch (error) {
      await this.discard(who, id);
      throw error;
    }
  }

  /** Drops an upload, ignoring errors: it may be gone or changed. */
  async discard(who: Principal, id: string): Promise<void> {
    await this.drop(who, id).catch(() => undefined);
  }

  /**
   * Truncates the upload to `size` bytes.
   *
   * @throws Refusal `malformed` if it is shorter
   */
  truncate(who: Principal, id: string, size: number): Promise<void> {
    return this.#holding(who, id, async (upload) => {
      demandOpen(upload);
      if (size > upload.offset)
        throw new Refusal('malformed', 'the offset is beyond the end of the upload', { offset: upload.offset });
      const move = { from: upload.offset, to: size, lastStart: null, length: null, at: this.#clock.now() };
      if (!(await this.#engine.catalog.uploads.advance(id, move)))
        throw new Refusal('conflict', 'the upload changed during the request');
      await this.#engine.bytes.cut(id, size);
    });
  }

  /** Drops the upload and its bytes. */
  drop(who: Principal, id: string): Promise<void> {
    return this.#holding(who, id, async (upload) => {
      demandOpen(upload);
      const more = { size: upload.offset };
      const event = eventBy(who, this.#clock.now(), { subject: 'upload', id, message: 'upload dropped', more });
      await this.#engine.catalog.uploads.drop(id, event);
      await this.#engine.bytes.drop(id);
    });
  }

  /** Writes pending delivery marks. */
  close(): Promise<void> {
    return this.#answers.close();
  }

  async #receive(append: Append, body: Body, request: AppendRequest, room: number, hold: Hold): Promise<Appended> {
    const { upload } = append;
    const mayKeepPart = request.at !== undefined && request.digests.length === 0 && request.late === undefined;
    try {
      const checkpoint = async (): Promise<void> => {
        await append.checkpoint(mayKeepPart);
        if (mayKeepPart) request.kept?.(append.recorded.offset);
      };
      const poured = await writeBody(body, append.writer, {
        room,
        digests: request.digests,
        measure: request.measure,
        asked: hold.asked,
        checkpoint,
      });
      if (poured.cut && !mayKeepPart) throw brokenOff(poured.cut, upload.offset);
      await append.verify(poured.written, request.late?.() ?? []);
      if (request.at === undefined && !this.#answers.arrived(upload) && (await append.repeats(poured.written))) {
        await append.undo();
        return this.#appended(upload, request, true, poured.measured);
      }
      await append.commit();
      if (poured.cut) throw brokenOff(poured.cut, append.recorded.offset);
      return this.#appended(append.recorded, request, false, poured.measured);
    } catch (error) {
      if (append.pending) await append.undo();
      throw error;
    }
  }

  #appended(upload: Upload, { at }: AppendRequest, replay: boolean, measured: readonly Digest[]): Appended {
    // Only a blind append can be repeated by accident, so the others need no mark.
    const settle = (answered: boolean): void =>
      at === undefined ? this.#answers.settle(upload.id, upload.offset, answered) : undefined;
    return { upload, replay, measured, settle };
  }

  async #holding<T>(who: Principal, id: string, work: (upload: Upload, hold: Hold) => Promise<T>): Promise<T> {
    await this.look(who, id);
    return holding(this.#engine.locks, id, async (hold) => work(await this.look(who, id), hold));
  }

  /** Takes several locks in the order of the ids, so that two callers cannot deadlock. */
  async #holdingAll<T>(
    who: Principal,
    ids: readonly string[],
    work: (uploads: Map<string, Upload>) => Promise<T>,
  ): Promise<T> {
    const holds: Hold[] = [];
    try {
      const uploads = new Map<string, Upload>();
      for (const id of ids) {
        await this.look(who, id);
        holds.push(await this.#engine.locks.take(lockOf(id)));
        uploads.set(id, await this.look(who, id));
      }
      return await work(uploads);
    } finally {
      for (const hold of holds) hold.release();
    }
  }

  /** Free bytes, at most a second old: only for early refusal, since a write may still fail. */
  async #freeBytes(): Promise<number> {
    const now = performance.now();
    if (!this.#space || now - this.#space.at > 1000)
      this.#space = { at: now, free: (await this.#engine.bytes.space()).free };
    return this.#space.free;
  }

  /** @throws Refusal `too_large`, `full` */
  async demandRoom(bytes: number): Promise<void> {
    if (bytes > this.limits.maxSize)
      throw new Refusal('too_large', `an upload may have at most ${this.limits.maxSize} bytes`, {
        max: this.limits.maxSize,
      });
    const free = await this.#freeBytes();
    if (bytes + this.limits.headroom > free) throw new Refusal('full', 'the disk has no room for that many bytes');
  }
}

function demandOpen(upload: Upload): void {
  if (upload.state !== 'open') throw new Refusal('conflict', 'the upload has already become an artifact');
}

/** The declared size of the upload, after checking it against the earlier declaration. */
function agreedLength(upload: Upload, declared: number | undefined): number | null {
  if (declared === undefined) return upload.length;
  if (upload.length !== null && upload.length !== declared) {
    throw new Refusal('malformed', `the upload was declared to have ${upload.length} bytes, not ${declared}`);
  }
  if (declared < upload.offset)
    throw new Refusal('malformed', `the upload already has ${upload.offset} bytes, more than ${declared}`);
  return declared;
}
