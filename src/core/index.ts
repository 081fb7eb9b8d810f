/** The core's services for the faces. */
import { wallClock, type Clock } from '../kit/clock.ts';
import { Artifacts } from './names/artifacts.ts';
import { LoginAttempts, type AttemptLimits } from './tenants/login-attempts.ts';
import { Audits } from './releases/audits.ts';
import { Blobs } from './bytes/blobs.ts';
import { Buckets } from './names/buckets.ts';
import { Downloads } from './releases/downloads.ts';
import { ApiKeys } from './releases/api-keys.ts';
import { CountedTime } from './upkeep/counted-time.ts';
import { Customers } from './releases/customers.ts';
import type { Engine, Health } from './engine.ts';
import { Fetching, type OnFault, type FetchSource } from './bytes/fetching.ts';
import { Idempotency } from './tenants/idempotency.ts';
import { Integrity, type Rot } from './bytes/integrity.ts';
import { Events } from './tenants/events.ts';
import { AccessKeys, type AccessKeyOptions, type AccessKeyPrefixes } from './tenants/access-keys.ts';
import { Usage } from './tenants/usage.ts';
import { ensureSystem, Namespaces } from './tenants/namespaces.ts';
import { Objects } from './names/objects.ts';
import { SourceUrls, type SourceSchemes } from './names/source-urls.ts';
import { MultipartUploads } from './names/multipart.ts';
import { recover, type Recovered } from './upkeep/recovery.ts';
import { ReleaseFiles, type ReleaseFilesOptions } from './releases/files.ts';
import { Releases } from './releases/releases.ts';
import { Scrub, type ScrubPace } from './upkeep/scrub.ts';
import { Sealer } from './bytes/sealer.ts';
import { Sweep, type SweepAges } from './upkeep/sweep.ts';
import { Uploads, type UploadLimits } from './bytes/uploads.ts';
import { CredentialLookup } from './tenants/credential-lookup.ts';

export interface Core {
  readonly clock: Clock;
  /** Time for retention periods. */
  readonly time: CountedTime;
  readonly loginAttempts: LoginAttempts;
  readonly namespaces: Namespaces;
  readonly uploads: Uploads;
  readonly artifacts: Artifacts;
  readonly blobs: Blobs;
  /** Counters of corrupt and unreadable bytes. */
  readonly integrity: Pick<Integrity, 'found' | 'unreadable'>;
  readonly buckets: Buckets;
  readonly objects: Objects;
  readonly multipart: MultipartUploads;
  readonly accessKeys: AccessKeys;
  readonly usage: Usage;
  readonly releases: Releases;
  readonly releaseFiles: ReleaseFiles;
  readonly downloads: Downloads;
  readonly idempotency: Idempotency;
  readonly customers: Customers;
  readonly apiKeys: ApiKeys;
  readonly audits: Audits;
  readonly fetching: Fetching;
  readonly events: Events;
  readonly sweep: Sweep;
  readonly scrub: Scrub;
  /** Results of recovery at startup. */
  readonly recovered: Recovered;
  readonly health: () => Health;
  readonly totals: Engine['catalog']['contents']['totals'];
  readonly space: Engine['bytes']['space'];
  /** Ends background work and writes pending records; the engine stays open. */
  close(): Promise<void>;
}

/** Identifiers made by the core that clients and stored data know; the faces define their form. */
export interface Words {
  readonly sources: SourceSchemes;
  readonly accessKeys: AccessKeyPrefixes;
  /** Prefixes of customers' API keys and of download tokens. */
  readonly apiKeys: string;
  readonly downloads: string;
  /** Prefix of key names that are reserved. */
  readonly reservedKeys: string;
}

export interface CoreOptions {
  readonly words: Words;
  readonly clock?: Clock;
  readonly limits: UploadLimits;
  readonly ages: Omit<SweepAges, 'idle'>;
  readonly scrub: ScrubPace;
  /** Called when stored bytes are found corrupt or missing. */
  readonly onRot?: (rot: Rot) => void;
  /** Limits of failed logins. */
  readonly attempts?: AttemptLimits;
  /** Opens URLs for fetched artifacts; without it fetching is refused. */
  readonly source: FetchSource | undefined;
  /** The key of the `system` namespace, or a function that makes one if none exists yet. */
  readonly systemKey: string | (() => Promise<string>);
  readonly keys: AccessKeyOptions;
  /** Storage of release files; default: here, with all metadata, and slots that live as long as multipart uploads. */
  readonly releases?: ReleaseFilesOptions;
  /** Mixed into the verifiers of customers' secrets; absent is the same as empty. */
  readonly pepper?: string | undefined;
  /** Called with failures that no caller awaits; without it they are ignored. */
  readonly onFault?: OnFault;
}

/** Recovers the store and creates its services. */
export async function openCore(engine: Engine, options: CoreOptions): Promise<Core> {
  const { clock = wallClock, onFault = () => undefined, words } = options;
  const recovered = await recover(engine, clock);
  if (engine.alone) await engine.catalog.idempotency.abandon();
  const time = new CountedTime(engine.catalog, clock);
  await time.observe();
  const credentialLookup = new CredentialLookup(engine.catalog);
  const attempts = new LoginAttempts(clock, options.attempts ?? { failures: 20, window: 60_000 });
  const namespaces = new Namespaces(engine, clock, credentialLookup, attempts, words.reservedKeys);
  await ensureSystem(engine.catalog, clock, options.systemKey);
  const uploads = new Uploads(engine, clock, options.limits);
  const integrity = new Integrity(engine, clock, options.onRot);
  const blobs = new Blobs(engine, clock, integrity);
  const sealer = new Sealer(engine, clock, integrity);
  const deps = { engine, clock, uploads, blobs, sealer, credentialLookup };
  const names = namesOver(deps, words);
  const usage = new Usage(engine.catalog, clock);
  const releases = releasesOver(deps, options);
  const { artifacts, multipart } = names;
  const { releaseFiles, apiKeys, audits } = releases;
  const fetching = new Fetching({ engine, clock, uploads, artifacts, source: options.source, onFault });
  await fetching.resume();
  const keys = { ...options.keys, prefixes: words.accessKeys };
  return {
    clock,
    time,
    loginAttempts: attempts,
    namespaces,
    uploads,
    blobs,
    integrity,
    ...names,
    fetching,
    recovered,
    usage,
    idempotency: new Idempotency(engine.catalog, clock),
    ...releases,
    accessKeys: new AccessKeys(engine.catalog, clock, credentialLookup, keys),
    events: new Events(engine.catalog, clock),
    sweep: new Sweep(engine, clock, { multipart, releaseFiles, time }, { ...options.ages, idle: options.limits.idle }),
    scrub: new Scrub(engine, clock, integrity, options.scrub),
    health: engine.health,
    totals: () => engine.catalog.contents.totals(),
    space: () => engine.bytes.space(),
    close: async () => {
      await time.observe();
      for (const service of [fetching, uploads, blobs, usage, apiKeys, audits]) await service.close();
    },
  };
}

/** Services for artifacts and for objects in buckets. */
function namesOver(
  deps: Pick<Core, 'clock' | 'uploads' | 'blobs'> & { engine: Engine; sealer: Sealer },
  words: Words,
): Pick<Core, 'artifacts' | 'buckets' | 'objects' | 'multipart'> {
  const { engine, clock, blobs, sealer } = deps;
  const sources = new SourceUrls(words.sources);
  const objects = new Objects({ ...deps, sources });
  return {
    artifacts: new Artifacts(engine, clock, blobs, sealer, sources),
    buckets: new Buckets(engine, clock),
    objects,
    multipart: new MultipartUploads({ ...deps, objects }),
  };
}

/** Services for releases, their files and customers. */
function releasesOver(
  deps: ConstructorParameters<typeof ReleaseFiles>[0],
  { releases, ages, pepper, words }: CoreOptions,
): Pick<Core, 'releases' | 'releaseFiles' | 'downloads' | 'customers' | 'apiKeys' | 'audits'> {
  const { engine, clock } = deps;
  const releaseFiles = new ReleaseFiles(
    deps,
    releases ?? { slotAge: ages.multipart, pinnedAbout: (about) => about, foreignStore: undefined },
  );
  const audits = new Audits(engine.catalog, clock);
  const customers = new Customers(engine.catalog, clock);
  const apiKeys = new ApiKeys(engine.catalog, clock, audits, { prefix: words.apiKeys, pepper });
  return {
    releases: new Releases(engine.catalog, clock, releaseFiles),
    releaseFiles,
    downloads: new Downloads({ ...deps, customers, apiKeys }, { prefix: words.downloads, pepper }),
    customers,
    apiKeys,
    audits,
  };
}
