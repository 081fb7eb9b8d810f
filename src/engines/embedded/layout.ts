/**
 * Every path below the storage folder, drawn once:
 *
 *     storage/
 *       node.json                        who this node is, its secrets, and how far the catalog was
 *       in-use.sqlite, in-use.json       locked while a process uses the folder, and which one
 *       catalog.sqlite (-wal, -shm)      the facts
 *       uploads/<uuid>                   stages: bytes that are not sealed yet
 *       blobs/<aa>/<sha512>.<tag>        sealed bytes; <aa> is how the sha512 begins, <tag> tells apart copies of the same bytes
 *       .../<from>-<size>                a stage or blob that was joined of others is a folder of their files (see pieces.ts)
 *       quarantine/<name>.<time>         bytes that no record wants or that rotted, for a person to look at
 *
 * A path is only ever made of uuids and hex digests that the server made itself.
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

/** The folders that hold blobs: `00` to `ff`. */
export const fans: readonly string[] = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0'));

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const address = /^[0-9a-f]{128}\.[0-9a-f]{8}$/;

/** @throws TypeError for anything but a uuid: no other text may become part of a path. */
export function stagePath(layout: Layout, stage: string): string {
  if (!uuid.test(stage)) throw new TypeError('the name of a stage must be a uuid');
  return join(layout.uploads, stage);
}

/** The address that a stage gets first: always the same one, so that a seal that a crash broke off is found again. */
export function addressFor(stage: string, sha512: string): string {
  return `${sha512}.${stage.slice(0, 8)}`;
}

/** Another address for the same bytes, where other files lie at the first one. No removal can ever hit another copy. */
export function otherAddress(sha512: string): string {
  return `${sha512}.${randomBytes(4).toString('hex')}`;
}

/** @throws TypeError for anything that is not an address. */
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
