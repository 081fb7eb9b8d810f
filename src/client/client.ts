/** The client: a server, seen by one who may. */
import { wallClock, type Clock } from '../kit/clock.ts';
import { AccessKeys } from './access-keys.ts';
import { Artifacts } from './artifacts.ts';
import { Blobs } from './blobs.ts';
import { StowageError } from './error.ts';
import type { Journal } from './journal.ts';
import { Namespaces } from './namespaces.ts';
import { webPlatform, type Platform } from './platform.ts';
import { pull, type PullOptions, type Pulled } from './pull.ts';
import { push, type Pushed, type PushOptions } from './push.ts';
import { briefly, patiently, type Patience } from './retry.ts';
import { Session } from './session.ts';
import { memorySink, streamSink, type Sink } from './sink.ts';
import { blobSource, bytesSource, type Source } from './source.ts';
import { streamSource } from './stream-source.ts';
import { Uploads } from './uploads.ts';

export interface StowageClientOptions {
  /** Where the server is, such as `http://127.0.0.1:13000`; a path prefix is kept. */
  readonly url: string;
  /** Who asks, with `key`. */
  readonly namespace?: string;
  readonly key?: string;
  /** A token, instead of namespace and key; it cannot be renewed. */
  readonly token?: string;
  /** Used instead of the platform's own way to send requests. */
  readonly fetch?: typeof globalThis.fetch;
  readonly clock?: Clock;
  readonly platform?: Platform;
  /** How long single questions are repeated, and how long transfers are. */
  readonly patience?: { readonly calls?: Patience; readonly transfers?: Patience };
}

/** A path where there are files, a Blob or File, bytes, or a stream that is read once. */
export type Pushable = string | Blob | Uint8Array | AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>;
/** A path where there are files, or a stream, which stays open. */
export type Pullable = string | WritableStream<Uint8Array> | Sink;

export class StowageClient {
  readonly uploads: Uploads;
  readonly artifacts: Artifacts;
  readonly blobs: Blobs;
  readonly namespaces: Namespaces;
  readonly accessKeys: AccessKeys;
  readonly #session: Session;
  readonly #platform: Platform;
  readonly #patience: Patience;

  /** @throws TypeError when the options name no server or nobody who asks. */
  constructor(options: StowageClientOptions) {
    this.#platform = options.platform ?? webPlatform(options.fetch);
    this.#patience = options.patience?.transfers ?? patiently;
    this.#session = new Session({
      url: options.url,
      credentials: credentialsOf(options),
      transport: options.fetch ? webPlatform(options.fetch).transport : this.#platform.transport,
      clock: options.clock ?? wallClock,
      patience: options.patience?.calls ?? briefly,
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

  /** The namespace that asks; undefined with a bare token. */
  get namespace(): string | undefined {
    return this.#session.namespace;
  }

  /** The pushes that could be gone on with. */
  get journal(): Journal | undefined {
    return this.#platform.journal;
  }

  /** Proves namespace and key now, not with the first call. @throws StowageError unauthenticated. */
  async login(signal?: AbortSignal): Promise<void> {
    await this.#session.login(signal);
  }

  /**
   * Makes `what` the newest version of the artifact `name`, without sending anything that the server has.
   *
   * Interrupted and begun again with the same file, even by another process, it goes on where it was.
   */
  async push(what: Pushable, name: string, options: PushOptions = {}): Promise<Pushed> {
    const source = await this.#sourceOf(what);
    return await push(this.#session, this.#patience, this.#platform.journal, source, name, options);
  }

  /** Downloads an artifact by name or uuid, or a blob by uuid, and checks its sha512. */
  async pull(ref: string, to: Pullable, options: PullOptions = {}): Promise<Pulled> {
    if (typeof to === 'string') return await this.#pull(ref, await this.#fileSink(to), options);
    if (!('getWriter' in to)) return await this.#pull(ref, to, options);
    const writer = to.getWriter();
    try {
      // A write that fails makes the next `ready` fail.
      const write = (bytes: Uint8Array): Promise<void> => writer.ready.then(() => void writer.write(bytes).catch(() => {}));
      return await this.#pull(ref, streamSink(write, this.#platform.newHash), options);
    } finally {
      writer.releaseLock();
    }
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

  async #fileSink(path: string): Promise<Sink> {
    if (!this.#platform.createFile) throw new StowageError('malformed', 'there are no files here');
    return await this.#platform.createFile(path);
  }

  async #sourceOf(what: Pushable): Promise<Source> {
    const { newHash, openFile } = this.#platform;
    if (what instanceof Uint8Array) return bytesSource(what, newHash);
    if (what instanceof Blob) return blobSource(what, newHash);
    if (typeof what !== 'string') return streamSource(what, newHash);
    if (!openFile) throw new StowageError('malformed', 'there are no files here');
    return await openFile(what);
  }
}

function credentialsOf({ namespace, key, token }: StowageClientOptions): { namespace: string; key: string } | { token: string } {
  if (token !== undefined) return { token };
  if (namespace !== undefined && key !== undefined) return { namespace, key };
  throw new TypeError('either namespace and key, or a token');
}
