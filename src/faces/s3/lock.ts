/** Object lock: versions that nobody may delete before a day, or while they are held. */
import type { Bucket, StoredObject } from '../../core/model.ts';
import { aboutOf, printAbout, type About } from './about.ts';
import { answer, headerOf, nothing, readDocument, type Call } from './call.ts';
import { versionOf } from './conditions.ts';
import { S3Error } from './errors.ts';
import { findObject } from './finding.ts';
import { allow, denied, may, settingOf } from './rights.ts';
import { elements, malformed, type Element } from './xml.ts';

type Mode = 'GOVERNANCE' | 'COMPLIANCE';

export interface Retention {
  readonly mode: Mode;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** What a bucket does with new objects. */
interface LockSetting {
  readonly mode?: Mode;
  readonly days?: number;
  readonly years?: number;
}

const day = 86_400_000;

/** What a new version's lock is, by the request or by the bucket. */
export function lockFrom(call: Call, bucket: Bucket): Pick<About, 'retention' | 'held'> {
  const [mode, until, hold] = ['x-amz-object-lock-mode', 'x-amz-object-lock-retain-until-date', 'x-amz-object-lock-legal-hold'].map((name) => headerOf(call, name));
  const setting = settingOf<LockSetting>(bucket, 'lock');
  if (!setting && (mode !== undefined || until !== undefined || hold !== undefined)) throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
  if ((mode === undefined) !== (until === undefined)) throw new S3Error('InvalidArgument', 'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied');
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF') throw new S3Error('InvalidArgument', 'Legal Hold must be either of \'ON\' or \'OFF\'');
  const held = hold === 'ON' ? { held: true } : {};
  if (mode !== undefined) return { retention: { mode: modeOf(mode), until: dateOf(until!, call.core.clock.now()) }, ...held };
  if (setting?.mode === undefined) return held;
  const length = setting.days === undefined ? (setting.years ?? 0) * 365 : setting.days;
  return { retention: { mode: setting.mode, until: call.core.clock.now() + length * day }, ...held };
}

/** Headers that tell of it. */
export function lockHeaders({ retention, held }: About): Record<string, string> {
  return {
    ...(retention ? { 'x-amz-object-lock-mode': retention.mode, 'x-amz-object-lock-retain-until-date': new Date(retention.until).toISOString() } : {}),
    ...(held === undefined ? {} : { 'x-amz-object-lock-legal-hold': held ? 'ON' : 'OFF' }),
  };
}

/** @throws S3Error `AccessDenied` for a version that must not be deleted now. */
export function demandUnlocked(call: Call, bucket: Bucket, object: StoredObject | undefined): void {
  if (!object?.content) return;
  const { retention, held } = aboutOf(object);
  if (held) throw denied();
  if (retention && retention.until > call.core.clock.now() && !(retention.mode === 'GOVERNANCE' && bypasses(call, bucket))) throw denied();
}

function bypasses(call: Call, bucket: Bucket): boolean {
  return headerOf(call, 'x-amz-bypass-governance-retention')?.toLowerCase() === 'true' && may(call, 'BypassGovernanceRetention', bucket, {});
}

export async function getLockConfiguration(call: Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketObjectLockConfiguration');
  const setting = settingOf<LockSetting>(bucket, 'lock');
  if (!setting) throw new S3Error('ObjectLockConfigurationNotFoundError', 'Object Lock configuration does not exist for this bucket');
  const { mode, days, years } = setting;
  answer(call, 'ObjectLockConfiguration', {
    ObjectLockEnabled: 'Enabled',
    Rule: mode && elements({ DefaultRetention: elements({ Mode: mode, Days: days, Years: years }) }),
  });
}

export async function putLockConfiguration(call: Call): Promise<void> {
  const { bucket, as } = await allow(call, 'PutBucketObjectLockConfiguration');
  const wish = await readDocument(call, 'ObjectLockConfiguration');
  if (bucket.versioning !== 'enabled') throw new S3Error('InvalidBucketState', 'Versioning must be \'Enabled\' on the bucket to apply a Object Lock configuration');
  if (wish.value('ObjectLockEnabled') !== 'Enabled') throw malformed();
  await call.core.buckets.change(as, bucket.name, { set: { lock: JSON.stringify(ruleOf(wish.one('Rule'))) } });
  nothing(call, 200);
}

function ruleOf(rule: Element | undefined): LockSetting {
  if (!rule) return {};
  const wish = rule.one('DefaultRetention');
  if (!wish) throw malformed();
  const mode = wish.value('Mode');
  const [days, years] = ['Days', 'Years'].map((name) => wish.value(name));
  if ((mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') || (days === undefined) === (years === undefined)) throw malformed();
  const length = Number(days ?? years);
  if (!Number.isSafeInteger(length)) throw malformed();
  if (length <= 0) throw new S3Error('InvalidRetentionPeriod', 'Default retention period must be a positive integer value');
  return { mode, ...(days === undefined ? { years: length } : { days: length }) };
}

export async function getRetention(call: Call): Promise<void> {
  const { object } = await findLockable(call, 'GetObjectRetention');
  const { retention } = aboutOf(object);
  if (!retention) throw new S3Error('NoSuchObjectLockConfiguration', 'The specified object does not have a ObjectLock configuration');
  answer(call, 'Retention', { Mode: retention.mode, RetainUntilDate: new Date(retention.until).toISOString() });
}

export async function putRetention(call: Call): Promise<void> {
  const { object, bucket, as } = await findLockable(call, 'PutObjectRetention');
  const wish = await readDocument(call, 'Retention');
  const [mode, date] = [wish.value('Mode'), wish.value('RetainUntilDate')];
  const about = aboutOf(object);
  const before = about.retention;
  const after = mode === undefined && date === undefined ? undefined : { mode: modeOf(mode ?? ''), until: dateOf(date ?? '', call.core.clock.now()) };
  const weaker = before && before.until > call.core.clock.now() && (!after || after.until < before.until || (before.mode === 'COMPLIANCE' && after.mode !== 'COMPLIANCE') || (before.mode === 'GOVERNANCE' && after.mode !== before.mode));
  if (weaker && !(before.mode === 'GOVERNANCE' && bypasses(call, bucket))) throw denied();
  const { retention: _, ...rest } = about;
  await call.core.objects.describe(as, object, printAbout(after ? { ...rest, retention: after } : rest));
  nothing(call, 200);
}

export async function getLegalHold(call: Call): Promise<void> {
  const { object } = await findLockable(call, 'GetObjectLegalHold');
  const { held } = aboutOf(object);
  if (held === undefined) throw new S3Error('NoSuchObjectLockConfiguration', 'The specified object does not have a ObjectLock configuration');
  answer(call, 'LegalHold', { Status: held ? 'ON' : 'OFF' });
}

export async function putLegalHold(call: Call): Promise<void> {
  const { object, as } = await findLockable(call, 'PutObjectLegalHold');
  const status = (await readDocument(call, 'LegalHold')).value('Status');
  if (status !== 'ON' && status !== 'OFF') throw malformed();
  await call.core.objects.describe(as, object, printAbout({ ...aboutOf(object), held: status === 'ON' }));
  nothing(call, 200);
}

async function findLockable(call: Call, action: Parameters<typeof findObject>[1]): ReturnType<typeof findObject> {
  const found = await findObject(call, action, versionOf(call));
  if (found.bucket.settings['lock'] === undefined) throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
  return found;
}

function modeOf(text: string): Mode {
  if (text !== 'GOVERNANCE' && text !== 'COMPLIANCE') throw malformed();
  return text;
}

function dateOf(text: string, now: number): number {
  const at = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw malformed();
  if (at <= now) throw new S3Error('InvalidArgument', 'The retain until date must be in the future!');
  return at;
}
