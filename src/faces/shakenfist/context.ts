import type { Core } from '../../core/index.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import type { Metrics } from '../../http/metrics.ts';
import type { Routes } from '../../http/routes.ts';
import type { Tokens } from '../../http/tokens.ts';
import type { Views } from './views.ts';

/** Shared by all routes of this face. */
export interface Context {
  readonly core: Core;
  readonly routes: Routes;
  readonly views: Views;
  readonly tokens: Tokens;
  readonly lifetime: Lifetime;
  readonly metrics: Metrics;
}
