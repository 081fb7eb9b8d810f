import type { Clock } from '../../kit/clock.ts';
import { isId, newId } from '../../kit/ids.ts';
import { isSystem, owns, sees, visibilityOf, trustedBy } from '../tenants/access.ts';
import type { Blobs } from '../bytes/blobs.ts';
import type { Engine, Page, Publication, Published } from '../engine.ts';
import { eventBy } from '../tenants/events.ts';
import type { Artifact, ArtifactType, Blob, Event, EventType, Principal, Version } from '../../catalog/model.ts';
import { locked } from '../../catalog/object-lock-rules.ts';
import { pages } from '../paging.ts';
import { Refusal } from '../refusal.ts';
import { unpublished, type Expectations, type Sealer } from '../bytes/sealer.ts';
import type { SourceUrls } from './source-urls.ts';

/** Default number of versions to keep. */
const defaultMaxVersions = 3;

/** Name and owner of an artifact to publish. */
export interface ArtifactTarget {
  readonly name: string;
  readonly type: ArtifactType;
  /** Null for the caller's namespace. */
  readonly namespace: string | null;
  /** Origin of the content; null for an upload or label of that name. */
  readonly sourceUrl: string | null;
  readonly shared: boolean;
  /** Undefined leaves an existing artifact's limit unchanged. */
  readonly maxVersions: number | undefined;
}

export interface ArtifactListing {
  readonly namespace?: string;
  readonly name?: string;
  readonly type?: ArtifactType;
}

/** Artifacts and their numbered versions. */
export class Artifacts {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #blobs: Blobs;
  readonly #sealer: Sealer;
  readonly #sources: SourceUrls;

  constructor(engine: Engine, clock: Clock, blobs: Blobs, sealer: Sealer, sources: SourceUrls) {
    this.#engine = engine;
    this.#clock = clock;
    this.#blobs = blobs;
    this.#sealer = sealer;
    this.#sources = sources;
  }

  /**
   * Makes an upload a version of an artifact. Repeating it returns the same version.
   *
   * @throws Refusal `not_found`, `forbidden` (sharing), `digest_mismatch`, `conflict`; the upload is then unchanged
   */
  async convert(who: Principal, upload: string, target: ArtifactTarget, expected: Expectations): Promise<Published> {
    const resolved = await this.#resolveTarget(who, target);
    return this.#sealer.publish(who, upload, resolved, expected);
  }

  /** Makes content that the caller may read a version of an artifact, without an upload. */
  async adopt(who: Principal, blob: string, target: ArtifactTarget, expected: Expectations): Promise<Published> {
    const resolved = await this.#resolveTarget(who, target);
    const found = await this.#blobs.get(who, blob);
    await this.#blobs.demandGood(found);
    await this.#sealer.verifyBlob(found, expected);
    return this.#sealer.adopt(who, found.uuid, resolved);
  }

  /** @throws Refusal as `convert` does, as far as it can be checked without the bytes */
  async demandTarget(who: Principal, target: ArtifactTarget): Promise<void> {
    await this.#resolveTarget(who, target);
  }

  /** Records an artifact whose content will be fetched from `url`. */
  async begin(who: Principal, url: string, facts: { shared: boolean; namespace: string | null }): Promise<Artifact> {
    const target = await this.#resolveTarget(who, {
      name: nameFromUrl(url),
      type: 'image',
      sourceUrl: url,
      maxVersions: undefined,
      ...facts,
    });
    const artifact: Artifact = {
      uuid: newId(),
      namespace: target.namespace,
      type: target.type,
      name: target.name,
      sourceUrl: url,
      state: 'initial',
      fault: null,
      shared: target.shared,
      maxVersions: target.maxVersions,
      lastIndex: 0,
      createdAt: this.#clock.now(),
      deletedAt: null,
    };
    const begun = await this.#engine.catalog.artifacts.begin(
      artifact,
      this.#event(artifact.uuid, 'audit', 'fetch asked for', who, { url }),
    );
    if (target.createOnly && begun.uuid !== artifact.uuid) throw unpublished('taken');
    return begun;
  }

  list(who: Principal, filter: ArtifactListing, page: Page): Promise<Artifact[]> {
    return this.#engine.catalog.artifacts.list(visibilityOf(who), filter, page);
  }

  /** Versions of each artifact by its uuid, oldest first. */
  versions(artifacts: readonly Artifact[]): Promise<Record<string, Version[]>> {
    return this.#engine.catalog.artifacts.versions(artifacts.map((artifact) => artifact.uuid));
  }

  /**
   * The artifact with this uuid or name, from the caller's view.
   *
   * @throws Refusal `not_found`; `malformed` if several have the name
   */
  async get(who: Principal, ref: string, type?: ArtifactType): Promise<Artifact> {
    if (isId(ref)) {
      const found = await this.#engine.catalog.artifacts.get(ref);
      if (found && (await sees(this.#engine.catalog, who, found))) return found;
      throw new Refusal('not_found', 'artifact not found');
    }
    const own = await this.#engine.catalog.artifacts.named(who.namespace, ref, type);
    const found = own.length > 0 || !isSystem(who) ? own : await this.#engine.catalog.artifacts.named(null, ref, type);
    if (found.length > 1) throw new Refusal('malformed', 'several artifacts have this name; use a uuid');
    if (!found[0]) throw new Refusal('not_found', 'artifact not found');
    return found[0];
  }

  /** Like `get`, for callers who will change it. */
  async getOwn(who: Principal, ref: string, type?: ArtifactType): Promise<Artifact> {
    const artifact = await this.get(who, ref, type);
    if (!owns(who, artifact.namespace)) throw new Refusal('not_found', 'artifact not found');
    return artifact;
  }

  /**
   * The blob of version `index`, or of the newest.
   *
   * @throws Refusal `not_found` if there is no such version
   */
  async resolve(
    who: Principal,
    ref: string,
    index?: number,
  ): Promise<{ artifact: Artifact; version: Version; blob: Blob }> {
    const artifact = await this.get(who, ref);
    const versions = (await this.versions([artifact]))[artifact.uuid] ?? [];
    const version = index === undefined ? versions.at(-1) : versions.find((one) => one.index === index);
    const blob =
      version && artifact.state !== 'deleted' ? await this.#engine.catalog.blobs.get(version.blob) : undefined;
    if (!version || !blob)
      throw new Refusal('not_found', index === undefined ? 'artifact has no versions' : 'artifact index not found');
    return { artifact, version, blob };
  }

  /** Deletes an artifact; undefined if it was already deleted. */
  async remove(who: Principal, ref: string): Promise<Artifact | undefined> {
    const artifact = await this.getOwn(who, ref);
    return this.#engine.catalog.artifacts.remove(
      artifact.uuid,
      this.#clock.now(),
      this.#event(artifact.uuid, 'audit', 'deleted', who),
    );
  }

  /**
   * Deletes every active artifact of `namespace` that is not pinned by a release. @returns their uuids
   *
   * @throws Refusal `locked` if object lock protects some, after all others are deleted
   */
  async removeAll(who: Principal, namespace: string): Promise<string[]> {
    if (!owns(who, namespace))
      throw new Refusal('operators_only', 'only the system namespace may do that to another namespace');
    if (!(await this.#engine.catalog.namespaces.get(namespace))) throw new Refusal('not_found', 'namespace not found');
    const removed: string[] = [];
    let kept = 0;
    for await (const artifact of pages(
      (page) => this.list(who, { namespace }, page),
      ({ uuid }) => uuid,
    )) {
      try {
        await this.remove(who, artifact.uuid);
        removed.push(artifact.uuid);
      } catch (error) {
        if (!(error instanceof Refusal) || (error.reason !== 'pinned' && error.reason !== 'locked')) throw error;
        if (error.reason === 'locked') kept += 1;
      }
    }
    if (kept > 0) throw locked({ kept, removed: removed.length });
    return removed;
  }

  /** Deletes one version, and the artifact with its last one. */
  async removeVersion(who: Principal, ref: string, index: number): Promise<Artifact> {
    const artifact = await this.getOwn(who, ref);
    const event = this.#event(artifact.uuid, 'audit', `version ${index} deleted`, who);
    const changed = await this.#engine.catalog.artifacts.removeVersion(artifact.uuid, index, this.#clock.now(), event);
    if (!changed) throw new Refusal('not_found', 'artifact index not found');
    return changed;
  }

  async setMaxVersions(who: Principal, ref: string, maxVersions: number): Promise<void> {
    const artifact = await this.getOwn(who, ref);
    const event = this.#event(artifact.uuid, 'mutate', `keeps at most ${maxVersions} versions`, who);
    await this.#engine.catalog.artifacts.setMaxVersions(artifact.uuid, maxVersions, this.#clock.now(), event);
  }

  /** Shares an artifact of `system` with every namespace, or stops sharing it. */
  async share(who: Principal, ref: string, shared: boolean): Promise<Artifact> {
    const artifact = await this.getOwn(who, ref);
    if (shared && artifact.namespace !== 'system')
      throw new Refusal('forbidden', 'only artifacts in the system namespace can be shared');
    if (!shared && !artifact.shared) throw new Refusal('forbidden', 'artifact not shared');
    const event = this.#event(artifact.uuid, 'audit', shared ? 'shared' : 'no longer shared', who);
    const changed = await this.#engine.catalog.artifacts.setShared(artifact.uuid, shared, event);
    if (!changed) throw new Refusal('not_found', 'artifact not found');
    return changed;
  }

  /** Checks rights and names before anything is created. */
  async #resolveTarget(who: Principal, target: ArtifactTarget): Promise<Publication['target']> {
    checkName(target.name);
    if (target.shared && !isSystem(who))
      throw new Refusal('forbidden', 'only the system namespace can create shared artifacts');
    const namespace = target.namespace ?? who.namespace;
    if (
      !(await this.#engine.catalog.namespaces.get(namespace)) ||
      !(await trustedBy(this.#engine.catalog, who, namespace))
    ) {
      throw new Refusal('not_found', 'namespace not found');
    }
    if (target.shared && namespace !== 'system')
      throw new Refusal('forbidden', 'only artifacts in the system namespace can be shared');
    const sourceUrl = this.#sources.named(target.sourceUrl, { ...target, namespace });
    return {
      namespace,
      type: target.type,
      name: target.name,
      sourceUrl,
      shared: target.shared,
      maxVersions: target.maxVersions ?? defaultMaxVersions,
      setMaxVersions: target.maxVersions !== undefined,
      // A trusted namespace may create artifacts for another, but not add versions to existing ones.
      createOnly: !owns(who, namespace),
    };
  }

  #event(uuid: string, type: EventType, message: string, who: Principal, more: Record<string, string> = {}): Event {
    return eventBy(who, this.#clock.now(), { subject: 'artifact', id: uuid, message, type, more });
  }
}

function checkName(name: string): void {
  if (
    name.length === 0 ||
    new TextEncoder().encode(name).length > 1024 ||
    /[\u0000-\u001f\u007f]/.test(name) ||
    !name.isWellFormed()
  ) {
    throw new Refusal('malformed', 'an artifact name is 1 to 1,024 bytes of UTF-8 without control characters');
  }
  if (isId(name))
    throw new Refusal(
      'malformed',
      'a uuid cannot be an artifact name, because it would hide the artifact with that uuid',
    );
}

/** The last path segment of a URL, or its host. */
function nameFromUrl(url: string): string {
  if (!URL.canParse(url)) throw new Refusal('malformed', 'not a valid URL');
  const { pathname, hostname } = new URL(url);
  const last = pathname.split('/').findLast((segment) => segment !== '');
  return last ?? hostname;
}
