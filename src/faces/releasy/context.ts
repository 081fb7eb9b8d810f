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
  /** Signs a URL of the S3 that is spoken here, for whoever reaches it by that host; undefined where none is. */
  readonly presign: ((wish: SigningWish & { readonly host: string }) => string) | undefined;
  /** The other store that keeps the artifacts, where one does. */
  readonly foreignStore: ReleaseStore | undefined;
}

/** What every part of this face works with. */
export interface Context extends ReleasyOptions {
  readonly guarded: GuardedRoutes;
  readonly releaseBucket: ReleaseBucket;
  readonly storage: ReleaseStore;
  /** Where the client of a request finds this server. What the request says of its host is not trusted. */
  readonly baseUrl: (req: Request) => string;
}
