/** Every setting in one table: its name, default, form and meaning. All faults are reported at once. */
import { hostname } from 'node:os';
import { validate } from 'node-cron';
import { parseBytes } from './kit/bytes.ts';
import { parseDuration } from './kit/durations.ts';

export type LogLevel = 'silent' | 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';
export type FetchPolicy = 'off' | 'public' | 'any';

export interface Config {
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
  /** Undefined: one is made at the first start and kept in the storage folder. */
  readonly systemKey: string | undefined;
  readonly node: string | undefined;
  readonly durability: 'strict' | 'relaxed';
  readonly logLevel: LogLevel;
  readonly tokenLifetime: number;
  readonly interim: 'on' | 'off';
  /** `*` among them means any. */
  readonly corsOrigins: readonly string[];
  readonly maxConnections: number;
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

/** What a setting's text means, or what is wrong with it. */
type Reading<T> = { readonly value: T } | { readonly fault: string };

interface Setting<T> {
  readonly name: string;
  /** As text; undefined means none, and then so is the value. */
  readonly otherwise: string | undefined;
  readonly read: (text: string) => Reading<T>;
  readonly sentence: string;
}

/** The table. Its order is that of `describeConfig`. */
const settings: { readonly [key in keyof Config]: Setting<Config[key]> } = {
  host: { name: 'STOWAGE_HOST', otherwise: '127.0.0.1', read: address, sentence: 'Address to listen on; 0.0.0.0 or :: for all.' },
  port: { name: 'STOWAGE_PORT', otherwise: '13000', read: whole(0, 65_535), sentence: 'Port to listen on; 0 takes a free one.' },
  s3Port: { name: 'STOWAGE_S3_PORT', otherwise: '13001', read: portOrOff, sentence: 'Port on which S3 is spoken; 0 takes a free one, as it does by itself where STOWAGE_PORT is 0; off for none.' },
  s3Domain: { name: 'STOWAGE_S3_DOMAIN', otherwise: undefined, read: address, sentence: 'Domain whose sub-domains are buckets, for clients that put the bucket into the host name.' },
  s3Region: { name: 'STOWAGE_S3_REGION', otherwise: 'us-east-1', read: nodeName, sentence: 'The region that S3 clients are told. Requests signed for any region are taken.' },
  s3KeyId: { name: 'STOWAGE_S3_ACCESS_KEY_ID', otherwise: undefined, read: keyId, sentence: 'An access key of the system namespace; others are made with stowage keys create.' },
  s3Secret: { name: 'STOWAGE_S3_SECRET_ACCESS_KEY', otherwise: undefined, read: secret, sentence: 'Its secret.' },
  s3Window: { name: 'STOWAGE_S3_CLOCK_WINDOW', otherwise: '5m', read: duration(1000), sentence: "How far the clock of whoever signs an S3 request may differ from the server's." },
  s3Url: { name: 'STOWAGE_S3_URL', otherwise: undefined, read: webAddress, sentence: 'Where S3 clients find this server, such as https://s3.example.org; for URLs that it signs itself. Without it, the host of the request and the port of S3.' },
  presignRate: { name: 'STOWAGE_PRESIGN_RATE', otherwise: '60', read: whole(0, 1_000_000), sentence: 'URLs that one key may have signed in a minute; 0 for any number.' },
  storageDir: { name: 'STOWAGE_STORAGE_DIR', otherwise: './storage', read: words, sentence: 'Folder for everything that is kept.' },
  systemKey: {
    name: 'STOWAGE_SYSTEM_KEY', otherwise: undefined, read: secret,
    sentence: 'Key of the system namespace, 12 characters or more. Without it one is made at the first start, kept in the storage folder and shown once.',
  },
  node: { name: 'STOWAGE_NODE', otherwise: undefined, read: nodeName, sentence: "This server's name as clients see it. Without it, the machine's." },
  durability: {
    name: 'STOWAGE_DURABILITY', otherwise: 'strict', read: oneOf('strict', 'relaxed'),
    sentence: 'strict: what is acknowledged is on disk. relaxed: faster, and a power cut may take what was acknowledged.',
  },
  logLevel: {
    name: 'STOWAGE_LOG_LEVEL', otherwise: 'info', read: oneOf('silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'),
    sentence: 'How much is logged.',
  },
  tokenLifetime: { name: 'STOWAGE_TOKEN_LIFETIME', otherwise: '15m', read: duration(1000), sentence: 'How long a token is good after login.' },
  interim: {
    name: 'STOWAGE_SEND_104', otherwise: 'on', read: oneOf('on', 'off'),
    sentence: 'Whether clients that ask for it are told where their upload is while they still send; off where a proxy does not pass such answers on.',
  },
  corsOrigins: {
    name: 'STOWAGE_CORS_ORIGINS', otherwise: '*', read: origins,
    sentence: 'Origins whose pages may use the API, with commas between; * for any, off for none. A page still needs a token.',
  },
  maxConnections: { name: 'STOWAGE_MAX_CONNECTIONS', otherwise: '4096', read: whole(1, 1_000_000), sentence: 'Connections taken at once.' },
  minRate: {
    name: 'STOWAGE_MIN_RATE', otherwise: '1KiB', read: bytes,
    sentence: 'Bytes a second that a request body must bring on average, or it is cut; 0 never cuts. A slow honest upload is never cut by a total time.',
  },
  rateWindow: { name: 'STOWAGE_RATE_WINDOW', otherwise: '60s', read: duration(10), sentence: 'Time over which that average is taken.' },
  stall: { name: 'STOWAGE_STALL', otherwise: '60s', read: duration(10), sentence: 'How long a client that downloads may take nothing before it is cut.' },
  maxUploadSize: { name: 'STOWAGE_MAX_UPLOAD_SIZE', otherwise: '5TiB', read: bytes, sentence: 'The largest upload.' },
  headroom: { name: 'STOWAGE_HEADROOM', otherwise: '256MiB', read: bytes, sentence: 'Free space on the disk that uploads must leave.' },
  uploadIdle: { name: 'STOWAGE_UPLOAD_IDLE', otherwise: '24h', read: duration(1000), sentence: 'How long an upload is kept after its last byte.' },
  multipartIdle: { name: 'STOWAGE_MULTIPART_IDLE', otherwise: '7d', read: duration(1000), sentence: 'How long a multipart upload of S3 is kept after its last part.' },
  blobGrace: { name: 'STOWAGE_BLOB_GRACE', otherwise: '24h', read: duration(0), sentence: 'How long bytes are kept that nothing refers to any more.' },
  strayAge: { name: 'STOWAGE_STRAY_AGE', otherwise: '24h', read: duration(60_000), sentence: 'Age at which a file that no record knows is put aside.' },
  memoryAge: {
    name: 'STOWAGE_MEMORY_AGE', otherwise: '7d', read: duration(1000),
    sentence: 'How long it is remembered what converted uploads became, and what deleted artifacts were.',
  },
  eventsAge: { name: 'STOWAGE_EVENTS_AGE', otherwise: '90d', read: duration(1000), sentence: 'How long events are kept.' },
  sweepCron: { name: 'STOWAGE_SWEEP_CRON', otherwise: '*/10 * * * *', read: cron, sentence: 'When old things are taken away, as a cron line; off for never.' },
  scrubCron: { name: 'STOWAGE_SCRUB_CRON', otherwise: '17 2 * * *', read: cron, sentence: 'When stored bytes are read again to find rot, as a cron line; off for never.' },
  lifecycleCron: { name: 'STOWAGE_LIFECYCLE_CRON', otherwise: '29 * * * *', read: cron, sentence: 'When the lifecycle rules of buckets are done, as a cron line; off for never.' },
  lifecycleDay: { name: 'STOWAGE_LIFECYCLE_DAY', otherwise: '1d', read: duration(1000), sentence: 'How long a day of a lifecycle rule lasts; less only to try rules out.' },
  scrubEvery: { name: 'STOWAGE_SCRUB_EVERY', otherwise: '30d', read: duration(0), sentence: 'Age of the last check at which bytes are due again.' },
  scrubRate: { name: 'STOWAGE_SCRUB_RATE', otherwise: '32MiB', read: positiveBytes, sentence: 'Bytes a second that a scrub reads at most.' },
  fetch: {
    name: 'STOWAGE_FETCH', otherwise: 'public', read: oneOf('off', 'public', 'any'),
    sentence: 'Which addresses artifacts may be fetched from: off for none, public for those outside private networks, any for all.',
  },
  fetchMaxSize: { name: 'STOWAGE_FETCH_MAX_SIZE', otherwise: '100GiB', read: bytes, sentence: 'The largest thing that is fetched.' },
};

/** Names that the command line reads, which may well be set where a server is started. */
const clientNames = ['STOWAGE_URL', 'STOWAGE_NAMESPACE', 'STOWAGE_KEY', 'STOWAGE_PROFILE'];

const table = Object.entries(settings) as [keyof Config, Setting<unknown>][];

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
  const config: Partial<Record<keyof Config, unknown>> = {};
  for (const [key, setting] of table) {
    const text = env[setting.name] || setting.otherwise;
    if (text === undefined) continue;
    const reading = setting.read(text.trim());
    if ('value' in reading) config[key] = reading.value;
    else faults.push(`${setting.name} ${reading.fault}`);
  }
  const known = new Set([...table.map(([, setting]) => setting.name), ...clientNames]);
  for (const name of Object.keys(env).filter((one) => one.startsWith('STOWAGE_') && !known.has(one)).sort()) {
    faults.push(`${name} is not a setting${suggestion(name, known)}`);
  }
  if ((config.s3KeyId === undefined) !== (config.s3Secret === undefined)) faults.push('STOWAGE_S3_ACCESS_KEY_ID and STOWAGE_S3_SECRET_ACCESS_KEY need each other');
  if (faults.length > 0) throw new ConfigError(faults);
  if (config.port === 0 && !env['STOWAGE_S3_PORT'] && config.s3Port !== null) config.s3Port = 0;
  return { systemKey: undefined, node: undefined, s3Domain: undefined, s3Url: undefined, s3KeyId: undefined, s3Secret: undefined, ...config } as Config;
}

/** The table as people read it. */
export function describeConfig(): string {
  return table.map(([, { name, otherwise, sentence }]) => `${name}${otherwise === undefined ? '' : ` (${otherwise})`}\n    ${sentence}`).join('\n');
}

/** A node's name made of the machine's. */
export function nodeNameOfMachine(): string {
  return hostname().replaceAll(/[^A-Za-z0-9.-]/g, '-').slice(0, 63) || 'node';
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

function words(text: string): Reading<string> {
  return text.includes('\0') ? { fault: 'must not have a NUL in it' } : { value: text };
}

function address(text: string): Reading<string> {
  return /^[A-Za-z0-9.:_-]{1,253}$/.test(text) ? { value: text } : { fault: 'must be an address or a host name' };
}

function nodeName(text: string): Reading<string> {
  return /^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/.test(text) ? { value: text } : { fault: 'must be 1 to 63 letters, digits, dots and dashes' };
}

/** The value is never repeated in a fault. */
function secret(text: string): Reading<string> {
  if (text.length < 12 || text.length > 1024) return { fault: 'must have 12 to 1,024 characters' };
  if (new Set(text).size < 5 || /^(?:password|changeme|change-me|secret|stowage|shakenfist|administrator)[\d!.]*$/i.test(text)) {
    return { fault: 'is a key that anybody would guess' };
  }
  return { value: text };
}

function whole(least: number, most: number): (text: string) => Reading<number> {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? { value } : { fault: `must be a whole number from ${least} to ${most}` };
  };
}

function webAddress(text: string): Reading<string> {
  return URL.canParse(text) && /^https?:/.test(text) ? { value: text.replace(/\/+$/, '') } : { fault: 'must be an address like https://s3.example.org' };
}

function portOrOff(text: string): Reading<number | null> {
  return text === 'off' ? { value: null } : whole(0, 65_535)(text);
}

function keyId(text: string): Reading<string> {
  return /^[A-Za-z0-9_-]{3,128}$/.test(text) ? { value: text } : { fault: 'must be 3 to 128 letters, digits, dashes and underscores' };
}

function bytes(text: string): Reading<number> {
  const value = parseBytes(text);
  return value === undefined ? { fault: 'must be a size like 256MiB or 1.5 GB' } : { value };
}

function positiveBytes(text: string): Reading<number> {
  const reading = bytes(text);
  return 'value' in reading && reading.value === 0 ? { fault: 'must be more than 0' } : reading;
}

function duration(least: number): (text: string) => Reading<number> {
  return (text) => {
    const value = parseDuration(text);
    if (value === undefined) return { fault: 'must be a time like 90s, 15m, 24h or 7d' };
    return value < least ? { fault: `must be at least ${least} ms` } : { value };
  };
}

function oneOf<T extends string>(...values: readonly T[]): (text: string) => Reading<T> {
  return (text) => {
    const value = values.find((one) => one === text);
    return value === undefined ? { fault: `must be one of ${values.join(', ')}` } : { value };
  };
}

function origins(text: string): Reading<readonly string[]> {
  if (text === 'off') return { value: [] };
  const listed = text.split(',').map((one) => one.trim());
  const lawful = (one: string): boolean => one === '*' || (URL.canParse(one) && new URL(one).origin === one);
  return listed.every(lawful) ? { value: listed } : { fault: 'must be origins like https://ci.example.org, * or off' };
}

function cron(text: string): Reading<string> {
  return text === 'off' || validate(text) ? { value: text } : { fault: 'must be a cron line like */10 * * * *, or off' };
}
