import { ConfigError, describeConfig, readConfig } from '../../src/config/index.ts';
import { parseBytes, printBytes } from '../../src/kit/bytes.ts';
import { parseDuration, printDuration } from '../../src/kit/durations.ts';

const faultsOf = (env: Record<string, string>): readonly string[] => {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
};

test('an empty environment is a fine one', () => {
  expect(readConfig({ PATH: '/bin', HOME: '/' })).toMatchObject({
    host: '127.0.0.1',
    port: 13_000,
    storageDir: './storage',
    systemKey: undefined,
    durability: 'strict',
    logLevel: 'info',
    uploadIdle: 86_400_000,
    tokenLifetime: 900_000,
    fetch: 'public',
    minRate: 1024,
    rateWindow: 60_000,
  });
});

test('what is set counts, and what is set to nothing does not', () => {
  const config = readConfig({
    STOWAGE_PORT: '0',
    STOWAGE_UPLOAD_IDLE: '1h30m',
    STOWAGE_MAX_UPLOAD_SIZE: '1.5 GB',
    STOWAGE_HOST: '',
    STOWAGE_SWEEP_CRON: '*/5 * * * * *',
  });
  expect(config).toMatchObject({
    port: 0,
    uploadIdle: 5_400_000,
    maxUploadSize: 1_500_000_000,
    host: '127.0.0.1',
    sweepCron: '*/5 * * * * *',
  });
});

test('all faults are told at once, with the slips of the pen, and no secret among them', () => {
  const env = {
    STOWAGE_PORT: '70000',
    STOWAGE_UPLOAD_IDLE: '24',
    STOWAGE_MAX_UPLOAD_SIZE: 'big',
    STOWAGE_DURABILITY: 'Strict',
    STOWAGE_SYSTEM_KEY: 'short',
    STOWAGE_SWEEP_CRON: 'daily',
    STOWAGE_FETCH: 'yes',
    STOWAGE_HOST: 'a b',
    STOWAGE_PROT: '1',
    STOWAGE_COLOUR: 'red',
    STOWAGE_SCRUB_RATE: '0',
    STOWAGE_CORS_ORIGINS: 'https://a.example/path',
  };
  expect([...faultsOf(env)].sort()).toEqual([
    'STOWAGE_COLOUR is not a setting',
    'STOWAGE_CORS_ORIGINS must be origins like https://ci.example.org, * or off',
    'STOWAGE_DURABILITY must be one of strict, relaxed',
    'STOWAGE_FETCH must be one of off, public, any',
    'STOWAGE_HOST must be an address or a host name',
    'STOWAGE_MAX_UPLOAD_SIZE must be a size like 256MiB or 1.5 GB',
    'STOWAGE_PORT must be a whole number from 0 to 65535',
    'STOWAGE_PROT is not a setting; did you mean STOWAGE_PORT?',
    'STOWAGE_SCRUB_RATE must be more than 0',
    'STOWAGE_SWEEP_CRON must be a cron line like */10 * * * *, or off',
    'STOWAGE_SYSTEM_KEY must have 12 to 1,024 characters',
    'STOWAGE_UPLOAD_IDLE must be a duration like 90s, 15m, 24h or 7d',
  ]);
});

test.each(['0 0-9007199254740993 * * *', '*/100 * * * *', '100 * * * *'])(
  'the cron line %s is refused at once, since the scheduler would count through it',
  (line) => {
    expect(faultsOf({ STOWAGE_SCRUB_CRON: line })).toEqual([
      'STOWAGE_SCRUB_CRON must be a cron line like */10 * * * *, or off',
    ]);
  },
);

test.each(['password1234', 'changeme2024!', 'aaaaaaaaaaaaaaaa', 'abababababababab', 'shakenfist123'])(
  '%s is a key that is easy to guess',
  (key) => {
    const [fault] = faultsOf({ STOWAGE_SYSTEM_KEY: key });
    expect(fault).toBe('STOWAGE_SYSTEM_KEY is a key that is easy to guess');
    expect(fault).not.toContain(key);
  },
);

describe('the settings of the Releasy API', () => {
  test('keep the names that Releasy has; blank ones are not set, but for the bucket', () => {
    expect(readConfig({}).releasy).toMatchObject({
      namespace: 'releasy',
      adminKey: undefined,
      jwksAge: 300_000,
      leeway: 0,
      tokenAge: 600_000,
      bucket: 'releases',
      presignAge: 900_000,
      pathStyle: false,
      endpoint: undefined,
    });
    expect(
      readConfig({
        RELEASY_ADMIN_API_KEY: ' secret ',
        RELEASY_API_KEY_PEPPER: ' ',
        RELEASY_OPERATOR_JWKS_URL: '',
        RELEASY_ARTIFACT_BUCKET: '',
        RELEASY_PUBLIC_BASE_URL: 'https://get.example.org/',
        RELEASY_DOWNLOAD_TOKEN_TTL_SECONDS: '60',
        RELEASY_BIND_ADDR: '0.0.0.0:8080',
      }).releasy,
    ).toMatchObject({
      adminKey: 'secret',
      pepper: undefined,
      jwksUrl: undefined,
      bucket: null,
      publicUrl: 'https://get.example.org',
      tokenAge: 60_000,
    });
    const outside = {
      RELEASY_ARTIFACT_BUCKET: 'releasy-artifacts',
      RELEASY_ARTIFACT_REGION: 'us-east-1',
      RELEASY_ARTIFACT_ENDPOINT: 'https://s3.example.com',
      RELEASY_ARTIFACT_ACCESS_KEY: 'access',
      RELEASY_ARTIFACT_SECRET_KEY: 'secret',
      RELEASY_ARTIFACT_PATH_STYLE: 'true',
    };
    expect(readConfig(outside).releasy).toMatchObject({
      bucket: 'releasy-artifacts',
      region: 'us-east-1',
      endpoint: 'https://s3.example.com',
      accessKey: 'access',
      secretKey: 'secret',
      pathStyle: true,
    });
    const { RELEASY_ARTIFACT_SECRET_KEY: _, ...half } = outside;
    expect(faultsOf(half)).toEqual([
      'set all of RELEASY_ARTIFACT_BUCKET, RELEASY_ARTIFACT_REGION, RELEASY_ARTIFACT_ACCESS_KEY and RELEASY_ARTIFACT_SECRET_KEY',
    ]);
    expect(faultsOf({ RELEASY_ARTIFACT_ENDPOINT: 'https://s3.example.com' })).toHaveLength(1);
  });

  test('have their faults told with all others', () => {
    expect(
      faultsOf({
        STOWAGE_PORT: 'x',
        STOWAGE_RELEASY_NAMESPACE: 'a b',
        RELEASY_ADMIN_API_KEY: 'two words',
        RELEASY_OPERATOR_JWKS_URL: 'id.example',
        RELEASY_OPERATOR_JWKS_TTL_SECONDS: '5m',
        RELEASY_DOWNLOAD_TOKEN_TTL_SECONDS: '0',
        RELEASY_PUBLIC_BASE_URL: 'ftp://x',
        RELEASY_ARTIFACT_PRESIGN_EXPIRES_SECONDS: '604801',
      }),
    ).toEqual([
      'STOWAGE_PORT must be a whole number from 0 to 65535',
      'STOWAGE_RELEASY_NAMESPACE must be 1 to 63 letters, digits, dots and dashes',
      'RELEASY_ADMIN_API_KEY must be at most 1,024 visible characters',
      'RELEASY_OPERATOR_JWKS_URL must be a URL like https://www.example.org',
      'RELEASY_OPERATOR_JWKS_TTL_SECONDS must be 0 to 604800 seconds',
      'RELEASY_DOWNLOAD_TOKEN_TTL_SECONDS must be 1 to 604800 seconds',
      'RELEASY_PUBLIC_BASE_URL must be a URL like https://www.example.org',
      'RELEASY_ARTIFACT_PRESIGN_EXPIRES_SECONDS must be 1 to 604800 seconds',
    ]);
  });
});

test('names that the command line reads are no faults', () => {
  expect(faultsOf({ STOWAGE_URL: 'x', STOWAGE_NAMESPACE: 'x', STOWAGE_KEY: 'x', STOWAGE_PROFILE: 'x' })).toEqual([]);
});

test('the table names every setting with its default', () => {
  const text = describeConfig();
  expect(text).toContain('STOWAGE_PORT (13000)\n');
  expect(text).toContain('STOWAGE_SYSTEM_KEY\n');
  expect(text.match(/^STOWAGE_/gm)!.length).toBeGreaterThan(20);
});

test.each([
  ['4096', 4096],
  ['1k', 1024],
  ['1KiB', 1024],
  ['1kB', 1000],
  ['1.5G', 1_610_612_736],
  ['10 MiB', 10_485_760],
  ['2tb', 2e12],
  ['0', 0],
  ['', undefined],
  ['-1', undefined],
  ['1e3', undefined],
  ['1 0', undefined],
  ['1xB', undefined],
  ['.5G', undefined],
  ['9999999999999999T', undefined],
  ['1,5G', undefined],
])('%j is %p bytes', (text, expected) => expect(parseBytes(text)).toBe(expected));

test.each([
  ['250ms', 250],
  ['90s', 90_000],
  ['90 s', 90_000],
  ['15m', 900_000],
  ['24h', 86_400_000],
  ['7d', 604_800_000],
  ['1h30m', 5_400_000],
  ['1h 30m', 5_400_000],
  ['', undefined],
  ['24', undefined],
  ['1.5h', undefined],
  ['-1s', undefined],
  ['s', undefined],
  ['1w', undefined],
])('%j is %p ms', (text, expected) => expect(parseDuration(text)).toBe(expected));

test('what is printed is read again', () => {
  for (const ms of [0, 1, 999, 1000, 61_000, 5_400_000, 90_061_001]) expect(parseDuration(printDuration(ms))).toBe(ms);
  expect({
    'printBytes 0': printBytes(0),
    'printBytes 1023': printBytes(1023),
    'printBytes 1024': printBytes(1024),
    'printBytes 1536': printBytes(1536),
    '200 MiB': printBytes(200 * 1024 ** 2),
    'printBytes 1024 ** 2 - 1': printBytes(1024 ** 2 - 1),
    'printBytes 5 * 1024 ** 4': printBytes(5 * 1024 ** 4),
  }).toEqual({
    'printBytes 0': '0 B',
    'printBytes 1023': '1023 B',
    'printBytes 1024': '1.0 KiB',
    'printBytes 1536': '1.5 KiB',
    '200 MiB': '200 MiB',
    'printBytes 1024 ** 2 - 1': '1.0 MiB',
    'printBytes 5 * 1024 ** 4': '5.0 TiB',
  });
});
