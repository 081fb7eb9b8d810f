import type { ObjectConditions, StoredObject } from '../../core/records.ts';
import { keeping } from '../../core/bytes/ingest.ts';
import { Refusal } from '../../core/refusal.ts';
import { sendBytes } from '../../http/outgoing.ts';
import { aboutOf, checksumHeadersOf, objectHeaders, printAbout } from './about.ts';
import { storedField } from '../../http/header-fields.ts';
import { sendDocument, headerOf, sendEmpty, payloadOf, readDocument, type S3Call } from './call.ts';
import { algorithmNamed, checksumHeaders, demandFullObject, etagOf, usualChecksum } from './checksums.ts';
import {
  conditionsOf,
  conditionsOfDeletion,
  conditionsOfRead,
  deletionConditionsOf,
  versionNamed,
  versionOf,
} from './conditions.ts';
import { deletion, type ObjectToDelete } from './documents.ts';
import { fromRefusal, S3Error } from './errors.ts';
import { findObject } from './finding.ts';
import { expirationHeader } from './lifecycle.ts';
import { bypasses } from './lock.ts';
import { newObject } from './new-object.ts';
import { allow, refuseEarly } from './rights.ts';
import { elements, type Xml } from './xml.ts';

export async function putObject(call: S3Call): Promise<void> {
  const { core, key } = call;
  const { allowed, about, lock } = await newObject(call);
  const request = { key, conditions: conditionsOf(call) };
  await core.objects.demandPut(allowed, request);
  demandFullObject(headerOf(call, 'x-amz-checksum-type'));
  const { body, promised, verify } = payloadOf(call, {
    keep: algorithmNamed(headerOf(call, 'x-amz-checksum-algorithm')) ?? usualChecksum,
  });
  const received = await core.objects.receive(allowed, request, body, promised.measure);
  const { measured } = received;
  const { put, checksums } = await keeping(received, async () => {
    const checksums = verify(measured);
    const put = await received.keep({ etag: etagOf(measured), about: printAbout({ ...about, checksums }), lock });
    return { put, checksums };
  });
  const expiration = expirationHeader(
    allowed.bucket,
    { key, content: { size: body.length ?? 0 }, createdAt: core.clock.now() },
    about.tags ?? {},
  );
  sendEmpty(call, 200, {
    ETag: `"${put.etag}"`,
    ...expiration,
    ...checksumHeaders(checksums, undefined),
    ...(put.versionId === null ? {} : { 'x-amz-version-id': put.versionId }),
  });
}

/** Query parameters that override response headers. */
const overrides = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
];

/** GetObject and HeadObject. */
export async function getObject(call: S3Call): Promise<void> {
  const { core, req, res, query, lifetime } = call;
  const version = versionOf(call);
  const { object, bucket } = await findObject(call, 'GetObject', version);
  const blob = await core.objects.blob(object);
  const number = query.get('partNumber');
  const part = number === undefined ? undefined : partOf(call, object, number);
  const what = {
    size: blob.size,
    etag: `"${object.content!.etag}"`,
    modifiedAt: object.createdAt,
    counted: true,
    headers: {
      ...(bucket.settings['cacheControl'] === undefined ? {} : { 'cache-control': bucket.settings['cacheControl'] }),
      ...objectHeaders(object, bucket.versioning !== 'off'),
      ...overridesOf(call),
      'X-Content-Type-Options': 'nosniff',
      ...(object.current ? expirationHeader(bucket, object, aboutOf(object).tags ?? {}) : {}),
      ...part?.headers,
      ...(call.signed ? {} : { 'Content-Security-Policy': "sandbox; default-src 'none'" }),
    },
    wholeHeaders: part ? {} : checksumHeadersOf(call, object),
    open: () => core.objects.open(blob),
  };
  await sendBytes(req, res, what, part ?? { offset: 0, limit: 0 }, {
    core,
    lifetime,
    namespace: bucket.namespace,
    conditions: conditionsOfRead(req.headers),
  });
}

function overridesOf(call: S3Call): Record<string, string> {
  const found = overrides.flatMap((name) => {
    const value = call.query.get(`response-${name}`);
    return value === undefined
      ? []
      : [[name === 'content-type' ? 'Content-Type' : name, storedField(value, 'text', `response-${name}`)] as const];
  });
  if (found.length > 0 && !call.signed)
    throw new S3Error('InvalidRequest', 'Request specific response headers cannot be used for anonymous GET requests.');
  return Object.fromEntries(found);
}

interface AskedPart {
  readonly from: number;
  readonly to: number;
  readonly headers: Readonly<Record<string, string | number>>;
}

/** The range of a part. A single-part object is its own part 1. */
function partOf(call: S3Call, object: StoredObject, text: string): AskedPart {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 10_000)
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  if (call.req.headers.range !== undefined)
    throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter');
  const { parts, checksums, checksumType } = aboutOf(object);
  const enabled = headerOf(call, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
  const part = (parts ?? [{ size: object.content!.size, checksums }])[number - 1];
  if (!part) throw new S3Error('InvalidPart', 'The requested partnumber is not satisfiable');
  const from = (parts ?? []).slice(0, number - 1).reduce((sum, { size }) => sum + size, 0);
  const headers = {
    ...(parts ? { 'x-amz-mp-parts-count': parts.length } : {}),
    ...(enabled ? checksumHeaders(part.checksums, checksumType) : {}),
  };
  return { from, to: from + part.size, headers };
}

export async function deleteObject(call: S3Call): Promise<void> {
  const version = versionOf(call);
  const gone = await remove(call, call.key, version, deletionConditionsOf(call));
  sendEmpty(call, 204, deletionHeaders(gone, version !== undefined));
}

/** Deletes the newest version of a key, or one by its id, after authorization. */
async function remove(
  call: S3Call,
  key: string,
  version: ReturnType<typeof versionOf>,
  conditions: ObjectConditions,
): Promise<StoredObject | undefined> {
  const { core, bucket: name } = call;
  const object = version ? await core.objects.peek(name, key, version) : undefined;
  const allowed = await allow(call, version ? 'DeleteObjectVersion' : 'DeleteObject', { key, object, version });
  return version
    ? core.objects.removeVersion(allowed, key, version.id, {
        conditions,
        bypass: object !== undefined && bypasses(call, allowed.bucket, object),
      })
    : core.objects.remove(allowed, key, { conditions });
}

function deletionHeaders(gone: StoredObject | undefined, versioned: boolean): Record<string, string> {
  if (!gone) return {};
  const marker: Record<string, string> = gone.content === null ? { 'x-amz-delete-marker': 'true' } : {};
  return versioned || gone.content === null ? { ...marker, 'x-amz-version-id': gone.versionId ?? 'null' } : {};
}

export async function deleteObjects(call: S3Call): Promise<void> {
  await refuseEarly(call, () => allow(call, 'DeleteObject'));
  const { Object: objects, Quiet: quiet = false } = await readDocument(call, deletion);
  const told: { name: 'Deleted' | 'Error'; xml: Xml }[] = [];
  for (const object of objects) {
    const outcome = await deleteOne(call, object);
    if (!quiet || outcome.name === 'Error') told.push(outcome);
  }
  sendDocument(call, 'DeleteResult', {
    Deleted: told.filter(({ name }) => name === 'Deleted').map(({ xml }) => xml),
    Error: told.filter(({ name }) => name === 'Error').map(({ xml }) => xml),
  });
}

async function deleteOne(call: S3Call, wish: ObjectToDelete): Promise<{ name: 'Deleted' | 'Error'; xml: Xml }> {
  const { Key: key, VersionId: version } = wish;
  try {
    const gone = await remove(
      call,
      key,
      version === undefined ? undefined : wishedVersion(version),
      conditionsOfDeletion(wish),
    );
    const marked = gone?.content === null;
    return {
      name: 'Deleted',
      xml: elements({
        Key: key,
        VersionId: version,
        ...(marked ? { DeleteMarker: true, DeleteMarkerVersionId: gone.versionId ?? 'null' } : {}),
      }),
    };
  } catch (error) {
    if (!(error instanceof Refusal) && !(error instanceof S3Error)) throw error;
    const { code, message } = error instanceof S3Error ? error : fromRefusal(error);
    return { name: 'Error', xml: elements({ Key: key, VersionId: version, Code: code, Message: message }) };
  }
}

/** In DeleteObjects an invalid version id is reported as a missing version. */
function wishedVersion(version: string): ReturnType<typeof versionNamed> {
  try {
    return versionNamed(version);
  } catch {
    throw new S3Error('NoSuchVersion');
  }
}
