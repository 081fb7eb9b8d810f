/** The composition root: configuration, engine, core, faces, port. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import express, { type Express, type Request, type Response } from 'express';
import { pino, type Logger } from 'pino';
import { nodeNameOfMachine, type Config } from '../config/index.ts';
import { openCore, type Core, type CoreOptions } from '../core/index.ts';
import { derivationsWaiting } from '../core/tenants/access.ts';
import { Refusal } from '../core/refusal.ts';
import type { Engine } from '../core/engine.ts';
import { openEngine } from '../engines/index.ts';
import { consoleApi } from '../faces/console/index.ts';
import { wording as consoleWording } from '../faces/console/refusals.ts';
import { paths as releasyPaths, releasy } from '../faces/releasy/index.ts';
import { wording as releasyWording } from '../faces/releasy/refusals.ts';
import { foreignStoreOf, type S3Store } from '../faces/releasy/foreign-store.ts';
import { isDraftRequest, resumable } from '../faces/resumable/index.ts';
import { draftWording, wording as tusWording } from '../faces/resumable/refusals.ts';
import { pinnedAbout, plainFacts } from '../faces/s3/about.ts';
import { S3 } from '../faces/s3/index.ts';
import { runLifecycle } from '../faces/s3/lifecycle.ts';
import { presign, type Presigning } from '../faces/s3/signing/presign.ts';
import { capabilities, shakenFist, wording } from '../faces/shakenfist/index.ts';
import { readGuides, web } from '../faces/web/index.ts';
import { wording as pageWording } from '../faces/web/refusals.ts';
import { OpenApi } from '../http/openapi.ts';
import { ConnectionCap, connectionsWithin, openFileLimit } from '../http/connection-cap.ts';
import { crossOrigin } from '../http/cors.ts';
import { Lifetime } from '../http/lifetime.ts';
import { listen, type Listener } from '../http/listener.ts';
import { Metrics, type Readings } from '../http/metrics.ts';
import { answerUnknown, refusing, type Wording } from '../http/refusing.ts';
import { noteRequests } from '../http/request-log.ts';
import { textGate } from '../http/target.ts';
import { Tokens } from '../http/tokens.ts';
import { openOutbound } from './outbound.ts';
import { Faults } from './faults.ts';
import { readIdentity } from './identity.ts';
import { SystemKey } from './system-key.ts';
import { wallClock, type Clock } from '../kit/clock.ts';
import { Upkeep } from './upkeep.ts';

export { checkStore, type Checked } from './check.ts';
export { resetSystemKey } from './system-key.ts';

export interface Overrides {
  readonly clock?: Clock;
  readonly log?: Logger;
  /** Ends the process where it cannot go on; without it, what stopped answers 503. */
  readonly end?: (code: number) => void;
}

export interface FirstStart {
  readonly namespace: string;
  /** Shown this once; it stays in the storage folder. */
  readonly key: string;
}

export interface RunningServer {
  /** Where it listens, without a slash at the end. */
  readonly urls: readonly string[];
  /** Where S3 is spoken; empty where it is not. */
  readonly s3Urls: readonly string[];
  /** What a person has to be told when the server runs for the first time. */
  readonly firstStart: FirstStart | undefined;
  readonly core: Core;
  readonly openapi: OpenApi;
  /** Ids of the OpenAPI description's operations that are answered. */
  readonly mounted: readonly string[];
  readonly upkeep: Upkeep;
  /** Faults that no request answers for. */
  readonly faults: Faults;
  /** Ends within ten seconds, with everything kept that was acknowledged. Asked again, it waits for the same end. */
  close(): Promise<void>;
}

/** Milliseconds that requests have to end when the server closes; the rest of ten seconds is for the store. */
const patience = 7000;

/** The project's folder: `openapi.yaml` and `docs/` are beside `src` and `dist` alike. */
const projectFolder = new URL('../../', import.meta.url);

/**
 * Opens the store and the port.
 *
 * @throws Error when another process has the storage folder, or the port is taken; Refusal `lost` when the catalog is
 *   missing or is not the newest one, unless the configuration accepts that.
 */
export async function startServer(config: Config, overrides: Overrides = {}): Promise<RunningServer> {
  const log = overrides.log ?? pino({ level: config.logLevel });
  const openapi = new OpenApi(await readFile(new URL('openapi.yaml', projectFolder), 'utf8'));
  const folder = resolve(config.storageDir);
  const connections = new ConnectionCap(mostConnections(config, log), {
    share: config.connectionShare,
    proxies: config.trustedProxies,
  });
  const faults = new Faults(log, overrides.end);
  const engine = await openStore(folder, config, log, faults);
  try {
    const identity = await readIdentity(folder, config, nodeNameOfMachine());
    const clock = overrides.clock ?? wallClock;
    const foreignStore = foreignStoreOf(config.releasy, clock, (wish) => presign({ ...wish, now: clock.now() }));
    const systemKey = new SystemKey(folder);
    if (config.systemKey !== undefined) await systemKey.forget();
    const core = await openDomain(
      engine,
      config,
      { systemKey: config.systemKey ?? (() => systemKey.make()), ...identity },
      { clock, foreignStore, faults, log },
    );
    if (core.recovered.damaged.length > 0)
      log.error({ damaged: core.recovered.damaged }, 'acknowledged bytes are gone');
    const running = await serve(core, { config, log, openapi, identity, foreignStore, faults, connections });
    const end = async (): Promise<void> => {
      await running.close();
      await core.close();
      await engine.close();
    };
    let ending: Promise<void> | undefined;
    const firstStart = systemKey.made === undefined ? undefined : { namespace: 'system', key: systemKey.made };
    return { ...running, firstStart, core, openapi, faults, close: () => (ending ??= end()) };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function openStore(folder: string, config: Config, log: Logger, faults: Faults): Promise<Engine> {
  const onFault = (why: string, error: unknown): void =>
    log.fatal({ err: error }, `the store takes no more bytes: ${why}`);
  const onLoss = (loss: string): void =>
    log.error(`the store is opened all the same, because of STOWAGE_ACCEPT_LOSS: ${loss}`);
  return openEngine({
    folder,
    strict: config.durability === 'strict',
    onFault,
    onLoss: config.acceptLoss === 'yes' ? onLoss : undefined,
    onRestart: (thread, error) =>
      faults.note('thread', `the ${thread} thread died, and another takes its place`, error),
    onLost: (error) => faults.fatal('thread', 'the catalog thread died and cannot be replaced', error),
  });
}

function openDomain(
  engine: Engine,
  config: Config,
  { systemKey, secret }: Pick<CoreOptions, 'systemKey'> & { secret: Uint8Array },
  {
    clock,
    foreignStore,
    faults,
    log,
  }: { clock: Clock; foreignStore: S3Store | undefined; faults: Faults; log: Logger },
): Promise<Core> {
  return openCore(engine, {
    clock,
    onFault: (what, error) => faults.note('background', what, error),
    limits: { maxSize: config.maxUploadSize, headroom: config.headroom, idle: config.uploadIdle },
    ages: {
      multipart: config.multipartIdle,
      grace: config.blobGrace,
      stray: config.strayAge,
      memory: config.memoryAge,
      events: config.eventsAge,
    },
    attempts: { failures: config.loginFailures, window: config.loginWindow },
    scrub: { every: config.scrubEvery, rate: config.scrubRate },
    onRot: ({ content: { sha512, size }, state, finder, versions }) =>
      log.error(
        { sha512, size, state, finder, versions },
        state === 'rotten' ? 'stored bytes have changed and were put aside' : 'stored bytes are gone',
      ),
    source:
      config.fetch === 'off'
        ? undefined
        : openOutbound({
            anywhere: config.fetch === 'any',
            maxSize: config.fetchMaxSize,
            pace: { rate: config.minRate, window: config.rateWindow },
          }),
    systemKey,
    pepper: config.releasy.pepper,
    releases: {
      slotAge: Math.max(config.multipartIdle, config.releasy.presignAge),
      pinnedAbout,
      foreignStore: foreignStore,
    },
    keys: {
      secret,
      configured: config.s3KeyId === undefined ? undefined : { id: config.s3KeyId, secret: config.s3Secret! },
    },
  });
}

interface Serving {
  readonly config: Config;
  readonly log: Logger;
  readonly openapi: OpenApi;
  readonly identity: { readonly node: string; readonly secret: Uint8Array };
  readonly foreignStore: S3Store | undefined;
  readonly faults: Faults;
  readonly connections: ConnectionCap;
}

async function serve(
  core: Core,
  { config, log, openapi, identity, foreignStore, faults, connections }: Serving,
): Promise<Pick<RunningServer, 'urls' | 's3Urls' | 'mounted' | 'upkeep' | 'close'>> {
  const lifetime = new Lifetime({ pace: { rate: config.minRate, window: config.rateWindow }, stall: config.stall });
  const metrics = new Metrics(() => readingsOf(core, lifetime, faults));
  const upkeep = new Upkeep(core, metrics, log, async () => ({
    ...(await runLifecycle(core, { day: config.lifecycleDay })),
  }));
  const common = { openapi, lifetime, metrics, log };
  const tokens = new Tokens(core, { secret: identity.secret, issuer: identity.node, lifetime: config.tokenLifetime });
  const api = shakenFist(core, { ...common, node: identity.node, tokens });
  const pages = web(core, {
    ...common,
    guides: await readGuides(projectFolder),
    node: identity.node,
    tokens,
    metricsToken: config.metricsToken,
    capabilities,
    headroom: config.headroom,
  });
  const resuming = resumable({
    core,
    openapi,
    lifetime,
    log,
    tokens,
    interim: config.interim === 'on',
    objectFacts: plainFacts,
  });
  const s3 = await listenS3(core, { config, log, metrics, lifetime, faults, connections });
  const signedHere =
    s3 &&
    (({ host, ...wish }: Omit<Presigning, 'now' | 'endpoint' | 'region'> & { readonly host: string }): string =>
      presign({
        ...wish,
        endpoint: config.s3Url ?? s3Endpoint(host, s3.urls[0]!),
        region: config.s3Region,
        now: core.clock.now(),
      }));
  const storage = consoleApi({
    core,
    openapi,
    lifetime,
    log,
    tokens,
    region: config.s3Region,
    rate: config.presignRate,
    presign: signedHere,
  });
  const releases = releasy({
    core,
    openapi,
    lifetime,
    log,
    tokens,
    settings: config.releasy,
    presign: signedHere,
    foreignStore,
    onSent: (count) => metrics.sent(count),
  });
  const mounted = [...pages.mounted, ...api.mounted, ...resuming.mounted, ...storage.mounted, ...releases.mounted];
  demandWhole(openapi, mounted);
  const app = assemble([resuming.router, api.router, storage.router, releases.router, pages.router], {
    openapi,
    log,
    metrics,
    corsOrigins: config.corsOrigins,
    trustedProxies: config.trustedProxies,
  });
  const listener = await listen({
    host: config.host,
    port: config.port,
    connections,
    handle: app,
    onFault: noteListener(faults),
  }).catch(async (error: unknown) => {
    await s3?.close(0);
    throw error;
  });
  upkeep.start(config);
  return {
    urls: listener.urls,
    s3Urls: s3?.urls ?? [],
    mounted,
    upkeep,
    close: async () => {
      lifetime.close(new Refusal('unavailable', 'the server is going down'));
      await Promise.all([listener.close(patience), s3?.close(patience), upkeep.close()]);
      metrics.close();
    },
  };
}

/** The S3 listener as whoever reached this host would reach it. */
function s3Endpoint(host: string, listening: string): string {
  const { port } = new URL(listening);
  return URL.canParse(`http://${host}`) ? `http://${new URL(`http://${host}`).hostname}:${port}` : listening;
}

/** S3 has a port of its own: its buckets are at the root of all paths. */
async function listenS3(
  core: Core,
  {
    config,
    log,
    metrics,
    lifetime,
    faults,
    connections,
  }: { config: Config; log: Logger; metrics: Metrics; lifetime: Lifetime; faults: Faults; connections: ConnectionCap },
): Promise<Listener | undefined> {
  if (config.s3Port === null) return undefined;
  const face = new S3({
    core,
    lifetime,
    log,
    region: config.s3Region,
    domain: config.s3Domain,
    window: config.s3Window,
    onSent: (count) => metrics.sent(count),
  });
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple').set('env', 'production');
  app.set('trust proxy', [...config.trustedProxies]);
  app.use(noteRequests(log, metrics));
  app.use((req: Request, res: Response) => face.serve(req, res));
  return listen({ host: config.host, port: config.s3Port, connections, handle: app, onFault: noteListener(faults) });
}

/** As many connections as are configured, or fewer where open files would not suffice for them and the store. */
function mostConnections({ maxConnections }: Config, log: Logger): number {
  const openFiles = openFileLimit();
  const most = connectionsWithin(maxConnections, openFiles);
  const settings = { maxConnections, openFiles };
  if (most < maxConnections) log.warn(settings, `the limit of open files lowers STOWAGE_MAX_CONNECTIONS to ${most}`);
  return most;
}

function noteListener(faults: Faults): (error: unknown) => void {
  return (error) => faults.note('listener', 'a connection could not be taken', error);
}

/** An operation of the OpenAPI description that no route answers is a fault of the program. */
function demandWhole(openapi: OpenApi, mounted: readonly string[]): void {
  const missing = openapi.operations
    .filter((operation) => !mounted.includes(operation.id))
    .map((operation) => operation.id);
  if (missing.length > 0)
    throw new Error(`the OpenAPI description has operations that nothing answers: ${missing.join(', ')}`);
}

function assemble(
  routers: readonly express.Router[],
  parts: {
    openapi: OpenApi;
    log: Logger;
    metrics: Metrics;
    corsOrigins: readonly string[];
    trustedProxies: readonly string[];
  },
): Express {
  const app = express();
  app
    .disable('x-powered-by')
    .disable('etag')
    .set('query parser', 'simple')
    .set('case sensitive routing', true)
    .set('env', 'production');
  app.set('trust proxy', [...parts.trustedProxies]);
  app.use(noteRequests(parts.log, parts.metrics));
  app.use(crossOrigin(parts.corsOrigins));
  app.use(textGate);
  for (const router of routers) app.use(router);
  app.use((req: Request, res: Response) => answerUnknown(parts.openapi, wording, req, res));
  app.use(refusing((req) => (isDraftRequest(req) ? draftWording : wordingAt(req.path)), parts.log));
  return app;
}

/** How the face that has a path says no, for requests that are refused before a face sees them. */
function wordingAt(path: string): Wording {
  if (path === '/' || /^\/(?:docs(?:\/|$)|form\/?$)/.test(path)) return pageWording;
  if (/^\/tus(?:\/|$)/.test(path)) return tusWording;
  if (/^\/api\/storage(?:\/|$)/.test(path)) return consoleWording;
  return releasyPaths.some((start) => path === start || path.startsWith(`${start}/`)) ? releasyWording : wording;
}

async function readingsOf(core: Core, lifetime: Lifetime, faults: Faults): Promise<Readings> {
  const [totals, space] = await Promise.all([core.totals(), core.space()]);
  return {
    received: lifetime.received,
    reading: lifetime.reading,
    openUploads: totals.openUploads,
    storedBytes: totals.bytes,
    namedBytes: totals.namedBytes,
    blobs: totals.blobs,
    artifacts: totals.artifacts,
    versions: totals.versions,
    freeBytes: space.free,
    writable: core.health().writable,
    faults: faults.counts,
    rot: core.integrity.found,
    unreadable: core.integrity.unreadable,
    throttled: core.loginAttempts.figures.refused,
    throttledNames: core.loginAttempts.figures.names,
    loginsWaiting: derivationsWaiting(),
  };
}
