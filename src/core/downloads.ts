import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { Clock } from '../kit/clock.ts';
import { newId } from '../kit/ids.ts';
import type { Engine } from './engine.ts';
import type { Download, Principal, Release, ReleaseFile } from './model.ts';
import { Refusal } from './refusal.ts';
import type { Vouchers } from './vouchers.ts';

/** Those who may have releases. */
export interface Audience {
  /** Something, while the customer's key of that id opens anything. */
  recall(apiKey: string): Promise<unknown>;
  /** Products that the customer may have now. */
  entitled(customer: string): Promise<readonly string[]>;
}

/** What a customer asks for, by which of its keys. */
export interface DownloadWish {
  readonly file: string;
  readonly customer: string;
  readonly apiKey: string;
  readonly purpose: string | null;
  /** Milliseconds. */
  readonly lifetime: number;
}

/** What a token is good for. */
export interface Fetchable {
  readonly download: Download;
  readonly file: ReleaseFile;
  readonly release: Release;
}

const prefix = 'releasy_dl_';

/** Tokens by which customers fetch files of releases. Whether they may is asked again with every use. */
export class Downloads {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #audience: Audience;
  readonly #key: Uint8Array;

  constructor({ engine, clock, vouchers }: { engine: Engine; clock: Clock; vouchers: Vouchers }, audience: Audience, secret: Uint8Array) {
    this.#engine = engine;
    this.#clock = clock;
    this.#audience = audience;
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', 'stowage download tokens', 32));
    vouchers.vouch('download', (id) => this.#fetcher(id));
  }

  /**
   * Finds out whether a customer may have a file.
   *
   * @throws Refusal `not_found`, `forbidden`
   */
  async demand(customer: string, id: string): Promise<void> {
    const file = await this.#engine.catalog.releases.file(id.toLowerCase());
    const release = file && (await this.#engine.catalog.releases.get(file.release));
    if (!release) throw new Refusal('not_found', 'artifact not found');
    if (release.status !== 'published') throw new Refusal('forbidden', 'release not published');
    if (!(await this.#audience.entitled(customer)).includes(release.product)) throw new Refusal('forbidden', 'entitlement required');
  }

  /** Makes a token, which is told this once. @throws Refusal as `demand` does. */
  async grant(wish: DownloadWish): Promise<{ download: Download; token: string }> {
    await this.demand(wish.customer, wish.file);
    const token = prefix + randomBytes(32).toString('base64url');
    const at = this.#clock.now();
    const { file, customer, apiKey, purpose, lifetime } = wish;
    const download: Download = { id: newId(), verifier: this.#verifier(token), file: file.toLowerCase(), customer, apiKey, purpose, createdAt: at, expiresAt: at + lifetime };
    if (!(await this.#engine.catalog.downloads.create(download))) throw new Refusal('not_found', 'artifact not found');
    return { download, token };
  }

  /** @throws Refusal `not_found` */
  async resolve(token: string): Promise<Fetchable> {
    const download = token.startsWith(prefix) ? await this.#engine.catalog.downloads.proved(this.#verifier(token)) : undefined;
    if (!download || !(await this.#audience.recall(download.apiKey))) throw new Refusal('not_found', 'download token not found');
    if (download.expiresAt <= this.#clock.now()) throw new Refusal('not_found', 'download token expired');
    const found = await this.#find(download);
    if (!found) throw new Refusal('not_found', 'release not available');
    return found;
  }

  async #find(download: Download): Promise<Fetchable | undefined> {
    const file = await this.#engine.catalog.releases.file(download.file);
    const release = file && (await this.#engine.catalog.releases.get(file.release));
    if (!file || release?.status !== 'published' || !(await this.#audience.entitled(download.customer)).includes(release.product)) return undefined;
    return { download, file, release };
  }

  /** Whoever uses a URL that was signed for a download: the same is asked as of the token. */
  async #fetcher(id: string): Promise<Principal | undefined> {
    const download = await this.#engine.catalog.downloads.get(id);
    if (!download || download.expiresAt <= this.#clock.now() || !(await this.#audience.recall(download.apiKey))) return undefined;
    const found = await this.#find(download);
    return found && { namespace: found.release.namespace, credential: `download/${id}`, grant: { buckets: [found.file.bucket], verbs: ['read'] } };
  }

  #verifier(token: string): string {
    return createHmac('sha256', this.#key).update(token).digest('hex');
  }
}
