/** Object lock: retention and legal holds of versions. The catalog enforces them. */
import type { Bucket, LockRule, Retention, StoredObject, VersionLock } from '../../core/records.ts';
import { sendDocument, flagOf, headerOf, sendEmpty, readDocument, type S3Call } from './call.ts';
import { versionOf } from './conditions.ts';
import * as documents from './documents.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { changeVersion, findObject, type FoundObject } from './finding.ts';
import { allow, may, refuseEarly, type Action, type Circumstances } from './rights.ts';
import { timeOf } from './schema.ts';
import { elements } from './xml.ts';

/** The object lock in a request. Without a retention, the bucket's default applies when the version is created. */
export function lockFrom(call: S3Call, bucket: Bucket): VersionLock {
  const [mode, until, hold] = [
    'x-amz-object-lock-mode',
    'x-amz-object-lock-retain-until-date',
    'x-amz-object-lock-legal-hold',
  ].map((name) => headerOf(call, name));
  if (!bucket.lock && (mode !== undefined || until !== undefined || hold !== undefined))
    throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
  if ((mode === undefined) !== (until === undefined))
    throw new S3Error(
      'InvalidArgument',
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
    );
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF')
    throw new S3Error('InvalidArgument', "Legal Hold must be either of 'ON' or 'OFF'");
  return {
    retention:
      mode === undefined ? null : { mode: modeOf(mode), until: demandFuture(dateOf(until!), call.core.clock.now()) },
    held: hold === 'ON' ? true : null,
  };
}

/** Whether the request bypasses a GOVERNANCE retention and is allowed to. */
export function bypasses(call: S3Call, bucket: Bucket, object: StoredObject): boolean {
  return (
    flagOf(call, 'x-amz-bypass-governance-retention') && may(call, 'BypassGovernanceRetention', bucket, { object })
  );
}

export async function getLockConfiguration(call: S3Call): Promise<void> {
  const { bucket } = await allow(call, 'GetBucketObjectLockConfiguration');
  const { lock: setting } = bucket;
  if (!setting)
    throw new S3Error(
      'ObjectLockConfigurationNotFoundError',
      'Object Lock configuration does not exist for this bucket',
    );
  const { mode, days, years } = setting;
  sendDocument(call, 'ObjectLockConfiguration', {
    ObjectLockEnabled: 'Enabled',
    Rule: mode && elements({ DefaultRetention: elements({ Mode: mode, Days: days, Years: years }) }),
  });
}

export async function putLockConfiguration(call: S3Call): Promise<void> {
  const allowed = await allow(call, 'PutBucketObjectLockConfiguration');
  const { Rule } = await readDocument(call, documents.objectLockConfiguration);
  if (allowed.bucket.versioning !== 'enabled')
    throw new S3Error(
      'InvalidBucketState',
      "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
    );
  const { Mode: mode, Days: days, Years: years } = Rule?.DefaultRetention ?? {};
  const lock: LockRule = mode === undefined ? {} : { mode, ...(days === undefined ? { years: years! } : { days }) };
  await call.core.buckets.change(allowed, { lock });
  sendEmpty(call, 200);
}

export async function getRetention(call: S3Call): Promise<void> {
  const { object } = await findLockable(call, 'GetObjectRetention');
  const { retention = null } = object.content ?? {};
  if (!retention)
    throw new S3Error('NoSuchObjectLockConfiguration', 'The specified object does not have a ObjectLock configuration');
  sendDocument(call, 'Retention', { Mode: retention.mode, RetainUntilDate: new Date(retention.until).toISOString() });
}

export async function putRetention(call: S3Call): Promise<void> {
  await refuseEarly(call, () => findLockable(call, 'PutObjectRetention'));
  const { Mode: mode, RetainUntilDate: until } = await readDocument(call, documents.retention);
  const after: Retention | null =
    mode === undefined ? null : { mode, until: demandFuture(until!, call.core.clock.now()) };
  await changeVersion(
    call,
    () => findLockable(call, 'PutObjectRetention', { retention: after ?? undefined }),
    (found) => call.core.objects.retain(found, found.object, after, bypasses(call, found.bucket, found.object)),
  );
  sendEmpty(call, 200);
}

export async function getLegalHold(call: S3Call): Promise<void> {
  const { object } = await findLockable(call, 'GetObjectLegalHold');
  const { held = null } = object.content ?? {};
  if (held === null)
    throw new S3Error('NoSuchObjectLockConfiguration', 'The specified object does not have a ObjectLock configuration');
  sendDocument(call, 'LegalHold', { Status: held ? 'ON' : 'OFF' });
}

export async function putLegalHold(call: S3Call): Promise<void> {
  await refuseEarly(call, () => findLockable(call, 'PutObjectLegalHold'));
  const { Status: status } = await readDocument(call, documents.legalHold);
  await changeVersion(
    call,
    () => findLockable(call, 'PutObjectLegalHold', { hold: status }),
    (found) => call.core.objects.hold(found, found.object, status === 'ON'),
  );
  sendEmpty(call, 200);
}

async function findLockable<A extends Action>(
  call: S3Call,
  action: A,
  circumstances: Circumstances = {},
): Promise<FoundObject<A>> {
  const found = await findObject(call, action, versionOf(call), circumstances);
  if (!found.bucket.lock) throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
  return found;
}

/** Parses a mode header. */
function modeOf(text: string): Retention['mode'] {
  if (text !== 'GOVERNANCE' && text !== 'COMPLIANCE')
    throw invalidArgument('Unknown wormMode directive.', 'x-amz-object-lock-mode', text);
  return text;
}

/** Parses a date header. */
function dateOf(text: string): number {
  const at = timeOf(text);
  if (at === undefined)
    throw invalidArgument(
      'The retain until date must be provided in ISO 8601 format',
      'x-amz-object-lock-retain-until-date',
      text,
    );
  return at;
}

function demandFuture(at: number, now: number): number {
  if (at <= now)
    throw invalidArgument(
      'The retain until date must be in the future!',
      'x-amz-object-lock-retain-until-date',
      new Date(at).toISOString(),
    );
  return at;
}
