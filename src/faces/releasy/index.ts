/** Releasy's API: releases of products, their artifacts, and the customers who may have them. */
import type { Router } from 'express';
import type { Logger } from 'pino';
import type { Core } from '../../core/index.ts';
import type { Book } from '../../http/book.ts';
import { ForeignTokens } from '../../http/foreign-tokens.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import { answerUnknown, refusing } from '../../http/refusing.ts';
import { audits } from './audits.ts';
import { Credentials } from './credentials.ts';
import { customers } from './customers.ts';
import { Doors } from './doors.ts';
import { entitlements } from './entitlements.ts';
import { health } from './health.ts';
import { Home } from './home.ts';
import { keys } from './keys.ts';
import { wording } from './refusals.ts';

export interface ReleasyOptions {
  readonly core: Core;
  readonly book: Book;
  readonly lifetime: Lifetime;
  readonly log: Logger;
  readonly settings: ReleasySettings;
}

/** Times are milliseconds. */
export interface ReleasySettings {
  readonly namespace: string;
  readonly adminKey: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly resource: string | undefined;
  readonly jwksAge: number;
  readonly leeway: number;
  /** Null for no artifacts. */
  readonly bucket: string | null;
}

/** What every part of this face works with. */
export interface Desk extends ReleasyOptions {
  readonly doors: Doors;
  readonly home: Home;
}

export interface Releasy {
  readonly router: Router;
  /** Ids of the book's operations that this face answers. */
  readonly mounted: readonly string[];
}

export function releasy(options: ReleasyOptions): Releasy {
  const { core, book, lifetime, log, settings } = options;
  const { namespace, adminKey, resource, jwksUrl: url, issuer, audience, jwksAge: age, leeway } = settings;
  const tokens = url === undefined ? undefined : new ForeignTokens(core.clock, { url, issuer, audience, age, leeway, name: 'operator jwks' });
  const doors = new Doors(book, lifetime, new Credentials({ namespace, adminKey, tokens, resource, customerKeys: core.customerKeys }));
  const desk: Desk = { ...options, doors, home: new Home(core, settings) };
  for (const part of [customers, entitlements, keys, audits, health]) part(desk);
  const { router, mounted } = doors.routes;
  router.use('/v1', (req, res) => answerUnknown(book, wording, req, res));
  router.use(['/v1', '/health', '/ready'], refusing(wording, log));
  return { router, mounted };
}
