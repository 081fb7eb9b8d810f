/** The client of one server with one set of credentials. */
import { wallClock, type Clock } from '../kit/clock.ts';
import { AccessKeys } from './access-keys.ts';
import { Artifacts } from './artifacts.ts';
import { Blobs } from './blobs.ts';
import { withSink, uploadSourceOf, type Pullable, type Pushable } from './source-sink.ts';
import type { Journal } from './journal.ts';
import { Namespaces } from './namespaces.ts';
import { webPlatform, type Platform } from './platform.ts';
import { pull, type PullOptions, type Pulled } from './pull.ts';
import { push, type Pushed, type PushOptions } from './push.ts';
import { callPatience, transferPatience, type Patience } from './retry.ts';
import { Session } from './session.ts';
import { memorySink, type Sink } from './sink.ts';
import { Uploads } from './uploads.ts';

export interface StowageClientOptions {
  /** Base URL of the server, such as `http://127.0.0.1:13000`; a path prefix is kept. */
  readonly url: string;
  /** Namespace and its key. */
  readonly namespace?: string;
  readonly key?: string;
  /** A token instead of namespace and key; it cannot be renewed. */
  readonly token?: string;
  /** Replaces the platform's transport. */
  readonly fetch?: typeof globalThis.fetch;
  readonly clock?: Clock;
  readonly platform?: Platform;
  /** Retry limits of single requests and of transfers. */
  readonly patience?: { readonly calls?: Patience; readonly transfers?: Patience };
}

export class StowageClient {
  readonly uploads: Uploads;
  readonly artifacts: Artifacts;
  readonly blobs: Blobs;
  readonly namespaces: Namespaces;
  readonly accessKeys: AccessKeys;
  readonly #session: Session;
  readonly #platform: Platform;
  readonly #patience: Patience;

  /** @throws TypeError if the options lack a server or credentials */
  constructor(options: StowageClientOptions) {
    this.#platform = options.platform ?? webPlatform(options.fetch);
    this.#patience = options.patience?.transfers ?? transferPatience;
    this.#session = new Session({
      url: options.url,
      credentials: credentialsOf(options),
      transport: options.fetch ? webPlatform(options.fetch).transport : this.#platform.transport,
      clock: options.clock ?? wallClock,
      patience: options.patience?.calls ?? callPatience,
    });
    this.uploads = new Uploads(this.#session);
    this.artifacts = new Artifacts(this.#session);
    this.blobs = new Blobs(this.#session);
    this.namespaces = new Namespaces(this.#session);
    this.accessKeys = new AccessKeys(this.#session);
  }

  get url(): string {
    return this.#session.url;
  }

  /** The caller's namespace; undefined with a bare token. */
  get namespace(): string | undefined {
    return this.#session.namespace;
  }

  /** Pushes that can be resumed. */
  get journal(): Journal | undefined {
    return this.#platform.journal;
  }

  /** Checks the credentials now instead of on the first request. @throws StowageError unauthenticated */
  async login(signal?: AbortSignal): Promise<void> {
    await this.#session.login(signal);
  }

  /**
   * Makes `what` the newest version of the artifact `name`. Sends nothing that the server already has.
   *
   * Repeating an interrupted push of the same file resumes it, also from another process.
   */
  async push(what: Pushable, name: string, options: PushOptions = {}): Promise<Pushed> {
    const source = await uploadSourceOf(this.#platform, what);
    return await push(this.#session, this.#patience, this.#platform.journal, source, name, options);
  }

  /** Downloads an artifact by name or uuid, or a blob by uuid, and checks its sha512. */
  async pull(ref: string, to: Pullable, options: PullOptions = {}): Promise<Pulled> {
    return await withSink(this.#platform, to, (sink) => this.#pull(ref, sink, options));
  }

  /** Downloads into memory. */
  async read(ref: string, options: PullOptions = {}): Promise<Blob> {
    const sink = memorySink(this.#platform.newHash);
    const { mediaType } = await this.#pull(ref, sink, options);
    return sink.blob().slice(undefined, undefined, mediaType);
  }

  #pull(ref: string, sink: Sink, options: PullOptions): Promise<Pulled> {
    return pull(this.#session, this.#patience, ref, sink, options);
  }
}

function credentialsOf({
  namespace,
  key,
  token,
}: StowageClientOptions): { namespace: string; key: string } | { token: string } {
  if (token !== undefined) return { token };
  if (namespace !== undefined && key !== undefined) return { namespace, key };
  throw new TypeError('either namespace and key, or a token');
}
