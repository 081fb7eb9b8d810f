import { createHash } from 'node:crypto';
import type { Request } from 'express';
import type { Clock } from '../../kit/clock.ts';
import type { Download, ReleaseFile, Slot } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import type { UploadedFile, ForeignStore } from '../../core/releases/files.ts';
import type { ReleasySettings } from './settings.ts';
import { methodOf, responseOverrides, type SigningWish, type ReleaseStore } from './storage.ts';

interface S3StoreOptions {
  readonly clock: Clock;
  readonly bucket: string;
  /** Default: AWS. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly pathStyle: boolean;
  /** Milliseconds. */
  readonly presignAge: number;
  readonly presign: (wish: SigningWish & { readonly endpoint: string; readonly region: string }) => string;
}

/** The store of the settings; undefined if none is configured. */
export function foreignStoreOf(
  { bucket, endpoint, region, accessKey, secretKey, pathStyle, presignAge }: ReleasySettings,
  clock: Clock,
  presign: S3StoreOptions['presign'],
): S3Store | undefined {
  if (region === undefined || accessKey === undefined || secretKey === undefined || bucket === null) return undefined;
  return new S3Store({ clock, bucket, endpoint, region, accessKey, secretKey, pathStyle, presignAge, presign });
}

/** Milliseconds until the store must respond. */
const patience = 30_000;
/** Validity in seconds of URLs for this server's own requests. */
const selfUseSeconds = 60;

/** Artifacts in a bucket of a foreign S3 store, of which this server is a client. */
export class S3Store implements ReleaseStore, ForeignStore {
  readonly bucket: string;
  readonly #options: S3StoreOptions;

  constructor(options: S3StoreOptions) {
    this.#options = options;
    this.bucket = options.bucket;
  }

  place(): Promise<{ bucket: string; outside: boolean }> {
    return Promise.resolve({ bucket: this.bucket, outside: true });
  }

  uploadUrl({ key }: Slot): Promise<string> {
    return Promise.resolve(this.#sign('PUT', key, Math.floor(this.#options.presignAge / 1000)));
  }

  resumable(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** @throws Refusal `lost` if the object differs from the registered one */
  async downloadUrl(file: ReleaseFile, { expiresAt }: Download, req: Request): Promise<string> {
    const { key, versionId, etag } = file;
    const lying = await this.find(key, versionId);
    if (lying?.etag !== etag) throw new Refusal('lost', 'the artifact changed since it was registered');
    const expires = Math.max(1, Math.floor((expiresAt - this.#options.clock.now()) / 1000));
    return this.#sign(methodOf(req), key, expires, {
      ...versionOf(versionId),
      ...responseOverrides(file),
      'response-content-encoding': 'identity',
    });
  }

  async find(key: string, versionId: string | null = null): Promise<(UploadedFile & { sha256?: string }) | undefined> {
    const answer = await this.#ask('HEAD', key, { ...versionOf(versionId), 'x-amz-checksum-mode': 'ENABLED' });
    if (answer.status === 404) return undefined;
    const header = (name: string): string | undefined => answer.headers.get(name) ?? undefined;
    const version = header('x-amz-version-id');
    const told = /^[A-Za-z0-9+/]{43}=$/.exec(header('x-amz-checksum-sha256') ?? '')?.[0];
    const sha256 =
      header('x-amz-checksum-type') === 'COMPOSITE' || told === undefined
        ? undefined
        : Buffer.from(told, 'base64').toString('hex');
    return {
      size: Number(header('content-length') ?? 0),
      etag: (header('etag') ?? '').replaceAll('"', ''),
      versionId: version === undefined || version === 'null' ? null : version,
      ...(sha256 === undefined ? {} : { sha256 }),
    };
  }

  async sha256(key: string, lying: UploadedFile & { sha256?: string }): Promise<string> {
    if (lying.sha256 !== undefined) return lying.sha256;
    const answer = await this.#ask('GET', key, versionOf(lying.versionId), { 'If-Match': `"${lying.etag}"` });
    const hash = createHash('sha256');
    try {
      for await (const chunk of answer.body ?? []) hash.update(chunk);
    } catch (error) {
      throw silent(error);
    }
    return hash.digest('hex');
  }

  async remove(key: string, versionId: string | null): Promise<void> {
    await this.#ask('DELETE', key, versionOf(versionId));
  }

  /** @throws Refusal `unavailable` unless the store succeeds or reports a missing object */
  async #ask(
    method: 'GET' | 'HEAD' | 'DELETE',
    key: string,
    query: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const patient = new AbortController();
    const timer = setTimeout(() => patient.abort(), patience);
    try {
      const answer = await fetch(this.#sign(method, key, selfUseSeconds, query), {
        method,
        headers,
        redirect: 'error',
        signal: patient.signal,
      });
      if (answer.ok || (answer.status === 404 && method !== 'GET')) return answer;
      await answer.body?.cancel();
      throw new Error(`the store answered ${answer.status}`);
    } catch (error) {
      throw silent(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #sign(method: SigningWish['method'], key: string, expires: number, query: Record<string, string> = {}): string {
    const { endpoint: told, region, accessKey: keyId, secretKey: secret, pathStyle, presign } = this.#options;
    const endpoint = told ?? `https://s3.${region}.amazonaws.com`;
    if (pathStyle)
      return presign({ method, endpoint, region, bucket: this.bucket, key, expires, query, keyId, secret });
    const { protocol, host } = new URL(endpoint);
    return presign({
      method,
      endpoint: `${protocol}//${this.bucket}.${host}`,
      region,
      bucket: null,
      key,
      expires,
      query,
      keyId,
      secret,
    });
  }
}

function silent(cause: unknown): Refusal {
  return new Refusal('unavailable', 'artifact storage does not answer', {}, cause);
}

function versionOf(versionId: string | null): Record<string, string> {
  return versionId === null ? {} : { versionId };
}
