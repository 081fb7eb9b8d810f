import { jwtVerify, SignJWT, type JWTPayload } from 'jose';
import type { Request } from 'express';
import type { Credential, Principal } from '../core/model.ts';
import { Refusal } from '../core/refusal.ts';
import type { Clock } from '../kit/clock.ts';
import { newId } from '../kit/ids.ts';

export interface TokenOptions {
  /** At least 32 random bytes. */
  readonly secret: Uint8Array;
  /** Who says so: the node's name. */
  readonly issuer: string;
  /** Milliseconds for which a token is good. */
  readonly lifetime: number;
}

/** What a token says, once its signature was found to be ours. */
interface Claims {
  readonly namespace: string;
  readonly credential: string;
  readonly nonce: string;
  /** Seconds since the epoch. */
  readonly expires: number;
}

/** Whom a token's claims are held against. */
export interface Keeper {
  readonly clock: Clock;
  readonly namespaces: {
    /** @throws Refusal `unauthenticated` when the key is gone. */
    recall(namespace: string, credential: string, nonce: string): Promise<Principal>;
  };
}

/** Signatures remembered: a client sends the same token with every chunk. Everything else about it is asked anew each time. */
const memory = 1000;
const longest = 4096;

/** Tokens: what a login gives, and what every other request is asked for. */
export class Tokens {
  readonly #keeper: Keeper;
  readonly #options: TokenOptions;
  readonly #verified = new Map<string, Claims>();

  constructor(keeper: Keeper, options: TokenOptions) {
    if (options.secret.byteLength < 32) throw new RangeError('the secret that signs tokens must have 32 bytes or more');
    this.#keeper = keeper;
    this.#options = options;
  }

  /** Seconds for which a new token is good. */
  get lifetime(): number {
    return Math.floor(this.#options.lifetime / 1000);
  }

  mint(credential: Credential): Promise<string> {
    const now = Math.floor(this.#keeper.clock.now() / 1000);
    // The subject is a pair, as old servers have it; the library knows only text there.
    const subject = [credential.namespace, credential.name] as unknown as string;
    return new SignJWT({ sub: subject, nonce: credential.nonce, jti: newId() })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuer(this.#options.issuer)
      .setIssuedAt(now)
      .setExpirationTime(now + this.lifetime)
      .sign(this.#options.secret);
  }

  /**
   * Who sends the request.
   *
   * @throws Refusal `unauthenticated` for no token, a bad or expired one, or one whose key is gone.
   */
  async principal(req: Request): Promise<Principal> {
    const [, token] = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(req.headers.authorization ?? '') ?? [];
    if (token === undefined || token.length > longest) throw new Refusal('unauthenticated', 'a token is needed; log in at /auth');
    const claims = this.#verified.get(token) ?? (await this.#verify(token));
    if (claims.expires <= this.#keeper.clock.now() / 1000) throw expired();
    return this.#keeper.namespaces.recall(claims.namespace, claims.credential, claims.nonce);
  }

  async #verify(token: string): Promise<Claims> {
    const claims = claimsOf(await this.#payload(token));
    if (this.#verified.size >= memory) this.#verified.delete(this.#verified.keys().next().value!);
    this.#verified.set(token, claims);
    return claims;
  }

  async #payload(token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, this.#options.secret, {
        algorithms: ['HS256'], issuer: this.#options.issuer, requiredClaims: ['sub', 'nonce', 'exp'],
        currentDate: new Date(this.#keeper.clock.now()),
      });
      return payload;
    } catch (error) {
      throw isExpiry(error) ? expired() : bad();
    }
  }
}

function claimsOf(payload: JWTPayload): Claims {
  const subject: unknown = payload.sub;
  const { nonce, exp } = payload;
  if (!Array.isArray(subject) || subject.length !== 2 || typeof nonce !== 'string' || !Number.isSafeInteger(exp)) throw bad();
  const [namespace, credential] = subject as unknown[];
  if (typeof namespace !== 'string' || typeof credential !== 'string') throw bad();
  return { namespace, credential, nonce, expires: Number(exp) };
}

function isExpiry(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_JWT_EXPIRED';
}

function expired(): Refusal {
  return new Refusal('unauthenticated', 'the token has expired; log in again');
}

function bad(): Refusal {
  return new Refusal('unauthenticated', 'the token is not one of ours');
}
