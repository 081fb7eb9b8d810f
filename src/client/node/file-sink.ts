/**
 * A sink that writes a file. Until the bytes are checked they are in `<name>.part`. `<name>.part.json` identifies them,
 * so that a later run can resume.
 */
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Low } from 'lowdb';
import { StowageError } from '../error.ts';
import { streamSink, type Sink, type SinkTarget } from '../sink.ts';
import { FileHash, nodeHash } from './file-hash.ts';
import type { Lock } from './lock.ts';
import { PrivateFile } from './private-file.ts';

/** Bytes collected for one write, and the most bytes that may wait for the disk. */
const batch = 1024 * 1024;
const backlog = 4 * batch;

/**
 * A sink for the file at `path`, which is replaced when the download is complete and correct.
 *
 * @param lock locks the path; undefined if another process holds the lock
 * @throws StowageError malformed for a folder; occupied if another process downloads to it
 */
export async function fileSink(path: string, lock: (path: string) => Promise<Lock | undefined>): Promise<Sink> {
  const place = resolve(path);
  const seen = await stat(place).catch(() => undefined);
  if (seen?.isDirectory()) throw new StowageError('malformed', `${path} is a folder`);
  if (seen && !seen.isFile()) return await deviceSink(place);
  const held = await lock(place);
  if (!held) throw new StowageError('occupied', `another process is downloading to ${path}`);
  return new FileSink(place, held);
}

/** Pipes and devices are written directly. */
async function deviceSink(place: string): Promise<Sink> {
  const file = await open(place, 'w');
  const sink = streamSink(async (bytes) => void (await file.write(bytes)), nodeHash);
  const close = (): Promise<void> => file.close();
  return Object.assign(sink, { close });
}

class FileSink implements Sink {
  readonly #place: string;
  readonly #part: string;
  readonly #note: Low<SinkTarget | null>;
  readonly #lock: Lock;
  #file: FileHandle | undefined;
  #hash: FileHash | undefined;
  #position = 0;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #writing: Promise<void> | undefined;
  #fault: unknown;

  constructor(place: string, lock: Lock) {
    this.#place = place;
    this.#part = `${place}.part`;
    this.#note = new Low<SinkTarget | null>(new PrivateFile(`${place}.part.json`), null);
    this.#lock = lock;
  }

  async begin(target: SinkTarget): Promise<number> {
    const wanted = target.size - target.from;
    await this.#note.read();
    const same =
      this.#note.data?.sha512 === target.sha512 &&
      this.#note.data.size === target.size &&
      this.#note.data.from === target.from;
    const there = same ? await stat(this.#part).catch(() => undefined) : undefined;
    if (there && there.size <= wanted) {
      this.#file = await open(this.#part, 'r+');
      this.#position = there.size;
    } else {
      // Truncate before the note is written, so that the note never describes other bytes.
      this.#file = await open(this.#part, 'w');
      this.#position = 0;
      this.#note.data = target;
      await this.#note.write();
    }
    if (target.from === 0) {
      this.#hash = new FileHash(this.#part, wanted);
      this.#hash.advance(this.#position);
    }
    return this.#position;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.byteLength;
    if (this.#gatheredBytes < batch) return undefined;
    if (!this.#writing) this.#flush().catch(() => undefined);
    return this.#gatheredBytes < backlog ? undefined : this.#writing;
  }

  async written(): Promise<number> {
    while (this.#writing || this.#gathered.length > 0) await (this.#writing ?? this.#flush());
    if (this.#fault) throw this.#fault;
    return this.#position;
  }

  async sha512(onProgress: (bytes: number) => void): Promise<string> {
    const size = await this.written();
    return (await this.#hash?.digest(size, onProgress)) ?? '';
  }

  async commit(): Promise<void> {
    await this.written();
    await this.#file?.sync();
    await this.#shut();
    await rename(this.#part, this.#place);
    await syncFolder(dirname(this.#place));
    await rm(`${this.#part}.json`, { force: true });
  }

  async discard(): Promise<void> {
    await this.#shut();
    await rm(this.#part, { force: true });
    await rm(`${this.#part}.json`, { force: true });
  }

  async close(): Promise<void> {
    // After a disk error, the bytes already written remain useful.
    await this.written().catch(() => {});
    await this.#shut();
    await this.#lock.release();
  }

  async #shut(): Promise<void> {
    await this.#hash?.close();
    this.#hash = undefined;
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Writes the collected bytes, one write at a time. An error is thrown by the next `write` or `written`. */
  #flush(): Promise<void> {
    const writing = this.#write().finally(() => {
      this.#writing = undefined;
    });
    writing.catch(() => {});
    this.#writing = writing;
    return writing;
  }

  async #write(): Promise<void> {
    while (this.#gathered.length > 0) {
      const parts = this.#gathered;
      this.#gathered = [];
      this.#gatheredBytes = 0;
      try {
        if (this.#fault) throw this.#fault;
        await writeAll(this.#file, parts, this.#position);
      } catch (error) {
        this.#fault = error;
        throw error;
      }
      this.#position += parts.reduce((sum, part) => sum + part.byteLength, 0);
      this.#hash?.advance(this.#position);
      if (this.#gatheredBytes < batch) return;
    }
  }
}

/** Writes all bytes at `position`, with as many calls as the system needs. */
async function writeAll(file: FileHandle | undefined, parts: Uint8Array[], position: number): Promise<void> {
  if (!file) throw new Error('the file is closed');
  let rest = parts;
  let at = position;
  while (rest.length > 0) {
    let { bytesWritten } = await file.writev(rest, at);
    at += bytesWritten;
    rest = rest.flatMap((part) => {
      const taken = Math.min(bytesWritten, part.byteLength);
      bytesWritten -= taken;
      return taken === part.byteLength ? [] : [part.subarray(taken)];
    });
  }
}

async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch {
    // Some systems cannot sync a folder; the file is complete anyway.
  }
}
