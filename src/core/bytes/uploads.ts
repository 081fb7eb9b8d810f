import type { Clock } from '../../kit/clock.ts';
import type { Algorithm, Digest } from '../../kit/digest.ts';
import { isId, newId } from '../../kit/ids.ts';
import { isSystem, owns } from '../tenants/access.ts';
import { DeliveryMarks } from './delivery-marks.ts';
import { Append } from './append.ts';
import type { Engine, Hold, Page } from '../engine.ts';
import { brokenOff, pour, type Body } from './ingest.ts';
import type { Event, Principal, Upload } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';
import { holding, lockOf } from './upload-locks.ts';

export interface UploadLimits {
  /** The largest upload accepted, in bytes. */
  readonly maxSize: number;
  /** Free bytes on the disk that uploads must leave for everything else. */
  readonly headroom: number;
  /** How long an upload may lie untouched before the sweep takes it, in milliseconds. */
  readonly idle: number;
}

/** What an append asks for beside its bytes. */
export interface AppendRequest {
  /** Where the caller thinks the upload ends. With it, what arrives before a cut is kept; without it, a body counts whole or not at all. */
  readonly at: number | undefined;
  /** Digests of this body. */
  readonly digests: readonly Digest[];
  /** Declares the final size, once. */
  readonly length?: number | undefined;
  /** Digests of this body that come behind it; asked for once it is whole. */
  readonly late?: (() => readonly Digest[]) | undefined;
  /** Told now and then, while a long body comes, how much of the upload is on disk for good. */
  readonly kept?: ((offset: number) => void) | undefined;
  /** Digests of this body that the caller wants to know. */
  readonly measure?: readonly Algorithm[] | undefined;
  /** False where nobody is expected to ask for the upload's sha512. */
  readonly hashed?: boolean | undefined;
  /** The whole upload may have this many bytes, where that is less than the server allows. */
  readonly most?: number | undefined;
}

/** What may be said of an upload when it begins. */
export type Beginning = Partial<Pick<Upload, 'id' | 'length' | 'about' | 'expects'>> & {
  /** Bytes that will be freed when it becomes what it is for. */
  readonly credit?: number;
  /** It will be joined of others, so it needs no room of its own. */
  readonly joined?: boolean;
  /** The others, where it is to be found by each of them. */
  readonly parts?: readonly string[];
};

export interface Appended {
  /** The upload as it is now. */
  readonly upload: Upload;
  /** The body repeated the append before, whose answer was lost; nothing was added. */
  readonly replay: boolean;
  /** What was to be measured. */
  readonly measured: readonly Digest[];
  /** To be told whether the answer reached the client, as far as the connection can tell. */
  readonly settle: (answered: boolean) => void;
}

/** Bytes arriving: begin, append, truncate, look, drop. */
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
    await this.#engine.catalog.uploads.begin(upload, credit, parts);
    return upload;
  }

  /** Puts an upload on record that is whole from the start: its bytes were here, and `outcome` is what they became. */
  async beginWhole(
    who: Principal,
    size: number,
    outcome: NonNullable<Upload['outcome']>,
    about: Pick<Beginning, 'about' | 'expects'> = {},
  ): Promise<Upload> {
    const upload = this.#newUpload(who, { state: 'sealed', offset: size, length: size, outcome, ...about });
    await this.#engine.catalog.uploads.begin(upload);
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

  /** A digest of what is there so far; sha512 was computed along with the appends, for another the bytes are read again. */
  async digest(upload: Upload, algorithm: Algorithm = 'sha512'): Promise<Digest> {
    return this.#engine.bytes.digest(upload.id, upload.offset, algorithm);
  }

  /**
   * Fills an upload that has no bytes with those of other open ones, in order, which stay as they are. No byte is moved. Begun again
   * after a crash, it does what is missing.
   *
   * @throws Refusal `conflict` when one of them is open no more, or the upload has bytes of its own.
   */
  async join(who: Principal, joined: string, parts: readonly string[]): Promise<Upload> {
    return this.#holdingAll(who, [...new Set([joined, ...parts])].sort(), async (uploads) => {
      const whole = uploads.get(joined)!;
      const stages = parts.map((id) => ({ stage: id, size: uploads.get(id)!.offset }));
      const sum = stages.reduce((before, { size }) => before + size, 0);
      const length = agreedLength(whole, sum)!;
      const recorded = whole.offset === length && whole.length === length;
      // A seal that broke off may have taken the stage along.
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

  /** Open uploads of the caller, of everyone for the system; with `expects`, those that were promised to have that sha512. */
  list(who: Principal, page: Page, expects: string | null = null): Promise<Upload[]> {
    return this.#engine.catalog.uploads.list(isSystem(who) ? null : who.namespace, page, expects);
  }

  /** Of those, the ones that were begun to be joined of `part` and others. */
  waiting(who: Principal, part: string, page: Page): Promise<Upload[]> {
    return this.#engine.catalog.uploads.waiting(isSystem(who) ? null : who.namespace, part, page);
  }

  /**
   * The upload as it stands; disturbs nobody.
   *
   * @throws Refusal `not_found` when there is none, or it is another's.
   */
  async look(who: Principal, id: string): Promise<Upload> {
    const upload = isId(id) ? await this.#engine.catalog.uploads.get(id) : undefined;
    if (!upload || upload.state === 'dropped' || !owns(who, upload.namespace))
      throw new Refusal('not_found', 'upload not found');
    return upload;
  }

  /** The upload as it stands once nobody writes to it any more: its offset is accepted next. */
  async fence(who: Principal, id: string): Promise<Upload> {
    return this.#holding(who, id, async (upload) => upload);
  }

  /** Whether some request writes to the upload now. */
  receiving(id: string): boolean {
    return this.#engine.locks.held(lockOf(id));
  }

  /** When the sweep may take the upload if nothing happens to it; null once it is sealed. */
  expiresAt(upload: Upload): number | null {
    return upload.state === 'open' ? upload.touchedAt + this.limits.idle : null;
  }

  /**
   * Appends a body. When this returns, the bytes up to the offset it gives are on disk for good.
   *
   * @throws Refusal `offset_mismatch`, `digest_mismatch`, `too_large`, `full`, `conflict` (no longer open), and for
   *   a body that was not whole `interrupted` or `superseded`: then its bytes were kept if `request.at` was given.
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

  /** Takes a whole body as an upload of its own. One that breaks off leaves nothing. @throws Refusal as `append` does. */
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

  /** Drops an upload that may be gone or something else by now. */
  async discard(who: Principal, id: string): Promise<void> {
    await this.drop(who, id).catch(() => undefined);
  }

  /**
   * Cuts the upload to `size` bytes.
   *
   * @throws Refusal `malformed` when it is shorter than that.
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

  /** Ends the upload and gives up its bytes. */
  drop(who: Principal, id: string): Promise<void> {
    return this.#holding(who, id, async (upload) => {
      demandOpen(upload);
      const extra = { by: who.namespace, credential: who.credential, size: upload.offset };
      const event: Event = {
        subject: 'upload',
        id,
        at: this.#clock.now(),
        type: 'audit',
        message: 'upload dropped',
        duration: null,
        extra,
      };
      await this.#engine.catalog.uploads.drop(id, event);
      await this.#engine.bytes.drop(id);
    });
  }

  /** Writes what is known of answers to the catalog. */
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
      const poured = await pour(body, append.writer, {
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
    // Only a blind append can be repeated by accident, so nobody asks what became of the answer to another.
    const settle = (answered: boolean): void =>
      at === undefined ? this.#answers.settle(upload.id, upload.offset, answered) : undefined;
    return { upload, replay, measured, settle };
  }

  async #holding<T>(who: Principal, id: string, work: (upload: Upload, hold: Hold) => Promise<T>): Promise<T> {
    await this.look(who, id);
    return holding(this.#engine.locks, id, async (hold) => work(await this.look(who, id), hold));
  }

  /** Holds several; in the order of their ids, so that two who do so never wait for each other. */
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

  /** Free bytes on the disk, as of a second ago at most: enough to refuse early; the disk itself has the last word. */
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

/** The declared size of the whole upload, once what is declared now agrees with what was declared before. */
function agreedLength(upload: Upload, declared: number | undefined): number | null {
  if (declared === undefined) return upload.length;
  if (upload.length !== null && upload.length !== declared) {
    throw new Refusal('malformed', `the upload was declared to have ${upload.length} bytes, not ${declared}`);
  }
  if (declared < upload.offset)
    throw new Refusal('malformed', `the upload already has ${upload.offset} bytes, more than ${declared}`);
  return declared;
}
