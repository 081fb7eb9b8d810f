import type { Request } from 'express';
import type { Logger } from 'pino';
import type { Core } from '../../core/index.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import type { OpenApi } from '../../http/openapi.ts';
import type { Tokens } from '../../http/tokens.ts';
import type { ReleaseBucket } from './release-bucket.ts';
import type { GuardedRoutes } from './routes.ts';
import type { ReleasySettings } from './settings.ts';
import type { SigningWish, ReleaseStore } from './storage.ts';

export interface ReleasyOptions {
  readonly core: Core;
  readonly openapi: OpenApi;
  readonly lifetime: Lifetime;
  readonly log: Logger;
  readonly tokens: Tokens;
  readonly settings: ReleasySettings;
  /** Signs a URL of this server's S3 listener for the given host; undefined if S3 is off. */
  readonly presign: ((wish: SigningWish & { readonly host: string }) => string) | undefined;
  /** The foreign store that keeps the artifacts, if one is configured. */
  readonly foreignStore: ReleaseStore | undefined;
}

/** Shared by all routes of this face. */
export interface Context extends ReleasyOptions {
  readonly guarded: GuardedRoutes;
  readonly releaseBucket: ReleaseBucket;
  readonly storage: ReleaseStore;
  /** Public URL of this server. The Host header is not trusted. */
  readonly baseUrl: (req: Request) => string;
}
