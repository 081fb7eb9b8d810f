/** Reads every setting from its table (name, default, parser, meaning) and reports all errors at once. */
import { hostname } from 'node:os';
import type { Setting, Settings } from './parsers.ts';
import { faultsAmong, releasySettings, type ReleasyConfig } from './releasy.ts';
import { serverSettings, type ServerConfig } from './server.ts';
import { upkeepSettings, type UpkeepConfig } from './upkeep.ts';

export interface Config extends ServerConfig, UpkeepConfig {
  readonly releasy: ReleasyConfig;
}

/** Variables of the command line; they may be set where a server is started. */
const clientNames = ['STOWAGE_URL', 'STOWAGE_NAMESPACE', 'STOWAGE_KEY', 'STOWAGE_PROFILE'];

/** All settings, in the order of `serve --help` and `docs/settings.md`. */
export const settingsTable = [
  ...Object.values(serverSettings),
  ...Object.values(upkeepSettings),
  ...Object.values(releasySettings),
] as Setting<unknown>[];

/** The environment is invalid. Lists every error, one a line. */
export class ConfigError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`the configuration is invalid:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/**
 * Reads the settings from an environment.
 *
 * @throws ConfigError listing every error, including `STOWAGE_` names that are not settings
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = [];
  const config = { ...readAll(serverSettings, env, faults), ...readAll(upkeepSettings, env, faults) };
  const releasy = readAll(releasySettings, env, faults);
  const known = new Set([...settingsTable.map(({ name }) => name), ...clientNames]);
  for (const name of Object.keys(env)
    .filter((one) => one.startsWith('STOWAGE_') && !known.has(one))
    .sort()) {
    faults.push(`${name} is not a setting${suggestion(name, known)}`);
  }
  if ((config.s3KeyId === undefined) !== (config.s3Secret === undefined))
    faults.push('set both STOWAGE_S3_ACCESS_KEY_ID and STOWAGE_S3_SECRET_ACCESS_KEY, or neither');
  faults.push(...faultsAmong(releasy));
  if (faults.length > 0) throw new ConfigError(faults);
  const anyPort = config.port === 0 && !env['STOWAGE_S3_PORT'] && config.s3Port !== null;
  return { ...config, ...(anyPort ? { s3Port: 0 } : {}), releasy };
}

/** Parses each setting. An invalid one is added to `faults`, and its value is undefined like that of an unset one. */
function readAll<T>(settings: Settings<T>, env: Readonly<Record<string, string | undefined>>, faults: string[]): T {
  const entries = Object.entries<Setting<unknown>>(settings).map(([key, setting]) => {
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

/** The settings table for `serve --help`. */
export function describeConfig(): string {
  return settingsTable
    .map(
      ({ name, otherwise, sentence }) => `${name}${otherwise === undefined ? '' : ` (${otherwise})`}\n    ${sentence}`,
    )
    .join('\n');
}

/** A node name derived from the host name. */
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

/** Levenshtein distance of two names. */
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
