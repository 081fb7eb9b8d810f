import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JSONWebKeySet, type JWTPayload } from 'jose';
import { Refusal } from '../../core/refusal.ts';
import type { Clock } from '../../kit/clock.ts';

export interface ForeignTokenOptions {
  /** Where the issuer's public keys are. */
  readonly url: string;
  /** Demanded only where they are told. */
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** Milliseconds for which the keys are kept. */
  readonly age: number;
  /** Milliseconds that the issuer's clock may be off. */
  readonly leeway: number;
  /** Milliseconds that asking for the keys may take; 8 seconds unless told. */
  readonly patience?: number;
  /** Begins the sentences about keys that cannot be had. */
  readonly name: string;
}

interface Kept {
  readonly keys: JSONWebKeySet;
  readonly at: number;
}

const usualPatience = 8000;
/** Milliseconds before a failed question is asked once more. */
const pause = 200;
/** Milliseconds between two looks for a key that is not among those kept: anybody can name one. */
const lookEvery = 10_000;
const longest = 16 * 1024;

/** JWTs that others issue, proved by the public keys that they publish. */
export class OperatorTokens {
  readonly #clock: Clock;
  readonly #options: ForeignTokenOptions;
  #kept: Kept | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Whoever needs the keys while they are on their way waits for the same ones. */
  #fetching: Promise<Kept> | undefined;

  constructor(clock: Clock, options: ForeignTokenOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /**
   * What a token claims.
   *
   * @throws Refusal `unauthenticated` for one that is not proved, not good now, or not for us; `unavailable` while the keys cannot be had.
   */
  async claims(token: string): Promise<JWTPayload> {
    const kid = kidOf(token);
    const { issuer, audience, leeway } = this.#options;
    const keys = createLocalJWKSet(await this.#keysWith(kid));
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ['RS256', 'ES256'],
        requiredClaims: ['exp'],
        clockTolerance: leeway / 1000,
        currentDate: new Date(this.#clock.now()),
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience === undefined ? {} : { audience }),
      });
      return payload;
    } catch {
      throw bad();
    }
  }

  /** The keys, asked for anew when they are old, or when none of them has that id. */
  async #keysWith(kid: string): Promise<JSONWebKeySet> {
    const now = this.#clock.now();
    let kept = this.#kept;
    if (!kept || now - kept.at > this.#options.age) kept = await this.#fetch();
    if (has(kept.keys, kid)) return kept.keys;
    if (Math.abs(now - this.#lookedAt) < lookEvery) throw bad();
    if (kept.at < now) {
      this.#lookedAt = now;
      kept = await this.#fetch();
    }
    if (!has(kept.keys, kid)) throw bad();
    return kept.keys;
  }

  #fetch(): Promise<Kept> {
    this.#fetching ??= this.#ask()
      .then((keys) => (this.#kept = { keys, at: this.#clock.now() }))
      .finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #ask(): Promise<JSONWebKeySet> {
    const signal = AbortSignal.timeout(this.#options.patience ?? usualPatience);
    try {
      return await this.#askOnce(signal).catch(async (error: unknown) => {
        if (!(error instanceof Passing)) throw error;
        await new Promise((resolve) => setTimeout(resolve, pause));
        return this.#askOnce(signal);
      });
    } catch (error) {
      throw new Refusal(
        'unavailable',
        signal.aborted ? `${this.#options.name} request timed out` : `${this.#options.name} unavailable`,
        {},
        error,
      );
    }
  }

  async #askOnce(signal: AbortSignal): Promise<JSONWebKeySet> {
    const answer = await fetch(this.#options.url, { signal, headers: { Accept: 'application/json' } }).catch(
      (error: unknown) => {
        throw new Passing('the key server cannot be reached', { cause: error });
      },
    );
    if (!answer.ok) {
      await answer.body?.cancel();
      throw answer.status >= 500
        ? new Passing(`the key server answered ${answer.status}`)
        : new Error(`the key server answered ${answer.status}`);
    }
    const keys = (await answer.json()) as JSONWebKeySet;
    createLocalJWKSet(keys);
    return keys;
  }
}

/** What may be gone a moment later. */
class Passing extends Error {}

function kidOf(token: string): string {
  if (token.length > longest) throw bad();
  try {
    const { kid } = decodeProtectedHeader(token);
    if (typeof kid === 'string') return kid;
  } catch {
    // Not a token at all.
  }
  throw bad();
}

function has({ keys }: JSONWebKeySet, kid: string): boolean {
  return keys.some((key) => key.kid === kid);
}

function bad(): Refusal {
  return new Refusal('unauthenticated', 'unauthorized');
}
