/** Server URLs and keys saved by `login`, in a file that only its owner can read. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Low } from 'lowdb';
import { PrivateFile } from '../client/node.ts';
import type { Environment } from './world.ts';

export interface Profile {
  readonly url: string;
  readonly namespace: string;
  readonly key: string;
}

export const defaultProfile = 'default';

type Profiles = Record<string, Profile>;

export function profilesPath(env: Environment): string {
  return join(env['XDG_CONFIG_HOME'] || join(homeOf(env), '.config'), 'stowage', 'profiles.json');
}

/** The folder of the push journal. */
export function statePath(env: Environment): string {
  return join(env['XDG_STATE_HOME'] || join(homeOf(env), '.local', 'state'), 'stowage');
}

export async function readProfiles(env: Environment): Promise<Profiles> {
  const db = await open(env);
  return db.data.profiles;
}

export async function saveProfile(env: Environment, name: string, profile: Profile): Promise<void> {
  const db = await open(env);
  await db.update(({ profiles }) => {
    profiles[name] = profile;
  });
}

/** Returns false if no profile has that name. */
export async function removeProfile(env: Environment, name: string): Promise<boolean> {
  const db = await open(env);
  if (!Object.hasOwn(db.data.profiles, name)) return false;
  await db.update(({ profiles }) => {
    delete profiles[name];
  });
  return true;
}

async function open(env: Environment): Promise<Low<{ profiles: Profiles }>> {
  const db = new Low<{ profiles: Profiles }>(new PrivateFile(profilesPath(env)), { profiles: {} });
  await db.read();
  const profiles: unknown = (db.data as { profiles?: unknown }).profiles;
  const entries = typeof profiles === 'object' && profiles !== null ? Object.entries(profiles) : [];
  db.data = {
    profiles: Object.fromEntries(entries.filter((entry): entry is [string, Profile] => isProfile(entry[1]))),
  };
  return db;
}

function isProfile(value: unknown): value is Profile {
  if (typeof value !== 'object' || value === null) return false;
  const { url, namespace, key } = value as Partial<Record<keyof Profile, unknown>>;
  return typeof url === 'string' && typeof namespace === 'string' && typeof key === 'string';
}

function homeOf(env: Environment): string {
  return env['HOME'] || homedir();
}
