import type { Book } from '../../http/book.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import { Routes, type Call, type OwnedCall } from '../../http/routes.ts';
import { demandRole, type Credentials, type Operator, type Role } from './credentials.ts';

/** As much JSON as Releasy takes. */
const bodies = { limit: 2 * 1024 * 1024, typed: true };

/** The routes of this face, by who may ask. All of that is settled before anything of a body is read. */
export class Doors {
  readonly routes: Routes;
  readonly #credentials: Credentials;

  constructor(book: Book, lifetime: Lifetime, credentials: Credentials) {
    this.routes = new Routes(book, { lifetime, bodies, lenient: true });
    this.#credentials = credentials;
  }

  open(id: string, answer: (call: Call) => unknown): this {
    this.routes.open(id, answer);
    return this;
  }

  /** For operators who have one of these roles. */
  operator(id: string, wanted: readonly Role[], answer: (call: OwnedCall<Operator>) => Promise<unknown>): this {
    this.routes.guarded(id, async (req) => {
      const who = await this.#credentials.operator(req);
      demandRole(who, ...wanted);
      return who;
    }, answer);
    return this;
  }
}
