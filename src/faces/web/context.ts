import type { Logger } from 'pino';
import type { Core } from '../../core/index.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import type { Metrics } from '../../http/metrics.ts';
import type { OpenApi } from '../../http/openapi.ts';
import type { Routes } from '../../http/routes.ts';
import type { Tokens } from '../../http/tokens.ts';
import type { Html } from './html.ts';

/** A page of the documentation. */
export interface Guide {
  /** Its address below `/docs/`, such as `s3` or `decisions/0001-bytes-are-linked-not-moved`. */
  readonly path: string;
  readonly title: string;
  /** Rendered when it is asked for, since most servers never are. */
  readonly content: () => Html;
}

export interface WebOptions {
  readonly openapi: OpenApi;
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
export interface Context extends WebOptions {
  readonly core: Core;
  readonly routes: Routes;
}
