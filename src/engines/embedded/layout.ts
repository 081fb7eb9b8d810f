/**
 * All paths below the storage folder:
 *
 *     storage/
 *       node.json                        node name, secrets, and the mark of the newest catalog
 *       in-use.sqlite, in-use.json       the lock of the process that uses the folder, and a note that names it
 *       catalog.sqlite (-wal, -shm)      the catalog
 *       uploads/<uuid>                   stages: bytes that are not sealed yet
 *       blobs/<aa>/<sha512>.<tag>        sealed bytes; <aa> is the start of the sha512, <tag> distinguishes copies
 *       .../<from>-<size>                a joined stage or blob is a folder of links to files (see bytes/joined.ts)
 *       quarantine/<name>.<time>         bytes that are corrupt or have no record, kept for inspection
 *
 * Every path consists of UUIDs and hex digests that the server generated.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

export interface Layout {
  readonly root: string;
  readonly node: string;
  readonly guard: string;
  readonly guardNote: string;
  readonly catalog: string;
  readonly uploads: string;
  readonly blobs: string;
  readonly quarantine: string;
}

export function layoutOf(root: string): Layout {
  return {
    root,
    node: join(root, 'node.json'),
    guard: join(root, 'in-use.sqlite'),
    guardNote: join(root, 'in-use.json'),
    catalog: join(root, 'catalog.sqlite'),
    uploads: join(root, 'uploads'),
    blobs: join(root, 'blobs'),
    quarantine: join(root, 'quarantine'),
  };
}

/** The folders of blobs: `00` to `ff`. */
export const fans: readonly string[] = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0'));

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const address = /^[0-9a-f]{128}\.[0-9a-f]{8}$/;

/** @throws TypeError unless the stage is a UUID, because it becomes part of a path */
export function stagePath(layout: Layout, stage: string): string {
  if (!uuid.test(stage)) throw new TypeError('the name of a stage must be a uuid');
  return join(layout.uploads, stage);
}

/** The first address for a stage: deterministic, so that a repeated seal finds the file of an interrupted one. */
export function addressFor(stage: string, sha512: string): string {
  return `${sha512}.${stage.slice(0, 8)}`;
}

/** Another address for the same bytes, if the first is taken. Removing one copy never affects another. */
export function otherAddress(sha512: string): string {
  return `${sha512}.${randomBytes(4).toString('hex')}`;
}

/** @throws TypeError if this is not an address */
export function blobPath(layout: Layout, blob: string): string {
  if (!address.test(blob)) throw new TypeError('not an address');
  return join(fanPath(layout, blob), blob);
}

export function fanPath(layout: Layout, blob: string): string {
  return join(layout.blobs, blob.slice(0, 2));
}

export function isStageName(name: string): boolean {
  return uuid.test(name);
}

export function isAddress(name: string): boolean {
  return address.test(name);
}
