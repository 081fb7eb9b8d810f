/**
 * Rights and verifiers. All decisions about rights are here. A caller that may not know of a record gets the same
 * answer as for a missing one.
 */
import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { FairQueue } from '../../kit/fair-queue.ts';
import { newId } from '../../kit/ids.ts';
import type { Catalog, Visibility } from '../engine.ts';
import { isPublic } from '../names/public-access.ts';
import { SYSTEM, type Artifact, type Bucket, type Credential, type Principal, type Verb } from '../../catalog/model.ts';
import { Refusal } from '../refusal.ts';

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number }, Buffer>(scrypt);

/** scrypt parameters: about 30 ms and 16 MiB. Each verifier contains its own, so that they can be raised. */
const work = { N: 16384, r: 8, p: 1 };

/** One at a time: scrypt uses the thread pool that also writes files. The queue takes at most a second. */
const derivations = new FairQueue({ width: 1, most: 24 });

/** Number of derivations waiting. */
export function derivationsWaiting(): number {
  return derivations.waiting;
}

export function isSystem(who: Principal): boolean {
  return who.namespace === SYSTEM;
}

/** What the caller sees in listings and look-ups. */
export function visibilityOf(who: Principal): Visibility {
  return isSystem(who) ? 'everything' : { namespace: who.namespace };
}

/** Whether the caller may change what `namespace` owns. */
export function owns(who: Principal, namespace: string): boolean {
  return isSystem(who) || who.namespace === namespace;
}

/** Whether the caller may see the artifact: its own, a shared one, or one of a namespace that trusts it. */
export async function sees(catalog: Catalog, who: Principal, artifact: Artifact): Promise<boolean> {
  if (owns(who, artifact.namespace) || artifact.shared) return true;
  return trustedBy(catalog, who, artifact.namespace);
}

/** Whether the caller is `namespace`, is trusted by it, or is the system. */
export async function trustedBy(catalog: Catalog, who: Principal, namespace: string): Promise<boolean> {
  if (owns(who, namespace)) return true;
  return (await catalog.namespaces.get(namespace))?.trusts.includes(who.namespace) ?? false;
}

/** Actions in a bucket. */
export type BucketAction = Verb | 'list';

/** Whether the caller may perform the action in the bucket. */
export function mayInBucket(who: Principal, action: BucketAction, bucket: Bucket): boolean {
  if (action === 'read' && isPublic(bucket)) return true;
  return owns(who, bucket.namespace) && grants(who, action, bucket.name);
}

declare const decided: unique symbol;

/**
 * The decision that a caller has a right in a bucket, with the bucket as it was then. Made by `allowIn` from the core's
 * rules, and by the S3 face from policies and ACLs.
 */
export interface Allowed<Action extends BucketAction = BucketAction> {
  readonly bucket: Bucket;
  /** The principal to act as. */
  readonly as: Principal;
  readonly [decided]: Action;
}

/** Records a decision that the caller of this function has made. */
export function allowed<Action extends BucketAction>(_: Action, bucket: Bucket, as: Principal): Allowed<Action> {
  return { bucket, as } as Allowed<Action>;
}

/** @throws Refusal `foreign_bucket`, `forbidden` unless the caller may perform the action in the bucket */
export function allowIn<Action extends BucketAction>(who: Principal, action: Action, bucket: Bucket): Allowed<Action> {
  if (mayInBucket(who, action, bucket)) return allowed(action, bucket, who);
  throw new Refusal(owns(who, bucket.namespace) ? 'forbidden' : 'foreign_bucket', 'permission denied');
}

/** The bucket's namespace as principal: it owns the bytes, whoever was authorized to act. */
export function ownerOf({ bucket, as }: Allowed): Principal {
  return { namespace: bucket.namespace, credential: as.credential };
}

/** Whether the caller's credential permits the action; null asks for every bucket. */
export function grants({ grant }: Principal, action: BucketAction, bucket: string | null): boolean {
  if (!grant) return true;
  const verb = action === 'list' ? 'read' : action;
  return grant.verbs.includes(verb) && (grant.buckets === null || (bucket !== null && grant.buckets.includes(bucket)));
}

/** @throws Refusal `forbidden` unless the credential permits the action in every bucket of its namespace */
export function demandGrant(who: Principal, action: BucketAction): void {
  if (!grants(who, action, null)) throw new Refusal('forbidden', 'this access key does not permit that');
}

/** @throws Refusal `operators_only` unless the caller is the system */
export function demandSystem(who: Principal): void {
  if (!isSystem(who)) throw new Refusal('operators_only', 'only the system namespace may do that');
}

/**
 * Makes a credential with the verifier `scrypt:N:r:p:salt:hash` (base64). The keys of a namespace share a salt, so that
 * one derivation checks all of them.
 *
 * @param others the namespace's other credentials
 */
export async function makeCredential(
  namespace: string,
  name: string,
  key: string,
  at: number,
  others: readonly Pick<Credential, 'verifier'>[] = [],
): Promise<Credential> {
  const verifier = await makeVerifier(key, sharedBy(others)?.salt ?? randomBytes(16), `make ${namespace}`);
  return { namespace, name, verifier, nonce: newId(), createdAt: at };
}

async function makeVerifier(key: string, salt: Buffer, group: string): Promise<string> {
  const hash = await derivations.through(group, () => derive(key, salt, 32, work));
  return ['scrypt', work.N, work.r, work.p, salt.toString('base64'), hash.toString('base64')].join(':');
}

/**
 * A verifier of `key` with the salt that the namespace shares; undefined if `credential` has it already.
 *
 * @param group queue group of the derivation
 * @throws QueueFull
 */
export async function resalted(
  key: string,
  credential: Pick<Credential, 'verifier'>,
  all: readonly Pick<Credential, 'verifier'>[],
  group: string,
): Promise<string | undefined> {
  const shared = sharedBy(all);
  if (shared?.hashes.some((one) => one.credential === credential)) return undefined;
  return makeVerifier(key, shared?.salt ?? randomBytes(16), group);
}

/** The largest group of credentials with the current parameters. */
function sharedBy<T extends Pick<Credential, 'verifier'>>(credentials: readonly T[]): Verifiers<T> | undefined {
  return bySalt(credentials).find((one) => sameWork(one.work));
}

/** Verifiers with one salt. */
interface Verifiers<T> {
  readonly salt: Buffer;
  readonly work: typeof work;
  readonly hashes: { readonly hash: Buffer; readonly credential: T }[];
}

/** Groups credentials by salt and parameters, largest first; each group costs a derivation. */
export function bySalt<T extends Pick<Credential, 'verifier'>>(credentials: readonly T[]): Verifiers<T>[] {
  const groups = new Map<string, Verifiers<T>>();
  for (const credential of credentials) {
    const read = readVerifier(credential.verifier);
    if (!read) continue;
    const name = credential.verifier.slice(0, credential.verifier.lastIndexOf(':'));
    const group = groups.get(name) ?? { salt: read.salt, work: read.work, hashes: [] };
    group.hashes.push({ hash: read.hash, credential });
    groups.set(name, group);
  }
  return [...groups.values()].toSorted((one, other) => other.hashes.length - one.hashes.length);
}

/**
 * The credential that `key` matches, if any.
 *
 * @param group queue group of the derivation
 * @throws QueueFull
 */
export async function proved<T>(
  key: string,
  { salt, work: options, hashes }: Verifiers<T>,
  group: string,
): Promise<T | undefined> {
  const lengths = [...new Set(hashes.map(({ hash }) => hash.length))];
  for (const length of lengths) {
    const actual = await derivations.through(group, () => derive(key, salt, length, options));
    // Compares all hashes, so that the time does not reveal which one matches.
    const found = hashes.filter(({ hash }) => hash.length === length && timingSafeEqual(actual, hash));
    if (found[0]) return found[0].credential;
  }
  return undefined;
}

function readVerifier(
  verifier: string,
): { readonly salt: Buffer; readonly work: typeof work; readonly hash: Buffer } | undefined {
  const [kind, N, r, p, salt, hash] = verifier.split(':');
  if (kind !== 'scrypt' || !salt || !hash) return undefined;
  return {
    salt: Buffer.from(salt, 'base64'),
    work: { N: Number(N), r: Number(r), p: Number(p) },
    hash: Buffer.from(hash, 'base64'),
  };
}

function sameWork({ N, r, p }: typeof work): boolean {
  return N === work.N && r === work.r && p === work.p;
}

/**
 * The verifier of a random secret, which cannot be guessed: its HMAC-SHA-256 with the pepper, in hex. Deterministic, so
 * that it can be looked up.
 */
export function keyedHash(pepper: string | undefined, secret: string): string {
  return createHmac('sha256', pepper ?? '')
    .update(secret)
    .digest('hex');
}
