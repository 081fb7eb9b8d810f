import { randomBytes } from 'node:crypto';
import type { Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import { keyedHash } from '../tenants/access.ts';
import type { ApiKeys } from './api-keys.ts';
import type { Customers } from './customers.ts';
import type { Engine } from '../engine.ts';
import type { Download, Principal, Release, ReleaseFile } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';
import type { CredentialLookup } from '../tenants/credential-lookup.ts';

/** A request for a download token. */
export interface DownloadWish {
  readonly file: string;
  readonly customer: string;
  readonly apiKey: string;
  readonly purpose: string | null;
  /** Milliseconds. */
  readonly lifetime: number;
}

/** The target of a token. */
export interface Fetchable {
  readonly download: Download;
  readonly file: ReleaseFile;
  readonly release: Release;
}

interface DownloadDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly credentialLookup: CredentialLookup;
  readonly customers: Pick<Customers, 'entitled'>;
  readonly apiKeys: Pick<ApiKeys, 'recall'>;
}

/** Tokens with which customers fetch release files. The entitlement is checked on every use. */
export class Downloads {
  readonly #parts: DownloadDeps;
  readonly #pepper: string | undefined;
  readonly #prefix: string;

  /** @param prefix of the tokens */
  constructor(parts: DownloadDeps, { prefix, pepper }: { prefix: string; pepper: string | undefined }) {
    this.#parts = parts;
    this.#pepper = pepper;
    this.#prefix = prefix;
    parts.credentialLookup.register('download', (id) => this.#fetcher(id));
  }

  /**
   * Checks that a customer may have a file.
   *
   * @throws Refusal `not_found`, `forbidden`
   */
  async demand(customer: string, id: string): Promise<void> {
    const file = await this.#parts.engine.catalog.releases.file(id.toLowerCase());
    const release = file && (await this.#parts.engine.catalog.releases.get(file.release));
    if (!release) throw new Refusal('not_found', 'artifact not found');
    if (release.status !== 'published') throw new Refusal('forbidden', 'release not published');
    if (!(await this.#parts.customers.entitled(customer)).includes(release.product))
      throw new Refusal('forbidden', 'entitlement required');
  }

  /** Creates a token. It is returned only here. @throws Refusal as `demand` does */
  async grant(wish: DownloadWish): Promise<{ download: Download; token: string }> {
    await this.demand(wish.customer, wish.file);
    const token = this.#prefix + randomBytes(32).toString('base64url');
    const at = this.#parts.clock.now();
    const { file, customer, apiKey, purpose, lifetime } = wish;
    const download: Download = {
      id: newId(),
      verifier: keyedHash(this.#pepper, token),
      file: file.toLowerCase(),
      customer,
      apiKey,
      purpose,
      createdAt: at,
      expiresAt: at + lifetime,
    };
    if (!(await this.#parts.engine.catalog.downloads.create(download)))
      throw new Refusal('not_found', 'artifact not found');
    return { download, token };
  }

  /** @throws Refusal `not_found` */
  async resolve(token: string): Promise<Fetchable> {
    const download = token.startsWith(this.#prefix)
      ? await this.#parts.engine.catalog.downloads.proved(keyedHash(this.#pepper, token))
      : undefined;
    if (!download || !(await this.#parts.apiKeys.recall(download.apiKey)))
      throw new Refusal('not_found', 'download token not found');
    if (download.expiresAt <= this.#parts.clock.now()) throw new Refusal('not_found', 'download token expired');
    const found = await this.#find(download);
    if (!found) throw new Refusal('not_found', 'release not available');
    return found;
  }

  async #find(download: Download): Promise<Fetchable | undefined> {
    const file = await this.#parts.engine.catalog.releases.file(download.file);
    const release = file && (await this.#parts.engine.catalog.releases.get(file.release));
    if (
      !file ||
      release?.status !== 'published' ||
      !(await this.#parts.customers.entitled(download.customer)).includes(release.product)
    )
      return undefined;
    return { download, file, release };
  }

  /** The principal of a URL signed for a download, with the same checks as for its token. */
  async #fetcher(id: string): Promise<Principal | undefined> {
    const download = await this.#parts.engine.catalog.downloads.get(id);
    if (
      !download ||
      download.expiresAt <= this.#parts.clock.now() ||
      !(await this.#parts.apiKeys.recall(download.apiKey))
    )
      return undefined;
    const found = await this.#find(download);
    return (
      found && {
        namespace: found.release.namespace,
        credential: `download/${id}`,
        grant: { buckets: [found.file.bucket], verbs: ['read'] },
      }
    );
  }
}
