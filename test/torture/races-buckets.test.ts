/** Races of requests on buckets, their settings and owners; see `test/support/races.ts`. */
import { newId } from '../../src/kit/ids.ts';
import {
  after,
  askerOf,
  before,
  bodyOf,
  done,
  hold,
  plainBucket,
  put,
  runRaces,
  system,
  together,
  type Ask,
  type Ground,
  type Race,
} from '../support/races.ts';
import type { Plain } from '../support/s3.ts';
import type { Cut } from '../support/sabotage.ts';

/** No version that object lock protects ends. */
const lockRules: readonly Cut[] = [{ file: 'catalog/object-locks.js', rule: 'throw locked();', instead: 'return;' }];
/** A change of settings names those that it changes. The twin writes all of them back, as the request read them. */
const settingRules: readonly Cut[] = [
  {
    file: 'core/names/buckets.js',
    rule: '{ ...change, ...given }',
    instead:
      '{ publicAccess: bucket.publicAccess ?? null, ...change, ...given, set: { ...bucket.settings, ...change.set } }',
  },
];

const putPolicy = ({ s3, bucket }: Ground, principal: unknown, sid: string): Promise<Plain> => {
  const Resource = `arn:aws:s3:::${bucket}/*`;
  const statement = { Sid: sid, Effect: 'Allow', Principal: principal, Action: 's3:GetObject', Resource };
  return s3('PUT', `/${bucket}?policy`, { body: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }) });
};
const block = ({ s3, bucket }: Ground, flags: Record<string, boolean>): Promise<Plain> => {
  const body = Object.entries(flags).map(([name, on]) => `<${name}>${on}</${name}>`);
  return s3('PUT', `/${bucket}?publicAccessBlock`, {
    body: `<PublicAccessBlockConfiguration>${body.join('')}</PublicAccessBlockConfiguration>`,
  });
};
const putTag = ({ s3, bucket }: Ground, value: string): Promise<Plain> =>
  s3('PUT', `/${bucket}?tagging`, {
    body: `<Tagging><TagSet><Tag><Key>n</Key><Value>${value}</Value></Tag></TagSet></Tagging>`,
  });

/** What is set on a bucket beside its public access block, by a word. */
const settings = {
  tagging: { set: (ground: Ground, value: string) => putTag(ground, value), shown: (value: string) => `>${value}<` },
  policy: {
    set: (ground: Ground, value: string) => putPolicy(ground, { AWS: 'system' }, value),
    shown: (value: string) => `"${value}"`,
  },
};

/** What its first owner may be about to do with a bucket. */
const changes: readonly ((ask: Ask, bucket: string) => Promise<Plain>)[] = [
  (ask, bucket) =>
    ask('PUT', `/${bucket}?lifecycle`, {
      body: '<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>',
    }),
  (ask, bucket) => ask('DELETE', `/${bucket}/k`),
  (ask, bucket) => ask('DELETE', `/${bucket}/k?versionId=null`),
  (ask, bucket) => ask('DELETE', `/${bucket}`),
  (ask, bucket) => ask('PUT', `/${bucket}/k`, { body: 'mine' }),
  (ask, bucket) => ask('POST', `/${bucket}/k?uploads`),
];

interface Tenants {
  readonly first: Ask;
  readonly next: Ask;
}
const tenants = new WeakMap<Ground, Tenants>();

/** Takes a bucket away from its owner, and makes one of its name for another. */
async function takeOver({ first, next }: Tenants, bucket: string): Promise<Plain> {
  let emptied: Plain;
  do {
    await first('DELETE', `/${bucket}/k`);
    emptied = await first('DELETE', `/${bucket}`);
    // The change may have put an object meanwhile.
  } while (emptied.code === 'BucketNotEmpty');
  await done(next('PUT', `/${bucket}`));
  return done(next('PUT', `/${bucket}/k`, { body: 'theirs' }));
}

/** A namespace with nothing in it that anybody has a key of. */
const makeNamespace = async ({ world }: Ground, name: string): Promise<string> => {
  await world.core.namespaces.create(system, name);
  return name;
};

runRaces('buckets', [
  ...(['tagging', 'policy'] as const).map((what): Race => ({
    name: `public access block beside ${what}`,
    prepare: async (ground) => {
      await plainBucket(ground);
      await done(settings[what].set(ground, 'before'));
    },
    round: async (ground, n) => {
      const { s3, bucket } = ground;
      const flag = n % 2 === 0;
      const both = await together(
        ground,
        () => block(ground, { BlockPublicAcls: flag, IgnorePublicAcls: flag }),
        () => settings[what].set(ground, `n${n}`),
      );
      if (!both.every(Boolean)) ground.faults.push('one was refused');
      const answers = ['publicAccessBlock', what].map((one) => s3('GET', `/${bucket}?${one}`));
      const [blocked, kept] = (await Promise.all(answers)).map(({ text }) => text);
      if (!blocked!.includes(`<BlockPublicAcls>${flag}<`)) ground.faults.push('the block was lost');
      if (!kept!.includes(settings[what].shown(`n${n}`))) ground.faults.push(`the ${what} was lost`);
    },
    rules: settingRules,
    late: [0, 1].map((which) => ({ which: which as 0 | 1, stop: ({ buckets }) => after(buckets, 'peek') })),
  })),
  {
    name: 'public policy beside BlockPublicPolicy',
    prepare: plainBucket,
    round: async (ground, n) => {
      const { s3, bucket, world } = ground;
      await done(s3('DELETE', `/${bucket}?policy`));
      await done(block(ground, { BlockPublicPolicy: false }));
      const [allowed, blocked] = await together(
        ground,
        () => putPolicy(ground, '*', `n${n}`),
        () => block(ground, { BlockPublicPolicy: true }),
      );
      if (!blocked) ground.faults.push('the block was refused');
      const [newest] = await world.core.events.events('bucket', bucket, { limit: 1 });
      if (allowed && !newest!.message.includes('publicAccess'))
        ground.faults.push('a public policy was put behind its block');
      if (((await s3('GET', `/${bucket}?policy`)).status === 200) !== allowed)
        ground.faults.push('the policy is not what was acknowledged');
    },
    rules: [
      { file: 'catalog/bucket-records.js', rule: 'if ((now[setting] ?? null) !== value)', instead: 'if (false)' },
    ],
    late: [0, 1].map((which) => ({ which: which as 0 | 1, stop: ({ buckets }) => after(buckets, 'peek') })),
  },
  {
    name: 'change beside the next bucket of its name',
    prepare: async (ground) => {
      const { world } = ground;
      const [first, next] = await Promise.all(
        ['first-owner', 'next-owner'].map(async (name) => {
          await world.addNamespace(name);
          return askerOf(world, await world.accessKey(name));
        }),
      );
      tenants.set(ground, { first: first!, next: next! });
    },
    round: async (ground, n) => {
      const both = tenants.get(ground)!;
      const { first, next } = both;
      const bucket = `${ground.bucket}-${n}`;
      const change = changes[n % changes.length]!;
      await done(first('PUT', `/${bucket}`));
      await done(first('PUT', `/${bucket}/k`, { body: 'mine' }));
      await together(
        ground,
        () => change(first, bucket),
        () => takeOver(both, bucket),
      );
      const body = await bodyOf({ ...ground, s3: next, bucket }, 'k');
      if (body !== 'theirs') ground.faults.push(`the next owner's object is ${body}`);
      const answers = ['lifecycle', 'uploads'].map((what) => next('GET', `/${bucket}?${what}`));
      const [lifecycle, uploads] = await Promise.all(answers);
      if (lifecycle!.code !== 'NoSuchLifecycleConfiguration') ground.faults.push('the next bucket has a lifecycle');
      if (uploads!.status !== 200 || uploads!.text.includes('<Upload>'))
        ground.faults.push('an upload was begun in the next bucket');
      await next('DELETE', `/${bucket}/k`);
      await next('DELETE', `/${bucket}`);
    },
    rules: [
      {
        file: 'catalog/bucket-records.js',
        rule: 'return found?.generation === generation ? found : undefined;',
        instead: 'return found;',
      },
    ],
    late: [{ which: 0, stop: ({ buckets }) => after(buckets, 'peek') }],
  },
  {
    name: 'namespace deletion beside lock',
    round: async (ground, n) => {
      const { world } = ground;
      const namespace = await makeNamespace(ground, `locked-${n}`);
      const mine = { ...ground, bucket: `${ground.bucket}-${n}` };
      const settings = { lock: '{}' };
      await world.core.buckets.create({ namespace, credential: 't' }, mine.bucket, { settings, versioning: 'enabled' });
      await done(put(mine, 'k'));
      const [held, removed] = await together(
        ground,
        () => hold(mine, 'k'),
        () => world.ask('DELETE', `/auth/namespaces/${namespace}`),
      );
      if (held === removed) ground.faults.push(held ? 'both were acknowledged' : 'both were refused');
      if (held && (await bodyOf(mine, 'k')) !== 'k') ground.faults.push('a held version is gone');
    },
    rules: lockRules,
    late: [{ which: 1, stop: ({ namespaces }) => before(namespaces, 'remove') }],
  },
  {
    name: 'namespace deletion beside conversion',
    round: async (ground, n) => {
      const { world } = ground;
      const namespace = await makeNamespace(ground, `converted-${n}`);
      const upload = await world.upload(Buffer.from(`0123456789 ${newId()}`));
      const [, removed] = await together(
        ground,
        () => world.ask('POST', '/artifacts/upload/a', { json: { upload_uuid: upload, namespace } }),
        () => world.ask('DELETE', `/auth/namespaces/${namespace}`),
      );
      if (!removed) ground.faults.push('the deletion was refused');
      // Whoever has the name next finds nothing.
      await makeNamespace(ground, namespace);
      const left = await world.core.artifacts.list(system, { namespace }, { after: null, limit: 5 });
      const { stored } = await world.core.usage.get(system, namespace);
      if (left.length > 0 || stored > 0) ground.faults.push('an artifact outlives its namespace');
      await world.core.namespaces.remove(system, namespace);
      await world.ask('DELETE', `/upload/${upload}`);
    },
    // No service lies between the look at the namespace and the transaction: the twin is found in random order.
    rules: [
      {
        file: 'catalog/publish.js',
        rule: "if (!(await namespaceExists(db, target.namespace)))\n        return 'no_namespace';",
        instead: '',
      },
    ],
  },
]);
