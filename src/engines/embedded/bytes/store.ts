import { open, opendir, readdir, rename, stat, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BlobReader, ByteStore, StageOptions, StageWriter } from '../../../core/engine.ts';
import { Refusal } from '../../../core/refusal.ts';
import type { Algorithm, Digest } from '../../../kit/digest.ts';
import { newHash } from '../../../kit/hashing.ts';
import { checkedReader } from './checked-reader.ts';
import { asRefusal, errorCodeOf, type Disk } from '../disk.ts';
import type { Hasher } from './hasher.ts';
import {
  addressFor,
  blobPath,
  fanPath,
  fans,
  isAddress,
  isStageName,
  otherAddress,
  stagePath,
  type Layout,
} from '../layout.ts';
import { cutPieces, isFreeFor, linkPieces, linkAt, piecesAt, removeAt, sizeAt, type Piece } from './joined.ts';
import { openReader } from './reader.ts';
import type { Scanner } from './scanner.ts';
import { FileStageWriter } from './stage.ts';
import { StageFiles } from './stage-files.ts';
import { JoinedStages, JoinedWriter, type JoinedPart } from './joined-stages.ts';

type Listed = { kind: 'stage' | 'blob'; name: string; size: number; modifiedAt: number };

/** A byte store in one folder of a local disk. */
export class FolderBytes implements ByteStore {
  readonly #layout: Layout;
  readonly #disk: Disk;
  readonly #hasher: Hasher;
  readonly #scanner: Scanner;
  readonly #files: StageFiles;
  readonly #active = new Set<string>();
  readonly #joined = new JoinedStages();
  readonly #readers = new Readers();
  readonly #paced: boolean;

  constructor(layout: Layout, parts: { disk: Disk; hasher: Hasher; scanner: Scanner; paced: boolean }) {
    this.#layout = layout;
    this.#disk = parts.disk;
    this.#files = new StageFiles(parts.disk);
    this.#hasher = parts.hasher;
    this.#scanner = parts.scanner;
    this.#paced = parts.paced;
  }

  async open(
    stage: string,
    offset: number,
    { hashed = true, lasting = true }: StageOptions = {},
  ): Promise<StageWriter> {
    this.#disk.demandTrust();
    const path = stagePath(this.#layout, stage);
    const parts = {
      disk: this.#disk,
      hasher: this.#hasher,
      files: this.#files,
      active: this.#active,
      paced: this.#paced,
      hashed,
      lasting,
    };
    if (!this.#files.has(stage) && (await piecesAt(path))) {
      await this.cut(stage, offset);
      return new JoinedWriter(offset);
    }
    return FileStageWriter.open({ stage, path, folder: this.#layout.uploads, ...parts }, offset);
  }

  async size(stage: string): Promise<number | undefined> {
    return sizeAt(stagePath(this.#layout, stage));
  }

  async *peek(stage: string, from: number, to: number): AsyncIterable<Uint8Array> {
    const reader = await openReader(stagePath(this.#layout, stage));
    try {
      yield* reader.read(from, to);
    } finally {
      await reader.close();
    }
  }

  async cut(stage: string, size: number): Promise<void> {
    const path = stagePath(this.#layout, stage);
    this.#hasher.cut(stage, size);
    this.#joined.forget(stage);
    const there = await sizeAt(path);
    if (there === undefined || there <= size) return;
    try {
      if (!(await piecesAt(path))) return await this.#files.cut(stage, path, size);
      await cutPieces(path, size);
      await this.#disk.syncFolder(size === 0 ? this.#layout.uploads : path);
    } catch (error) {
      throw asRefusal(error);
    }
  }

  async join(stage: string, parts: readonly JoinedPart[]): Promise<void> {
    this.#disk.demandTrust();
    const path = stagePath(this.#layout, stage);
    const { same, at } = this.#joined.common(stage, parts);
    await (at === 0 ? this.drop(stage) : this.cut(stage, at));
    const pieces: Piece[] = [];
    let end = at;
    for (const part of parts.slice(same)) {
      for (const piece of await this.#piecesOf(part)) pieces.push({ ...piece, from: end + piece.from });
      end += part.size;
    }
    if (pieces.length > 0) {
      await linkPieces(path, pieces);
      await this.#disk.syncFolder(path);
      await this.#disk.syncFolder(this.#layout.uploads);
      // The hash thread may have listed the folder meanwhile.
      this.#hasher.cut(stage, at);
      this.#hasher.grown(stage, path, end);
    }
    this.#joined.keep(stage, parts);
  }

  async digest(stage: string, size: number, algorithm: Algorithm): Promise<Digest> {
    const path = stagePath(this.#layout, stage);
    if (algorithm === 'sha512') return { algorithm, hex: await this.#hasher.digest(stage, path, size) };
    // A stage without bytes may have no file yet.
    if (size === 0) return { algorithm, hex: (await newHash(algorithm)).digest('hex') };
    // The file may have more bytes than `size`, left by a failed append.
    const [digest] = await this.#scanner.digestsUpTo(size, path, [algorithm]);
    return digest!;
  }

  async seal(stage: string, size: number, sha512: string, moves = false): Promise<string> {
    this.#disk.demandTrust();
    const path = stagePath(this.#layout, stage);
    if (size === 0) await (await open(path, 'a', 0o600)).close();
    let found = await sizeAt(path);
    if (found !== undefined && found > size) {
      // Bytes of a failed append, which were never recorded.
      await this.cut(stage, size);
      found = await sizeAt(path);
    }
    if (found !== size)
      throw new Refusal('lost', `the upload has ${found ?? 'no'} bytes on disk, not the ${size} on record`);
    const pieces = await piecesAt(path);
    for (let address = addressFor(stage, sha512); ; address = otherAddress(sha512)) {
      const place = blobPath(this.#layout, address);
      // An unrecorded seal may have left other files here, before the stage was rewritten. The sweep removes them.
      if (!(await isFreeFor(place, pieces ?? path))) continue;
      if (pieces && moves && (await sizeAt(place)) === undefined) {
        // After a crash the parts remain, and joining them again recreates the stage.
        await rename(path, place);
        this.#joined.forget(stage);
      } else if (pieces) {
        await linkPieces(place, pieces);
        await this.#disk.syncFolder(place);
      } else {
        await linkAt(path, place);
      }
      await this.#disk.syncFolder(fanPath(this.#layout, address));
      return address;
    }
  }

  async unseal(stage: string, address: string): Promise<void> {
    const path = stagePath(this.#layout, stage);
    if ((await sizeAt(path)) !== undefined) return this.remove(address);
    await rename(blobPath(this.#layout, address), path);
  }

  async drop(stage: string): Promise<void> {
    this.#hasher.forget(stage);
    this.#joined.forget(stage);
    await removeAt(stagePath(this.#layout, stage));
    await this.#files.forget(stage);
  }

  async read(address: string): Promise<BlobReader> {
    const path = blobPath(this.#layout, address);
    this.#readers.opened(path);
    const gone = async (): Promise<void> => {
      if (this.#readers.closed(path)) await removeAt(path);
    };
    try {
      return checkedReader(await openReader(path), this.#hasher, gone);
    } catch (error) {
      await gone();
      throw error;
    }
  }

  async stat(address: string): Promise<number | undefined> {
    return sizeAt(blobPath(this.#layout, address));
  }

  digests(address: string, algorithms: readonly Algorithm[], rate?: number, signal?: AbortSignal): Promise<Digest[]> {
    return this.#scanner.digests(blobPath(this.#layout, address), algorithms, rate, signal);
  }

  async remove(address: string): Promise<void> {
    const path = blobPath(this.#layout, address);
    // An open file remains readable after unlink; a folder does not, because its pieces are opened one by one.
    if (this.#readers.read(path) && (await piecesAt(path)) && this.#readers.removeLater(path)) return;
    await removeAt(path);
  }

  async quarantine(address: string): Promise<void> {
    const from = blobPath(this.#layout, address);
    if (this.#readers.goes(from)) return;
    try {
      await rename(from, join(this.#layout.quarantine, `${basename(from)}.${Date.now()}`));
    } catch (error) {
      if (errorCodeOf(error) !== 'ENOENT') throw asRefusal(error);
    }
  }

  async restore({ address, sha512, size }: { address: string; sha512: string; size: number }): Promise<boolean> {
    const place = blobPath(this.#layout, address);
    for (const name of (await readdir(this.#layout.quarantine))
      .filter((one) => one.startsWith(`${sha512}.`))
      .sort()
      .reverse()) {
      const path = join(this.#layout.quarantine, name);
      if ((await sizeAt(path)) !== size) continue;
      const [digest] = await this.#scanner.digests(path, ['sha512']);
      if (digest!.hex !== sha512) continue;
      // The file at the address is not these bytes, otherwise this would not be called.
      await this.quarantine(address);
      await rename(path, place);
      await this.#disk.syncFolder(fanPath(this.#layout, address));
      await this.#disk.syncFolder(this.#layout.quarantine);
      return true;
    }
    return false;
  }

  async fingerprint(address: string): Promise<string | undefined> {
    const path = blobPath(this.#layout, address);
    try {
      const pieces = await piecesAt(path);
      const prints = await Promise.all([path, ...(pieces ?? []).map((piece) => piece.path)].map(printOf));
      return prints.includes(undefined) ? undefined : prints.join(' ');
    } catch {
      return undefined;
    }
  }

  async *list(): AsyncIterable<Listed> {
    yield* this.#listFolder(this.#layout.uploads, 'stage', isStageName);
    for (const fan of fans) yield* this.#listFolder(join(this.#layout.blobs, fan), 'blob', isAddress);
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  /** The pieces of a part for a joined stage. */
  async #piecesOf({ stage, size }: JoinedPart): Promise<readonly Piece[]> {
    const path = stagePath(this.#layout, stage);
    if (((await sizeAt(path)) ?? 0) < size) throw new Refusal('lost', 'a part has fewer bytes on disk than on record');
    return size === 0 ? [] : ((await piecesAt(path)) ?? [{ path, from: 0, size }]);
  }

  async space(): Promise<{ free: number; total: number }> {
    const { bavail, blocks, bsize } = await statfs(this.#layout.root);
    return { free: bavail * bsize, total: blocks * bsize };
  }

  async *#listFolder(folder: string, kind: 'stage' | 'blob', ours: (name: string) => boolean): AsyncIterable<Listed> {
    for await (const entry of await opendir(folder)) {
      if (!ours(entry.name)) continue;
      const path = join(folder, entry.name);
      const facts = await stat(path).catch(() => undefined);
      const size = facts?.isDirectory() ? await sizeAt(path) : facts?.size;
      if (facts && size !== undefined)
        yield { kind, name: entry.name, size, modifiedAt: Math.max(facts.mtimeMs, facts.ctimeMs) };
    }
  }
}

/** Timestamp granularity in nanoseconds: two changes within it may show the same time. */
const timeGrain = 1_000_000_000n;

/** Inode, size and times of a file; undefined if a change so recent that a second one could show the same time. */
async function printOf(path: string): Promise<string | undefined> {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  if (BigInt(Date.now()) * 1_000_000n - ctimeNs < timeGrain) return undefined;
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

/** Paths of the blobs that are being read. */
class Readers {
  readonly #open = new Map<string, { count: number; goes: boolean }>();

  opened(path: string): void {
    const open = this.#open.get(path) ?? { count: 0, goes: false };
    open.count += 1;
    this.#open.set(path, open);
  }

  /** Ends one reader. Returns true if it was the last and the blob must be removed. */
  closed(path: string): boolean {
    const open = this.#open.get(path);
    if (!open) return false;
    open.count -= 1;
    if (open.count > 0) return false;
    this.#open.delete(path);
    return open.goes;
  }

  read(path: string): boolean {
    return this.#open.has(path);
  }

  /** Marks the blob for removal by its last reader; false if it has none. */
  removeLater(path: string): boolean {
    const open = this.#open.get(path);
    if (open) open.goes = true;
    return open !== undefined;
  }

  /** Whether the blob is marked for removal. */
  goes(path: string): boolean {
    return this.#open.get(path)?.goes ?? false;
  }
}
