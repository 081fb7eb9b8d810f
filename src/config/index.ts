/** Every setting in one table: its name, default, form and meaning. All faults are reported at once. */
import { hostname } from 'node:os';
import {
  address,
  baseAddress,
  bytes,
  cron,
  duration,
  keyId,
  networks,
  nodeName,
  oneOf,
  origins,
  portOrOff,
  positiveBytes,
  secret,
  whole,
  words,
  type Setting,
  type Settings,
} from './parsers.ts';
import { faultsAmong, releasySettings, type ReleasyConfig } from './releasy.ts';

export type LogLevel = 'silent' | 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';
export type FetchPolicy = 'off' | 'public' | 'any';

export interface Config extends ServerConfig {
  readonly releasy: ReleasyConfig;
}

interface ServerConfig {
  readonly host: string;
  readonly port: number;
  /** Where S3 is spoken; null for nowhere. */
  readonly s3Port: number | null;
  /** Whose sub-domains are buckets. */
  readonly s3Domain: string | undefined;
  readonly s3Region: string;
  readonly s3KeyId: string | undefined;
  readonly s3Secret: string | undefined;
  readonly s3Window: number;
  /** Where S3 clients find the server, if not at the host of the API and the port of S3. */
  readonly s3Url: string | undefined;
  readonly presignRate: number;
  readonly storageDir: string;
  /** Undefined: the key stays what it was; one is made at the first start and kept in the storage folder. */
  readonly systemKey: string | undefined;
  readonly node: string | undefined;
  /** What a scraper shows to read the metrics, beside tokens of the system namespace. */
  readonly metricsToken: string | undefined;
  readonly durability: 'strict' | 'relaxed';
  readonly acceptLoss: 'no' | 'yes';
  readonly logLevel: LogLevel;
  readonly tokenLifetime: number;
  readonly interim: 'on' | 'off';
  /** `*` among them means any. */
  readonly corsOrigins: readonly string[];
  readonly maxConnections: number;
  readonly connectionShare: number;
  readonly trustedProxies: readonly string[];
  readonly loginFailures: number;
  readonly loginWindow: number;
  readonly minRate: number;
  readonly rateWindow: number;
  readonly stall: number;
  readonly maxUploadSize: number;
  readonly headroom: number;
  readonly uploadIdle: number;
  readonly multipartIdle: number;
  readonly blobGrace: number;
  readonly strayAge: number;
  readonly memoryAge: number;
  readonly eventsAge: number;
  readonly sweepCron: string;
  readonly scrubCron: string;
  readonly lifecycleCron: string;
  readonly lifecycleDay: number;
  readonly scrubEvery: number;
  readonly scrubRate: number;
  readonly fetch: FetchPolicy;
  readonly fetchMaxSize: number;
}

/** The table. Its order is that of `describeConfig`. */
const settings: Settings<ServerConfig> = {
  host: {
    name: 'STOWAGE_HOST',
    otherwise: '127.0.0.1',
    read: address,
    sentence: 'Address to listen on; 0.0.0.0 or :: for all.',
  },
  port: {
    name: 'STOWAGE_PORT',
    otherwise: '13000',
    read: whole(0, 65_535),
    sentence: 'Port to listen on; 0 takes a free one.',
  },
  s3Port: {
    name: 'STOWAGE_S3_PORT',
    otherwise: '13001',
    read: portOrOff,
    sentence:
      'Port on which S3 is spoken; 0 takes a free one, as it does by itself where STOWAGE_PORT is 0; off for none.',
  },
  s3Domain: {
    name: 'STOWAGE_S3_DOMAIN',
    otherwise: undefined,
    read: address,
    sentence: 'Domain whose sub-domains are buckets, for clients that put the bucket into the host name.',
  },
  s3Region: {
    name: 'STOWAGE_S3_REGION',
    otherwise: 'us-east-1',
    read: nodeName,
    sentence: 'The region that S3 clients are told. Requests signed for any region are taken.',
  },
  s3KeyId: {
    name: 'STOWAGE_S3_ACCESS_KEY_ID',
    otherwise: undefined,
    read: keyId,
    sentence: 'An access key of the system namespace; others are made with stowage keys create.',
  },
  s3Secret: { name: 'STOWAGE_S3_SECRET_ACCESS_KEY', otherwise: undefined, read: secret, sentence: 'Its secret.' },
  s3Window: {
    name: 'STOWAGE_S3_CLOCK_WINDOW',
    otherwise: '15m',
    read: duration(1000),
    sentence: "How far the clock of whoever signs an S3 request may differ from the server's.",
  },
  s3Url: {
    name: 'STOWAGE_S3_URL',
    otherwise: undefined,
    read: baseAddress,
    sentence:
      'Where S3 clients find this server, such as https://s3.example.org; for URLs that it signs itself. Without it, the host of the request and the port of S3.',
  },
  presignRate: {
    name: 'STOWAGE_PRESIGN_RATE',
    otherwise: '60',
    read: whole(0, 1_000_000),
    sentence: 'URLs that one key may have signed in a minute; 0 for any number.',
  },
  storageDir: {
    name: 'STOWAGE_STORAGE_DIR',
    otherwise: './storage',
    read: words,
    sentence: 'Folder for everything that is kept.',
  },
  systemKey: {
    name: 'STOWAGE_SYSTEM_KEY',
    otherwise: undefined,
    read: secret,
    sentence:
      'Key of the system namespace, 12 characters or more. Without it the key stays what it was; one is made at the first start, kept in the storage folder and shown once. See stowage reset-key.',
  },
  node: {
    name: 'STOWAGE_NODE',
    otherwise: undefined,
    read: nodeName,
    sentence: "This server's name as clients see it. Without it, the machine's.",
  },
  metricsToken: {
    name: 'STOWAGE_METRICS_TOKEN',
    otherwise: undefined,
    read: secret,
    sentence:
      'Bearer token for GET /metrics, 12 characters or more. Without it, only a token of the system namespace reads them.',
  },
  durability: {
    name: 'STOWAGE_DURABILITY',
    otherwise: 'strict',
    read: oneOf('strict', 'relaxed'),
    sentence:
      'strict: what is acknowledged is on disk. relaxed: faster, and a power cut may take what was acknowledged.',
  },
  acceptLoss: {
    name: 'STOWAGE_ACCEPT_LOSS',
    otherwise: 'no',
    read: oneOf('no', 'yes'),
    sentence:
      'yes: a store whose catalog is missing, is older than the store or is of another one is opened all the same. What only the right catalog knew is given up; meant for one start.',
  },
  logLevel: {
    name: 'STOWAGE_LOG_LEVEL',
    otherwise: 'info',
    read: oneOf('silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'),
    sentence: 'How much is logged.',
  },
  tokenLifetime: {
    name: 'STOWAGE_TOKEN_LIFETIME',
    otherwise: '15m',
    read: duration(1000),
    sentence: 'How long a token is good after login.',
  },
  interim: {
    name: 'STOWAGE_SEND_104',
    otherwise: 'on',
    read: oneOf('on', 'off'),
    sentence:
      'Whether clients that ask for it are told where their upload is while they still send; off where a proxy does not pass such answers on.',
  },
  corsOrigins: {
    name: 'STOWAGE_CORS_ORIGINS',
    otherwise: '*',
    read: origins,
    sentence:
      'Origins whose pages may use the API, with commas between; * for any, off for none. A page still needs a token.',
  },
  maxConnections: {
    name: 'STOWAGE_MAX_CONNECTIONS',
    otherwise: '4096',
    read: whole(1, 1_000_000),
    sentence:
      'Connections taken at once, on all ports together; fewer where the limit of open files (ulimit -n) has no room for them.',
  },
  connectionShare: {
    name: 'STOWAGE_CONNECTION_SHARE',
    otherwise: '75',
    read: whole(1, 100),
    sentence:
      'Percent of these connections that one address may hold, of IPv6 one /64; 100 for all of them. Trusted proxies may hold all.',
  },
  trustedProxies: {
    name: 'STOWAGE_TRUSTED_PROXIES',
    otherwise: 'off',
    read: networks,
    sentence:
      'Addresses and networks of proxies whose X-Forwarded-For says where a request comes from, with commas between.',
  },
  loginFailures: {
    name: 'STOWAGE_LOGIN_FAILURES',
    otherwise: '20',
    read: whole(1, 1_000_000),
    sentence:
      'Wrong keys in a window that one address may show for one namespace before it is refused with 429; five times as many for all, ' +
      'and all addresses ten times as many for one. Of secrets that nobody can guess, ten count as one.',
  },
  loginWindow: {
    name: 'STOWAGE_LOGIN_WINDOW',
    otherwise: '1m',
    read: duration(1000),
    sentence: 'Time over which wrong keys are counted.',
  },
  minRate: {
    name: 'STOWAGE_MIN_RATE',
    otherwise: '1KiB',
    read: bytes,
    sentence:
      'Bytes a second that a request body must bring on average, or it is cut; 0 never cuts. A slow honest upload is never cut by a total time.',
  },
  rateWindow: {
    name: 'STOWAGE_RATE_WINDOW',
    otherwise: '60s',
    read: duration(10),
    sentence: 'Time over which that average is taken.',
  },
  stall: {
    name: 'STOWAGE_STALL',
    otherwise: '60s',
    read: duration(10),
    sentence: 'How long a client that downloads may take nothing before it is cut.',
  },
  maxUploadSize: { name: 'STOWAGE_MAX_UPLOAD_SIZE', otherwise: '5TiB', read: bytes, sentence: 'The largest upload.' },
  headroom: {
    name: 'STOWAGE_HEADROOM',
    otherwise: '256MiB',
    read: bytes,
    sentence: 'Free space on the disk that uploads must leave.',
  },
  uploadIdle: {
    name: 'STOWAGE_UPLOAD_IDLE',
    otherwise: '24h',
    read: duration(1000),
    sentence: 'How long an upload is kept after its last byte.',
  },
  multipartIdle: {
    name: 'STOWAGE_MULTIPART_IDLE',
    otherwise: '7d',
    read: duration(1000),
    sentence: 'How long a multipart upload of S3 is kept after its last part.',
  },
  blobGrace: {
    name: 'STOWAGE_BLOB_GRACE',
    otherwise: '24h',
    read: duration(0),
    sentence: 'How long bytes are kept that nothing refers to any more.',
  },
  strayAge: {
    name: 'STOWAGE_STRAY_AGE',
    otherwise: '24h',
    read: duration(60_000),
    sentence: 'Age at which a file that no record knows is put aside.',
  },
  memoryAge: {
    name: 'STOWAGE_MEMORY_AGE',
    otherwise: '7d',
    read: duration(1000),
    sentence: 'How long it is remembered what converted uploads became, and what deleted artifacts were.',
  },
  eventsAge: {
    name: 'STOWAGE_EVENTS_AGE',
    otherwise: '90d',
    read: duration(1000),
    sentence: 'How long events are kept.',
  },
  sweepCron: {
    name: 'STOWAGE_SWEEP_CRON',
    otherwise: '*/10 * * * *',
    read: cron,
    sentence: 'When old things are taken away, as a cron line; off for never.',
  },
  scrubCron: {
    name: 'STOWAGE_SCRUB_CRON',
    otherwise: '17 2 * * *',
    read: cron,
    sentence: 'When stored bytes are read again to find rot, as a cron line; off for never.',
  },
  lifecycleCron: {
    name: 'STOWAGE_LIFECYCLE_CRON',
    otherwise: '29 * * * *',
    read: cron,
    sentence: 'When the lifecycle rules of buckets are done, as a cron line; off for never.',
  },
  lifecycleDay: {
    name: 'STOWAGE_LIFECYCLE_DAY',
    otherwise: '1d',
    read: duration(1000),
    sentence: 'How long a day of a lifecycle rule lasts; less only to try rules out.',
  },
  scrubEvery: {
    name: 'STOWAGE_SCRUB_EVERY',
    otherwise: '30d',
    read: duration(0),
    sentence: 'Age of the last check at which bytes are due again.',
  },
  scrubRate: {
    name: 'STOWAGE_SCRUB_RATE',
    otherwise: '32MiB',
    read: positiveBytes,
    sentence: 'Bytes a second that a scrub reads at most.',
  },
  fetch: {
    name: 'STOWAGE_FETCH',
    otherwise: 'public',
    read: oneOf('off', 'public', 'any'),
    sentence:
      'Which addresses artifacts may be fetched from: off for none, public for those outside private networks, any for all.',
  },
  fetchMaxSize: {
    name: 'STOWAGE_FETCH_MAX_SIZE',
    otherwise: '100GiB',
    read: bytes,
    sentence: 'The largest thing that is fetched.',
  },
};

/** Names that the command line reads, which may well be set where a server is started. */
const clientNames = ['STOWAGE_URL', 'STOWAGE_NAMESPACE', 'STOWAGE_KEY', 'STOWAGE_PROFILE'];

/** Every setting, in the order of `serve --help` and of `docs/settings.md`. */
export const table = [...Object.values(settings), ...Object.values(releasySettings)] as Setting<unknown>[];

/** What is wrong with the environment: every fault, one a line. */
export class ConfigError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`the configuration is not right:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/**
 * Reads the settings from an environment.
 *
 * @throws ConfigError that names every fault, and every `STOWAGE_` name that is no setting.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = [];
  const config = readAll(settings, env, faults);
  const releasy = readAll(releasySettings, env, faults);
  const known = new Set([...table.map(({ name }) => name), ...clientNames]);
  for (const name of Object.keys(env)
    .filter((one) => one.startsWith('STOWAGE_') && !known.has(one))
    .sort()) {
    faults.push(`${name} is not a setting${suggestion(name, known)}`);
  }
  if ((config.s3KeyId === undefined) !== (config.s3Secret === undefined))
    faults.push('STOWAGE_S3_ACCESS_KEY_ID and STOWAGE_S3_SECRET_ACCESS_KEY need each other');
  faults.push(...faultsAmong(releasy));
  if (faults.length > 0) throw new ConfigError(faults);
  const anyPort = config.port === 0 && !env['STOWAGE_S3_PORT'] && config.s3Port !== null;
  return { ...config, ...(anyPort ? { s3Port: 0 } : {}), releasy };
}

/** A value for each setting; what is wrong is added to `faults`, and is then undefined like what is not set. */
function readAll<T>(settingsOf: Settings<T>, env: Readonly<Record<string, string | undefined>>, faults: string[]): T {
  const entries = Object.entries<Setting<unknown>>(settingsOf).map(([key, setting]) => {
    const set = env[setting.name]?.trim();
    if (set === '' && setting.blank !== undefined) return [key, setting.blank];
    const text = set || setting.otherwise;
    if (text === undefined) return [key, undefined];
    const reading = setting.read(text);
    if ('value' in reading) return [key, reading.value];
    faults.push(`${setting.name} ${reading.fault}`);
    return [key, undefined];
  });
  return Object.fromEntries(entries) as T;
}

/** The table as people read it. */
export function describeConfig(): string {
  return table
    .map(
      ({ name, otherwise, sentence }) => `${name}${otherwise === undefined ? '' : ` (${otherwise})`}\n    ${sentence}`,
    )
    .join('\n');
}

/** A node's name made of the machine's. */
export function nodeNameOfMachine(): string {
  return (
    hostname()
      .replaceAll(/[^A-Za-z0-9.-]/g, '-')
      .slice(0, 63) || 'node'
  );
}

function suggestion(name: string, known: ReadonlySet<string>): string {
  const near = [...known].find((one) => distance(one, name) <= 2);
  return near ? `; did you mean ${near}?` : '';
}

/** How many letters differ. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
