/** Credentials and the token obtained with them. */
import type { Clock } from '../kit/clock.ts';
import { StowageError } from './error.ts';

/** A namespace with one of its keys, an existing token, or fixed headers without a token. */
export type Credentials =
  | { readonly namespace: string; readonly key: string }
  | { readonly token: string }
  | { readonly headers: Readonly<Record<string, string>> };

/** Milliseconds before expiry at which a token is renewed, so that a large body is not refused. */
const renewAhead = 60_000;

export class Login {
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  #token: { readonly text: string; readonly until: number } | undefined;
  #fetching: Promise<string> | undefined;

  constructor(credentials: Credentials, clock: Clock) {
    this.#credentials = credentials;
    this.#clock = clock;
  }

  get namespace(): string | undefined {
    return 'namespace' in this.#credentials ? this.#credentials.namespace : undefined;
  }

  /** Headers of every request. */
  get headers(): Readonly<Record<string, string>> {
    return 'headers' in this.#credentials ? this.#credentials.headers : {};
  }

  /**
   * A valid token, if the credentials use one. Concurrent callers share one request for it.
   *
   * @param fetch sends this JSON to the server and returns the JSON of the response
   */
  async token(fetch: (json: { namespace: string; key: string }) => Promise<unknown>): Promise<string | undefined> {
    const credentials = this.#credentials;
    if ('headers' in credentials) return undefined;
    if ('token' in credentials) return credentials.token;
    if (this.#token && this.#clock.now() < this.#token.until) return this.#token.text;
    this.#fetching ??= this.#fetch(fetch({ namespace: credentials.namespace, key: credentials.key })).finally(() => {
      this.#fetching = undefined;
    });
    return await this.#fetching;
  }

  /** Drops a refused token; false if it cannot be renewed. */
  forget(token: string | undefined): boolean {
    if (!('key' in this.#credentials)) return false;
    if (this.#token?.text === token) this.#token = undefined;
    return true;
  }

  async #fetch(answer: Promise<unknown>): Promise<string> {
    const given = await answer.catch((error: unknown) => {
      throw asRefusal(error);
    });
    const body = given as { readonly access_token?: unknown; readonly expires_in?: unknown } | null;
    if (typeof body?.access_token !== 'string') {
      throw new StowageError('protocol', 'the answer is not a token: is this the address of a Stowage server?');
    }
    const lifetime = typeof body.expires_in === 'number' ? body.expires_in * 1000 : 0;
    this.#token = { text: body.access_token, until: this.#clock.now() + Math.max(lifetime - renewAhead, lifetime / 2) };
    return body.access_token;
  }
}

/** The server answers 404 for an unknown namespace; to a caller this means the same as a wrong key. */
function asRefusal(error: unknown): unknown {
  if (!(error instanceof StowageError) || error.code !== 'not_found' || !error.fromServer) return error;
  return new StowageError('unauthenticated', error.message, { status: 404, fromServer: true, details: error.details });
}
