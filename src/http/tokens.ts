import { LRUCache } from 'lru-cache';
import { jwtVerify, SignJWT, type JWTPayload } from 'jose';
import type { Request } from 'express';
import { clientAddressOf } from './client-address.ts';
import type { Credential, Principal } from '../core/records.ts';
import { Refusal } from '../core/refusal.ts';
import type { Clock } from '../kit/clock.ts';
import { newId } from '../kit/ids.ts';

export interface TokenOptions {
  /** At least 32 random bytes. */
  readonly secret: Uint8Array;
  /** The node's name. */
  readonly issuer: string;
  /** Validity of a token in milliseconds. */
  readonly lifetime: number;
}

/** The right to make one upload. It is part of a URL, so that a page needs no key. */
export interface Capability {
  /** Id of the upload, which may not exist yet. */
  readonly upload: string;
  /** Artifact that the upload becomes a version of. */
  readonly artifact: string;
  /** Owner of the artifact; null for the issuer's namespace. */
  readonly namespace: string | null;
  /** Bytes. */
  readonly maxSize: number;
  /** A media type, or a type with `/*`; null for any. */
  readonly type: string | null;
  /** The object that the upload becomes, if it is not for an artifact. */
  readonly object?: { readonly bucket: string; readonly key: string };
}

/** The caller, and the capability if the request has only that. */
export interface TokenHolder {
  readonly who: Principal;
  readonly capability: Capability | undefined;
}

/** The claims of a verified token. */
interface Claims {
  readonly namespace: string;
  readonly credential: string;
  readonly nonce: string;
  /** Seconds since the epoch. */
  readonly expires: number;
  readonly capability: Capability | undefined;
}

/** What tokens are checked against. */
export interface TokenDeps {
  readonly clock: Clock;
  readonly loginAttempts: {
    /** Counts an invalid token. @throws Refusal `throttled` after too many, else the error */
    wrong(from: string, error: unknown): Promise<never>;
  };
  readonly namespaces: {
    /** @throws Refusal `unauthenticated` if the key no longer exists */
    recall(namespace: string, credential: string, nonce: string): Promise<Principal>;
  };
}

/** Verified signatures cached: a client sends its token with every chunk. Other checks are repeated. */
const memory = 1000;
const longest = 4096;

/** Issues and verifies tokens. */
export class Tokens {
  readonly #deps: TokenDeps;
  readonly #options: TokenOptions;
  readonly #verified = new LRUCache<string, Claims>({ max: memory });

  constructor(keeper: TokenDeps, options: TokenOptions) {
    if (options.secret.byteLength < 32) throw new RangeError('the secret that signs tokens must have 32 bytes or more');
    this.#deps = keeper;
    this.#options = options;
  }

  /** Validity of a new token in seconds. */
  get lifetime(): number {
    return Math.floor(this.#options.lifetime / 1000);
  }

  mint({ namespace, name, nonce }: Credential): Promise<string> {
    return this.#sign({ namespace, credential: name, nonce }, this.lifetime);
  }

  /**
   * Issues a capability for `lifetime` seconds. It also becomes invalid with the caller's key.
   *
   * @throws Refusal as `principal` does
   */
  async grant(req: Request, capability: Capability, lifetime: number): Promise<string> {
    return this.#sign(await this.#claims(req, bearerOf(req)), lifetime, capability);
  }

  /** Issues a capability on behalf of a credential. */
  grantFor(
    { namespace, credential, nonce }: Pick<Claims, 'namespace' | 'credential' | 'nonce'>,
    capability: Capability,
    lifetime: number,
  ): Promise<string> {
    return this.#sign({ namespace, credential, nonce }, lifetime, capability);
  }

  /**
   * Authenticates the caller.
   *
   * @throws Refusal `unauthenticated` if the token is missing, invalid or expired, or its key no longer exists
   */
  async principal(req: Request): Promise<Principal> {
    const claims = await this.#claims(req, bearerOf(req));
    if (claims.capability) throw new Refusal('unauthenticated', 'a capability is valid only for one upload');
    return this.#recall(claims);
  }

  /**
   * Authenticates the caller, or accepts a capability in the query.
   *
   * @throws Refusal as `principal` does
   */
  async holder(req: Request): Promise<TokenHolder> {
    const presented = req.query['capability'];
    if (presented === undefined) return { who: await this.principal(req), capability: undefined };
    const claims = await this.#claims(req, typeof presented === 'string' ? presented : undefined);
    if (!claims.capability)
      throw new Refusal('unauthenticated', 'not a capability; send a token in the Authorization header');
    return { who: await this.#recall(claims), capability: claims.capability };
  }

  #recall({ namespace, credential, nonce }: Claims): Promise<Principal> {
    return this.#deps.namespaces.recall(namespace, credential, nonce);
  }

  #sign(
    { namespace, credential, nonce }: Pick<Claims, 'namespace' | 'credential' | 'nonce'>,
    lifetime: number,
    capability?: Capability,
  ): Promise<string> {
    const now = Math.floor(this.#deps.clock.now() / 1000);
    // The subject is a pair, as in Shaken Fist's tokens; jose's types only allow text.
    const subject = [namespace, credential] as unknown as string;
    return new SignJWT({ sub: subject, nonce, jti: newId(), ...(capability && { capability }) })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuer(this.#options.issuer)
      .setIssuedAt(now)
      .setExpirationTime(now + lifetime)
      .sign(this.#options.secret);
  }

  async #claims(req: Request, token: string | undefined): Promise<Claims> {
    if (token === undefined || token.length > longest)
      throw new Refusal('unauthenticated', 'a token is required; log in at /auth');
    const claims = this.#verified.get(token) ?? (await this.#verify(req, token));
    if (claims.expires <= this.#deps.clock.now() / 1000) throw expired();
    return claims;
  }

  async #verify(req: Request, token: string): Promise<Claims> {
    const claims = claimsOf(await this.#payload(req, token));
    this.#verified.set(token, claims);
    return claims;
  }

  async #payload(req: Request, token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, this.#options.secret, {
        algorithms: ['HS256'],
        issuer: this.#options.issuer,
        requiredClaims: ['sub', 'nonce', 'exp'],
        currentDate: new Date(this.#deps.clock.now()),
      });
      return payload;
    } catch (error) {
      if (isExpiry(error)) throw expired();
      return this.#deps.loginAttempts.wrong(clientAddressOf(req), bad());
    }
  }
}

function claimsOf(payload: JWTPayload): Claims {
  const subject: unknown = payload.sub;
  const { nonce, exp } = payload;
  if (!Array.isArray(subject) || subject.length !== 2 || typeof nonce !== 'string' || !Number.isSafeInteger(exp))
    throw bad();
  const [namespace, credential] = subject as unknown[];
  if (typeof namespace !== 'string' || typeof credential !== 'string') throw bad();
  // The signature proves that this server made it, so its shape is not checked.
  return {
    namespace,
    credential,
    nonce,
    expires: Number(exp),
    capability: payload['capability'] as Capability | undefined,
  };
}

function bearerOf(req: Request): string | undefined {
  return /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(req.headers.authorization ?? '')?.[1];
}

function isExpiry(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_JWT_EXPIRED';
}

function expired(): Refusal {
  return new Refusal('unauthenticated', 'the token has expired; log in again');
}

function bad(): Refusal {
  return new Refusal('unauthenticated', 'the token is invalid');
}
