/** Publishes an upload or other bytes within one transaction; see `Artifacts.publish`. */
import type { ObjectFacts, Publication, Published, Unpublished } from './facts.ts';
import type { Artifact, Bucket, Event, Upload } from './model.ts';
import { defaultRetention } from './object-lock-rules.ts';
import { findDecided } from './bucket-records.ts';
import type { Db } from './host.ts';
import { recordEvents } from './events.ts';
import { findSource, type Publishable, type PublicationSource } from './publication-source.ts';
import { demandQuota } from './quota.ts';
import { namespaceExists } from './namespaces.ts';
import { findFile, findSlot } from './releases/rows.ts';
import { findObject, insertObject, nextIndex, refuseObject } from './objects.ts';
import { endMultipart, refuseMultipart } from './multipart.ts';
import { changeArtifact, findActive, findArtifact, rowOf } from './artifact-records.ts';
import { findUpload, uploadOf } from './uploads.ts';
import { endVersions, trimVersions } from './versions.ts';

interface Outcome {
  readonly artifact: Artifact;
  readonly index: number;
  readonly blob: string;
}

export async function publish(db: Db, publication: Publication): Promise<Published | Unpublished> {
  const before = await endedBefore(db, publication);
  if (before) return before;
  const { target, object, at } = publication;
  const bucket = object && (await findDecided(db, object.bucket));
  const refused = await refusePlace(db, publication, bucket);
  if (refused) return refused;
  // Checked before the content is recorded, because the bytes of a failed publication are removed.
  if (target.createOnly && (await findActive(db, target))) return 'taken';
  const bytes = await findSource(db, publication);
  if (!bytes) return 'no_blob';

  // Uses the bucket's current versioning, not what the request read.
  const versionId = bucket?.versioning === 'enabled' ? (object?.versionId ?? null) : null;
  const { outcome, added } = await placeVersion(db, publication, bytes);
  if (object && bucket) await recordObject(db, object, { ...outcome, versionId, bucket }, at);
  // The quota of uploads was checked when they began.
  if (publication.source.kind !== 'upload') await demandQuota(db, target.namespace);
  const ended = await endSources(db, publication, outcome, versionId);
  const { address, replaced, healed } = bytes;
  await recordEvents(db, eventsOf(publication, outcome, { added, healed }));
  return { ...outcome, versionId, added, address, replaced, healed, ended };
}

/** The previous result of the uploads, or why they cannot be published; undefined if they can. */
async function endedBefore(db: Db, { source, multipart }: Publication): Promise<Published | Unpublished | undefined> {
  const unended = multipart && (await refuseMultipart(db, multipart));
  if (unended || source.kind !== 'upload') return unended;
  const row = await findUpload(db, source.upload);
  const upload = row && uploadOf(row);
  if (upload?.outcome) return (await recorded(db, upload.outcome)) ?? 'no_upload';
  return upload?.state === 'open' && upload.offset === source.content.size ? undefined : 'no_upload';
}

/** Adds a version, unless the artifact is not an object and its newest version has the same bytes. */
async function placeVersion(
  db: Db,
  publication: Publication,
  bytes: PublicationSource,
): Promise<{ outcome: Outcome; added: boolean }> {
  const { target, object, at } = publication;
  const active = await findTarget(db, publication);
  const newest = active && (await newestVersion(db, active.uuid));
  const added = object !== undefined || newest?.sha512 !== bytes.sha512;
  const outcome =
    active && newest && !added
      ? { artifact: active, index: newest.idx, blob: newest.blob }
      : await addVersion(db, publication, bytes, active);
  const { uuid, lastIndex, maxVersions } = outcome.artifact;
  if (lastIndex > maxVersions) await trimVersions(db, at, uuid, { keep: maxVersions, asked: target.setMaxVersions });
  return { outcome, added };
}

/** Ends the uploads of the version. @returns uploads whose stages are no longer needed */
async function endSources(
  db: Db,
  { source, multipart, at }: Publication,
  outcome: Outcome,
  versionId: string | null,
): Promise<readonly string[]> {
  if (source.kind === 'upload') await endUpload(db, source.upload, at, outcome);
  if (!multipart) return [];
  return endMultipart(db, multipart.id, multipart.outcome[versionId === null ? 'plain' : 'versioned'], at);
}

/** Why the target does not exist or does not accept the version. */
async function refusePlace(
  db: Db,
  { target, object, slot }: Publication,
  bucket: Bucket | undefined,
): Promise<Unpublished | undefined> {
  if (!(await namespaceExists(db, target.namespace))) return 'no_namespace';
  if (object && bucket?.namespace !== target.namespace) return 'no_bucket';
  if (slot !== undefined && !(await findSlot(db, slot)) && !(await findFile(db, slot))) return 'slot_closed';
  return object && refuseObject(db, object);
}

/** The result of the first publication with the current artifact; undefined if even its history is gone. */
async function recorded(
  db: Db,
  { artifact: uuid, index, blob }: NonNullable<Upload['outcome']>,
): Promise<Published | undefined> {
  const artifact = await findArtifact(db, uuid);
  if (!artifact) return undefined;
  const stored = await db
    .selectFrom('blobs')
    .innerJoin('contents', 'contents.sha512', 'blobs.sha512')
    .select('address')
    .where('uuid', '=', blob)
    .executeTakeFirst();
  const object = await db
    .selectFrom('objects')
    .select('version_id')
    .where('artifact', '=', uuid)
    .where('idx', '=', index)
    .executeTakeFirst();
  return {
    artifact,
    index,
    blob,
    versionId: object?.version_id ?? null,
    added: false,
    address: stored?.address ?? '',
    replaced: null,
    healed: false,
    ended: [],
  };
}

/** The active artifact for the version, with its limit updated if requested. */
async function findTarget(db: Db, { target }: Publication): Promise<Artifact | undefined> {
  const active = await findActive(db, target);
  if (!active || !target.setMaxVersions || active.maxVersions === target.maxVersions) return active;
  return changeArtifact(db, active.uuid, { max_versions: target.maxVersions });
}

function newestVersion(db: Db, artifact: string) {
  return db
    .selectFrom('versions')
    .innerJoin('blobs', 'blobs.uuid', 'versions.blob')
    .select(['idx', 'blob', 'sha512'])
    .where('artifact', '=', artifact)
    .orderBy('idx', 'desc')
    .limit(1)
    .executeTakeFirst();
}

async function addVersion(
  db: Db,
  publication: Publication,
  bytes: PublicationSource,
  active: Artifact | undefined,
): Promise<Outcome> {
  const { at, target } = publication;
  const index = publication.object
    ? await nextIndex(db, publication.object.bucket.name, publication.object.key, active?.lastIndex ?? 0)
    : (active?.lastIndex ?? 0) + 1;
  const artifact = active ? await moveOn(db, active, index) : await createArtifact(db, publication, index);
  const blob = bytes.blob ?? (await blobFor(db, publication, bytes.sha512));
  if (blob.released) await db.updateTable('blobs').set({ released_at: null }).where('uuid', '=', blob.uuid).execute();
  await db
    .insertInto('versions')
    .values({
      artifact: artifact.uuid,
      idx: artifact.lastIndex,
      blob: blob.uuid,
      size: bytes.size,
      created_at: at,
      namespace: target.namespace,
      shared: artifact.shared ? 1 : 0,
    })
    .execute();
  return { artifact, index: artifact.lastIndex, blob: blob.uuid };
}

/** Records the object of a version. One with a null id replaces the previous one. */
async function recordObject(
  db: Db,
  { key, etag, about, lock }: ObjectFacts,
  {
    artifact,
    index,
    blob,
    versionId,
    bucket,
  }: Outcome & { readonly versionId: string | null; readonly bucket: Bucket },
  at: number,
): Promise<void> {
  const replaced = versionId === null ? await findObject(db, bucket.name, key, { id: null }) : undefined;
  const content = {
    blob,
    size: 0,
    etag,
    about,
    retention: lock.retention ?? defaultRetention(bucket, at),
    held: lock.held,
  };
  await insertObject(db, {
    artifact: artifact.uuid,
    index,
    bucket: bucket.name,
    key,
    versionId,
    content,
    createdAt: at,
  });
  if (replaced?.content) {
    await endVersions(
      db,
      { at, bypass: false },
      { artifact: replaced.artifact, first: replaced.index, last: replaced.index },
    );
  } else if (replaced) {
    await db
      .deleteFrom('objects')
      .where('bucket', '=', bucket.name)
      .where('key', '=', key)
      .where('idx', '=', replaced.index)
      .execute();
  }
}

async function moveOn(db: Db, { uuid }: Artifact, index: number): Promise<Artifact> {
  return (await changeArtifact(db, uuid, { state: 'created', fault: null, last_index: index }))!;
}

async function createArtifact(db: Db, { target, fresh, at }: Publication, index: number): Promise<Artifact> {
  const { setMaxVersions: _, createOnly: __, ...named } = target;
  const artifact: Artifact = {
    ...named,
    uuid: fresh.artifact,
    state: 'created',
    fault: null,
    lastIndex: index,
    createdAt: at,
    deletedAt: null,
  };
  await db.insertInto('artifacts').values(rowOf(artifact)).execute();
  return artifact;
}

/** The namespace's blob of these bytes, created if missing. */
async function blobFor(db: Db, { source, target, fresh, at }: Publication, sha512: string): Promise<Publishable> {
  const known = await db
    .selectFrom('blobs')
    .select(['uuid', 'released_at'])
    .where('sha512', '=', sha512)
    .where('namespace', '=', target.namespace)
    .executeTakeFirst();
  if (known) return { uuid: known.uuid, released: known.released_at !== null };
  await db
    .insertInto('blobs')
    .values({
      uuid: fresh.blob,
      namespace: target.namespace,
      sha512,
      created_at: at,
      used_at: null,
      media_type: source.kind === 'blob' ? 'application/octet-stream' : source.mediaType,
      released_at: null,
    })
    .execute();
  return { uuid: fresh.blob, released: false };
}

async function endUpload(db: Db, id: string, at: number, { artifact, index, blob }: Outcome): Promise<void> {
  await db
    .updateTable('uploads')
    .set({ state: 'sealed', ended_at: at, outcome_artifact: artifact.uuid, outcome_index: index, outcome_blob: blob })
    .where('id', '=', id)
    .execute();
}

function eventsOf(
  { source, at, by }: Publication,
  { artifact, index, blob }: Outcome,
  { added, healed }: { readonly added: boolean; readonly healed: boolean },
): Event[] {
  const event = { at, type: 'audit', duration: null } as const;
  const message = `version ${index} from ${source.kind === 'blob' ? 'blob' : 'upload'}`;
  const events: Event[] = [];
  if (added) {
    events.push({ ...event, subject: 'artifact', id: artifact.uuid, message, extra: { by, index, blob } });
    events.push({ ...event, subject: 'blob', id: blob, message, extra: { by, index, artifact: artifact.uuid } });
  }
  if (healed)
    events.push({ ...event, subject: 'blob', id: blob, message: 'bad bytes replaced by good ones', extra: { by } });
  return events;
}
