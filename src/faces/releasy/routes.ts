import type { Request } from 'express';
import type { Scope } from '../../core/records.ts';
import type { OpenApi } from '../../http/openapi.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import { Routes, type RouteCall, type OwnedCall } from '../../http/routes.ts';
import {
  demandRole,
  demandScope,
  type ReleasyCredentials,
  type CustomerCaller,
  type Operator,
  type Role,
} from './credentials.ts';

/** Releasy's limit for JSON bodies. */
const bodies = { limit: 2 * 1024 * 1024, typed: true };

/** Mounts routes by role and scope. Authorization precedes the reading of a body. */
export class GuardedRoutes {
  readonly routes: Routes;
  readonly #credentials: ReleasyCredentials;

  constructor(openapi: OpenApi, lifetime: Lifetime, credentials: ReleasyCredentials) {
    this.routes = new Routes(openapi, { lifetime, bodies, lenient: true });
    this.#credentials = credentials;
  }

  open(id: string, answer: (call: RouteCall) => unknown): this {
    this.routes.open(id, answer);
    return this;
  }

  /** A route for operators with one of these roles. */
  operator(id: string, wanted: readonly Role[], answer: (call: OwnedCall<Operator>) => Promise<unknown>): this {
    this.routes.guarded(id, (req) => this.#operator(req, wanted), answer);
    return this;
  }

  /** A route for customers whose key has the scope. */
  customer(id: string, scope: Scope, answer: (call: OwnedCall<CustomerCaller>) => Promise<unknown>): this {
    this.routes.guarded(id, (req) => this.#customer(req, scope), answer);
    return this;
  }

  /** A route for both. A request with an API key is a customer's, whatever else it carries. */
  either(
    id: string,
    wanted: readonly Role[],
    scope: Scope,
    answer: (call: OwnedCall<Operator | CustomerCaller>) => Promise<unknown>,
  ): this {
    this.routes.guarded<Operator | CustomerCaller>(
      id,
      (req) => (this.#credentials.showsKey(req) ? this.#customer(req, scope) : this.#operator(req, wanted)),
      answer,
    );
    return this;
  }

  async #operator(req: Request, wanted: readonly Role[]): Promise<Operator> {
    const who = await this.#credentials.operator(req);
    demandRole(who, ...wanted);
    return who;
  }

  async #customer(req: Request, scope: Scope): Promise<CustomerCaller> {
    const who = await this.#credentials.customer(req);
    demandScope(who, scope);
    return who;
  }
}
