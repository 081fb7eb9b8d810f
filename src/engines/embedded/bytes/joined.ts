/**
 * Bytes that were joined of several stages lie in a folder of hard links, each named by where it begins and how many
 * of its bytes count: no byte moves, and what a stage becomes afterwards does not touch them.
 */
import { link, mkdir, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Refusal } from '../../../core/refusal.ts';
import { asRefusal, codeOf } from '../disk.ts';

/** A run of bytes in a file, from the file's start. */
export interface Piece {
  readonly path: string;
  /** Where in the whole it begins. */
  readonly from: number;
  readonly size: number;
}

const digits = 16;
const form = /^(\d{16})-([1-9]\d{0,15})$/;

/** The pieces that lie in a folder with these entries, as far as one follows on the other. */
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

/** The pieces that lie at a path; undefined where one file does, or nothing. */
export async function piecesAt(path: string): Promise<Piece[] | undefined> {
  try {
    return piecesIn(path, await readdir(path));
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR' || codeOf(error) === 'ENOENT') return undefined;
    throw asRefusal(error);
  }
}

/** How many bytes lie at a path, from the first on, without a gap; undefined where nothing does. */
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
    if (codeOf(error) === 'ENOENT') return undefined;
    throw asRefusal(error);
  }
}

/** Whether a place is free for a file or for pieces: nothing lies there, or nothing but these very files. */
export async function isFreeFor(place: string, wanted: string | readonly Piece[]): Promise<boolean> {
  try {
    const lies = (await stat(place)).isDirectory() ? await readdir(place) : undefined;
    if (typeof wanted === 'string') return !lies && (await sameFile(wanted, place));
    if (!lies) return false;
    const names = new Map(wanted.map((piece) => [nameOf(piece), piece.path]));
    for (const name of lies) {
      const path = names.get(name);
      if (path === undefined || !(await sameFile(path, join(place, name)))) return false;
    }
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    throw asRefusal(error);
  }
}

function nameOf({ from, size }: Pick<Piece, 'from' | 'size'>): string {
  return `${String(from).padStart(digits, '0')}-${size}`;
}

/** Puts links to these pieces into a folder, which is made where there is none; those that are there already may stay. */
export async function layPieces(folder: string, pieces: readonly Piece[]): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const piece of pieces) await linkAt(piece.path, join(folder, nameOf(piece)));
}

/** Links a file to another place, too; that it is there already is no fault. */
export async function linkAt(path: string, place: string): Promise<void> {
  try {
    await link(path, place);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw new Refusal('lost', 'the bytes of the upload are missing on disk', {}, error);
    if (codeOf(error) !== 'EEXIST' || !(await sameFile(path, place))) throw asRefusal(error);
  }
}

/** Shortens a folder of pieces to `size` bytes, the last piece first. */
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

/** Removes the file or the folder at a path; nothing there is no fault. */
export async function removeAt(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    if (codeOf(error) !== 'EISDIR') throw asRefusal(error);
    await rm(path, { recursive: true, force: true });
  }
}

async function sameFile(one: string, other: string): Promise<boolean> {
  const [left, right] = await Promise.all([stat(one), stat(other)]);
  return left.ino === right.ino && left.dev === right.dev;
}
