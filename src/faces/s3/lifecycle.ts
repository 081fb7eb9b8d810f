/** Evaluates and applies lifecycle rules. */
import type { Core } from '../../core/index.ts';
import { SYSTEM, type Bucket, type Principal, type StoredObject } from '../../core/records.ts';
import { isLockedRefusal } from '../../core/records.ts';
import { allowIn, type Allowed } from '../../core/tenants/access.ts';
import { aboutOf } from './about.ts';
import { lifecycleRule, type LifecycleRule } from './lifecycle-document.ts';
import { S3Error } from './errors.ts';
import { settingOf } from './rights.ts';
import type { Node } from './xml.ts';

/** An enabled rule. */
interface Rule {
  readonly id: string;
  /** All prefixes and all tags must match. */
  readonly prefixes: readonly string[];
  readonly tags: readonly { readonly Key: string; readonly Value: string }[];
  readonly above: number;
  readonly below: number;
  readonly days?: number | undefined;
  readonly date?: number | undefined;
  readonly marks: boolean;
  readonly noncurrentDays?: number | undefined;
  readonly newerNoncurrent: number;
  readonly abortDays?: number | undefined;
}

export interface LifecycleOptions {
  /** Milliseconds of a day in the rules; shorter only for tests. */
  readonly day: number;
}

export interface Expired {
  readonly objects: number;
  readonly uploads: number;
}

const realDay = 86_400_000;
const batch = 500;

/** The enabled rules of a bucket. A rule stored by an earlier version that is invalid now is skipped. */
function rulesOf(bucket: Bucket): Rule[] {
  const nodes = settingOf<readonly Node[]>(bucket, 'lifecycle') ?? [];
  return nodes.flatMap((node) => {
    const rule = validRule(node);
    return rule?.Status === 'Enabled' ? [ruleOf(rule)] : [];
  });
}

function validRule(node: Node): LifecycleRule | undefined {
  try {
    return lifecycleRule(node);
  } catch (error) {
    if (error instanceof S3Error) return undefined;
    throw error;
  }
}

function ruleOf(rule: LifecycleRule): Rule {
  const { Expiration, NoncurrentVersionExpiration, AbortIncompleteMultipartUpload } = rule;
  return {
    id: rule.ID ?? '',
    ...conditionsOf(rule),
    days: Expiration?.Days,
    date: Expiration?.Date,
    marks: Expiration?.ExpiredObjectDeleteMarker ?? false,
    noncurrentDays: NoncurrentVersionExpiration?.NoncurrentDays,
    newerNoncurrent: NoncurrentVersionExpiration?.NewerNoncurrentVersions ?? 0,
    abortDays: AbortIncompleteMultipartUpload?.DaysAfterInitiation,
  };
}

function conditionsOf({ Prefix, Filter }: LifecycleRule): Pick<Rule, 'prefixes' | 'tags' | 'above' | 'below'> {
  const all = Filter?.And;
  const given = <T>(values: readonly (T | undefined)[]): T[] => values.filter((one) => one !== undefined);
  return {
    prefixes: given([Prefix, Filter?.Prefix, all?.Prefix]),
    tags: [...given([Filter?.Tag]), ...(all?.Tag ?? [])],
    above: Math.max(-1, ...given([Filter?.ObjectSizeGreaterThan, all?.ObjectSizeGreaterThan])),
    below: Math.min(Infinity, ...given([Filter?.ObjectSizeLessThan, all?.ObjectSizeLessThan])),
  };
}

/** The `x-amz-expiration` header of the newest version; in real days, from the next midnight on. */
export function expirationHeader(
  bucket: Bucket,
  object: Pick<StoredObject, 'key' | 'createdAt'> & {
    readonly content: Pick<NonNullable<StoredObject['content']>, 'size'> | null;
  },
  tags: Readonly<Record<string, string>>,
): Record<string, string> {
  const dated = rulesOf(bucket)
    .filter((rule) => covers(rule, object.key, object.content?.size ?? 0, tags))
    .flatMap((rule) => {
      const at =
        rule.date ??
        (rule.days === undefined ? undefined : Math.ceil((object.createdAt + rule.days * realDay) / realDay) * realDay);
      // HTTP dates end with the year 9999, so a later expiration is not reported.
      return at === undefined || at >= Date.UTC(10_000, 0) ? [] : [{ id: rule.id, at }];
    });
  const first = dated.toSorted((a, b) => a.at - b.at)[0];
  return first
    ? {
        'x-amz-expiration': `expiry-date="${new Date(first.at).toUTCString()}", rule-id="${encodeURIComponent(first.id)}"`,
      }
    : {};
}

/** Applies the rules of all buckets. */
export async function runLifecycle(core: Core, { day }: LifecycleOptions): Promise<Expired> {
  await core.time.observe();
  let [objects, uploads] = [0, 0];
  const system: Principal = { namespace: SYSTEM, credential: 'lifecycle' };
  for (let after: string | null = null; ;) {
    const { buckets, next } = await core.buckets.list(system, { after, limit: batch });
    for (const bucket of buckets) {
      const rules = rulesOf(bucket);
      if (rules.length === 0) continue;
      objects += await expireObjects(core, bucket, rules, day);
      uploads += await abortUploads(core, bucket, rules, day);
    }
    if (next === null) return { objects, uploads };
    after = next;
  }
}

async function expireObjects(core: Core, bucket: Bucket, rules: readonly Rule[], day: number): Promise<number> {
  const who = { namespace: bucket.namespace, credential: 'lifecycle' };
  const [listing, deletion] = [allowIn(who, 'list', bucket), allowIn(who, 'delete', bucket)];
  let gone = 0;
  let versions: StoredObject[] = [];
  const settle = async (): Promise<void> => {
    for (const object of due(versions, rules, core.time, day)) {
      if (await expire(core, deletion, object)) gone += 1;
    }
    versions = [];
  };
  // Versions are listed by key, newest first; a key is processed when all its versions are read.
  for (let behind: { key: string; index: number } | null = null; ;) {
    const page: StoredObject[] = await core.objects.versions(listing, {
      prefix: '',
      after: null,
      limit: batch,
      behind,
    });
    for (const object of page) {
      if (versions.length > 0 && versions[0]!.key !== object.key) await settle();
      versions.push(object);
    }
    if (page.length < batch) break;
    behind = { key: page.at(-1)!.key, index: page.at(-1)!.index };
  }
  if (versions.length > 0) await settle();
  return gone;
}

/** Deletes a due version if it is unchanged since it was evaluated. Object lock may protect it. */
async function expire(core: Core, allowed: Allowed<'delete'>, only: StoredObject): Promise<boolean> {
  const { key, versionId } = only;
  try {
    const gone =
      only.current && only.content
        ? await core.objects.remove(allowed, key, { only })
        : await core.objects.removeVersion(allowed, key, versionId, { only });
    return gone !== undefined;
  } catch (error) {
    if (isLockedRefusal(error)) return false;
    throw error;
  }
}

/** The due versions of one key; they are sorted newest first. */
function due(
  versions: readonly StoredObject[],
  rules: readonly Rule[],
  time: Core['time'],
  day: number,
): StoredObject[] {
  const isOld = (since: number, days: number | undefined): boolean =>
    days !== undefined && since <= time.ago(days * day);
  return versions.filter((object, at) => {
    const { content, createdAt, key, current } = object;
    const tags = content ? (aboutOf(object).tags ?? {}) : {};
    return rules.some((rule) => {
      if (!covers(rule, key, content?.size ?? 0, tags)) return false;
      if (current && content)
        return isOld(createdAt, rule.days) || (rule.date !== undefined && rule.date <= time.now());
      if (current) return versions.length === 1 && (rule.marks || isOld(createdAt, rule.days));
      // A version became noncurrent when the next one was created.
      return at > rule.newerNoncurrent && isOld(versions[at - 1]!.createdAt, rule.noncurrentDays);
    });
  });
}

async function abortUploads(core: Core, bucket: Bucket, rules: readonly Rule[], day: number): Promise<number> {
  const who = { namespace: bucket.namespace, credential: 'lifecycle' };
  const aborting = rules.filter(({ abortDays }) => abortDays !== undefined);
  if (aborting.length === 0) return 0;
  let aborted = 0;
  for (const multipart of await core.multipart.list(allowIn(who, 'list', bucket), {
    prefix: '',
    behind: null,
    limit: 1000,
  })) {
    const over = aborting.some(
      (rule) =>
        rule.prefixes.every((prefix) => multipart.key.startsWith(prefix)) &&
        multipart.createdAt <= core.time.ago(rule.abortDays! * day),
    );
    if (!over) continue;
    await core.multipart.abort(allowIn(who, 'write', bucket), multipart);
    aborted += 1;
  }
  return aborted;
}

function covers(
  { prefixes, tags, above, below }: Rule,
  key: string,
  size: number,
  has: Readonly<Record<string, string>>,
): boolean {
  return (
    prefixes.every((prefix) => key.startsWith(prefix)) &&
    size > above &&
    size < below &&
    tags.every(({ Key, Value }) => has[Key] === Value)
  );
}
