/** The upload and download algorithms of the Shaken Fist command line, and its library's upload. */
import { createHash } from 'node:crypto';
import { ApiError, type ArtifactView, type ShakenFist } from './shakenfist.ts';

/** The command line gave up: it would print this and exit with 1. */
export class GaveUp extends Error {}

const least = 4096;
const most = 2 * 1024 * 1024;

/** `artifact upload NAME FILE`: looks up the hash first, else uploads. */
export async function artifactUpload(
  client: ShakenFist,
  name: string,
  content: Buffer,
): Promise<{ artifact: ArtifactView; recycled: boolean }> {
  const found = client.can('blob-search-by-hash')
    ? await client.withSha512(createHash('sha512').update(content).digest('hex'))
    : null;
  if (found) return { artifact: await client.publish(name, { blob_uuid: found.uuid }), recycled: true };
  const upload = await client.beginUpload();
  await send(client, upload.uuid, content, (theirs, ours) => {
    if (theirs !== ours) throw new GaveUp(`Remote side has ${theirs}, we have sent ${ours}!`);
  });
  return { artifact: await client.publish(name, { upload_uuid: upload.uuid }), recycled: false };
}

/** The library's `send_upload_file`: the same without comparing sizes. */
export async function sendUploadFile(client: ShakenFist, upload: string, content: Buffer): Promise<void> {
  await send(client, upload, content, () => undefined);
}

async function send(
  client: ShakenFist,
  upload: string,
  content: Buffer,
  check: (theirs: number, ours: number) => void,
): Promise<void> {
  let size = least;
  let retries = 0;
  for (let total = 0; total < content.length;) {
    const chunk = content.subarray(total, total + size);
    const started = performance.now();
    let theirs: number;
    try {
      theirs = await client.sendUpload(upload, chunk);
    } catch (cause) {
      // Only errors of the server are caught; others end the program.
      if (!(cause instanceof ApiError)) throw cause;
      retries += 1;
      if (retries > 5) throw cause;
      await client.truncateUpload(upload, total);
      size = least;
      continue;
    }
    retries = 0;
    const elapsed = (performance.now() - started) / 1000;
    size = Math.min(most, Math.max(least, Math.floor((size * 3) / elapsed)));
    total += chunk.length;
    check(theirs, total);
  }
}

/** `artifact download REF FILE`: the newest version, resumed while each try makes progress. */
export async function artifactDownload(client: ShakenFist, ref: string): Promise<Buffer> {
  const artifact = await client.artifact(ref);
  const size = artifact.blobs[String(artifact.index)]!.size;
  const pieces: Buffer[] = [];
  let total = 0;
  for (let done = false; !done;) {
    const before = total;
    try {
      await client.blobData(artifact.blob_uuid!, total, (piece) => {
        pieces.push(piece);
        total += piece.length;
        return total < size;
      });
      done = true;
    } catch (cause) {
      if (cause instanceof ApiError) throw cause;
      if (total === before) throw new GaveUp('HTTP connection dropped without transferring data');
    }
  }
  if (total !== size) throw new GaveUp(`Remote side has ${size}, we have received ${total}!`);
  return Buffer.concat(pieces);
}
