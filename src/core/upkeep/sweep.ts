import type { Clock } from '../../kit/clock.ts';
import type { CountedTime } from './counted-time.ts';
import type { Engine } from '../engine.ts';
import { pages } from '../paging.ts';
import { requestMemory } from '../tenants/idempotency.ts';
import type { Event, Upload } from '../../catalog/model.ts';
import type { MultipartUploads } from '../names/multipart.ts';
import type { ReleaseFiles } from '../releases/files.ts';
import { holdingIfFree } from '../bytes/upload-locks.ts';

/** Retention periods of the sweep, in milliseconds. */
export interface SweepAges {
  /** Uploads since their last accepted byte or truncation. */
  readonly idle: number;
  /** Multipart uploads since their last part. */
  readonly multipart: number;
  /** Blobs since they became unreferenced. */
  readonly grace: number;
  /** Files without a record; long, because a running conversion briefly has one. */
  readonly stray: number;
  /** Deleted artifacts, and outcomes of sealed uploads. */
  readonly memory: number;
  /** Events and audits. */
  readonly events: number;
}

export interface Swept {
  readonly uploads: number;
  readonly blobs: number;
  readonly bytes: number;
  readonly strays: number;
}

/** Records in one transaction; other requests run between batches. */
const batch = 200;

/** Removes what is no longer needed: first the record, then the bytes. */
export class Sweep {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #time: CountedTime;
  readonly #ages: SweepAges;
  readonly #multipart: Pick<MultipartUploads, 'expire'>;
  readonly #releaseFiles: Pick<ReleaseFiles, 'sweep'>;

  constructor(
    engine: Engine,
    clock: Clock,
    {
      multipart,
      releaseFiles,
      time,
    }: { multipart: Pick<MultipartUploads, 'expire'>; releaseFiles: Pick<ReleaseFiles, 'sweep'>; time: CountedTime },
    ages: SweepAges,
  ) {
    this.#time = time;
    this.#multipart = multipart;
    this.#releaseFiles = releaseFiles;
    this.#engine = engine;
    this.#clock = clock;
    this.#ages = ages;
  }

  async run(): Promise<Swept> {
    await this.#time.observe();
    const ago = (age: number): number => this.#time.ago(age);
    const uploads = await this.#idleUploads();
    const { catalog } = this.#engine;
    await catalog.uploads.forget(ago(this.#ages.memory));
    await this.#multipart.expire(ago(this.#ages.multipart));
    await catalog.multipart.forget(ago(this.#ages.memory));
    await this.#releaseFiles.sweep(ago);
    await catalog.downloads.forget(ago(this.#ages.memory));
    await catalog.idempotency.forget(ago(requestMemory) + requestMemory);
    await catalog.artifacts.forget(ago(this.#ages.memory));
    await catalog.events.forget(ago(this.#ages.events));
    await catalog.audits.forget(ago(this.#ages.events));
    const { blobs, bytes } = await this.#unreferenced();
    return { uploads, blobs, bytes, strays: await this.#strays() };
  }

  async #idleUploads(): Promise<number> {
    let swept = 0;
    const before = this.#time.ago(this.#ages.idle);
    for await (const upload of pages(
      (page) => this.#engine.catalog.uploads.idle(before, page),
      ({ id }) => id,
    )) {
      if (await this.#expire(upload, before)) swept += 1;
    }
    return swept;
  }

  /** Skips locked uploads, which are being written or converted. The record is checked again under the lock. */
  async #expire(upload: Upload, before: number): Promise<boolean> {
    return holdingIfFree(this.#engine.locks, upload.id, false, async () => {
      const event: Event = {
        subject: 'upload',
        id: upload.id,
        at: this.#clock.now(),
        type: 'prune',
        message: 'idle upload removed',
        duration: null,
        extra: { namespace: upload.namespace, size: upload.offset },
      };
      if (!(await this.#engine.catalog.uploads.drop(upload.id, event, before))) return false;
      await this.#engine.bytes.drop(upload.id);
      return true;
    });
  }

  async #unreferenced(): Promise<{ blobs: number; bytes: number }> {
    const before = this.#time.ago(this.#ages.grace);
    let blobs = 0;
    let bytes = 0;
    for (;;) {
      const gone = await this.#engine.catalog.blobs.sweep(before, batch);
      for (const content of gone.contents) {
        await this.#engine.bytes.remove(content.address);
        blobs += 1;
        bytes += content.size;
      }
      if (gone.blobs < batch) return { blobs, bytes };
    }
  }

  /** Quarantines files without a record, left by a crash or a failed removal. */
  async #strays(): Promise<number> {
    const before = this.#time.ago(this.#ages.stray);
    let swept = 0;
    let suspects: string[] = [];
    const settle = async (): Promise<void> => {
      const known = new Set(await this.#engine.catalog.contents.known(suspects));
      for (const address of suspects.filter((suspect) => !known.has(suspect))) {
        await this.#engine.bytes.quarantine(address);
        swept += 1;
      }
      suspects = [];
    };
    for await (const item of this.#engine.bytes.list()) {
      if (item.modifiedAt > before || item.modifiedAt <= (this.#engine.sparedUntil ?? 0)) continue;
      if (item.kind === 'blob') {
        suspects.push(item.name);
        if (suspects.length >= batch) await settle();
      } else if (await this.#dropStray(item.name)) {
        swept += 1;
      }
    }
    await settle();
    return swept;
  }

  /** Drops a stage without an open upload, unless it is locked. */
  async #dropStray(stage: string): Promise<boolean> {
    return holdingIfFree(this.#engine.locks, stage, false, async () => {
      if ((await this.#engine.catalog.uploads.get(stage))?.state === 'open') return false;
      await this.#engine.bytes.drop(stage);
      return true;
    });
  }
}
