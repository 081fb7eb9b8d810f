/** An issuer of JWTs with a JWKS server. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose';

export type Algorithm = 'RS256' | 'ES256' | 'PS256';

export interface Minted {
  readonly kid?: string;
  /** Seconds; default: in an hour; null for none. */
  readonly exp?: number | null;
  readonly nbf?: number;
  readonly header?: Readonly<Record<string, unknown>>;
}

interface Pair {
  readonly alg: Algorithm;
  readonly privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
}

export class Issuer {
  /** Statuses to answer before the keys, in order; 0 never answers. */
  readonly faults: number[] = [];
  /** Number of requests. */
  asked = 0;
  readonly #pairs = new Map<string, Pair>();
  #published: JWK[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<Issuer> {
    const server = createServer((_, res) => {
      issuer.asked += 1;
      const fault = issuer.faults.shift();
      if (fault === 0) return;
      if (fault !== undefined) res.writeHead(fault).end('{}');
      else res.setHeader('Content-Type', 'application/json').end(JSON.stringify({ keys: issuer.#published }));
    });
    const issuer = new Issuer(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks.json`;
  }

  /** Creates and publishes a key; with `alone` it replaces the others. */
  async add(kid: string, alg: Algorithm = 'RS256', { alone = false, published = true } = {}): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    this.#pairs.set(kid, { alg, privateKey });
    const jwk = { ...(await exportJWK(publicKey)), kid, use: 'sig' };
    this.#published = alone ? [jwk] : [...this.#published, ...(published ? [jwk] : [])];
  }

  publicKey(kid: string): JWK {
    return this.#published.find((jwk) => jwk.kid === kid)!;
  }

  mint(
    claims: Readonly<Record<string, unknown>>,
    { kid = 'first', exp, nbf, header = {} }: Minted = {},
  ): Promise<string> {
    const { alg, privateKey } = this.#pairs.get(kid)!;
    const jwt = new SignJWT({ sub: 'someone', ...claims }).setProtectedHeader({ alg, kid, ...header }).setIssuedAt();
    if (exp !== null) jwt.setExpirationTime(exp ?? Math.floor(Date.now() / 1000) + 3600);
    if (nbf !== undefined) jwt.setNotBefore(nbf);
    return jwt.sign(privateKey);
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
