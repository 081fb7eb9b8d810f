/** A real server on a free port with a temporary folder and a movable clock. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino, type Logger } from 'pino';
import { readConfig } from '../../src/config/index.ts';
import type { Core } from '../../src/core/index.ts';
import type { Clock } from '../../src/kit/clock.ts';
import { readOpenApi, startServer, type RunningServer } from '../../src/server/index.ts';

export class MovableClock implements Clock {
  #ahead = 0;
  #passed = 0;
  #frozenAt: number | undefined;

  now(): number {
    return (this.#frozenAt ?? Date.now()) + this.#ahead;
  }

  /** Stops the wall clock, so that limits only change with `move` and `jump`. */
  freeze(): void {
    this.#frozenAt = Date.now();
  }

  elapsed(): number {
    return performance.now() + this.#passed;
  }

  /** Advances both clocks by `ms`, which may be negative. */
  move(ms: number): void {
    this.#ahead += ms;
    this.#passed += ms;
  }

  /** Sets only the wall clock. */
  jump(ms: number): void {
    this.#ahead += ms;
  }
}

export interface WorldOptions {
  /** Settings by name, as in the environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly log?: Logger;
  /** Starts another build of the server. */
  readonly start?: typeof startServer;
}

export interface Asked {
  readonly body?: BodyInit;
  /** Sent as JSON if `body` is absent. */
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Namespace to authenticate as; null for none. */
  readonly as?: string | null;
}

/** A response with its body. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** The body as JSON. */
  json<T = Record<string, unknown>>(): T;
}

const systemKey = 'the-key-of-the-test-world';
/** Milliseconds that open requests have on close; short, because tests may leave some open. */
const patience = 1000;
/** Parsed once for all servers of a file. */
let openapi: ReturnType<typeof readOpenApi> | undefined;

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const world = new World(await mkdtemp(join(tmpdir(), 'stowage-')), options);
  await world.start();
  return world;
}

export class World {
  readonly folder: string;
  readonly clock = new MovableClock();
  readonly namespace = 'system';
  readonly key = systemKey;
  readonly #options: WorldOptions;
  readonly #tokens = new Map<string, string>();
  readonly #keys = new Map<string, string>([['system', systemKey]]);
  #server: RunningServer | undefined;

  constructor(folder: string, options: WorldOptions) {
    this.folder = folder;
    this.#options = options;
  }

  get server(): RunningServer {
    if (!this.#server) throw new Error('the server of this world does not run');
    return this.#server;
  }

  get url(): string {
    return this.server.urls[0]!;
  }

  /** URL of the S3 listener. */
  get s3Url(): string {
    return this.server.s3Urls[0]!;
  }

  get core(): Core {
    return this.server.core;
  }

  async start(): Promise<void> {
    const config = readConfig({
      STOWAGE_PORT: '0',
      STOWAGE_STORAGE_DIR: this.folder,
      STOWAGE_SYSTEM_KEY: systemKey,
      STOWAGE_LOG_LEVEL: 'silent',
      STOWAGE_NODE: 'testnode',
      STOWAGE_DURABILITY: 'relaxed',
      STOWAGE_SWEEP_CRON: 'off',
      STOWAGE_SCRUB_CRON: 'off',
      STOWAGE_HEADROOM: '1MiB',
      STOWAGE_FETCH: 'any',
      ...this.#options.env,
    });
    const { start, log = pino({ level: config.logLevel }) } = this.#options;
    // Another build reads its own description.
    this.#server = start
      ? await start(config, { clock: this.clock, log, patience })
      : await startServer(config, { clock: this.clock, log, patience, openapi: await (openapi ??= readOpenApi()) });
  }

  /** Restarts the server on the same folder; its port changes. */
  async restart(): Promise<void> {
    await this.server.close();
    await this.start();
  }

  async close(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Registers a namespace that another world created in the same folder. */
  know(name: string): string {
    const key = `the-key-of-${name}`;
    this.#keys.set(name, key);
    // Tokens of an earlier namespace with that name are invalid.
    this.#tokens.delete(name);
    return key;
  }

  /** Creates a namespace, which can then be used as `as`. */
  async addNamespace(name: string): Promise<string> {
    const key = this.know(name);
    const answer = await this.ask('POST', '/auth/namespaces', { json: { namespace: name, key_name: 'first', key } });
    if (answer.status !== 200) throw new Error(`no namespace: ${answer.bytes.toString()}`);
    return name;
  }

  /** An access key of a namespace, for all that it may. */
  async accessKey(
    as = 'system',
    wish: Record<string, unknown> = {},
  ): Promise<{ readonly accessKeyId: string; readonly secretAccessKey: string }> {
    const json = { name: 'test', permissions: { read: true, write: true, delete: true, admin: true }, ...wish };
    const answer = await this.ask('POST', '/api/storage/keys', { as, json });
    if (answer.status !== 201) throw new Error(`no access key: ${answer.bytes.toString()}`);
    const { access_key_id: accessKeyId, secret_access_key: secretAccessKey } = answer.json<{
      access_key_id: string;
      secret_access_key: string;
    }>();
    return { accessKeyId, secretAccessKey };
  }

  /** A token that is good now. */
  async token(namespace = 'system'): Promise<string> {
    const kept = this.#tokens.get(namespace);
    if (kept !== undefined && expiryOf(kept) * 1000 > this.clock.now() + 1000) return kept;
    const key = this.#keys.get(namespace);
    const answer = await this.ask('POST', '/auth', { as: null, json: { namespace, key } });
    if (answer.status !== 200) throw new Error(`no token: ${answer.bytes.toString()}`);
    const { access_token: token } = answer.json<{ access_token: string }>();
    this.#tokens.set(namespace, token);
    return token;
  }

  /** Sends a request; as the system namespace, if nothing else is said. */
  async ask(method: string, path: string, { body, json, headers, as = 'system' }: Asked = {}): Promise<Answered> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(as === null ? {} : { Authorization: `Bearer ${await this.token(as)}` }),
        ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(json !== undefined ? { body: JSON.stringify(json) } : body !== undefined ? { body } : {}),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return {
      status: answer.status,
      headers: answer.headers,
      bytes,
      json: <T>() => JSON.parse(bytes.toString('utf8')) as T,
    };
  }

  /** Like `ask`, for what must succeed; answers the JSON. */
  async get<T = Record<string, unknown>>(method: string, path: string, asked: Asked = {}): Promise<T> {
    const answer = await this.ask(method, path, asked);
    if (answer.status !== 200)
      throw new Error(`${method} ${path}: ${answer.status} ${answer.bytes.toString().slice(0, 500)}`);
    return answer.json<T>();
  }

  /** An upload with these bytes; answers its uuid. */
  async upload(content: Uint8Array, as = 'system'): Promise<string> {
    const { uuid } = await this.get<{ uuid: string }>('POST', '/upload', { as });
    if (content.byteLength > 0) await this.get('POST', `/upload/${uuid}`, { as, body: Buffer.from(content) });
    return uuid;
  }

  /** An artifact of these bytes, as the server shows it. */
  async push(
    name: string,
    content: Uint8Array,
    options: { as?: string; json?: Record<string, unknown> } = {},
  ): Promise<ArtifactView> {
    const { as = 'system', json = {} } = options;
    const upload = await this.upload(content, as);
    return this.get<ArtifactView>('POST', `/artifacts/upload/${encodeURIComponent(name)}`, {
      as,
      json: { upload_uuid: upload, ...json },
    });
  }
}

export interface ArtifactView {
  readonly uuid: string;
  readonly name: string;
  readonly state: string;
  readonly namespace: string;
  readonly shared: boolean;
  readonly index: number;
  readonly blob_uuid: string;
  readonly sha512: string;
  readonly max_versions: number;
  readonly source_url: string;
  readonly artifact_type: string;
  readonly blobs: Readonly<
    Record<
      string,
      { readonly uuid: string; readonly size: number; readonly reference_count: number; readonly instances?: string[] }
    >
  >;
}

function expiryOf(token: string): number {
  return (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { exp: number }).exp;
}
