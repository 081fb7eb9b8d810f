/** Composition root: configuration, engine, core, faces, listeners. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import express, { type Request, type Response } from 'express';
import { pino, type Logger } from 'pino';
import { nodeNameOfMachine, type Config } from '../config/index.ts';
import type { Core } from '../core/index.ts';
import { derivationsWaiting } from '../core/tenants/access.ts';
import { Refusal } from '../core/refusal.ts';
import { foreignStoreOf, type S3Store } from '../faces/releasy/foreign-store.ts';
import { S3 } from '../faces/s3/index.ts';
import { runLifecycle } from '../faces/s3/lifecycle.ts';
import { presign } from '../faces/s3/signing/presign.ts';
import { readGuides } from '../faces/web/index.ts';
import { OpenApi } from '../http/openapi.ts';
import { ConnectionCap, connectionsWithin, openFileLimit } from '../http/connection-cap.ts';
import { Lifetime } from '../http/lifetime.ts';
import { listen, type Listener } from '../http/listener.ts';
import { Metrics, type Readings } from '../http/metrics.ts';
import { noteRequests } from '../http/request-log.ts';
import { Faults } from './faults.ts';
import { readIdentity } from './identity.ts';
import { SystemKey } from './system-key.ts';
import { wallClock, type Clock } from '../kit/clock.ts';
import { Upkeep } from './upkeep.ts';
import { openDomain, openStore } from './domain.ts';
import { mountFaces } from './faces.ts';

export { checkStore, type Checked } from './check.ts';
export { resetSystemKey } from './system-key.ts';

export interface Overrides {
  readonly clock?: Clock;
  readonly log?: Logger;
  /** Ends the process after a fatal fault; without it, failed operations answer 503. */
  readonly end?: (code: number) => void;
  /** The parsed `openapi.yaml`, if the caller has it. */
  readonly openapi?: OpenApi;
  /** Milliseconds that open requests have to finish on close. */
  readonly patience?: number;
}

export interface FirstStart {
  readonly namespace: string;
  /** Shown only once; it is kept in the storage folder. */
  readonly key: string;
}

export interface RunningServer {
  /** URLs that the server listens on, without a trailing slash. */
  readonly urls: readonly string[];
  /** URLs of the S3 listener; empty if S3 is off. */
  readonly s3Urls: readonly string[];
  /** Set if this start created the system key, so that the caller can print it. */
  readonly firstStart: FirstStart | undefined;
  readonly core: Core;
  readonly openapi: OpenApi;
  /** Ids of the operations in the OpenAPI description that have a route. */
  readonly mounted: readonly string[];
  readonly upkeep: Upkeep;
  /** Faults outside of any request. */
  readonly faults: Faults;
  /** Stops within ten seconds. Acknowledged data is kept. Repeated calls return the same promise. */
  close(): Promise<void>;
}

/** Default milliseconds that open requests have to finish on close; the rest of the ten seconds is for the store. */
const usualPatience = 7000;

/** The project folder: `openapi.yaml` and `docs/` are beside both `src` and `dist`. */
const projectFolder = new URL('../../', import.meta.url);

/** Reads the OpenAPI description from the project's folder. */
export async function readOpenApi(): Promise<OpenApi> {
  return new OpenApi(await readFile(new URL('openapi.yaml', projectFolder), 'utf8'));
}

/**
 * Opens the store and the listeners.
 *
 * @throws Error if another process has the storage folder open or the port is in use; Refusal `lost` if the catalog is
 *   missing or is not the newest one, unless the configuration accepts that
 */
export async function startServer(config: Config, overrides: Overrides = {}): Promise<RunningServer> {
  const log = overrides.log ?? pino({ level: config.logLevel });
  const openapi = overrides.openapi ?? (await readOpenApi());
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
      log.error({ damaged: core.recovered.damaged }, 'acknowledged bytes are missing');
    const running = await serve(core, {
      config,
      log,
      openapi,
      identity,
      foreignStore,
      faults,
      connections,
      patience: overrides.patience ?? usualPatience,
    });
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

interface Serving {
  readonly config: Config;
  readonly log: Logger;
  readonly openapi: OpenApi;
  readonly identity: { readonly node: string; readonly secret: Uint8Array };
  readonly foreignStore: S3Store | undefined;
  readonly faults: Faults;
  readonly connections: ConnectionCap;
  readonly patience: number;
}

async function serve(
  core: Core,
  { config, log, openapi, identity, foreignStore, faults, connections, patience }: Serving,
): Promise<Pick<RunningServer, 'urls' | 's3Urls' | 'mounted' | 'upkeep' | 'close'>> {
  const lifetime = new Lifetime({ pace: { rate: config.minRate, window: config.rateWindow }, stall: config.stall });
  const metrics = new Metrics(() => readingsOf(core, lifetime, faults));
  const upkeep = new Upkeep(core, metrics, log, async () => ({
    ...(await runLifecycle(core, { day: config.lifecycleDay })),
  }));
  const guides = await readGuides(projectFolder);
  const s3 = await listenS3(core, { config, log, metrics, lifetime, faults, connections });
  try {
    const { app, mounted } = mountFaces(core, {
      config,
      log,
      openapi,
      identity,
      foreignStore,
      lifetime,
      metrics,
      guides,
      s3Url: s3?.urls[0],
    });
    const onFault = noteListener(faults);
    const listener = await listen({ host: config.host, port: config.port, connections, handle: app, onFault });
    upkeep.start(config);
    return {
      urls: listener.urls,
      s3Urls: s3?.urls ?? [],
      mounted,
      upkeep,
      close: async () => {
        lifetime.close(new Refusal('unavailable', 'the server is shutting down'));
        await Promise.all([listener.close(patience), s3?.close(patience), upkeep.close()]);
        metrics.close();
      },
    };
  } catch (error) {
    await s3?.close(0);
    throw error;
  }
}

/** S3 needs its own port, because its buckets are the first segment of every path. */
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
  });
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple').set('env', 'production');
  app.set('trust proxy', [...config.trustedProxies]);
  app.use(noteRequests(log, metrics));
  app.use((req: Request, res: Response) => face.serve(req, res));
  return listen({ host: config.host, port: config.s3Port, connections, handle: app, onFault: noteListener(faults) });
}

/** The configured connection limit, lowered if the limit of open files does not suffice for connections and store. */
function mostConnections({ maxConnections }: Config, log: Logger): number {
  const openFiles = openFileLimit();
  const most = connectionsWithin(maxConnections, openFiles);
  const settings = { maxConnections, openFiles };
  if (most < maxConnections) log.warn(settings, `the limit of open files lowers STOWAGE_MAX_CONNECTIONS to ${most}`);
  return most;
}

function noteListener(faults: Faults): (error: unknown) => void {
  return (error) => faults.note('listener', 'a connection could not be accepted', error);
}

async function readingsOf(core: Core, lifetime: Lifetime, faults: Faults): Promise<Readings> {
  const [totals, space] = await Promise.all([core.totals(), core.space()]);
  return {
    received: lifetime.received,
    sent: lifetime.sent,
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
