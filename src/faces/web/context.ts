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
  /** Its path below `/docs/`, such as `s3` or `decisions/0001-bytes-are-linked-not-moved`. */
  readonly path: string;
  readonly title: string;
  /** Rendered on request, because most pages are never requested. */
  readonly content: () => Html;
}

export interface WebOptions {
  readonly openapi: OpenApi;
  readonly lifetime: Lifetime;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** The documentation pages, by path. */
  readonly guides: ReadonlyMap<string, Guide>;
  /** The node's name. */
  readonly node: string;
  /** Authenticates requests. */
  readonly tokens: Tokens;
  /** A token for the metrics, besides tokens of the system namespace. */
  readonly metricsToken: string | undefined;
  /** Capabilities that clients look for in the text of the front page. */
  readonly capabilities: readonly string[];
  /** Free bytes below which the disk counts as nearly full. */
  readonly headroom: number;
}

/** Shared by all routes of this face. */
export interface Context extends WebOptions {
  readonly core: Core;
  readonly routes: Routes;
}
