/** Pages for people, health checks and metrics. */
import type { Router } from 'express';
import type { Core } from '../../core/index.ts';
import { refusing } from '../../http/refusals.ts';
import { Routes } from '../../http/routes.ts';
import { docs } from './docs.ts';
import { form } from './form.ts';
import { guides } from './guides.ts';
import { health } from './health.ts';
import { home } from './front-page.ts';
import { wording } from './refusals.ts';

export { readGuides } from './guides.ts';
import type { Context, WebOptions } from './context.ts';

export interface Web {
  readonly router: Router;
  /** Ids of the operations that this face mounts. */
  readonly mounted: readonly string[];
}

export function web(core: Core, options: WebOptions): Web {
  const routes = new Routes(options.openapi, { lifetime: options.lifetime });
  const context: Context = { ...options, core, routes };
  for (const part of [home, docs, guides, form, health]) part(context);
  routes.router.use(refusing(wording, options.log));
  return { router: routes.router, mounted: routes.mounted };
}
