import type { Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Blobs } from '../bytes/blobs.ts';
import type { Engine, Publication } from '../engine.ts';
import type { Event, Principal, Release, ReleaseFile, Slot } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';
import { eventBy } from '../tenants/events.ts';
import { fileKey, filePrefix } from './paths.ts';
import { plainTarget, unpublished, type Sealer } from '../bytes/sealer.ts';
import { releaseSource } from '../names/source-urls.ts';
import { pages } from '../paging.ts';
import type { Uploads } from '../bytes/uploads.ts';
import { slotCredential, type CredentialLookup } from '../tenants/credential-lookup.ts';

/** The object uploaded to a slot. */
export interface UploadedFile {
  readonly size: number;
  readonly etag: string;
  readonly versionId: string | null;
}

/** A bucket of another store that keeps the release files. */
export interface ForeignStore {
  readonly bucket: string;
  find(key: string): Promise<UploadedFile | undefined>;
  /** SHA-256 in hex; computed from the bytes if the store does not report it. */
  sha256(key: string, lying: UploadedFile): Promise<string>;
  remove(key: string, versionId: string | null): Promise<void>;
}

/** A client's declaration of an uploaded file. */
export interface FileWish {
  readonly id: string;
  readonly key: string;
  readonly platform: string;
  readonly sha256: string;
  readonly size: number;
}

export interface ReleaseFilesOptions {
  /** Milliseconds until an unregistered slot expires. */
  readonly slotAge: number;
  /** Selects the face metadata of an object that is kept for its file. */
  readonly pinnedAbout: (about: string) => string;
  /** The store for files, if it is not this one. */
  readonly foreignStore: ForeignStore | undefined;
}

interface ReleaseFileDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly blobs: Blobs;
  readonly uploads: Uploads;
  readonly sealer: Sealer;
  readonly credentialLookup: CredentialLookup;
}

const longestKey = 1024;

/**
 * Slots for uploads of release files, and registered files. A registered file is pinned by an artifact with its id,
 * which only the deletion of its release removes.
 */
export class ReleaseFiles {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #blobs: Blobs;
  readonly #uploads: Uploads;
  readonly #sealer: Sealer;
  readonly #options: ReleaseFilesOptions;

  constructor(
    { engine, clock, blobs, uploads, sealer, credentialLookup }: ReleaseFileDeps,
    options: ReleaseFilesOptions,
  ) {
    this.#engine = engine;
    this.#clock = clock;
    this.#blobs = blobs;
    this.#uploads = uploads;
    this.#sealer = sealer;
    this.#options = options;
    credentialLookup.register('slot', (id) => this.#filler(id));
  }

  /** Files of each release by its id, oldest first. */
  list(releases: readonly Release[]): Promise<Record<string, ReleaseFile[]>> {
    return this.#engine.catalog.releases.files(releases.map(({ id }) => id));
  }

  /**
   * Creates a slot.
   *
   * @param id the id of the future file; a repeated call returns the same slot
   */
  async open(
    release: Release,
    wish: Pick<Slot, 'fileName' | 'platform' | 'bucket' | 'outside'>,
    id = newId(),
  ): Promise<Slot> {
    const key = fileKey({ ...release, platform: wish.platform, id }, wish.fileName);
    if (Buffer.byteLength(key) > longestKey) throw new Refusal('key_too_long', 'the key of the file is too long');
    const at = this.#clock.now();
    const slot: Slot = {
      ...wish,
      platform: wish.platform.trim(),
      fileName: wish.fileName.trim(),
      id,
      release: release.id,
      key,
      createdAt: at,
      expiresAt: at + this.#options.slotAge,
    };
    const opened = await this.#engine.catalog.releases.open(slot);
    if (!opened) throw new Refusal('not_found', 'release not found');
    return opened;
  }

  /**
   * Registers the object in a slot as a file of the release, if it matches the declaration.
   *
   * @param request identifies the request; repeating it returns the same file
   * @throws Refusal `other_slot`, `slot_empty`, `size_mismatch`, `checksum_mismatch`; `conflict` if the file exists
   */
  async register(who: Principal, release: Release, wish: FileWish, request: string): Promise<ReleaseFile> {
    const file = wish.id.toLowerCase();
    if (!wish.key.startsWith(filePrefix({ ...release, platform: wish.platform, id: file }))) throw elsewhere();
    // Read the slot first: if it disappears between the two reads, the file row already exists.
    const slot = await this.#engine.catalog.releases.slot(file);
    const known = await this.#engine.catalog.releases.file(file);
    if (known?.request === request) return known;
    if (known) throw exists();
    if (!slot) throw missing();
    if (slot.release !== release.id || slot.key !== wish.key) throw elsewhere();
    const found = slot.outside ? await this.#outside(slot, wish) : await this.#here(who, slot, wish);
    const { expiresAt: _, ...place } = slot;
    const facts = {
      ...place,
      ...found,
      platform: wish.platform.trim(),
      size: wish.size,
      sha256: wish.sha256.toLowerCase(),
      request,
      createdAt: this.#clock.now(),
    };
    const publication = facts.blob === null ? null : this.#pin(who, slot, facts.blob);
    const event = this.#event(release.id, 'artifact registered', who, {
      artifact: slot.id,
      key: slot.key,
      sha256: facts.sha256,
    });
    const registered = await this.#engine.catalog.releases.register({ file: facts, publication, event });
    switch (registered) {
      case 'taken':
        throw exists();
      case 'no_slot':
        throw new Refusal('not_found', 'release not found');
      case 'no_blob':
        throw missing();
      default:
        if (typeof registered === 'string') throw unpublished(registered);
        return registered;
    }
  }

  /** Removes expired slots, except those being filled. @returns their number */
  async sweep(ago: (age: number) => number): Promise<number> {
    const { releases } = this.#engine.catalog;
    const before = ago(this.#options.slotAge) + this.#options.slotAge;
    let closed = 0;
    for await (const slot of pages(
      (page) => releases.lapsed(before, page),
      ({ id }) => id,
    )) {
      if (!(await releases.close(slot.id, before, this.#prune(slot)))) continue;
      await this.#clearOutside(slot);
      closed += 1;
    }
    return closed;
  }

  /** Removes uploads and foreign objects of deleted files and slots. */
  async clear(
    who: Principal,
    { files, slots }: { readonly files: readonly ReleaseFile[]; readonly slots: readonly Slot[] },
  ): Promise<void> {
    for (const slot of slots) await this.#uploads.drop(who, slot.id).catch(() => undefined);
    for (const place of [...files, ...slots]) await this.#clearOutside(place);
  }

  /** Removes a foreign object; if the store does not respond, the object remains there. */
  async #clearOutside(place: Pick<Slot, 'outside' | 'key'> & { readonly versionId?: string | null }): Promise<void> {
    if (place.outside)
      await this.#options.foreignStore?.remove(place.key, place.versionId ?? null).catch(() => undefined);
  }

  /** The object in the slot, compared with the declaration. */
  async #here(
    who: Principal,
    { bucket, key }: Slot,
    wish: FileWish,
  ): Promise<Pick<ReleaseFile, 'blob' | 'etag' | 'about' | 'versionId'>> {
    const object = await this.#engine.catalog.buckets.object(bucket, key);
    if (!object?.content) throw missing();
    const { blob, size, etag, about } = object.content;
    demandSize(size, wish);
    const [sha256] = await this.#blobs.digests(who, blob, ['sha256', 'md5']);
    await this.#blobs.demandGood(await this.#blobs.get(who, blob));
    demandChecksum(sha256!.hex, wish);
    return { blob, etag, about: this.#options.pinnedAbout(about), versionId: null };
  }

  async #outside({ key }: Slot, wish: FileWish): Promise<Pick<ReleaseFile, 'blob' | 'etag' | 'about' | 'versionId'>> {
    const other = this.#options.foreignStore;
    if (!other) throw new Refusal('unavailable', 'artifact storage not configured');
    const lying = await other.find(key);
    if (!lying) throw missing();
    demandSize(lying.size, wish);
    demandChecksum(await other.sha256(key, lying), wish);
    return { blob: null, etag: lying.etag, about: '', versionId: lying.versionId };
  }

  /** Publishes the blob as an artifact with the file's id, which belongs to the release alone. */
  #pin(who: Principal, slot: Slot, blob: string): Publication {
    const target = plainTarget(who.namespace, slot.key, releaseSource(slot.release, slot.id));
    return this.#sealer.publication(
      who,
      target,
      { kind: 'blob', blob },
      { fresh: { artifact: slot.id, blob: newId() } },
    );
  }

  /** The principal that fills a slot. It may also overwrite a registered file's object, without effect. */
  async #filler(id: string): Promise<Principal | undefined> {
    const { releases } = this.#engine.catalog;
    const place = (await releases.slot(id)) ?? (await releases.file(id));
    const release = place && (await releases.get(place.release));
    return (
      release && {
        namespace: release.namespace,
        credential: slotCredential(id),
        grant: { buckets: [place.bucket], verbs: ['write'] },
      }
    );
  }

  #prune({ id, release, key }: Slot): Event {
    return {
      subject: 'release',
      id: release,
      at: this.#clock.now(),
      type: 'prune',
      message: 'unused slot removed',
      duration: null,
      extra: { artifact: id, key },
    };
  }

  #event(id: string, message: string, who: Principal, more: Record<string, string> = {}): Event {
    return eventBy(who, this.#clock.now(), { subject: 'release', id, message, more });
  }
}

function demandSize(actual: number, { size }: FileWish): void {
  if (actual !== size) throw new Refusal('size_mismatch', `the object has ${actual} bytes, not ${size}`);
}

function demandChecksum(actual: string, { sha256 }: FileWish): void {
  if (actual !== sha256.toLowerCase()) throw new Refusal('checksum_mismatch', `the object's sha256 is ${actual}`);
}

function missing(): Refusal {
  return new Refusal('slot_empty', 'nothing was put into the slot');
}

function elsewhere(): Refusal {
  return new Refusal('other_slot', 'the key is not that of a slot of this release and platform');
}

function exists(): Refusal {
  return new Refusal('conflict', 'artifact already exists');
}
