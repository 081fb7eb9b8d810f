/** Settings of how the server is reached, whom it trusts, and what it takes. */
import {
  address,
  baseAddress,
  bytes,
  duration,
  keyId,
  networks,
  nodeName,
  oneOf,
  origins,
  portOrOff,
  secret,
  whole,
  words,
  type Settings,
} from './parsers.ts';

export type LogLevel = 'silent' | 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

export interface ServerConfig {
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
}

export const serverSettings: Settings<ServerConfig> = {
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
};
