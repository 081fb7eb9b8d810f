import { link, open, opendir, rename, stat, statfs, truncate, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BlobReader, ByteStore, StageWriter } from '../../core/engine.ts';
import { Refusal } from '../../core/refusal.ts';
import type { Algorithm, Digest } from '../../kit/digest.ts';
import { asRefusal, codeOf, type Disk } from './disk.ts';
import type { Hasher } from './hasher.ts';
import { addressFor, blobPath, fanPath, fans, isAddress, isStageName, stagePath, type Layout } from './layout.ts';
import { FileReader } from './reader.ts';
import type { Scanner } from './scanner.ts';
import { FileStageWriter } from './stage.ts';
import { StageFiles } from './stage-files.ts';

type Listed = { kind: 'stage' | 'blob'; name: string; size: number; modifiedAt: number };

/** Bytes in one folder of the local disk. */
export class FolderBytes implements ByteStore {
  readonly #layout: Layout;
  readonly #disk: Disk;
  readonly #hasher: Hasher;
  readonly #scanner: Scanner;
  readonly #files = new StageFiles();
  readonly #crowd = new Set<string>();
  readonly #paced: boolean;

  constructor(layout: Layout, parts: { disk: Disk; hasher: Hasher; scanner: Scanner; paced: boolean }) {
    this.#layout = layout;
    this.#disk = parts.disk;
    this.#hasher = parts.hasher;
    this.#scanner = parts.scanner;
    this.#paced = parts.paced;
  }

  async open(stage: string, offset: number): Promise<StageWriter> {
    this.#disk.demandTrust();
    const path = stagePath(this.#layout, stage);
    const parts = { disk: this.#disk, hasher: this.#hasher, files: this.#files, crowd: this.#crowd, paced: this.#paced };
    return FileStageWriter.open({ stage, path, folder: this.#layout.uploads, ...parts }, offset);
  }

  async size(stage: string): Promise<number | undefined> {
    return sizeOf(stagePath(this.#layout, stage));
  }

  async *peek(stage: string, from: number, to: number): AsyncIterable<Uint8Array> {
    const reader = await FileReader.open(stagePath(this.#layout, stage));
    try {
      yield* reader.read(from, to);
    } finally {
      await reader.close();
    }
  }

  async cut(stage: string, size: number): Promise<void> {
    const path = stagePath(this.#layout, stage);
    this.#hasher.cut(stage, size);
    const there = await sizeOf(path);
    if (there === undefined || there <= size) return;
    try {
      await truncate(path, size);
      const file = await open(path, 'r+');
      await this.#disk.sync(file).finally(() => file.close());
    } catch (error) {
      throw asRefusal(error);
    }
  }

  async digest(stage: string, size: number, algorithm: Algorithm): Promise<Digest> {
    const path = stagePath(this.#layout, stage);
    if (algorithm === 'sha512') return { algorithm, hex: await this.#hasher.digest(stage, path, size) };
    const [digest] = await this.#scanner.digests(path, [algorithm]);
    return digest!;
  }

  async seal(stage: string, size: number, sha512: string): Promise<string> {
    this.#disk.demandTrust();
    const path = stagePath(this.#layout, stage);
    if (size === 0) await (await open(path, 'a', 0o600)).close();
    const found = await sizeOf(path);
    if (found !== size) throw new Refusal('lost', `the upload has ${found ?? 'no'} bytes on disk, not the ${size} on record`);
    const address = addressFor(stage, sha512);
    const place = blobPath(this.#layout, address);
    try {
      await link(path, place);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || !(await sameFile(path, place))) throw asRefusal(error);
    }
    await this.#disk.syncFolder(fanPath(this.#layout, address));
    return address;
  }

  async drop(stage: string): Promise<void> {
    this.#hasher.forget(stage);
    await removeFile(stagePath(this.#layout, stage));
    await this.#files.forget(stage);
  }

  async read(address: string): Promise<BlobReader> {
    return FileReader.open(blobPath(this.#layout, address));
  }

  async stat(address: string): Promise<number | undefined> {
    return sizeOf(blobPath(this.#layout, address));
  }

  digests(address: string, algorithms: readonly Algorithm[], rate?: number, signal?: AbortSignal): Promise<Digest[]> {
    return this.#scanner.digests(blobPath(this.#layout, address), algorithms, rate, signal);
  }

  async remove(address: string): Promise<void> {
    await removeFile(blobPath(this.#layout, address));
  }

  async quarantine(address: string): Promise<void> {
    const from = blobPath(this.#layout, address);
    try {
      await rename(from, join(this.#layout.quarantine, `${basename(from)}.${Date.now()}`));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw asRefusal(error);
    }
  }

  async *list(): AsyncIterable<Listed> {
    yield* this.#listFolder(this.#layout.uploads, 'stage', isStageName);
    for (const fan of fans) yield* this.#listFolder(join(this.#layout.blobs, fan), 'blob', isAddress);
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  async space(): Promise<{ free: number; total: number }> {
    const { bavail, blocks, bsize } = await statfs(this.#layout.root);
    return { free: bavail * bsize, total: blocks * bsize };
  }

  async *#listFolder(folder: string, kind: 'stage' | 'blob', ours: (name: string) => boolean): AsyncIterable<Listed> {
    for await (const entry of await opendir(folder)) {
      if (!entry.isFile() || !ours(entry.name)) continue;
      const facts = await stat(join(folder, entry.name)).catch(() => undefined);
      if (facts) yield { kind, name: entry.name, size: facts.size, modifiedAt: Math.max(facts.mtimeMs, facts.ctimeMs) };
    }
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw asRefusal(error);
  }
}

async function sameFile(one: string, other: string): Promise<boolean> {
  const [left, right] = await Promise.all([stat(one), stat(other)]);
  return left.ino === right.ino && left.dev === right.dev;
}

async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw asRefusal(error);
  }
}
