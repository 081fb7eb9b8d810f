/** The console API: buckets and access keys as JSON. */
import type { Router } from 'express';
import type { Logger } from 'pino';
import type { OpenApi } from '../../http/openapi.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import { refusing } from '../../http/refusals.ts';
import { Routes } from '../../http/routes.ts';
import type { Tokens } from '../../http/tokens.ts';
import { buckets, usage } from './buckets.ts';
import { callerOf } from './credentials.ts';
import { keys } from './keys.ts';
import { presigning, type PresignOptions } from './presign.ts';
import { wording } from './refusals.ts';

export interface ConsoleOptions extends PresignOptions {
  readonly openapi: OpenApi;
  readonly lifetime: Lifetime;
  readonly log: Logger;
  readonly tokens: Tokens;
  /** The region reported to S3 clients. */
  readonly region: string;
}

export interface Console {
  readonly router: Router;
  /** Ids of the operations that this face mounts. */
  readonly mounted: readonly string[];
}

export function consoleApi({ core, openapi, lifetime, log, tokens, region, presign, rate }: ConsoleOptions): Console {
  const routes = new Routes(openapi, { lifetime, authenticate: (req) => callerOf(req, core, tokens) });
  buckets(routes, core, region);
  usage(routes, core);
  keys(routes, core);
  presigning(routes, { core, presign, rate });
  routes.router.use('/api/storage', refusing(wording, log));
  return { router: routes.router, mounted: routes.mounted };
}
