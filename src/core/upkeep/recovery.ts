import type { Clock } from '../../kit/clock.ts';
import type { Engine } from '../engine.ts';
import type { Event, Upload } from '../../catalog/model.ts';
import { pages } from '../paging.ts';

export interface Recovered {
  readonly uploads: number;
  /** Uploads with unacknowledged bytes, which were removed. */
  readonly trimmed: number;
  /** Uploads with fewer bytes than acknowledged. This must never happen. */
  readonly damaged: readonly { readonly id: string; readonly recorded: number; readonly found: number }[];
}

/** Truncates open uploads to their recorded offsets, before requests are served. */
export async function recover(engine: Engine, clock: Clock): Promise<Recovered> {
  const damaged: { id: string; recorded: number; found: number }[] = [];
  let uploads = 0;
  let trimmed = 0;
  for await (const upload of pages(
    (page) => engine.catalog.uploads.list(null, page),
    ({ id }) => id,
  )) {
    uploads += 1;
    const found = (await engine.bytes.size(upload.id)) ?? 0;
    if (found > upload.offset) {
      await engine.bytes.cut(upload.id, upload.offset);
      trimmed += 1;
    } else if (found < upload.offset && !(await hasParts(engine, upload))) {
      await engine.catalog.uploads.damaged(upload.id, found, lossOf(upload, found, clock));
      damaged.push({ id: upload.id, recorded: upload.offset, found });
    }
  }
  return { uploads, trimmed, damaged };
}

/** Whether the upload's bytes can be joined again from its parts. */
async function hasParts(engine: Engine, { id }: Upload): Promise<boolean> {
  return (await engine.catalog.multipart.get(id))?.outcome === null;
}

function lossOf(upload: Upload, found: number, clock: Clock): Event {
  return {
    subject: 'upload',
    id: upload.id,
    at: clock.now(),
    type: 'status',
    message: 'acknowledged bytes are missing',
    duration: null,
    extra: { namespace: upload.namespace, recorded: upload.offset, found },
  };
}
