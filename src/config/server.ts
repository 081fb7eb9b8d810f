/** Settings of the listeners, credentials and limits. */
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
  /** Port of the S3 listener; null if S3 is off. */
  readonly s3Port: number | null;
  /** Domain for virtual-hosted buckets (`bucket.domain`). */
  readonly s3Domain: string | undefined;
  readonly s3Region: string;
  readonly s3KeyId: string | undefined;
  readonly s3Secret: string | undefined;
  readonly s3Window: number;
  /** URL of the S3 listener for clients. Default: host of the API and port of S3. */
  readonly s3Url: string | undefined;
  readonly presignRate: number;
  readonly storageDir: string;
  /** If undefined, the key stays unchanged; the first start creates one and keeps it in the storage folder. */
  readonly systemKey: string | undefined;
  readonly node: string | undefined;
  /** Bearer token for the metrics. Tokens of the system namespace are accepted as well. */
  readonly metricsToken: string | undefined;
  readonly durability: 'strict' | 'relaxed';
  readonly acceptLoss: 'no' | 'yes';
  readonly logLevel: LogLevel;
  readonly tokenLifetime: number;
  readonly interim: 'on' | 'off';
  /** `*` allows any origin. */
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
    sentence: 'Port to listen on; 0 for any free port.',
  },
  s3Port: {
    name: 'STOWAGE_S3_PORT',
    otherwise: '13001',
    read: portOrOff,
    sentence: 'Port of the S3 API; 0 for any free port (the default where STOWAGE_PORT is 0); off for none.',
  },
  s3Domain: {
    name: 'STOWAGE_S3_DOMAIN',
    otherwise: undefined,
    read: address,
    sentence: 'Domain whose subdomains are buckets, for clients that put the bucket into the host name.',
  },
  s3Region: {
    name: 'STOWAGE_S3_REGION',
    otherwise: 'us-east-1',
    read: nodeName,
    sentence: 'The region of the S3 API. Requests signed for any region are accepted.',
  },
  s3KeyId: {
    name: 'STOWAGE_S3_ACCESS_KEY_ID',
    otherwise: undefined,
    read: keyId,
    sentence: 'An access key of the system namespace. Create others with stowage keys create.',
  },
  s3Secret: { name: 'STOWAGE_S3_SECRET_ACCESS_KEY', otherwise: undefined, read: secret, sentence: 'Its secret.' },
  s3Window: {
    name: 'STOWAGE_S3_CLOCK_WINDOW',
    otherwise: '15m',
    read: duration(1000),
    sentence: 'Allowed difference between the clock of an S3 client and that of the server.',
  },
  s3Url: {
    name: 'STOWAGE_S3_URL',
    otherwise: undefined,
    read: baseAddress,
    sentence:
      'URL of the S3 API for clients, such as https://s3.example.org, used in URLs that the server signs. Default: the host of the request and the S3 port.',
  },
  presignRate: {
    name: 'STOWAGE_PRESIGN_RATE',
    otherwise: '60',
    read: whole(0, 1_000_000),
    sentence: 'Signed URLs that one key may request per minute; 0 for no limit.',
  },
  storageDir: {
    name: 'STOWAGE_STORAGE_DIR',
    otherwise: './storage',
    read: words,
    sentence: 'Folder for all stored data.',
  },
  systemKey: {
    name: 'STOWAGE_SYSTEM_KEY',
    otherwise: undefined,
    read: secret,
    sentence:
      'Key of the system namespace, 12 characters or more. Without it, the key does not change; the first start generates one and shows it once. See stowage reset-key.',
  },
  node: {
    name: 'STOWAGE_NODE',
    otherwise: undefined,
    read: nodeName,
    sentence: 'Name of this server for clients. Default: the host name.',
  },
  metricsToken: {
    name: 'STOWAGE_METRICS_TOKEN',
    otherwise: undefined,
    read: secret,
    sentence:
      'Bearer token for GET /metrics, 12 characters or more. Without it, only a token of the system namespace may read them.',
  },
  durability: {
    name: 'STOWAGE_DURABILITY',
    otherwise: 'strict',
    read: oneOf('strict', 'relaxed'),
    sentence: 'strict: acknowledged bytes are on disk. relaxed: faster, but a power cut may lose acknowledged bytes.',
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
    sentence: 'Lowest level of log lines.',
  },
  tokenLifetime: {
    name: 'STOWAGE_TOKEN_LIFETIME',
    otherwise: '15m',
    read: duration(1000),
    sentence: 'Validity of a token after login.',
  },
  interim: {
    name: 'STOWAGE_SEND_104',
    otherwise: 'on',
    read: oneOf('on', 'off'),
    sentence:
      'Whether 104 responses tell clients the URL and progress of their upload during a request. Switch it off where a proxy does not pass them on.',
  },
  corsOrigins: {
    name: 'STOWAGE_CORS_ORIGINS',
    otherwise: '*',
    read: origins,
    sentence:
      'Origins whose pages may use the API, separated by commas; * for any, off for none. A page still needs a token.',
  },
  maxConnections: {
    name: 'STOWAGE_MAX_CONNECTIONS',
    otherwise: '4096',
    read: whole(1, 1_000_000),
    sentence:
      'Most connections at once, on all ports together; lowered where the limit of open files (ulimit -n) is too low.',
  },
  connectionShare: {
    name: 'STOWAGE_CONNECTION_SHARE',
    otherwise: '75',
    read: whole(1, 100),
    sentence: 'Percentage of these connections for one address (IPv6: one /64). Trusted proxies have no such limit.',
  },
  trustedProxies: {
    name: 'STOWAGE_TRUSTED_PROXIES',
    otherwise: 'off',
    read: networks,
    sentence:
      'Addresses and networks of trusted proxies, separated by commas. Their X-Forwarded-For names the address of the client.',
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
    sentence: 'Window in which wrong keys are counted.',
  },
  minRate: {
    name: 'STOWAGE_MIN_RATE',
    otherwise: '1KiB',
    read: bytes,
    sentence:
      'Lowest average rate of a request body, in bytes per second; a slower one is cut. 0 never cuts. There is no limit on total time.',
  },
  rateWindow: {
    name: 'STOWAGE_RATE_WINDOW',
    otherwise: '60s',
    read: duration(10),
    sentence: 'Window of that average.',
  },
  stall: {
    name: 'STOWAGE_STALL',
    otherwise: '60s',
    read: duration(10),
    sentence: 'How long a downloading client may stall before it is cut.',
  },
  maxUploadSize: {
    name: 'STOWAGE_MAX_UPLOAD_SIZE',
    otherwise: '5TiB',
    read: bytes,
    sentence: 'Size of the largest upload.',
  },
  headroom: {
    name: 'STOWAGE_HEADROOM',
    otherwise: '256MiB',
    read: bytes,
    sentence: 'Free disk space that uploads must leave.',
  },
};
