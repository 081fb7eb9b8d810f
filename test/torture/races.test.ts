/**
 * Two requests that run side by side: both changes that are acknowledged are kept, a locked version never goes, and
 * nothing answers 5xx.
 *
 * Each race runs in random order, and once in the order that tempts most: one request has passed every check before its
 * transaction when the other is answered. Its twin runs the same against a build whose transaction lacks the rule, or
 * with the mechanism broken otherwise where no single rule holds it; the same check must find that.
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
import { withoutRules, type Cut, type Sabotaged } from '../support/sabotage.ts';
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
  /** What the transaction asks; the twin's build lacks it. */
  readonly rules?: readonly Cut[];
  /** The request that comes late to its transaction, by its place in the name, and the service that leads there. */
  readonly late?: { readonly which: 0 | 1; readonly stop?: (core: Core) => Stop };
  /** Breaks the mechanism that the race is about, where no single rule in a transaction holds it. */
  readonly sabotage?: (core: Core, ground: Ground) => void;
  /** Whether one order alone can be told from the answers. */
  readonly unordered?: true;
}

/** Where a request waits. */
type Stop = (gate: Gate) => void;

/** Holds one call back until the other request of the race has ended. */
class Gate {
  readonly which: 0 | 1;
  #armed = false;
  #reach: () => void = () => undefined;
  #opened: Promise<void> = Promise.resolve();
  #open: () => void = () => undefined;

  constructor(which: 0 | 1) {
    this.which = which;
  }

  /** Resolves when a call has come to the gate. */
  arm(): Promise<void> {
    this.#armed = true;
    this.#opened = new Promise((resolve) => (this.#open = resolve));
    return new Promise((resolve) => (this.#reach = resolve));
  }

  open(): void {
    this.#armed = false;
    this.#open();
  }

  /** Only the first call waits. */
  pass(): Promise<void> {
    if (!this.#armed) return Promise.resolve();
    this.#armed = false;
    this.#reach();
    return this.#opened;
  }
}

/** The gate of the rounds in which one request comes late. */
let gate: Gate | undefined;

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

/** How often each request of the race that runs had its way: alone, or first. */
const won: [number, number] = [0, 0];

/** Starts both within a few milliseconds, either one first; or one of them late, where there is a gate. */
async function together(
  ground: Ground,
  one: () => Promise<unknown>,
  other: () => Promise<unknown>,
): Promise<[boolean, boolean]> {
  if (gate) return inTempting(gate, ground, [one, other]);
  const delay = random() * 4;
  const [first, second] = random() < 0.5 ? [0, delay] : [delay, 0];
  const ended: (0 | 1)[] = [];
  const start = async (wait: number, work: () => Promise<unknown>, which: 0 | 1): Promise<boolean> => {
    if (wait > 0) await pause(wait);
    const fine = await acknowledged(ground, work());
    if (fine) ended.push(which);
    return fine;
  };
  const outcome = await Promise.all([start(first, one, 0), start(second, other, 1)]);
  if (ended[0] !== undefined) won[ended[0]] += 1;
  return outcome;
}

/** One request goes as far as the gate, the other to its end, then the first goes on. */
async function inTempting(
  at: Gate,
  ground: Ground,
  requests: readonly [() => Promise<unknown>, () => Promise<unknown>],
): Promise<[boolean, boolean]> {
  const reached = at.arm();
  const late = acknowledged(ground, requests[at.which]());
  await Promise.race([reached, late]);
  const early = await acknowledged(ground, requests[1 - at.which]!());
  at.open();
  return at.which === 0 ? [await late, early] : [early, await late];
}

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

/** Lets the gate hold back calls of a method. */
function before<T extends object, K extends keyof T>(service: T, method: K): Stop {
  return (at) =>
    replace(
      service,
      method,
      (real) =>
        (async (...args: unknown[]) => {
          await at.pass();
          return (real as (...args: unknown[]) => Promise<unknown>)(...args);
        }) as T[K],
    );
}

/** No version that object lock protects ends. */
const lockRules: readonly Cut[] = [{ file: 'catalog/object-locks.js', rule: 'throw locked();', instead: 'return;' }];
/** A version that names a blob takes it back from the sweep, and the sweep removes none that has a name. */
const sweepRules: readonly Cut[] = [
  { file: 'catalog/publish.js', rule: 'if (blob.released)', instead: 'if (false)' },
  {
    file: 'catalog/blobs.js',
    rule: "eb.not(eb.exists(eb.selectFrom('versions').select('idx').whereRef('versions.blob', '=', 'blobs.uuid')))",
    instead: 'eb.lit(true)',
  },
];

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
    rules: lockRules,
    late: { which: 1, stop: ({ objects }) => before(objects, 'removeVersion') },
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
    rules: lockRules,
    late: { which: 1, stop: ({ objects }) => before(objects, 'removeVersion') },
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
    // Reads all settings, and writes all of them back once the other request has read them, too.
    sabotage: ({ buckets }) => {
      let first: (() => void) | undefined;
      replace(buckets, 'change', (real) => async (who, name, change) => {
        const seen = (await buckets.peek(name))?.settings;
        if (first) first();
        else await new Promise<void>((resolve) => (first = resolve));
        first = undefined;
        return real(who, name, { ...change, set: { ...seen, ...change.set }, given: {} });
      });
    },
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
      await acknowledged(ground, ground.world.core.sweep.run());
      if ((await bodyOf(ground, `copy${n}`)) !== (copied ? Key : undefined))
        ground.faults.push('the copy is not what was acknowledged');
    },
    rules: sweepRules,
    late: { which: 0, stop: ({ objects }) => before(objects, 'copy') },
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
      await acknowledged(ground, world.core.sweep.run());
      if (!published || (await bodyOf(ground, Key)) !== Body)
        ground.faults.push('the bytes that were published are gone');
    },
    // A sweep has nothing to say, and takes longer than a PUT.
    unordered: true,
    rules: sweepRules,
    late: { which: 1 },
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
    rules: [{ file: 'catalog/multipart.js', rule: 'if (row?.outcome !== null || (', instead: 'if (!row || (' }],
    late: { which: 1, stop: ({ multipart }) => before(multipart, 'abort') },
  },
  {
    name: 'complete beside part',
    prepare: plainBucket,
    round: async (ground, n) => {
      const Key = `k${n}`;
      const upload = await begun(ground, Key);
      const [made, taken] = await together(
        ground,
        () => complete(ground, Key, upload),
        () =>
          ground.s3.send(
            new UploadPartCommand({ Bucket, Key, UploadId: upload.UploadId, PartNumber: 1, Body: `late ${Key}` }),
          ),
      );
      if (made === taken) ground.faults.push(made ? 'both were acknowledged' : 'both were refused');
      if ((await bodyOf(ground, Key)) !== (made ? `first ${Key}` : undefined))
        ground.faults.push('the object is not what was acknowledged');
    },
    rules: [
      {
        file: 'catalog/multipart.js',
        rule: "where('outcome', 'is', null)\n        .returning('namespace')",
        instead: "returning('namespace')",
      },
    ],
    late: { which: 1, stop: ({ multipart }) => before(multipart, 'put') },
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
    // Acknowledges a file that nobody registered: this shows that the check sees it, and not that the sweep asks.
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
    rules: lockRules,
    late: { which: 1, stop: ({ namespaces }) => before(namespaces, 'remove') },
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
      const taken = async (): Promise<number> => {
        const ledger = await world.core.usage.get({ namespace: 'system', credential: 't' }, 'limited');
        return ledger.stored + ledger.records;
      };
      const put = (Key: string) => s3.send(new PutObjectCommand({ Bucket: 'limited', Key, Body: '0123456789' }));
      const unlimited = await world.ask('PATCH', '/api/storage/quotas/limited', { json: { quota_bytes: null } });
      const none = await taken();
      await put(`${n}-x`);
      const one = (await taken()) - none;
      const quota = none + one + Math.floor(one * 3.5);
      const set = await world.ask('PATCH', '/api/storage/quotas/limited', { json: { quota_bytes: quota } });
      if (set.status !== 200 || unlimited.status !== 200) ground.faults.push(`no quota: ${set.status}`);
      const made = await Promise.all(Array.from({ length: 8 }, (_, k) => acknowledged(ground, put(`${n}-${k}`))));
      if (made.filter(Boolean).length !== 3 || (await taken()) > quota)
        ground.faults.push(`${made.filter(Boolean).length} fitted`);
      s3.destroy();
    },
    rules: [{ file: 'catalog/quota.js', rule: 'taken + more > quota', instead: 'false' }],
    unordered: true,
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
    rules: lockRules,
    unordered: true,
    late: { which: 1, stop: ({ objects }) => before(objects, 'removeVersion') },
  },
];

/** Nothing that is released waits for its sweep. */
const open = (start?: Sabotaged['startServer']): Promise<World> =>
  openWorld({ env: { STOWAGE_BLOB_GRACE: '1ms', RELEASY_ADMIN_API_KEY: adminKey }, ...(start && { start }) });

/** Servers without some rules, which races that are about the same rules share. */
const lame = new Map<readonly Cut[], { readonly world: World; readonly build: Sabotaged }>();

async function lacking(rules: readonly Cut[]): Promise<World> {
  const known = lame.get(rules);
  if (known) return known.world;
  const build = await withoutRules(rules);
  const world = await open(build.startServer).catch(async (error: unknown) => {
    await build.remove();
    throw error;
  });
  lame.set(rules, { world, build });
  return world;
}

/** Runs rounds in which one request comes to its transaction when the other has been answered. */
async function tempt(race: Race, ground: Ground, from: number, count: number): Promise<void> {
  if (race.late) {
    gate = new Gate(race.late.which);
    race.late.stop?.(ground.world.core)(gate);
  }
  try {
    for (let n = from; n < from + count && ground.faults.length === 0; n += 1) await race.round(ground, n);
  } finally {
    gate = undefined;
    for (const mend of mends.splice(0).reverse()) mend();
  }
}

describe.each(races.map((race, number) => ({ ...race, number })))('$name', (race) => {
  let place: Ground;

  const settle = async (world: World): Promise<Ground> => {
    Bucket = `races-${race.number}`;
    const ground = { world, s3: await s3Client(world), faults: [] };
    await race.prepare?.(ground);
    return ground;
  };

  beforeAll(async () => {
    place = await settle(race.own ? await open() : (shared ??= await open()));
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
      won.fill(0);
      for (let n = 0; n < full; n += 1) await race.round(place, n);
      const [one, other] = won;
      report(`races: ${race.name}`, {
        rounds: full,
        faults: place.faults.length,
        ...(!race.unordered && { one, other }),
      });
      expect({ faults: place.faults.slice(0, 5), seed }).toEqual({ faults: [], seed });
      if (full >= 1000 && !race.unordered)
        expect({ never: won.includes(0), won, seed }).toMatchObject({ never: false });
    },
    patience,
  );

  if (race.late)
    test(
      'keeps it, too, where one comes to its transaction when the other has been answered',
      async () => {
        await tempt(race, place, 50_000, rounds(1, 100));
        expect({ faults: place.faults, seed }).toEqual({ faults: [], seed });
      },
      patience,
    );

  test(
    'is found when its mechanism is broken',
    async () => {
      place.faults.length = 0;
      if (race.sabotage) {
        race.sabotage(place.world.core, place);
        for (let n = 100_000; n < 100_200 && place.faults.length === 0; n += 1) await race.round(place, n);
        expect(place.faults).not.toEqual([]);
        return;
      }
      const twin = await settle(await lacking(race.rules!));
      try {
        await tempt(race, twin, 0, 1);
        expect(twin.faults).not.toEqual([]);
      } finally {
        twin.s3.destroy();
      }
    },
    patience,
  );
});

afterAll(async () => {
  await shared?.close();
  for (const { world, build } of lame.values()) {
    await world.close();
    await build.remove();
  }
});
