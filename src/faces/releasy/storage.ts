/** Where the files of releases are put and fetched: a bucket of this server, or of another. */
import type { Request } from 'express';
import type { Core } from '../../core/index.ts';
import type { Download, ReleaseFile, Slot } from '../../core/records.ts';
import { slotCredential } from '../../core/tenants/credential-lookup.ts';
import { Refusal } from '../../core/refusal.ts';
import { fileName } from '../../http/disposition.ts';
import type { Tokens } from '../../http/tokens.ts';
import type { ReleaseBucket } from './release-bucket.ts';
import { fileNameOf } from './views.ts';

/** Signs a URL of an S3 listener, which another face owns. */
export interface SigningWish {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  /** Null where the endpoint's host name has it. */
  readonly bucket: string | null;
  readonly key: string;
  /** Seconds. */
  readonly expires: number;
  readonly query?: Readonly<Record<string, string>>;
  readonly keyId: string;
  readonly secret: string;
}

/** Where uploads go that need no S3 client. */
export interface Resumable {
  readonly token: string;
  readonly expiresAt: number;
}

export interface ReleaseStore {
  /** @throws Refusal `unavailable` where there is none. */
  place(): Promise<Pick<Slot, 'bucket' | 'outside'>>;
  /** A URL that a PUT fills the slot by. */
  uploadUrl(slot: Slot, req: Request): Promise<string>;
  /** A capability to fill the slot by; undefined where there is no such way. */
  resumable(slot: Slot): Promise<Resumable | undefined>;
  /** A URL that fetches the file by the request's method, GET or HEAD; undefined where it can only be sent. */
  downloadUrl(file: ReleaseFile, download: Download, req: Request): Promise<string | undefined>;
}

export interface OwnStoreOptions {
  readonly core: Core;
  readonly releaseBucket: ReleaseBucket;
  readonly tokens: Tokens;
  /** Milliseconds. */
  readonly presignAge: number;
  /** Signs for whoever reached the server by this host; undefined where S3 is switched off. */
  readonly presign: ((wish: SigningWish & { readonly host: string }) => string) | undefined;
  /** Where the client of a request finds this server. */
  readonly baseUrl: (req: Request) => string;
}

/** Files in a bucket of this server. URLs end with the slot or the download that they are for. */
export class OwnStore implements ReleaseStore {
  readonly #options: OwnStoreOptions;

  constructor(options: OwnStoreOptions) {
    this.#options = options;
  }

  async place(): Promise<{ bucket: string; outside: boolean }> {
    return { bucket: (await this.#options.releaseBucket.bucket()).name, outside: false };
  }

  async uploadUrl(slot: Slot, req: Request): Promise<string> {
    const { id, bucket, key } = slot;
    if (isDotted(key)) return resumableUrl(this.#options.baseUrl(req), key, await this.resumable(slot));
    const url = await this.#sign(
      slotCredential(id),
      { method: 'PUT', bucket, key, expires: Math.floor(this.#options.presignAge / 1000) },
      req,
    );
    if (url === undefined) throw new Refusal('unavailable', 'artifact storage not configured');
    return url;
  }

  async resumable({ id, bucket, key, expiresAt }: Slot): Promise<Resumable> {
    const { core, releaseBucket, tokens } = this.#options;
    const capability = {
      upload: id,
      artifact: key,
      namespace: null,
      maxSize: core.uploads.limits.maxSize,
      type: null,
      object: { bucket, key },
    };
    const lifetime = Math.max(1, Math.floor((expiresAt - core.clock.now()) / 1000));
    const token = await tokens.grantFor(
      { namespace: releaseBucket.who.namespace, credential: slotCredential(id), nonce: id },
      capability,
      lifetime,
    );
    return { token, expiresAt };
  }

  downloadUrl(file: ReleaseFile, { id, expiresAt }: Download, req: Request): Promise<string | undefined> {
    const { bucket, key } = file;
    if (isDotted(key)) return Promise.resolve(undefined);
    const expires = Math.max(1, Math.floor((expiresAt - this.#options.core.clock.now()) / 1000));
    return this.#sign(
      `download/${id}`,
      { method: methodOf(req), bucket, key, expires, query: { versionId: file.id, ...shownAs(file) } },
      req,
    );
  }

  async #sign(
    credential: string,
    wish: Omit<SigningWish, 'keyId' | 'secret'>,
    req: Request,
  ): Promise<string | undefined> {
    const { core, releaseBucket, presign, baseUrl } = this.#options;
    if (!presign) return undefined;
    const { id: keyId, secret } = await core.accessKeys.lend({ namespace: releaseBucket.who.namespace, credential });
    return presign({ ...wish, keyId, secret, host: new URL(baseUrl(req)).host });
  }
}

/** Where a PUT fills a slot without a signature, and goes on where it was cut off. */
export function resumableUrl(baseUrl: string, key: string, { token }: Resumable): string {
  return `${baseUrl}/artifacts/${encodeURIComponent(key)}/data?capability=${token}`;
}

/** Whether clients would take segments out of a path with that key: what is left is not what was signed. */
function isDotted(key: string): boolean {
  return key.split('/').some((segment) => /^\.{1,2}$/.test(segment));
}

export function methodOf({ method }: Request): 'GET' | 'HEAD' {
  return method === 'HEAD' ? 'HEAD' : 'GET';
}

/** What the answer to a signed GET says of the file, whatever its uploader said of it. */
export function shownAs(file: ReleaseFile): Record<string, string> {
  return {
    'response-content-type': 'application/octet-stream',
    'response-content-disposition': dispositionOf(file),
    'response-cache-control': 'no-store',
  };
}

/** A file is saved under the name that it was uploaded by. */
export function dispositionOf(file: ReleaseFile): string {
  return `attachment; ${fileName(fileNameOf(file))}`;
}
