/** Creates the faces and the one application that mounts them. */
import express, { type Express, type Request, type Response } from 'express';
import type { Logger } from 'pino';
import type { Config } from '../config/index.ts';
import type { Core } from '../core/index.ts';
import { consoleApi } from '../faces/console/index.ts';
import { wording as consoleWording } from '../faces/console/refusals.ts';
import { paths as releasyPaths, releasy } from '../faces/releasy/index.ts';
import { wording as releasyWording } from '../faces/releasy/refusals.ts';
import type { S3Store } from '../faces/releasy/foreign-store.ts';
import { isDraftRequest, resumable } from '../faces/resumable/index.ts';
import { draftWording, wording as tusWording } from '../faces/resumable/refusals.ts';
import { plainFacts } from '../faces/s3/about.ts';
import { presign, type Presigning } from '../faces/s3/signing/presign.ts';
import { capabilities, shakenFist, wording } from '../faces/shakenfist/index.ts';
import { web, type readGuides } from '../faces/web/index.ts';
import { wording as pageWording } from '../faces/web/refusals.ts';
import type { OpenApi } from '../http/openapi.ts';
import { crossOrigin } from '../http/cors.ts';
import type { Lifetime } from '../http/lifetime.ts';
import type { Metrics } from '../http/metrics.ts';
import { answerUnknown, refusing, type Wording } from '../http/refusals.ts';
import { noteRequests } from '../http/request-log.ts';
import { textGate } from '../http/target.ts';
import { Tokens } from '../http/tokens.ts';

export interface FaceDeps {
  readonly config: Config;
  readonly log: Logger;
  readonly openapi: OpenApi;
  readonly identity: { readonly node: string; readonly secret: Uint8Array };
  readonly foreignStore: S3Store | undefined;
  readonly lifetime: Lifetime;
  readonly metrics: Metrics;
  readonly guides: Awaited<ReturnType<typeof readGuides>>;
  /** URL of the S3 listener; undefined if S3 is off. */
  readonly s3Url: string | undefined;
}

/** Mounts all faces except S3 in one application. Returns it with the ids of the operations that have a route. */
export function mountFaces(
  core: Core,
  { config, log, openapi, identity, foreignStore, lifetime, metrics, guides, s3Url }: FaceDeps,
): { readonly app: Express; readonly mounted: readonly string[] } {
  const { node, secret } = identity;
  const tokens = new Tokens(core, { secret, issuer: node, lifetime: config.tokenLifetime });
  const common = { openapi, lifetime, log, tokens };
  const presign = s3Url === undefined ? undefined : signerOf(core, config, s3Url);
  const api = shakenFist(core, { ...common, metrics, node });
  const { metricsToken, headroom } = config;
  const pages = web(core, { ...common, metrics, node, guides, metricsToken, headroom, capabilities });
  const resuming = resumable({ core, ...common, interim: config.interim === 'on', objectFacts: plainFacts });
  const storage = consoleApi({ core, ...common, region: config.s3Region, rate: config.presignRate, presign });
  const releases = releasy({ core, ...common, settings: config.releasy, presign, foreignStore });
  const mounted = [pages, api, resuming, storage, releases].flatMap((face) => face.mounted);
  demandAllRoutes(openapi, mounted);
  const routers = [resuming, api, storage, releases, pages].map(({ router }) => router);
  return { app: assemble(routers, { config, openapi, log, metrics }), mounted };
}

/** Signs S3 URLs for the host of the request, unless the configuration sets a URL. */
function signerOf(core: Core, { s3Url, s3Region }: Config, listening: string) {
  return ({ host, ...wish }: Omit<Presigning, 'now' | 'endpoint' | 'region'> & { readonly host: string }): string =>
    presign({
      ...wish,
      endpoint: s3Url ?? s3Endpoint(host, listening),
      region: s3Region,
      now: core.clock.now(),
    });
}

/** The URL of the S3 listener on the host that the client used. */
function s3Endpoint(host: string, listening: string): string {
  const { port } = new URL(listening);
  return URL.canParse(`http://${host}`) ? `http://${new URL(`http://${host}`).hostname}:${port}` : listening;
}

/** @throws Error if an operation of the OpenAPI description has no route, which is a bug */
function demandAllRoutes(openapi: OpenApi, mounted: readonly string[]): void {
  const missing = openapi.operations
    .filter((operation) => !mounted.includes(operation.id))
    .map((operation) => operation.id);
  if (missing.length > 0)
    throw new Error(`the OpenAPI description has operations that nothing answers: ${missing.join(', ')}`);
}

function assemble(
  routers: readonly express.Router[],
  { config, openapi, log, metrics }: Pick<FaceDeps, 'config' | 'openapi' | 'log' | 'metrics'>,
): Express {
  const app = express();
  app
    .disable('x-powered-by')
    .disable('etag')
    .set('query parser', 'simple')
    .set('case sensitive routing', true)
    .set('env', 'production');
  app.set('trust proxy', [...config.trustedProxies]);
  app.use(noteRequests(log, metrics));
  app.use(crossOrigin(config.corsOrigins));
  app.use(textGate);
  for (const router of routers) app.use(router);
  app.use((req: Request, res: Response) => answerUnknown(openapi, wording, req, res));
  app.use(refusing((req) => (isDraftRequest(req) ? draftWording : wordingAt(req.path)), log));
  return app;
}

/** The error format for a path, used for requests that are refused before they reach a face. */
function wordingAt(path: string): Wording {
  if (path === '/' || /^\/(?:docs(?:\/|$)|form\/?$)/.test(path)) return pageWording;
  if (/^\/tus(?:\/|$)/.test(path)) return tusWording;
  if (/^\/api\/storage(?:\/|$)/.test(path)) return consoleWording;
  return releasyPaths.some((start) => path === start || path.startsWith(`${start}/`)) ? releasyWording : wording;
}
