/** Releasy's API: releases of products, their artifacts, and the customers who may have them. */
import type { Request, Router } from 'express';
import type { Logger } from 'pino';
import type { Core } from '../../core/index.ts';
import type { Book } from '../../http/openapi.ts';
import { ForeignTokens } from './operator-tokens.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import { answerUnknown, refusing } from '../../http/refusing.ts';
import type { Tokens } from '../../http/tokens.ts';
import { artifacts } from './artifacts.ts';
import { audits } from './audits.ts';
import { Credentials } from './credentials.ts';
import { customers } from './customers.ts';
import { Doors } from './routes.ts';
import { downloads } from './downloads.ts';
import { entitlements } from './entitlements.ts';
import { health } from './health.ts';
import { Home } from './release-bucket.ts';
import { keys } from './keys.ts';
import { wording } from './refusals.ts';
import { releases } from './releases.ts';
import type { ReleasySettings } from './settings.ts';
import { HouseStorage, type SigningWish, type Storage } from './storage.ts';

export interface ReleasyOptions {
  readonly core: Core;
  readonly book: Book;
  readonly lifetime: Lifetime;
  readonly log: Logger;
  readonly tokens: Tokens;
  readonly settings: ReleasySettings;
  /** Signs a URL of the S3 that is spoken here, for whoever reaches it by that host; undefined where none is. */
  readonly presign: ((wish: SigningWish & { readonly host: string }) => string) | undefined;
  /** The other store that keeps the artifacts, where one does. */
  readonly elsewhere: Storage | undefined;
  /** Told how many bytes were sent. */
  readonly onSent: (bytes: number) => void;
}

/** What every part of this face works with. */
export interface Desk extends ReleasyOptions {
  readonly doors: Doors;
  readonly home: Home;
  readonly storage: Storage;
  /** Where the client of a request finds this server. What the request says of its host is not trusted. */
  readonly baseUrl: (req: Request) => string;
}

export interface Releasy {
  readonly router: Router;
  /** Ids of the book's operations that this face answers. */
  readonly mounted: readonly string[];
}

/** What every path of this face begins with. */
export const paths: readonly string[] = ['/v1', '/health', '/ready', '/live', '/openapi.json'];

export function releasy(options: ReleasyOptions): Releasy {
  const { core, book, lifetime, log, settings, elsewhere } = options;
  const { namespace, adminKey, resource, jwksUrl: url, issuer, audience, jwksAge: age, leeway } = settings;
  const tokens = url === undefined ? undefined : new ForeignTokens(core.clock, { url, issuer, audience, age, leeway, name: 'operator jwks' });
  const doors = new Doors(book, lifetime, new Credentials({ namespace, adminKey, tokens, resource, customerKeys: core.customerKeys, attempts: core.attempts }));
  const home = new Home(core, settings);
  const baseUrl = (req: Request): string => settings.publicUrl ?? listeningAt(req);
  const desk: Desk = { ...options, doors, home, baseUrl, storage: elsewhere ?? new HouseStorage({ core, home, tokens: options.tokens, presignAge: settings.presignAge, presign: options.presign, baseUrl }) };
  for (const part of [customers, entitlements, keys, audits, releases, artifacts, downloads, health]) part(desk);
  const { router, mounted } = doors.routes;
  const ours = [...paths];
  router.use(ours, (req, res) => answerUnknown(book, wording, req, res));
  router.use(ours, refusing(wording, log));
  return { router, mounted };
}

function listeningAt({ socket }: Request): string {
  const address = socket.localAddress?.replace(/^::ffff:/, '') ?? '127.0.0.1';
  return `http://${address.includes(':') ? `[${address}]` : address}:${socket.localPort}`;
}
