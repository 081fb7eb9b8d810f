import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import type { LoginAttempts } from '../../core/tenants/login-attempts.ts';
import type { ApiKeys, ApiKeyHolder } from '../../core/releases/api-keys.ts';
import type { Principal, Scope } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { clientAddressOf } from '../../http/client-address.ts';
import type { OperatorTokens } from './operator-tokens.ts';

export const roles = ['platform_admin', 'platform_support', 'release_publisher'] as const;
export type Role = (typeof roles)[number];

/** An operator. Acts as a principal of the releases' namespace; the routes have already checked the roles. */
export interface Operator extends Principal {
  readonly kind: 'operator';
  /** All roles of the operator; they add up. */
  readonly roles: ReadonlySet<Role>;
}

/** The holder of a customer's API key. Not a principal, because customers own nothing in this store. */
export interface CustomerCaller extends ApiKeyHolder {
  readonly kind: 'customer';
  readonly namespace: string;
}

export interface CredentialOptions {
  /** The namespace that owns the releases. */
  readonly namespace: string;
  readonly apiKeys: Pick<ApiKeys, 'open'>;
  readonly attempts: Pick<LoginAttempts, 'prove' | 'wrong'>;
  /** The key with all rights, if one is configured. */
  readonly adminKey: string | undefined;
  /** Verifies operators' JWTs, if an issuer is configured. */
  readonly tokens: OperatorTokens | undefined;
  /** The client in `resource_access` whose roles count. */
  readonly resource: string | undefined;
}

const customerHeader = 'x-releasy-api-key';

/** The message for each missing role; clients match on them. */
const demands: Readonly<Record<string, string>> = {
  platform_admin: 'admin role required',
  'platform_admin platform_support': 'platform_support role required',
  'platform_admin release_publisher': 'release_publisher role required',
};

/** Authenticates operators by the admin key or a JWT, and customers by an API key. */
export class ReleasyCredentials {
  readonly #options: CredentialOptions;

  constructor(options: CredentialOptions) {
    this.#options = options;
  }

  /**
   * Authenticates an operator. The admin key header takes precedence over `Authorization`.
   *
   * @throws Refusal `unauthenticated`; `forbidden` for a JWT without a role; `unavailable` if no method is configured
   */
  async operator(req: Request): Promise<Operator> {
    const { adminKey, tokens } = this.#options;
    const header = headerOf(req, 'x-releasy-admin-key');
    const bearer = /^Bearer +(\S+) *$/i.exec(req.headers.authorization ?? '')?.[1];
    const isToken =
      bearer !== undefined && bearer.split('.').length === 3 && !(adminKey !== undefined && same(bearer, adminKey));
    if (header === undefined && isToken && tokens) return this.#byToken(req, bearer, tokens);
    return this.#byAdminKey(req, header ?? (isToken ? undefined : bearer));
  }

  async #byAdminKey(req: Request, offered: string | undefined): Promise<Operator> {
    const { adminKey, tokens, attempts, namespace } = this.#options;
    if (adminKey === undefined && (!tokens || offered !== undefined))
      throw new Refusal('unavailable', 'admin api key not configured');
    if (adminKey === undefined || offered === undefined) throw unauthorized();
    // The key cannot be guessed, so a failure counts as a tenth of one.
    await attempts.prove({ from: clientAddressOf(req), subject: 'admin key', guessable: false }, async () => {
      if (!same(offered, adminKey)) throw unauthorized();
    });
    return { kind: 'operator', namespace, credential: 'admin key', roles: new Set(['platform_admin']) };
  }

  /**
   * Authenticates a customer.
   *
   * @throws Refusal `unauthenticated`
   */
  async customer(req: Request): Promise<CustomerCaller> {
    const { namespace, apiKeys } = this.#options;
    const raw = headerOf(req, customerHeader);
    const open = (): Promise<ApiKeyHolder> => apiKeys.open(namespace, raw);
    if (raw === undefined) return { kind: 'customer', namespace, ...(await open()) };
    // The key is its own subject, so that failures of other clients do not throttle a valid one.
    const attempt = { from: clientAddressOf(req), subject: `api key ${digestOf(raw)}`, guessable: false };
    return { kind: 'customer', namespace, ...(await this.#options.attempts.prove(attempt, open)) };
  }

  /** Whether the request has an API key header, valid or not. */
  showsKey(req: Request): boolean {
    return headerOf(req, customerHeader) !== undefined;
  }

  async #byToken(req: Request, token: string, tokens: OperatorTokens): Promise<Operator> {
    const { resource, namespace, attempts } = this.#options;
    const claims = await tokens.claims(token).catch((error: unknown) => {
      // If the issuer's keys are unavailable, the token is not counted as wrong.
      if (error instanceof Refusal && error.reason === 'unauthenticated')
        return attempts.wrong(clientAddressOf(req), error);
      throw error;
    });
    const named = new Set([
      ...listed(claims['roles']),
      ...listed(member(claims['realm_access'], 'roles')),
      ...(resource === undefined ? [] : listed(member(member(claims['resource_access'], resource), 'roles'))),
    ]);
    const held = new Set(roles.filter((role) => named.has(role)));
    if (held.size === 0) throw new Refusal('forbidden', 'missing operator role');
    return {
      kind: 'operator',
      namespace,
      credential: `operator ${JSON.stringify([claims.iss ?? '', claims.sub ?? claims['azp'] ?? claims['client_id'] ?? ''])}`,
      roles: held,
    };
  }
}

/** @throws Refusal `forbidden` unless the operator has one of these roles */
export function demandRole(who: Operator, ...wanted: readonly Role[]): void {
  if (wanted.some((role) => who.roles.has(role))) return;
  throw new Refusal('forbidden', demands[wanted.join(' ')] ?? 'missing operator role');
}

/** @throws Refusal `forbidden` unless the key has the scope */
export function demandScope({ key }: CustomerCaller, scope: Scope): void {
  if (!key.scopes.includes(scope)) throw new Refusal('forbidden', 'missing scope');
}

/** A trimmed header; undefined if it is empty. */
function headerOf(req: Request, name: string): string | undefined {
  const value = req.headers[name];
  return (typeof value === 'string' ? value.trim() : '') || undefined;
}

function unauthorized(): Refusal {
  return new Refusal('unauthenticated', 'unauthorized');
}

/** Compares in constant time. */
function same(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(a!, b!);
}

/** A digest to identify a secret in memory without storing it. */
export function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64');
}

function listed(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [value];
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
