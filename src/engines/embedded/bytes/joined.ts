/**
 * A joined upload is stored as a directory of hard links. A link's name gives its offset in the whole and the number of
 * bytes used. No bytes are copied, and later changes of the parts do not affect it.
 */
import { link, mkdir, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Refusal } from '../../../core/refusal.ts';
import { asRefusal, errorCodeOf } from '../disk.ts';

/** The first `size` bytes of a file. */
export interface Piece {
  readonly path: string;
  /** Offset in the whole. */
  readonly from: number;
  readonly size: number;
}

const digits = 16;
const form = /^(\d{16})-([1-9]\d{0,15})$/;

/** The contiguous pieces among the entries of a folder. */
export function piecesIn(folder: string, names: readonly string[]): Piece[] {
  const pieces: Piece[] = [];
  for (const name of [...names].sort()) {
    const [, from, size] = form.exec(name) ?? [];
    if (Number(from) === endOf(pieces))
      pieces.push({ path: join(folder, name), from: Number(from), size: Number(size) });
  }
  return pieces;
}

export function endOf(pieces: readonly Piece[]): number {
  const last = pieces.at(-1);
  return last ? last.from + last.size : 0;
}

/** The pieces at a path; undefined if it is a file or missing. */
export async function piecesAt(path: string): Promise<Piece[] | undefined> {
  try {
    return piecesIn(path, await readdir(path));
  } catch (error) {
    if (errorCodeOf(error) === 'ENOTDIR' || errorCodeOf(error) === 'ENOENT') return undefined;
    throw asRefusal(error);
  }
}

/** The number of contiguous bytes at a path; undefined if it is missing. */
export async function sizeAt(path: string): Promise<number | undefined> {
  try {
    const facts = await stat(path);
    if (!facts.isDirectory()) return facts.size;
    let size = 0;
    for (const piece of (await piecesAt(path)) ?? []) {
      const found = Math.min((await stat(piece.path)).size, piece.size);
      size += found;
      if (found < piece.size) break;
    }
    return size;
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw asRefusal(error);
  }
}

/** Whether a path is free for a file or for pieces: it is missing, or holds only these same files. */
export async function isFreeFor(place: string, wanted: string | readonly Piece[]): Promise<boolean> {
  try {
    const entries = (await stat(place)).isDirectory() ? await readdir(place) : undefined;
    if (typeof wanted === 'string') return !entries && (await sameFile(wanted, place));
    if (!entries) return false;
    const names = new Map(wanted.map((piece) => [nameOf(piece), piece.path]));
    for (const name of entries) {
      const path = names.get(name);
      if (path === undefined || !(await sameFile(path, join(place, name)))) return false;
    }
    return true;
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return true;
    throw asRefusal(error);
  }
}

function nameOf({ from, size }: Pick<Piece, 'from' | 'size'>): string {
  return `${String(from).padStart(digits, '0')}-${size}`;
}

/** Links the pieces into a folder, which is created if missing. Existing links are kept. */
export async function linkPieces(folder: string, pieces: readonly Piece[]): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const piece of pieces) await linkAt(piece.path, join(folder, nameOf(piece)));
}

/** Links a file to `place`. Succeeds if the same file is already there. */
export async function linkAt(path: string, place: string): Promise<void> {
  try {
    await link(path, place);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT')
      throw new Refusal('lost', 'the bytes of the upload are missing on disk', {}, error);
    if (errorCodeOf(error) !== 'EEXIST' || !(await sameFile(path, place))) throw asRefusal(error);
  }
}

/** Truncates a folder of pieces to `size` bytes, last piece first. */
export async function cutPieces(folder: string, size: number): Promise<void> {
  const names = await readdir(folder);
  const stay = new Set(
    piecesIn(folder, names)
      .filter((piece) => piece.from < size)
      .map((piece) => piece.path),
  );
  for (const name of names.sort().reverse()) {
    const path = join(folder, name);
    if (!stay.has(path)) await unlink(path);
  }
  const last = (await piecesAt(folder))?.at(-1);
  if (last && endOf([last]) > size)
    await rename(last.path, join(folder, `${String(last.from).padStart(digits, '0')}-${size - last.from}`));
  if (size === 0) await rmdir(folder);
}

/** Removes a file or folder; a missing one is ignored. */
export async function removeAt(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return;
    if (errorCodeOf(error) !== 'EISDIR') throw asRefusal(error);
    await rm(path, { recursive: true, force: true });
  }
}

async function sameFile(one: string, other: string): Promise<boolean> {
  const [left, right] = await Promise.all([stat(one), stat(other)]);
  return left.ino === right.ino && left.dev === right.dev;
}
