/** Stores of release files: a bucket of this server, or of a foreign one. */
import type { Request } from 'express';
import type { Core } from '../../core/index.ts';
import type { Download, ReleaseFile, Slot } from '../../core/records.ts';
import { slotCredential } from '../../core/tenants/credential-lookup.ts';
import { Refusal } from '../../core/refusal.ts';
import { fileName } from '../../http/disposition.ts';
import type { Tokens } from '../../http/tokens.ts';
import type { ReleaseBucket } from './release-bucket.ts';
import { fileNameOf } from './views.ts';

/** Parameters of a presigned S3 URL; the S3 face signs it. */
export interface SigningWish {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  /** Null if the host name of the endpoint contains it. */
  readonly bucket: string | null;
  readonly key: string;
  /** Seconds. */
  readonly expires: number;
  readonly query?: Readonly<Record<string, string>>;
  readonly keyId: string;
  readonly secret: string;
}

/** A capability for a resumable upload. */
export interface ResumableUpload {
  readonly token: string;
  readonly expiresAt: number;
}

export interface ReleaseStore {
  /** The bucket for new slots. @throws Refusal `unavailable` if there is none */
  place(): Promise<Pick<Slot, 'bucket' | 'outside'>>;
  /** A URL whose PUT fills the slot. */
  uploadUrl(slot: Slot, req: Request): Promise<string>;
  /** A capability to fill the slot; undefined if the store cannot resume. */
  resumable(slot: Slot): Promise<ResumableUpload | undefined>;
  /** A URL that serves the file to the request's method (GET or HEAD); undefined if this server must send it. */
  downloadUrl(file: ReleaseFile, download: Download, req: Request): Promise<string | undefined>;
}

export interface OwnStoreOptions {
  readonly core: Core;
  readonly releaseBucket: ReleaseBucket;
  readonly tokens: Tokens;
  /** Milliseconds. */
  readonly presignAge: number;
  /** Signs a URL for the given host; undefined if S3 is off. */
  readonly presign: ((wish: SigningWish & { readonly host: string }) => string) | undefined;
  /** Public URL of this server. */
  readonly baseUrl: (req: Request) => string;
}

/** Files in a bucket of this server. Signed URLs become invalid with their slot or download. */
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

  async resumable({ id, bucket, key, expiresAt }: Slot): Promise<ResumableUpload> {
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
      { method: methodOf(req), bucket, key, expires, query: { versionId: file.id, ...responseOverrides(file) } },
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
    const { id: keyId, secret } = await core.accessKeys.derive({ namespace: releaseBucket.who.namespace, credential });
    return presign({ ...wish, keyId, secret, host: new URL(baseUrl(req)).host });
  }
}

/** URL of a resumable PUT into a slot, without a signature. */
export function resumableUrl(baseUrl: string, key: string, { token }: ResumableUpload): string {
  return `${baseUrl}/artifacts/${encodeURIComponent(key)}/data?capability=${token}`;
}

/** Whether the key has dot segments, which clients remove from a path and so break its signature. */
function isDotted(key: string): boolean {
  return key.split('/').some((segment) => /^\.{1,2}$/.test(segment));
}

export function methodOf({ method }: Request): 'GET' | 'HEAD' {
  return method === 'HEAD' ? 'HEAD' : 'GET';
}

/** Query parameters that override the response headers of a signed GET. */
export function responseOverrides(file: ReleaseFile): Record<string, string> {
  return {
    'response-content-type': 'application/octet-stream',
    'response-content-disposition': dispositionOf(file),
    'response-cache-control': 'no-store',
  };
}

/** The file is saved under its uploaded name. */
export function dispositionOf(file: ReleaseFile): string {
  return `attachment; ${fileName(fileNameOf(file))}`;
}
