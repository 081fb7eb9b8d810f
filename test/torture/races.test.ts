/**
 * Two requests that run side by side: both changes that are acknowledged are kept, a locked version never goes, and nothing answers 5xx.
 * Each race has a twin whose mechanism is broken on purpose; the same check must find that.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketPolicyCommand,
  GetBucketTaggingCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectTaggingCommand,
  GetPublicAccessBlockCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  PutPublicAccessBlockCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { setTimeout as pause } from 'node:timers/promises';
import type { Core } from '../../src/core/index.ts';
import { runLifecycle } from '../../src/faces/s3/lifecycle.ts';
import { adminKey, put as putInto, Releasy, type ReleaseSeen } from '../support/releases.ts';
import { s3Client } from '../support/s3.ts';
import { patience, randomFrom, report, rounds, seed } from '../support/torture.ts';
import { openWorld, type World } from '../support/world.ts';

const day = 86_400_000;
const random = randomFrom(seed);
/** The server of all races that need none of their own: each has a bucket of its own there. */
let shared: World | undefined;

/** What an answer was: its status; a sentence where something is wrong. */
interface Ground {
  readonly world: World;
  readonly s3: S3Client;
  readonly faults: string[];
}

interface Race {
  readonly name: string;
  readonly prepare?: (ground: Ground) => Promise<void>;
  readonly round: (ground: Ground, n: number) => Promise<void>;
  /** Needs a server of its own, since it lets days pass. */
  readonly own?: true;
  /** Breaks the mechanism that the race is about. */
  readonly sabotage: (core: Core, ground: Ground) => void;
}

/** Whether a request was acknowledged; 5xx is a fault, and so is what has no status. */
async function acknowledged({ faults }: Ground, work: Promise<unknown>): Promise<boolean> {
  try {
    const answer = await work;
    const status = (answer as { status?: number } | undefined)?.status ?? 200;
    if (status >= 500) faults.push(`status ${status}`);
    return status < 400;
  } catch (error) {
    const { name, message, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
    if (($metadata?.httpStatusCode ?? 500) >= 500) faults.push(`${name} ${$metadata?.httpStatusCode ?? ''} ${message}`);
    return false;
  }
}

/** Starts both within a few milliseconds of each other, either one first. */
async function together(
  ground: Ground,
  one: () => Promise<unknown>,
  other: () => Promise<unknown>,
): Promise<[boolean, boolean]> {
  const late = random() * 4;
  const [first, second] = random() < 0.5 ? [0, late] : [late, 0];
  const start = async (wait: number, work: () => Promise<unknown>): Promise<boolean> => {
    if (wait > 0) await pause(wait);
    return acknowledged(ground, work());
  };
  const outcome = await Promise.all([start(first, one), start(second, other)]);
  for (const change of postponed.splice(0)) await change().catch(() => undefined);
  return outcome;
}

/** Changes that a broken mechanism acknowledged and has not made; they are made when both requests have ended. */
const postponed: (() => Promise<unknown>)[] = [];

/** What brings the methods back that were replaced. */
const mends: (() => void)[] = [];

/** A method of the core put in the place of another. */
function replace<T extends object, K extends keyof T>(service: T, method: K, make: (real: T[K]) => T[K]): void {
  const before = service[method];
  service[method] = make((before as (...args: unknown[]) => unknown).bind(service) as T[K]);
  mends.push(() => {
    service[method] = before;
  });
}

/** Acknowledges a change that is made when the race is over. */
function hasty<T extends object, K extends keyof T>(service: T, method: K): void {
  replace(
    service,
    method,
    (real) =>
      (async (...args: unknown[]) => {
        postponed.push(() => (real as (...args: unknown[]) => Promise<unknown>)(...args));
        return true;
      }) as T[K],
  );
}

/** The bucket of the race that runs. */
let Bucket = 'races';
const lockBucket = async ({ s3 }: Ground): Promise<void> =>
  void (await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true })));
const plainBucket = async ({ s3 }: Ground): Promise<void> => void (await s3.send(new CreateBucketCommand({ Bucket })));
const put = ({ s3 }: Ground, Key: string, Body = Key) => s3.send(new PutObjectCommand({ Bucket, Key, Body }));
const hold = ({ s3 }: Ground, Key: string, VersionId?: string) =>
  s3.send(new PutObjectLegalHoldCommand({ Bucket, Key, VersionId, LegalHold: { Status: 'ON' } }));

async function bodyOf({ s3 }: Ground, Key: string, VersionId?: string): Promise<string | undefined> {
  try {
    return await (await s3.send(new GetObjectCommand({ Bucket, Key, VersionId }))).Body!.transformToString();
  } catch (error) {
    if (/^NoSuch(Key|Version|Bucket)$/.test((error as Error).name)) return undefined;
    throw error;
  }
}

async function begun({ s3 }: Ground, Key: string): Promise<{ UploadId: string; ETag: string }> {
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: `first ${Key}` }));
  return { UploadId: UploadId!, ETag: ETag! };
}

const complete = ({ s3 }: Ground, Key: string, { UploadId, ETag }: { UploadId: string; ETag: string }) =>
  s3.send(
    new CompleteMultipartUploadCommand({
      Bucket,
      Key,
      UploadId,
      MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
    }),
  );

const races: readonly Race[] = [
  {
    name: 'hold beside tagging',
    prepare: lockBucket,
    round: async (ground, n) => {
      const Key = `k${n}`;
      await put(ground, Key);
      const [held, tagged] = await together(
        ground,
        () => hold(ground, Key),
        () =>
          ground.s3.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } })),
      );
      if (!held || !tagged) ground.faults.push('one was refused');
      const status = await ground.s3.send(new GetObjectLegalHoldCommand({ Bucket, Key })).then(
        ({ LegalHold }) => LegalHold?.Status,
        () => undefined,
      );
      if (status !== 'ON') ground.faults.push('the hold was lost');
      if ((await ground.s3.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet?.length !== 1)
        ground.faults.push('the tags were lost');
    },
    sabotage: ({ objects }) => replace(objects, 'describe', () => async () => true),
  },
  {
    name: 'hold beside delete',
    prepare: lockBucket,
    round: async (ground, n) => {
      const Key = `k${n}`;
      const { VersionId } = await put(ground, Key);
      const [held, deleted] = await together(
        ground,
        () => hold(ground, Key, VersionId),
        () => ground.s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId })),
      );
      if (held === deleted) ground.faults.push(held ? 'both were acknowledged' : 'both were refused');
      if (held && (await bodyOf(ground, Key, VersionId)) !== Key) ground.faults.push('a held version is gone');
    },
    sabotage: ({ objects }) => hasty(objects, 'hold'),
  },
  {
    name: 'retention beside delete',
    prepare: lockBucket,
    round: async (ground, n) => {
      const Key = `k${n}`;
      const { VersionId } = await put(ground, Key);
      const Retention = { Mode: 'COMPLIANCE', RetainUntilDate: new Date(Date.now() + day) } as const;
      const [retained, deleted] = await together(
        ground,
        () => ground.s3.send(new PutObjectRetentionCommand({ Bucket, Key, VersionId, Retention })),
        () => ground.s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId })),
      );
      if (retained === deleted) ground.faults.push(retained ? 'both were acknowledged' : 'both were refused');
      if (retained && (await bodyOf(ground, Key, VersionId)) !== Key) ground.faults.push('a retained version is gone');
    },
    sabotage: ({ objects }) => hasty(objects, 'retain'),
  },
  ...(['tagging', 'policy'] as const).map((what): Race => ({
    name: `public access block beside ${what}`,
    prepare: plainBucket,
    round: async (ground, n) => {
      const { s3 } = ground;
      const flags = {
        BlockPublicAcls: n % 2 === 0,
        IgnorePublicAcls: n % 2 === 0,
        BlockPublicPolicy: false,
        RestrictPublicBuckets: false,
      };
      const policy = JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            Sid: `n${n}`,
            Effect: 'Allow',
            Principal: { AWS: 'system' },
            Action: 's3:GetObject',
            Resource: `arn:aws:s3:::${Bucket}/*`,
          },
        ],
      });
      const other = (): Promise<unknown> =>
        what === 'tagging'
          ? s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: 'n', Value: `${n}` }] } }))
          : s3.send(new PutBucketPolicyCommand({ Bucket, Policy: policy }));
      const both = await together(
        ground,
        () => s3.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: flags })),
        other,
      );
      if (!both.every(Boolean)) ground.faults.push('one was refused');
      if (
        (await s3.send(new GetPublicAccessBlockCommand({ Bucket }))).PublicAccessBlockConfiguration?.BlockPublicAcls !==
        flags.BlockPublicAcls
      )
        ground.faults.push('the block was lost');
      const kept =
        what === 'tagging'
          ? (await s3.send(new GetBucketTaggingCommand({ Bucket }))).TagSet?.[0]?.Value === `${n}`
          : (await s3.send(new GetBucketPolicyCommand({ Bucket }))).Policy?.includes(`"n${n}"`);
      if (!kept) ground.faults.push(`the ${what} was lost`);
    },
    // Reads all settings, and writes all of them back a moment later.
    sabotage: ({ buckets }) =>
      replace(buckets, 'change', (real) => async (who, name, change) => {
        const seen = (await buckets.peek(name))?.settings;
        await pause(5);
        return real(who, name, { ...change, set: { ...seen, ...change.set }, given: {} });
      }),
  })),
  {
    name: 'copy beside delete',
    prepare: plainBucket,
    round: async (ground, n) => {
      const Key = `k${n}`;
      await put(ground, Key);
      const [copied, deleted] = await together(
        ground,
        () => ground.s3.send(new CopyObjectCommand({ Bucket, Key: `copy${n}`, CopySource: `${Bucket}/${Key}` })),
        () => ground.s3.send(new DeleteObjectCommand({ Bucket, Key })),
      );
      if (!deleted) ground.faults.push('the deletion was refused');
      if ((await bodyOf(ground, `copy${n}`)) !== (copied ? Key : undefined))
        ground.faults.push('the copy is not what was acknowledged');
    },
    sabotage: ({ objects }) => replace(objects, 'copy', () => async () => ({ versionId: null, etag: '', blob: '' })),
  },
  {
    name: 'publish beside sweep',
    prepare: plainBucket,
    round: async (ground, n) => {
      const { world, s3 } = ground;
      const [Key, Body] = [`k${n}`, 'x'.repeat(100_000 + n)];
      await put(ground, Key, Body);
      await s3.send(new DeleteObjectCommand({ Bucket, Key }));
      const [published] = await together(
        ground,
        () => put(ground, Key, Body),
        () => world.core.sweep.run(),
      );
      if (!published || (await bodyOf(ground, Key)) !== Body)
        ground.faults.push('the bytes that were published are gone');
    },
    sabotage: ({ objects }) => replace(objects, 'put', () => async () => ({ versionId: null, etag: '', blob: '' })),
  },
  {
    name: 'complete beside abort',
    prepare: plainBucket,
    round: async (ground, n) => {
      const Key = `k${n}`;
      const upload = await begun(ground, Key);
      const [made, aborted] = await together(
        ground,
        () => complete(ground, Key, upload),
        () => ground.s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: upload.UploadId })),
      );
      if (made === aborted) ground.faults.push(made ? 'both were acknowledged' : 'both were refused');
      if ((await bodyOf(ground, Key)) !== (made ? `first ${Key}` : undefined))
        ground.faults.push('the object is not what was acknowledged');
    },
    sabotage: ({ multipart: parts }) => replace(parts, 'abort', () => async () => undefined),
  },
  {
    name: 'complete beside part',
    prepare: plainBucket,
    round: async (ground, n) => {
      const Key = `k${n}`;
      const upload = await begun(ground, Key);
      const [made] = await together(
        ground,
        () => complete(ground, Key, upload),
        () =>
          ground.s3.send(
            new UploadPartCommand({ Bucket, Key, UploadId: upload.UploadId, PartNumber: 1, Body: `late ${Key}` }),
          ),
      );
      if ((await bodyOf(ground, Key)) !== (made ? `first ${Key}` : undefined))
        ground.faults.push('the object is not what was acknowledged');
    },
    sabotage: ({ multipart: parts }) =>
      replace(
        parts,
        'complete',
        () => async () => JSON.stringify({ etag: '', versionId: null, checksums: {}, checksumType: null }),
      ),
  },
  {
    name: 'complete beside complete',
    prepare: plainBucket,
    round: async (ground, n) => {
      const Key = `k${n}`;
      const upload = await begun(ground, Key);
      const made = await together(
        ground,
        () => complete(ground, Key, upload),
        () => complete(ground, Key, upload),
      );
      if (!made.some(Boolean) || (await bodyOf(ground, Key)) !== `first ${Key}`)
        ground.faults.push('no object came of it');
      const versions = await ground.world.core.objects.versions({ namespace: 'system', credential: 't' }, Bucket, {
        prefix: Key,
        after: null,
        behind: null,
        limit: 5,
      });
      if (versions.filter(({ key }) => key === Key).length !== 1) ground.faults.push('two objects came of it');
    },
    sabotage: ({ multipart: parts }) =>
      replace(
        parts,
        'complete',
        () => async () => JSON.stringify({ etag: '', versionId: null, checksums: {}, checksumType: null }),
      ),
  },
  {
    name: 'convert beside truncate',
    round: async (ground, n) => {
      const { world } = ground;
      const upload = await world.upload(Buffer.from('0123456789'));
      const [converted, truncated] = await together(
        ground,
        () => world.ask('POST', `/artifacts/upload/a${n}`, { json: { upload_uuid: upload, size: 10 } }),
        () => world.ask('POST', `/upload/${upload}/truncate/4`),
      );
      if (converted && truncated) ground.faults.push('both were acknowledged');
      if (converted && (await world.ask('GET', `/artifacts/a${n}/data`)).bytes.toString() !== '0123456789')
        ground.faults.push('fewer bytes were published');
    },
    sabotage: ({ uploads }) => replace(uploads, 'truncate', () => async () => undefined),
  },
  {
    name: 'convert beside append',
    round: async (ground, n) => {
      const { world } = ground;
      const upload = await world.upload(Buffer.from('0123456789'));
      const [converted, appended] = await together(
        ground,
        () => world.ask('POST', `/artifacts/upload/a${n}`, { json: { upload_uuid: upload } }),
        () =>
          world.ask('POST', `/upload/${upload}`, {
            body: 'abc',
            headers: { 'content-type': 'application/octet-stream', 'upload-offset': '10' },
          }),
      );
      if (!converted && !appended) ground.faults.push('both were refused');
      if (
        !converted &&
        !(await acknowledged(ground, world.ask('POST', `/artifacts/upload/a${n}`, { json: { upload_uuid: upload } })))
      )
        ground.faults.push('it cannot be converted');
      if (
        (await world.ask('GET', `/artifacts/a${n}/data`)).bytes.toString() !==
        (appended ? '0123456789abc' : '0123456789')
      )
        ground.faults.push('other bytes were published');
    },
    sabotage: ({ uploads }) =>
      replace(
        uploads,
        'append',
        (real) => async (who, id, body, request) =>
          request.at === 10
            ? {
                upload: { ...(await uploads.look(who, id)), offset: 13 },
                replay: false,
                measured: [],
                settle: () => undefined,
              }
            : real(who, id, body, request),
      ),
  },
  {
    name: 'convert beside delete',
    round: async (ground, n) => {
      const { world } = ground;
      const upload = await world.upload(Buffer.from('0123456789'));
      const [converted, dropped] = await together(
        ground,
        () => world.ask('POST', `/artifacts/upload/d${n}`, { json: { upload_uuid: upload } }),
        () => world.ask('DELETE', `/upload/${upload}`),
      );
      if (converted === dropped) ground.faults.push(converted ? 'both were acknowledged' : 'both were refused');
      const { status, bytes } = await world.ask('GET', `/artifacts/d${n}/data`);
      if (converted ? bytes.toString() !== '0123456789' : status !== 404)
        ground.faults.push('the artifact is not what was acknowledged');
    },
    sabotage: ({ uploads }) => replace(uploads, 'drop', () => async () => undefined),
  },
  {
    name: 'register beside the sweep of slots',
    own: true,
    round: async (ground, n) => {
      const { world } = ground;
      const releasy = new Releasy(world);
      const { id } = await releasy.release('app', `${n}`);
      const slot = await releasy.slot(id);
      if ((await putInto(slot.upload_url, 'released')) !== 200) ground.faults.push('the slot takes no file');
      world.clock.move(30 * day);
      const [registered] = await together(
        ground,
        () => releasy.register(id, slot, 'released'),
        () => world.core.sweep.run(),
      );
      const { artifacts } = await releasy.get<ReleaseSeen>('GET', `/v1/releases/${id}`);
      if ((artifacts?.length ?? 0) !== (registered ? 1 : 0))
        ground.faults.push('the release does not have what was acknowledged');
      await world.core.sweep.run();
      const who = { namespace: 'system', credential: 't' };
      const kept = await world.core.artifacts.get(who, slot.artifact_id).then(
        () => true,
        () => false,
      );
      if (kept !== registered)
        ground.faults.push(registered ? 'the registered file is gone' : 'the file of a slot that is gone stays');
    },
    // Acknowledges a file that nobody registered: this shows that the check sees it, not that the sweep asks in its transaction.
    sabotage: ({ releaseFiles }) =>
      replace(releaseFiles, 'register', () => async (_who, release, { id, key, platform, size, sha256 }) => ({
        id,
        key,
        platform,
        size,
        sha256,
        release: release.id,
        bucket: '',
        fileName: key,
        outside: false,
        blob: null,
        etag: '',
        about: '',
        versionId: null,
        request: '',
        createdAt: 0,
      })),
  },
  {
    name: 'namespace deletion beside lock',
    round: async (ground, n) => {
      const { world } = ground;
      const as = await world.addNamespace(`tenant${n}`);
      const s3 = await s3Client(world, { as });
      const mine = { Bucket: `locked-${n}`, Key: 'k' };
      await s3.send(new CreateBucketCommand({ Bucket: mine.Bucket, ObjectLockEnabledForBucket: true }));
      await s3.send(new PutObjectCommand({ ...mine, Body: 'x' }));
      const [held, removed] = await together(
        ground,
        () => s3.send(new PutObjectLegalHoldCommand({ ...mine, LegalHold: { Status: 'ON' } })),
        () => world.ask('DELETE', `/auth/namespaces/${as}`),
      );
      if (held === removed) ground.faults.push(held ? 'both were acknowledged' : 'both were refused');
      if (held && !(await world.core.objects.peek(mine.Bucket, mine.Key))) ground.faults.push('a held version is gone');
      s3.destroy();
    },
    sabotage: ({ objects }) => hasty(objects, 'hold'),
  },
  {
    name: 'quota beside parallel PUTs',
    prepare: async (ground) => {
      const as = await ground.world.addNamespace('limited');
      const s3 = await s3Client(ground.world, { as });
      await s3.send(new CreateBucketCommand({ Bucket: 'limited' }));
      s3.destroy();
    },
    round: async (ground, n) => {
      const { world } = ground;
      const s3 = await s3Client(world, { as: 'limited' });
      const stored = async (): Promise<number> =>
        (await world.core.usage.get({ namespace: 'system', credential: 't' }, 'limited')).stored;
      const quota = (await stored()) + 35;
      const set = await world.ask('PATCH', '/api/storage/quotas/limited', { json: { quota_bytes: quota } });
      if (set.status !== 200) ground.faults.push(`no quota: ${set.status}`);
      const made = await Promise.all(
        Array.from({ length: 8 }, (_, k) =>
          acknowledged(
            ground,
            s3.send(new PutObjectCommand({ Bucket: 'limited', Key: `${n}-${k}`, Body: '0123456789' })),
          ),
        ),
      );
      if (made.filter(Boolean).length !== 3 || (await stored()) > quota)
        ground.faults.push(`${made.filter(Boolean).length} fitted`);
      s3.destroy();
    },
    sabotage: ({ usage: ledgers }) => replace(ledgers, 'setLimits', () => async (who, name) => ledgers.get(who, name)),
  },
  {
    name: 'lifecycle beside hold and overwrite',
    prepare: async (ground) => {
      await lockBucket(ground);
      await ground.s3.send(
        new PutBucketLifecycleConfigurationCommand({
          Bucket,
          LifecycleConfiguration: {
            Rules: [{ Status: 'Enabled', Filter: { Prefix: '' }, NoncurrentVersionExpiration: { NoncurrentDays: 1 } }],
          },
        }),
      );
    },
    round: async (ground, n) => {
      const Key = `k${n}`;
      const { VersionId } = await put(ground, Key);
      await put(ground, Key, 'newer');
      ground.world.clock.move(2 * day);
      const [held] = await together(
        ground,
        () =>
          ground.world.core.objects.peek(Bucket, Key, { id: VersionId! }).then(async (version) => {
            if (
              !version ||
              !(await ground.world.core.objects.hold({ namespace: 'system', credential: 't' }, version, true))
            )
              throw Object.assign(new Error('gone'), { $metadata: { httpStatusCode: 404 } });
          }),
        () => runLifecycle(ground.world.core, { day }),
      );
      ground.world.clock.move(-2 * day);
      if (held && (await bodyOf(ground, Key, VersionId)) !== Key) ground.faults.push('a held version is gone');
      if ((await bodyOf(ground, Key)) !== 'newer') ground.faults.push('the newest version is gone');
    },
    sabotage: ({ objects }) => hasty(objects, 'hold'),
  },
];

/** Nothing that is released waits for its sweep. */
const open = (): Promise<World> => openWorld({ env: { STOWAGE_BLOB_GRACE: '1ms', RELEASY_ADMIN_API_KEY: adminKey } });

describe.each(races.map((race, number) => ({ ...race, number })))('$name', (race) => {
  let place: Ground;

  beforeAll(async () => {
    const world = race.own ? await open() : (shared ??= await open());
    Bucket = `races-${race.number}`;
    place = { world, s3: await s3Client(world), faults: [] };
    await race.prepare?.(place);
  }, patience);
  afterAll(async () => {
    for (const mend of mends.splice(0).reverse()) mend();
    place.s3.destroy();
    if (race.own) await place.world.close();
  });

  test(
    'keeps what is acknowledged',
    async () => {
      const full = rounds(2, 1000);
      for (let n = 0; n < full; n += 1) await race.round(place, n);
      report(`races: ${race.name}`, { rounds: full, faults: place.faults.length });
      expect({ faults: place.faults.slice(0, 5), seed }).toEqual({ faults: [], seed });
    },
    patience,
  );

  test(
    'is found when its mechanism is broken',
    async () => {
      place.faults.length = 0;
      race.sabotage(place.world.core, place);
      for (let n = 100_000; n < 100_200 && place.faults.length === 0; n += 1) await race.round(place, n);
      expect(place.faults).not.toEqual([]);
    },
    patience,
  );
});

afterAll(() => shared?.close());
