/** Pages for people, and what those who run the server look at. */
import type { Router } from 'express';
import type { Logger } from 'pino';
import type { Core } from '../../core/index.ts';
import type { Book } from '../../http/openapi.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import type { Metrics } from '../../http/metrics.ts';
import { refusing } from '../../http/refusing.ts';
import { Routes } from '../../http/routes.ts';
import type { Tokens } from '../../http/tokens.ts';
import { docs } from './docs.ts';
import { form } from './form.ts';
import { guides, type Guide } from './guides.ts';
import { health } from './health.ts';
import { home } from './front-page.ts';
import { wording } from './refusals.ts';

export { readGuides } from './guides.ts';

export interface WebOptions {
  readonly book: Book;
  readonly lifetime: Lifetime;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** The pages below `/docs/`, by their address. */
  readonly guides: ReadonlyMap<string, Guide>;
  /** The node's name. */
  readonly node: string;
  /** Proves who asks. */
  readonly tokens: Tokens;
  /** What lets a scraper read the metrics, if anything does beside a token of the system namespace. */
  readonly metricsToken: string | undefined;
  /** Words that clients look for in the text of the front page. */
  readonly capabilities: readonly string[];
  /** Free bytes below which the disk counts as nearly full. */
  readonly headroom: number;
}

/** What every part of this face works with. */
export interface Desk extends WebOptions {
  readonly core: Core;
  readonly routes: Routes;
}

export interface Web {
  readonly router: Router;
  /** Ids of the book's operations that this face answers. */
  readonly mounted: readonly string[];
}

export function web(core: Core, options: WebOptions): Web {
  const routes = new Routes(options.book, { lifetime: options.lifetime });
  const desk: Desk = { ...options, core, routes };
  for (const part of [home, docs, guides, form, health]) part(desk);
  routes.router.use(refusing(wording, options.log));
  return { router: routes.router, mounted: routes.mounted };
}
