import type { StoredObject } from '../../core/records.ts';
import type { S3Call } from './call.ts';
import { S3Error } from './errors.ts';
import { allow, denied, may, ofVersion, type Action, type AllowedTo, type Circumstances } from './rights.ts';

/** A version, and the caller's right to it. */
export type FoundObject<A extends Action = Action> = AllowedTo<A> & { readonly object: StoredObject };

/**
 * The version that a request addresses, after authorization. Only callers with list permission learn that it is
 * missing.
 *
 * @throws S3Error `NoSuchKey`, `NoSuchVersion`, `AccessDenied`, `MethodNotAllowed` for a delete marker
 */
export async function findObject<A extends Action>(
  call: S3Call,
  action: A,
  version: { readonly id: string | null } | undefined,
  circumstances: Circumstances = {},
): Promise<FoundObject<A>> {
  const [name, key] = [circumstances.bucket ?? call.bucket, circumstances.key ?? call.key];
  const object = await call.core.objects.peek(name, key, version);
  if (object?.content) {
    const allowed = await allow(call, version ? ofVersion(action) : action, { ...circumstances, object, version });
    return { ...allowed, object };
  }
  const bucket = await call.buckets.get(name);
  if (!bucket) throw new S3Error('NoSuchBucket');
  if (!may(call, 'ListBucket', bucket, { prefix: key })) throw denied();
  if (!object) {
    if (version) throw new S3Error('NoSuchVersion', 'The specified version does not exist.');
    throw new S3Error('NoSuchKey', 'The specified key does not exist.', {}, { 'x-amz-delete-marker': 'false' });
  }
  const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': object.versionId ?? 'null' };
  if (version)
    throw new S3Error(
      'MethodNotAllowed',
      'The specified method is not allowed against this resource.',
      {},
      { ...headers, Allow: 'DELETE' },
    );
  throw new S3Error('NoSuchKey', 'The specified key does not exist.', {}, headers);
}

const mostTries = 5;

/**
 * Changes the metadata of a version. If the newest version was requested and replaced meanwhile, the new one is found,
 * authorized and changed.
 *
 * @param find finds the version and authorizes the caller
 * @param change returns false if the version is gone
 */
export async function changeVersion<A extends Action>(
  call: S3Call,
  find: () => Promise<FoundObject<A>>,
  change: (found: FoundObject<A>) => Promise<boolean>,
): Promise<FoundObject<A>> {
  for (let turn = 1; turn <= mostTries; turn += 1) {
    const found = await find();
    if (await change(found)) return found;
  }
  throw new S3Error(
    'OperationAborted',
    'A conflicting conditional operation is currently in progress against this resource. Please try again.',
  );
}
