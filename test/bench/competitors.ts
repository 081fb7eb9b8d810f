/** The competitors: how each server is found, started on a free port with a fresh folder, and called. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { s3Key, type DialectName } from './dialects.ts';
import { fillCatalog, fillTree } from './fill.ts';
import type { Command } from './proc.ts';

export interface Competitor {
  readonly name: string;
  readonly dialect: DialectName;
  /** Why it cannot run here; undefined when it can. */
  missing(): string | undefined;
  /** Its version, or what tells a reader which one it was. */
  version(): string;
  command(port: number, folder: string): Command;
  /** Puts objects into a folder before the server starts in it; absent where that cannot be done. */
  fill?(folder: string, keys: number): Promise<void>;
}

/** The key that the servers under test know; they live for seconds, on loopback. */
export const systemKey = 'bench-system-key-of-no-worth';

const root = process.cwd();
const beside = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const script = (file: string, args: readonly string[]): Command => ({
  file: process.execPath,
  args: ['--no-warnings', beside(file), ...args],
});

/** What `npm start` gives to node, so that what is measured is what people run. */
function startArguments(): string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } };
  return scripts.start
    .split(' ')
    .slice(1)
    .map((word) => (word.startsWith('dist/') ? join(root, word) : word));
}

function stowage(durability: 'strict' | 'relaxed', dialect: DialectName = 'stowage'): Competitor {
  return {
    name: `stowage ${durability}`,
    dialect,
    missing: () => (present(join(root, 'dist/main.js')) ? undefined : 'dist/main.js is not built'),
    ...(dialect === 'stowage-s3' ? { fill: fillCatalog } : {}),
    version: () =>
      execFileSync('git', ['describe', '--always', '--dirty'], {
        cwd: root,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim(),
    command: (port, folder) => ({
      file: process.execPath,
      args: startArguments(),
      env: {
        STOWAGE_HOST: '127.0.0.1',
        // The port under test is that of the face under test.
        STOWAGE_PORT: dialect === 'stowage-s3' ? '0' : String(port),
        STOWAGE_S3_PORT: dialect === 'stowage-s3' ? String(port) : 'off',
        STOWAGE_S3_ACCESS_KEY_ID: s3Key.id,
        STOWAGE_S3_SECRET_ACCESS_KEY: s3Key.secret,
        STOWAGE_STORAGE_DIR: folder,
        STOWAGE_SYSTEM_KEY: systemKey,
        STOWAGE_DURABILITY: durability,
        // Nobody else writes a line for each request either.
        STOWAGE_LOG_LEVEL: 'warn',
      },
    }),
  };
}

const bare: Competitor = {
  name: 'bare node:http',
  dialect: 'put',
  missing: () => undefined,
  version: () => process.version,
  command: (port, folder) => script('bare.js', [String(port), folder]),
};

const tusServer: Competitor = {
  name: '@tus/server',
  dialect: 'tus',
  missing: () => undefined,
  version: () =>
    execFileSync('npm', ['ls', '@tus/server', '--depth=0'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).match(/@tus\/server@(\S+)/)?.[1] ?? '',
  command: (port, folder) => script('tus.js', [String(port), folder]),
};

const tusd: Competitor = {
  name: 'tusd',
  dialect: 'tus',
  missing: () => missingFrom('tusd'),
  version: () => /Version: (\S+)/.exec(said('tusd', ['-version']))?.[1]?.replace('n/a', 'of unknown version') ?? '',
  command: (port, folder) => ({
    file: find('tusd')!,
    args: [
      '-host',
      '127.0.0.1',
      '-port',
      String(port),
      '-upload-dir',
      folder,
      '-verbose=false',
      '-show-startup-logs=false',
    ],
  }),
};

const dockerRegistry: Competitor = {
  name: 'docker-registry',
  dialect: 'registry',
  missing: () => missingFrom('docker-registry'),
  version: () => said('docker-registry', ['--version']),
  command(port, folder) {
    const config = join(folder, 'registry.yml');
    const settings = {
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, 'data') } },
      http: { addr: `127.0.0.1:${port}` },
    };
    // JSON is YAML too.
    writeFileSync(config, JSON.stringify(settings));
    return { file: find('docker-registry')!, args: ['serve', config] };
  },
};

const nginx: Competitor = {
  name: 'nginx DAV',
  dialect: 'put',
  missing: () =>
    missingFrom('nginx') ?? (said('nginx', ['-V']).includes('http_dav_module') ? undefined : 'nginx has no DAV module'),
  version: () => /nginx\/([\d.]+)/.exec(said('nginx', ['-v']))?.[1] ?? '',
  command(port, folder) {
    const config = join(folder, 'nginx.conf');
    for (const name of ['data', 'temp']) mkdirSync(join(folder, name));
    writeFileSync(config, nginxConfig(port, folder));
    return { file: find('nginx')!, args: ['-p', folder, '-c', config, '-e', 'stderr'] };
  },
};

function nginxConfig(port: number, folder: string): string {
  // Its workers give up root's rights for those of a user who may not enter a private temporary folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/temp/${name};`,
  );
  return `${user} daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr error;
events { worker_connections 256; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_max_body_size 0; client_body_buffer_size 16k;
  ${temporary.join(' ')}
  server { listen 127.0.0.1:${port}; location / { root ${folder}/data; dav_methods PUT; create_full_put_path on; } }
}
`;
}

/** An S3 gateway over a file system, in Go; it hashes (md5) and does not sync. */
const versitygw: Competitor = {
  name: 'versitygw',
  dialect: 's3',
  fill: async (folder, keys) => fillTree(folder, keys),
  missing: () => missingFrom('versitygw'),
  version: () => /Version *: *(\S+)/i.exec(said('versitygw', ['--version']))?.[1] ?? 'of unknown version',
  command: (port, folder) => ({
    file: find('versitygw')!,
    args: [
      '--port',
      `127.0.0.1:${port}`,
      '--access',
      s3Key.id,
      '--secret',
      s3Key.secret,
      '--region',
      'us-east-1',
      '--quiet',
      '--keep-alive',
      'posix',
      folder,
    ],
  }),
};

/** The S3 of moto, in Python: a stand-in for tests, which keeps all in memory. */
const moto: Competitor = {
  name: 'moto',
  dialect: 's3',
  missing: () => missingFrom('moto_server'),
  version: () =>
    /^\d[\d.]+$/m.exec(said('python3', ['-c', 'import moto; print(moto.__version__)']))?.[0] ?? 'of unknown version',
  command: (port) => ({ file: find('moto_server')!, args: ['-H', '127.0.0.1', '-p', String(port)] }),
};

export const competitors = {
  strict: stowage('strict'),
  relaxed: stowage('relaxed'),
  strictTus: stowage('strict', 'stowage-tus'),
  relaxedTus: stowage('relaxed', 'stowage-tus'),
  strictS3: stowage('strict', 'stowage-s3'),
  relaxedS3: stowage('relaxed', 'stowage-s3'),
  bare,
  tusServer,
  tusd,
  dockerRegistry,
  nginx,
  versitygw,
  moto,
} as const satisfies Record<string, Competitor>;

export type CompetitorId = keyof typeof competitors;

/** The path of a program, also where servers are kept that only root's PATH names. */
export function find(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, program)).find(present);
}

function present(file: string): boolean {
  try {
    accessSync(file, file.endsWith('.js') ? constants.R_OK : constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function missingFrom(program: string): string | undefined {
  return find(program) ? undefined : `${program} is not installed`;
}

/** What a program says about itself, on whichever stream. */
function said(program: string, args: readonly string[]): string {
  try {
    return execFileSync('/bin/sh', ['-c', '"$0" "$@" 2>&1', find(program)!, ...args], { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}
