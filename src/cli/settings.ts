/** Resolves server and credentials: flags, environment, profiles, variables of Shaken Fist's client, in this order. */
import type { ReleaseCredentials } from '../client/node.ts';
import { UsageError } from './exit.ts';
import { defaultProfile, readProfiles, type Profile } from './profiles.ts';
import type { Environment } from './world.ts';

export interface ClientSettings {
  readonly url: string;
  readonly namespace: string;
  readonly key: string;
  /** Where the key was found, for messages. */
  readonly origin: string;
}

export interface ConnectionOptions {
  readonly url?: string | undefined;
  readonly profile?: string | undefined;
}

/** The URL of `stowage serve` with default settings. */
export const localUrl = 'http://127.0.0.1:13000';

/**
 * Resolves the settings of a command.
 *
 * A profile named by `--profile` is used as a whole; only `--url` overrides it. Otherwise STOWAGE_URL,
 * STOWAGE_NAMESPACE and STOWAGE_KEY override the default profile, which overrides the SHAKENFIST_ variables.
 *
 * @throws UsageError if there is no key
 */
export async function resolveSettings(env: Environment, given: ConnectionOptions): Promise<ClientSettings> {
  const { name, profile } = await findProfile(env, given);
  if (!profile && name !== defaultProfile)
    throw new UsageError(`there is no profile '${name}'; create it with: stowage login --profile ${name} URL`);
  const own =
    given.profile === undefined ? fromEnvironment(env, 'STOWAGE_URL', 'STOWAGE_NAMESPACE', 'STOWAGE_KEY') : {};
  const old = profile ? {} : fromEnvironment(env, 'SHAKENFIST_API_URL', 'SHAKENFIST_NAMESPACE', 'SHAKENFIST_KEY');
  const found: Partial<Profile> = { ...old, ...profile, ...own };
  const { namespace, key } = found;
  if (namespace === undefined || key === undefined) {
    throw new UsageError(
      'no namespace and key: save them with stowage login, or set STOWAGE_URL, STOWAGE_NAMESPACE and STOWAGE_KEY',
    );
  }
  const origin = own.key !== undefined ? 'STOWAGE_KEY' : profile ? `profile ${name}` : 'SHAKENFIST_KEY';
  return { url: given.url ?? found.url ?? localUrl, namespace, key, origin };
}

/** Who calls the release API: publishers, downloaders, or either. */
export type ReleaseRole = 'operator' | 'customer' | 'anybody';

/**
 * Server and credentials of the release commands. The keys come only from the variables that Releasy's own scripts use.
 *
 * @throws UsageError if no variable for `role` is set
 */
export async function resolveReleaseSettings(
  env: Environment,
  given: ConnectionOptions,
  role: ReleaseRole,
): Promise<{ readonly url: string; readonly credentials: ReleaseCredentials }> {
  const { profile } = await findProfile(env, given);
  const savedUrl = env['RELEASY_BASE_URL'] || (given.profile === undefined && env['STOWAGE_URL']) || profile?.url;
  const url = given.url ?? savedUrl ?? localUrl;
  const { RELEASY_ADMIN_API_KEY: adminKey, RELEASY_OPERATOR_TOKEN: token, RELEASY_API_KEY: apiKey } = env;
  if (role !== 'customer' && adminKey) return { url, credentials: { adminKey } };
  if (role !== 'customer' && token) return { url, credentials: { token } };
  if (role !== 'operator' && apiKey) return { url, credentials: { apiKey } };
  const wanted = {
    operator: 'RELEASY_ADMIN_API_KEY or RELEASY_OPERATOR_TOKEN',
    customer: "a customer's RELEASY_API_KEY",
    anybody: 'RELEASY_ADMIN_API_KEY, RELEASY_OPERATOR_TOKEN or RELEASY_API_KEY',
  };
  throw new UsageError(`set ${wanted[role]}`);
}

/** The profile that was named, or the default one; `profile` is undefined if it does not exist. */
async function findProfile(
  env: Environment,
  given: ConnectionOptions,
): Promise<{ readonly name: string; readonly profile: Profile | undefined }> {
  const profiles = await readProfiles(env);
  const name = given.profile ?? env['STOWAGE_PROFILE'] ?? defaultProfile;
  return { name, profile: Object.hasOwn(profiles, name) ? profiles[name] : undefined };
}

function fromEnvironment(env: Environment, url: string, namespace: string, key: string): Partial<Profile> {
  return {
    ...(env[url] ? { url: env[url] } : {}),
    ...(env[namespace] ? { namespace: env[namespace] } : {}),
    ...(env[key] ? { key: env[key] } : {}),
  };
}
