import type { Clock } from '../../kit/clock.ts';
import { isId, newId } from '../../kit/ids.ts';
import type { Catalog, ReleaseFilter, TimePage } from '../engine.ts';
import type { Event, Principal, Release, ReleaseStatus } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';
import { eventBy } from '../tenants/events.ts';
import type { ReleaseFiles } from './files.ts';
import { required } from './paths.ts';

/** Versions of products. Callers are authorized by the face and act as the namespace that owns the releases. */
export class Releases {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly #files: Pick<ReleaseFiles, 'clear'>;

  constructor(catalog: Catalog, clock: Clock, files: Pick<ReleaseFiles, 'clear'>) {
    this.#catalog = catalog;
    this.#clock = clock;
    this.#files = files;
  }

  /**
   * @param id id of the release; a repeated call returns the same release
   * @throws Refusal `conflict` if another release has that product and version; `malformed`
   */
  async create(who: Principal, wish: Pick<Release, 'product' | 'version'>, id = newId()): Promise<Release> {
    const [product, version] = (['product', 'version'] as const).map((field) => required(field, wish[field]));
    const release: Release = {
      id,
      namespace: who.namespace,
      product: product!,
      version: version!,
      status: 'draft',
      createdAt: this.#clock.now(),
      publishedAt: null,
    };
    const there = await this.#catalog.releases.create(
      release,
      this.#event(id, 'release created', who, { product: product!, version: version! }),
    );
    if (there.id !== id) throw new Refusal('conflict', 'release already exists');
    return there;
  }

  /** @throws Refusal `not_found` */
  async get(who: Principal, id: string): Promise<Release> {
    const found = isId(id) ? await this.#catalog.releases.get(id.toLowerCase()) : undefined;
    if (found?.namespace !== who.namespace) throw new Refusal('not_found', 'release not found');
    return found;
  }

  /** Newest first. */
  list(who: Principal, filter: ReleaseFilter, page: TimePage): Promise<Release[]> {
    return this.#catalog.releases.list(who.namespace, filter, page);
  }

  /** @throws Refusal `not_found`; `malformed` if it is already published; `conflict` if another request changed it */
  publish(who: Principal, id: string): Promise<Release> {
    return this.#turn(who, id, 'draft', 'published');
  }

  unpublish(who: Principal, id: string): Promise<Release> {
    return this.#turn(who, id, 'published', 'draft');
  }

  /** Removes a release with its files, slots and tokens; unreferenced bytes are freed later. */
  async remove(who: Principal, id: string): Promise<void> {
    const release = await this.get(who, id);
    const { product, version } = release;
    const removed = await this.#catalog.releases.remove(
      release.id,
      this.#clock.now(),
      this.#event(release.id, 'release deleted', who, { product, version }),
    );
    if (!removed) throw new Refusal('not_found', 'release not found');
    await this.#files.clear(who, removed);
  }

  async #turn(who: Principal, id: string, from: ReleaseStatus, to: ReleaseStatus): Promise<Release> {
    const release = await this.get(who, id);
    if (release.status === to) throw new Refusal('malformed', `release already ${to}`);
    const turned = await this.#catalog.releases.turn(
      release.id,
      from,
      to,
      this.#clock.now(),
      this.#event(release.id, `release ${to === 'published' ? 'published' : 'unpublished'}`, who),
    );
    if (!turned) throw new Refusal('conflict', 'release status changed, retry');
    return turned;
  }

  #event(id: string, message: string, who: Principal, more: Record<string, string> = {}): Event {
    return eventBy(who, this.#clock.now(), { subject: 'release', id, message, more });
  }
}
