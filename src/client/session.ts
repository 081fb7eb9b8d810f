/** Sends authenticated requests, renews the token, and turns responses into values or errors. */
import type { Clock } from '../kit/clock.ts';
import { StowageError, codeOf } from './error.ts';
import { Login, type Credentials } from './login.ts';
import { Backoff, parseRetryAfter, type Patience } from './retry.ts';
import { readAnswerText, type TransportAnswer, type RequestPayload, type Transport } from './transport.ts';

export interface SessionOptions {
  /** Base URL of the server; a path prefix is kept. */
  readonly url: string;
  readonly credentials: Credentials;
  readonly transport: Transport;
  readonly clock: Clock;
  /** Retry limits. */
  readonly patience: Patience;
}

export interface ApiCall {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path segments; each is encoded. */
  readonly path: readonly (string | number)[];
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly payload?: RequestPayload;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without traffic; default `defaultIdle`. */
  readonly idle?: number;
  readonly onSent?: (bytes: number) => void;
  /** Set if the request is not idempotent, so that it is not repeated after a lost response. */
  readonly once?: boolean;
}

/** Milliseconds without traffic after which a connection counts as dead. */
export const defaultIdle = 30_000;
/** The same for requests that may make the server hash a whole file first. */
export const slowIdle = 15 * 60_000;

export class Session {
  readonly #options: SessionOptions;
  readonly #base: string;
  readonly #login: Login;

  constructor(options: SessionOptions, login?: Login) {
    this.#options = options;
    this.#base = options.url.replace(/\/+$/, '');
    if (!/^https?:\/\/[^/]/.test(this.#base)) throw new TypeError(`not an http or https URL: ${options.url}`);
    this.#login = login ?? new Login(options.credentials, options.clock);
  }

  get url(): string {
    return this.#base;
  }

  /** The caller's namespace; undefined with a bare token, which only the server can decode. */
  get namespace(): string | undefined {
    return this.#login.namespace;
  }

  /** The same session with other retry limits. */
  withPatience(patience: Patience): Session {
    return new Session({ ...this.#options, patience }, this.#login);
  }

  /** The same server without credentials, for URLs that carry their own. */
  anonymous(): Session {
    return new Session({ ...this.#options, credentials: { headers: {} } });
  }

  /** Checks the credentials now instead of on the first request. */
  async login(signal?: AbortSignal): Promise<void> {
    await this.persist(signal, async () => void (await this.#bearer(signal)));
  }

  /** Sends once; returns a successful response. @throws StowageError */
  async attempt(call: ApiCall): Promise<TransportAnswer> {
    const token = await this.#bearer(call.signal);
    const answer = await this.#send(call, token);
    if (answer.status < 300) return answer;
    const fault = await this.#fault(call, answer);
    if (fault.code !== 'unauthenticated' || !this.#login.forget(token)) throw fault;
    const again = await this.#send(call, await this.#bearer(call.signal));
    if (again.status < 300) return again;
    throw await this.#fault(call, again);
  }

  /** Sends and reads a successful response to its end, with retries. */
  async ask<T>(call: ApiCall, read: (answer: TransportAnswer) => Promise<T>): Promise<T> {
    return await this.persist(call.signal, async () => await read(await this.attempt(call)), call.once);
  }

  /** Sends and parses the JSON of the response. */
  async json(call: ApiCall): Promise<unknown> {
    return await this.ask(call, readJson);
  }

  /** Repeats `work` while its error is retryable, within the session's limits. */
  async persist<T>(signal: AbortSignal | undefined, work: () => Promise<T>, once = false): Promise<T> {
    const backoff = new Backoff(this.#options.patience);
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (once && error instanceof StowageError && error.status === undefined) throw error;
        await backoff.wait(error, signal);
      }
    }
  }

  async #bearer(signal: AbortSignal | undefined): Promise<string | undefined> {
    return await this.#login.token(async (json) => {
      const call: ApiCall = { method: 'POST', path: ['auth'], json, signal };
      const answer = await this.#send(call, undefined);
      if (answer.status !== 200) throw await this.#fault(call, answer);
      return await readJson(answer);
    });
  }

  async #send(call: ApiCall, token: string | undefined): Promise<TransportAnswer> {
    const body = call.payload ?? (call.json === undefined ? undefined : JSON.stringify(call.json));
    const type = call.payload ? 'application/octet-stream' : call.json === undefined ? undefined : 'application/json';
    return await this.#options.transport({
      method: call.method,
      url: this.#base + pathOf(call),
      headers: {
        accept: '*/*',
        ...this.#login.headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(type === undefined ? {} : { 'content-type': type }),
        ...call.headers,
      },
      ...(body === undefined ? {} : { body }),
      ...(call.signal ? { signal: call.signal } : {}),
      ...(call.onSent ? { onSent: call.onSent } : {}),
      idle: call.idle ?? defaultIdle,
    });
  }

  async #fault(call: ApiCall, answer: TransportAnswer): Promise<StowageError> {
    const { error, detail, status: _status, code: word, ...details } = flattened(await errorBody(answer));
    // A request with the same idempotency key is running. Its `Retry-After` is for the worst case; ignore it.
    const busy = details['word'] === 'idempotency_in_progress';
    const { code, fromServer } = busy ? { code: 'not_ready' as const, fromServer: true } : codeOf(answer.status, word);
    const offset = answer.header('upload-offset');
    // tus reports the offset in a header and has no error code.
    if (code === 'conflict' && !fromServer && offset !== undefined)
      return new StowageError('offset_mismatch', typeof error === 'string' ? error : 'the upload has another offset', {
        status: answer.status,
        details: { offset: Number(offset) },
      });
    const retryAfter = busy ? undefined : parseRetryAfter(answer.header('retry-after'), this.#options.clock.now());
    const requestId = answer.header('x-request-id');
    const moved = answer.status < 400 ? answer.header('location') : undefined;
    // The query is left out because it may hold secrets.
    const dry = `${call.method} ${pathOf({ path: call.path })} got status ${answer.status}${moved === undefined ? '' : `; try ${moved}`}`;
    const sentence = typeof error === 'string' ? error : typeof detail === 'string' ? detail : dry;
    return new StowageError(code, sentence, {
      status: answer.status,
      details,
      fromServer,
      ...(retryAfter === undefined ? {} : { retryAfter }),
      ...(requestId === undefined ? {} : { requestId }),
    });
  }
}

/** The members of a JSON error body, or a line of plain text; empty for a proxy's page. */
async function errorBody(answer: TransportAnswer): Promise<Record<string, unknown>> {
  try {
    const text = await readAnswerText(answer);
    if (answer.header('content-type')?.startsWith('text/plain') && /^[^\n<]{1,300}\n?$/.test(text))
      return { error: text.trim() };
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body } : {};
  } catch {
    return {};
  }
}

/** Some faces answer `{"error": {"code", "message"}}`; their codes are not StowageCodes and go into the details. */
function flattened({ error, ...body }: Record<string, unknown>): Record<string, unknown> {
  if (typeof error !== 'object' || error === null) return { error, ...body };
  const { message, ...inner } = error as Record<string, unknown>;
  return { ...body, error: message, word: inner['code'], ...inner, code: undefined };
}

/** Parses the body as JSON. @throws StowageError protocol */
export async function readJson(answer: TransportAnswer): Promise<unknown> {
  const text = await readAnswerText(answer);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StowageError('protocol', 'the answer is not JSON: is this the address of a Stowage server?', {
      status: answer.status,
      cause,
    });
  }
}

function pathOf(call: Pick<ApiCall, 'path' | 'query'>): string {
  // URL parsers resolve dot segments even if they are encoded, so they would change the path.
  const dots = call.path.find((part) => part === '.' || part === '..' || part === '');
  if (dots !== undefined) throw new StowageError('malformed', `'${dots}' cannot be a name`);
  const path = call.path.map((part) => '/' + encodeURIComponent(part)).join('');
  const query = Object.entries(call.query ?? {}).filter(([, value]) => value !== undefined);
  if (query.length === 0) return path;
  return `${path}?${query.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&')}`;
}
