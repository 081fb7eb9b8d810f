import { setTimeout as sleep } from 'node:timers/promises';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  jwtVerify,
  type FetchImplementation,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose';
import { Refusal } from '../../core/refusal.ts';
import type { Clock } from '../../kit/clock.ts';

export interface ForeignTokenOptions {
  /** URL of the issuer's key set (JWKS). */
  readonly url: string;
  /** Checked only if configured. */
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** Milliseconds that the key set is cached. */
  readonly age: number;
  /** Milliseconds of tolerated clock difference. */
  readonly leeway: number;
  /** Milliseconds for a request of the key set; default 8 seconds. */
  readonly patience?: number;
  /** Prefix of the messages about unavailable keys. */
  readonly name: string;
}

const usualPatience = 8000;
/** Milliseconds before a failed request is repeated once. */
const pause = 200;
/** Milliseconds between two reloads for an unknown key id, because anyone can send one. */
const lookEvery = 10_000;
const longestToken = 16 * 1024;
const largestKeySet = 1024 * 1024;

/** Verifies JWTs of another issuer with its published keys. */
export class OperatorTokens {
  readonly #clock: Clock;
  readonly #options: ForeignTokenOptions;
  readonly #keys: JWTVerifyGetKey;

  constructor(clock: Clock, options: ForeignTokenOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#keys = createRemoteJWKSet(new URL(options.url), {
      cacheMaxAge: options.age,
      cooldownDuration: lookEvery,
      timeoutDuration: options.patience ?? usualPatience,
      headers: { Accept: 'application/json' },
      [customFetch]: (url, init) => this.#fetch(url, init),
    });
  }

  /**
   * Verifies a token and returns its claims.
   *
   * @throws Refusal `unauthenticated` for an invalid or expired token; `unavailable` if the keys cannot be fetched
   */
  async claims(token: string): Promise<JWTPayload> {
    const { issuer, audience, leeway } = this.#options;
    try {
      if (!namesKey(token)) throw bad();
      const { payload } = await jwtVerify(token, this.#keys, {
        algorithms: ['RS256', 'ES256'],
        requiredClaims: ['exp'],
        clockTolerance: leeway / 1000,
        currentDate: new Date(this.#clock.now()),
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience === undefined ? {} : { audience }),
      });
      return payload;
    } catch (error) {
      throw error instanceof Refusal ? error : bad();
    }
  }

  /** Fetch errors become Refusals, so that any other error concerns the token. */
  async #fetch(...[url, init]: Parameters<FetchImplementation>): Promise<Response> {
    try {
      const keys = await ask(url, init).catch(async (error: unknown) => {
        if (!(error instanceof TemporaryError)) throw error;
        await sleep(pause, undefined, { signal: init.signal });
        return ask(url, init);
      });
      return Response.json(keys);
    } catch (error) {
      const what = init.signal.aborted ? 'request timed out' : 'unavailable';
      throw new Refusal('unavailable', `${this.#options.name} ${what}`, {}, error);
    }
  }
}

/** A temporary error. */
class TemporaryError extends Error {}

async function ask(...[url, init]: Parameters<FetchImplementation>): Promise<JSONWebKeySet> {
  const answer = await fetch(url, { ...init, redirect: 'follow' }).catch((error: unknown) => {
    throw new TemporaryError('the key server cannot be reached', { cause: error });
  });
  if (!answer.ok) {
    await answer.body?.cancel();
    throw new (answer.status >= 500 ? TemporaryError : Error)(`the key server answered ${answer.status}`);
  }
  let text = '';
  for await (const piece of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece;
    if (text.length > largestKeySet) throw new Error('the key set is too large');
  }
  const keys = JSON.parse(text) as JSONWebKeySet;
  createLocalJWKSet(keys);
  return keys;
}

function namesKey(token: string): boolean {
  return token.length <= longestToken && typeof decodeProtectedHeader(token).kid === 'string';
}

function bad(): Refusal {
  return new Refusal('unauthenticated', 'unauthorized');
}
