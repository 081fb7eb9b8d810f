import type { StoredObject } from '../../core/model.ts';
import type { Call } from './call.ts';
import { S3Error } from './errors.ts';
import { allow, denied, may, type Action, type Allowed, type Circumstances } from './rights.ts';

export interface FoundObject extends Allowed {
  readonly object: StoredObject;
}

/**
 * The version that a request is about, for somebody who may do that with it. Whether there is none is told to those who
 * may list the bucket.
 *
 * @throws S3Error `NoSuchKey`, `NoSuchVersion`, `AccessDenied`, `MethodNotAllowed` for a mark of a deletion.
 */
export async function findObject(
  call: Call, action: Action, version: { readonly id: string | null } | undefined, circumstances: Circumstances = {},
): Promise<FoundObject> {
  const [name, key] = [circumstances.bucket ?? call.bucket, circumstances.key ?? call.key];
  const object = await call.core.objects.peek(name, key, version);
  if (object?.content) return { ...(await allow(call, action, { ...circumstances, object })), object };
  const bucket = await call.known.bucket(name);
  if (!bucket) throw new S3Error('NoSuchBucket', 'The specified bucket does not exist');
  if (!may(call, 'ListBucket', bucket, { prefix: key })) throw denied();
  if (!object) {
    if (version) throw new S3Error('NoSuchVersion', 'The specified version does not exist.');
    throw new S3Error('NoSuchKey', 'The specified key does not exist.', {}, { 'x-amz-delete-marker': 'false' });
  }
  const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': object.versionId ?? 'null' };
  if (version) throw new S3Error('MethodNotAllowed', 'The specified method is not allowed against this resource.', {}, { ...headers, Allow: 'DELETE' });
  throw new S3Error('NoSuchKey', 'The specified key does not exist.', {}, headers);
}
