/** Requests in somebody's name: the token is sent and renewed here, and answers become values or errors. */
import type { Clock } from '../kit/clock.ts';
import { StowageError, codeOf } from './error.ts';
import { Login, type Credentials } from './login.ts';
import { Backoff, parseRetryAfter, type Patience } from './retry.ts';
import { readText, type Incoming, type Payload, type Transport } from './transport.ts';

export interface SessionOptions {
  /** Where the server is; a path prefix is kept. */
  readonly url: string;
  readonly credentials: Credentials;
  readonly transport: Transport;
  readonly clock: Clock;
  /** How long requests are repeated. */
  readonly patience: Patience;
}

export interface Call {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path segments; each is encoded. */
  readonly path: readonly (string | number)[];
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly payload?: Payload;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds of silence to bear; `quiet` unless told. */
  readonly idle?: number;
  readonly onSent?: (bytes: number) => void;
  /** Set where asking again after a lost answer would do something else than the first time. */
  readonly once?: boolean;
}

/** Milliseconds of silence after which a line is taken for dead. */
export const quiet = 30_000;
/** The same where the server may have to think first, as when it hashes what it had no time for before. */
export const thinking = 15 * 60_000;

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

  /** The namespace that asks; undefined with a bare token, which only the server can read. */
  get namespace(): string | undefined {
    return this.#login.namespace;
  }

  /** The same session, as long-suffering as told. */
  bearing(patience: Patience): Session {
    return new Session({ ...this.#options, patience }, this.#login);
  }

  /** The same server, asked as nobody: what is asked for proves itself. */
  without(): Session {
    return new Session({ ...this.#options, credentials: { headers: {} } });
  }

  /** Proves the credentials now, not with the first call. */
  async login(signal?: AbortSignal): Promise<void> {
    await this.persist(signal, async () => void (await this.#bearer(signal)));
  }

  /** One try; the answer is a success. @throws StowageError. */
  async attempt(call: Call): Promise<Incoming> {
    const token = await this.#bearer(call.signal);
    const answer = await this.#send(call, token);
    if (answer.status < 300) return answer;
    const fault = await this.#fault(call, answer);
    if (fault.code !== 'unauthenticated' || !this.#login.forget(token)) throw fault;
    const again = await this.#send(call, await this.#bearer(call.signal));
    if (again.status < 300) return again;
    throw await this.#fault(call, again);
  }

  /** Asks until an answer was read to its end, as long as faults may pass. What is read is a success. */
  async ask<T>(call: Call, read: (answer: Incoming) => Promise<T>): Promise<T> {
    return await this.persist(call.signal, async () => await read(await this.attempt(call)), call.once);
  }

  /** Asks, and reads the answer's JSON. */
  async json(call: Call): Promise<unknown> {
    return await this.ask(call, readJson);
  }

  /** Repeats what may succeed later, as long as this session is to bear it. */
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
      const call: Call = { method: 'POST', path: ['auth'], json, signal };
      const answer = await this.#send(call, undefined);
      if (answer.status !== 200) throw await this.#fault(call, answer);
      return await readJson(answer);
    });
  }

  async #send(call: Call, token: string | undefined): Promise<Incoming> {
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
      idle: call.idle ?? quiet,
    });
  }

  async #fault(call: Call, answer: Incoming): Promise<StowageError> {
    const { error, detail, status: _status, code: word, ...details } = flattened(await errorBody(answer));
    // Somebody else asks for the same thing right now. What they are given time for is much more than they should need.
    const busy = details['word'] === 'idempotency_in_progress';
    const { code, spoken } = busy ? { code: 'not_ready' as const, spoken: true } : codeOf(answer.status, word);
    const offset = answer.header('upload-offset');
    // tus tells the true offset in a header, and no word.
    if (code === 'conflict' && !spoken && offset !== undefined)
      return new StowageError('offset_mismatch', typeof error === 'string' ? error : 'the upload has another offset', {
        status: answer.status,
        details: { offset: Number(offset) },
      });
    const retryAfter = busy ? undefined : parseRetryAfter(answer.header('retry-after'), this.#options.clock.now());
    const requestId = answer.header('x-request-id');
    const moved = answer.status < 400 ? answer.header('location') : undefined;
    // A query may hold what nobody else should see.
    const dry = `${call.method} ${pathOf({ path: call.path })} got status ${answer.status}${moved === undefined ? '' : `; try ${moved}`}`;
    const sentence = typeof error === 'string' ? error : typeof detail === 'string' ? detail : dry;
    return new StowageError(code, sentence, {
      status: answer.status,
      details,
      spoken,
      ...(retryAfter === undefined ? {} : { retryAfter }),
      ...(requestId === undefined ? {} : { requestId }),
    });
  }
}

/** The members of an error body, or one line as it is; empty where a proxy answered with a page. */
async function errorBody(answer: Incoming): Promise<Record<string, unknown>> {
  try {
    const text = await readText(answer);
    if (answer.header('content-type')?.startsWith('text/plain') && /^[^\n<]{1,300}\n?$/.test(text))
      return { error: text.trim() };
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body } : {};
  } catch {
    return {};
  }
}

/** Some doors say `{"error": {"code", "message"}}`; their words are not ours, and go with the details. */
function flattened({ error, ...body }: Record<string, unknown>): Record<string, unknown> {
  if (typeof error !== 'object' || error === null) return { error, ...body };
  const { message, ...inner } = error as Record<string, unknown>;
  return { ...body, error: message, word: inner['code'], ...inner, code: undefined };
}

/** The answer's body as JSON. @throws StowageError protocol where it is none. */
export async function readJson(answer: Incoming): Promise<unknown> {
  const text = await readText(answer);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StowageError('protocol', 'the answer is not JSON: is this the address of a Stowage server?', {
      status: answer.status,
      cause,
    });
  }
}

function pathOf(call: Pick<Call, 'path' | 'query'>): string {
  // Whatever its encoding, a dot segment would lead to another path.
  const dots = call.path.find((part) => part === '.' || part === '..' || part === '');
  if (dots !== undefined) throw new StowageError('malformed', `'${dots}' cannot be a name`);
  const path = call.path.map((part) => '/' + encodeURIComponent(part)).join('');
  const query = Object.entries(call.query ?? {}).filter(([, value]) => value !== undefined);
  if (query.length === 0) return path;
  return `${path}?${query.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&')}`;
}
