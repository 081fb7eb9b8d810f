/** Helpers for tests of releases with the clients of Releasy. */
import { createHash } from 'node:crypto';
import { openWorld, type Answered, type World, type WorldOptions } from './world.ts';

export const adminKey = 'the-admin-key-of-the-test-world';

export interface ReleaseSeen {
  readonly id: string;
  readonly product: string;
  readonly version: string;
  readonly status: string;
  readonly created_at: number;
  readonly published_at: number | null;
  readonly artifacts: readonly ArtifactSeen[] | null;
}

export interface ArtifactSeen {
  readonly id: string;
  readonly object_key: string;
  readonly platform: string;
  readonly checksum: string;
  readonly size: number;
  readonly filename: string;
  readonly sha512?: string;
  readonly md5?: string;
}

export interface SlotSeen {
  readonly artifact_id: string;
  readonly object_key: string;
  readonly upload_url: string;
  readonly expires_at: number;
  readonly resumable_url: string;
  readonly tus_url: string;
  readonly upload_uuid: string;
  readonly resumable_expires_at: number;
}

export const sha256Of = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

export async function openReleasy(env: Record<string, string> = {}, options: WorldOptions = {}): Promise<Releasy> {
  return new Releasy(await openWorld({ ...options, env: { RELEASY_ADMIN_API_KEY: adminKey, ...env } }));
}

export class Releasy {
  readonly world: World;
  #count = 0;

  constructor(world: World) {
    this.world = world;
  }

  /** Sends a request as admin, unless other headers are given. */
  ask(
    method: string,
    path: string,
    json?: unknown,
    headers: Record<string, string> = { 'x-releasy-admin-key': adminKey },
  ): Promise<Answered> {
    return this.world.ask(method, path, { as: null, headers, ...(json === undefined ? {} : { json }) });
  }

  /** The same with an idempotency key. */
  once(word: string, path: string, json?: unknown): Promise<Answered> {
    return this.ask('POST', path, json, { 'x-releasy-admin-key': adminKey, 'idempotency-key': word });
  }

  /** Like `ask`, but must succeed. @returns the JSON */
  async get<T>(method: string, path: string, json?: unknown, headers?: Record<string, string>): Promise<T> {
    const answer = await this.ask(method, path, json, headers);
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.bytes.toString()}`);
    return answer.json<T>();
  }

  async release(product = 'app', version?: string): Promise<ReleaseSeen> {
    this.#count += 1;
    return this.get('POST', '/v1/releases', { product, version: version ?? `0.0.${this.#count}` });
  }

  slot(release: string, filename = 'app.tar.gz', platform = 'linux-x86_64'): Promise<SlotSeen> {
    return this.get('POST', `/v1/releases/${release}/artifacts/presign`, { filename, platform });
  }

  /** Registers what was uploaded to a slot. */
  register(
    release: string,
    slot: SlotSeen,
    bytes: Uint8Array | string,
    more: Record<string, unknown> = {},
  ): Promise<Answered> {
    const json = {
      artifact_id: slot.artifact_id,
      object_key: slot.object_key,
      checksum: sha256Of(bytes),
      size: Buffer.byteLength(bytes),
      platform: 'linux-x86_64',
      ...more,
    };
    return this.ask('POST', `/v1/releases/${release}/artifacts`, json);
  }

  /** Uploads and registers a file of a release. */
  async artifact(release: string, bytes: Uint8Array | string, filename?: string): Promise<SlotSeen> {
    const slot = await this.slot(release, filename);
    await put(slot.upload_url, bytes);
    const registered = await this.register(release, slot, bytes);
    if (registered.status !== 200) throw new Error(`not registered: ${registered.bytes.toString()}`);
    return slot;
  }

  /** A published release with one file. */
  async published(bytes: Uint8Array | string, product = 'app'): Promise<{ release: ReleaseSeen; slot: SlotSeen }> {
    const release = await this.release(product);
    const slot = await this.artifact(release.id, bytes);
    await this.get('POST', `/v1/releases/${release.id}/publish`);
    return { release, slot };
  }

  /** A customer entitled to a product, with a key. */
  async customer(
    product = 'app',
    wish: Record<string, unknown> = {},
  ): Promise<{ id: string; key: string; keyId: string; entitlement: string }> {
    const { id } = await this.get<{ id: string }>('POST', '/v1/admin/customers', { name: 'somebody' });
    const { api_key: key, api_key_id: keyId } = await this.get<{ api_key: string; api_key_id: string }>(
      'POST',
      '/v1/admin/keys',
      { customer_id: id, ...wish },
    );
    const { id: entitlement } = await this.get<{ id: string }>('POST', `/v1/admin/customers/${id}/entitlements`, {
      product,
      starts_at: 0,
    });
    return { id, key, keyId, entitlement };
  }

  token(key: string, artifact: string, more: Record<string, unknown> = {}): Promise<Answered> {
    return this.ask('POST', '/v1/downloads/token', { artifact_id: artifact, ...more }, { 'x-releasy-api-key': key });
  }

  async downloadUrl(key: string, artifact: string): Promise<string> {
    return (await this.token(key, artifact)).json<{ download_url: string }>().download_url;
  }

  close(): Promise<void> {
    return this.world.close();
  }
}

/** Status and error of a response. */
export function said(answer: Answered): { status: number; code?: string; message?: string } {
  if (answer.status < 400) return { status: answer.status };
  return { status: answer.status, ...answer.json<{ error: { code: string; message: string } }>().error };
}

export async function put(
  url: string,
  bytes: Uint8Array | string,
  headers: Record<string, string> = {},
): Promise<number> {
  const answer = await fetch(url, {
    method: 'PUT',
    headers,
    body: typeof bytes === 'string' ? bytes : Buffer.from(bytes),
  });
  await answer.arrayBuffer();
  return answer.status;
}
