/**
 * The four public access block settings in every combination: the block refuses what would make a bucket or object
 * public through any face, and disables what was public before.
 */
import type { Bucket } from '../../src/catalog/model.ts';
import { ask, hold, whileBroken, type Case } from '../support/matrix.ts';
import {
  demandSigned,
  formHeaders,
  formOf,
  sendPlain,
  sendSigned,
  signedCall,
  type HandCall,
} from '../support/s3-operations.ts';
import { signForm, type HandKey } from '../support/sigv4.ts';
import { patience } from '../support/torture.ts';
import { openWorld, type World } from '../support/world.ts';

const switches = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets'] as const;
type Block = Readonly<Record<(typeof switches)[number], boolean>>;
const blocks = Array.from(
  { length: 16 },
  (_, bits) => Object.fromEntries(switches.map((name, at) => [name, (bits & (1 << at)) !== 0])) as Block,
);
const nameOf = (block: Block): string => switches.filter((name) => block[name]).join('+') || 'nothing blocked';

let world: World;
let owner: HandKey;
let stranger: HandKey;
let count = 0;

beforeAll(async () => {
  world = await openWorld({ env: { STOWAGE_LOGIN_FAILURES: '1000000', STOWAGE_PRESIGN_RATE: '0' } });
  await world.addNamespace('owner');
  await world.addNamespace('stranger');
  owner = await world.accessKey('owner');
  stranger = await world.accessKey('stranger');
  await demandSigned(world, stranger, { method: 'PUT', target: '/b-strange' });
}, 60_000);
afterAll(() => world.close());

const byOwner = (call: HandCall): Promise<string> => demandSigned(world, owner, call);

async function setBlock(bucket: string, block: Block): Promise<void> {
  const set = switches.map((name) => `<${name}>${block[name]}</${name}>`).join('');
  const body = `<PublicAccessBlockConfiguration>${set}</PublicAccessBlockConfiguration>`;
  await byOwner({ method: 'PUT', target: `/${bucket}?publicAccessBlock`, body });
}

/** A bucket of the owner with an object in it. */
async function makeBucket(): Promise<string> {
  const bucket = `b-open-${(count += 1)}`;
  await byOwner({ method: 'PUT', target: `/${bucket}` });
  await byOwner({ method: 'PUT', target: `/${bucket}/k`, body: 'secret' });
  return bucket;
}

const allUsers = 'http://acs.amazonaws.com/groups/global/AllUsers';
const authenticated = 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers';
const listed = (uri: string): string =>
  '<AccessControlPolicy><Owner><ID>owner</ID></Owner><AccessControlList><Grant>' +
  `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>${uri}</URI></Grantee>` +
  '<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>';

/** Headers, or a document, that make a list public. */
const publicLists: readonly (readonly [name: string, brought: Pick<HandCall, 'headers' | 'body'>])[] = [
  ...['public-read', 'public-read-write', 'authenticated-read'].map(
    (canned) => [canned, { headers: { 'x-amz-acl': canned } }] as const,
  ),
  ...['read', 'read-acp', 'write-acp', 'full-control'].map(
    (what) => [`a grant of ${what} to all`, { headers: { [`x-amz-grant-${what}`]: `uri="${allUsers}"` } }] as const,
  ),
  ['a grant to all who sign', { headers: { 'x-amz-grant-read': `uri="${authenticated}"` } }],
  ['a grant among others', { headers: { 'x-amz-grant-read': `id="owner", uri="${allUsers}"` } }],
  ['a document for all', { body: listed(allUsers) }],
  ['a document for all who sign', { body: listed(authenticated) }],
];

/** Requests of the owner that bring a list. */
const listDoors: Readonly<Record<string, (bucket: string, brought: Pick<HandCall, 'headers' | 'body'>) => HandCall>> = {
  PutBucketAcl: (bucket, brought) => ({ method: 'PUT', target: `/${bucket}?acl`, ...brought }),
  PutObjectAcl: (bucket, brought) => ({ method: 'PUT', target: `/${bucket}/k?acl`, ...brought }),
  PutObject: (bucket, { headers }) => ({
    method: 'PUT',
    target: `/${bucket}/new`,
    body: 'x',
    ...(headers ? { headers } : {}),
  }),
  CopyObject: (bucket, { headers }) => ({
    method: 'PUT',
    target: `/${bucket}/copy`,
    headers: { ...headers, 'x-amz-copy-source': `/${bucket}/k` },
  }),
  CreateMultipartUpload: (bucket, { headers }) => ({
    method: 'POST',
    target: `/${bucket}/many?uploads`,
    ...(headers ? { headers } : {}),
  }),
};

function putCases(): Case[] {
  return blocks.flatMap((block) =>
    Object.entries(listDoors).flatMap(([door, callOf]) =>
      publicLists
        .filter(([, { body }]) => body === undefined || door.endsWith('Acl'))
        .flatMap(([list, brought]) =>
          (['header', 'query'] as const).map((form): Case => ({
            name: `${nameOf(block)}: ${door} with ${list}, ${form}`,
            wanted: block.BlockPublicAcls ? /^403 AccessDenied$/ : /^200$/,
            ask: async () => {
              const bucket = await makeBucket();
              await setBlock(bucket, block);
              return sendSigned(world, owner, callOf(bucket, brought), form);
            },
          })),
        ),
    ),
  );
}

const policyOf = (bucket: string, more: object = {}): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: {
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:*',
      Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
      ...more,
    },
  });

/** Policies that are public by S3's rule, and some that are not. */
const policies: readonly (readonly [name: string, more: object, isPublic: boolean])[] = [
  ['for everybody', {}, true],
  ['for every principal', { Principal: { AWS: '*' } }, true],
  ['for one and everybody', { Principal: { AWS: ['stranger', '*'] } }, true],
  ['for every address', { Condition: { IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } } }, true],
  ['for a referer', { Condition: { StringLike: { 'aws:Referer': 'https://a.example/*' } } }, true],
  ['for one network', { Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } }, false],
  ['for one namespace', { Principal: { AWS: 'stranger' } }, false],
  ['that denies everybody another place', { Effect: 'Deny', Resource: 'arn:aws:s3:::BUCKET/none' }, false],
];

function policyCases(): Case[] {
  return blocks.flatMap((block) => [
    ...policies.map(([name, more, isPublic]): Case => ({
      name: `${nameOf(block)}: PutBucketPolicy ${name}`,
      wanted: isPublic && block.BlockPublicPolicy ? /^403 AccessDenied$/ : /^204$/,
      ask: async () => {
        const bucket = await makeBucket();
        await setBlock(bucket, block);
        const body = policyOf(bucket, JSON.parse(JSON.stringify(more).replaceAll('BUCKET', bucket)) as object);
        return sendSigned(world, owner, { method: 'PUT', target: `/${bucket}?policy`, body });
      },
    })),
    ...(['acl', 'fields'] as const).map((way): Case => ({
      name: `${nameOf(block)}: a form with a public list, by ${way}`,
      wanted: block.BlockPublicAcls ? /^403 AccessDenied$/ : /^204$/,
      ask: async () => {
        const bucket = await makeBucket();
        await setBlock(bucket, block);
        const list: Record<string, string> =
          way === 'acl' ? { acl: 'public-read' } : { 'x-amz-grant-read': `uri="${allUsers}"` };
        const fields = signForm(owner, bucket, { key: 'posted', ...list }, { at: world.clock.now() });
        return sendPlain(world, { method: 'POST', target: `/${bucket}`, headers: formHeaders, body: formOf(fields) });
      },
    })),
    {
      name: `${nameOf(block)}: a bucket is made public by the API of the console`,
      wanted: block.BlockPublicAcls || block.BlockPublicPolicy ? /^4\d\d$/ : /^200$/,
      ask: async () => {
        const bucket = await makeBucket();
        await setBlock(bucket, block);
        return String(
          (await world.ask('PATCH', `/api/storage/buckets/${bucket}`, { as: 'owner', json: { public: true } })).status,
        );
      },
    },
  ]);
}

type Opening = 'object list' | 'object list for all who sign' | 'bucket list' | 'policy' | 'public flag';

/** Ways to open a bucket before it is blocked. */
const openings: Readonly<Record<Opening, (bucket: string) => Promise<unknown>>> = {
  'object list': (bucket) =>
    byOwner({ method: 'PUT', target: `/${bucket}/k?acl`, headers: { 'x-amz-acl': 'public-read' } }),
  'object list for all who sign': (bucket) =>
    byOwner({ method: 'PUT', target: `/${bucket}/k?acl`, headers: { 'x-amz-acl': 'authenticated-read' } }),
  'bucket list': (bucket) =>
    byOwner({ method: 'PUT', target: `/${bucket}?acl`, headers: { 'x-amz-acl': 'public-read-write' } }),
  policy: (bucket) => byOwner({ method: 'PUT', target: `/${bucket}?policy`, body: policyOf(bucket) }),
  'public flag': (bucket) =>
    world.get('PATCH', `/api/storage/buckets/${bucket}`, { as: 'owner', json: { public: true } }),
};

/** A way in for somebody else, and which openings are for it. */
interface Door {
  readonly call: (bucket: string) => HandCall;
  readonly by: readonly Opening[];
}

const readers: readonly Opening[] = ['object list', 'object list for all who sign', 'policy', 'public flag'];
const doors: Readonly<Record<string, Door>> = {
  GetObject: { call: (bucket) => ({ method: 'GET', target: `/${bucket}/k` }), by: readers },
  HeadObject: { call: (bucket) => ({ method: 'HEAD', target: `/${bucket}/k` }), by: readers },
  'GetObject of a part': { call: (bucket) => ({ method: 'GET', target: `/${bucket}/k?partNumber=1` }), by: readers },
  GetObjectAttributes: {
    call: (bucket) => ({
      method: 'GET',
      target: `/${bucket}/k?attributes`,
      headers: { 'x-amz-object-attributes': 'ETag' },
    }),
    by: ['object list', 'object list for all who sign', 'policy'],
  },
  ListObjects: { call: (bucket) => ({ method: 'GET', target: `/${bucket}` }), by: ['bucket list', 'policy'] },
  ListObjectVersions: {
    call: (bucket) => ({ method: 'GET', target: `/${bucket}?versions` }),
    by: ['bucket list', 'policy'],
  },
  HeadBucket: { call: (bucket) => ({ method: 'HEAD', target: `/${bucket}` }), by: ['bucket list', 'policy'] },
  PutObject: {
    call: (bucket) => ({ method: 'PUT', target: `/${bucket}/new`, body: 'x' }),
    by: ['bucket list', 'policy'],
  },
  CreateMultipartUpload: {
    call: (bucket) => ({ method: 'POST', target: `/${bucket}/many?uploads` }),
    by: ['bucket list', 'policy'],
  },
  'a form': {
    call: (bucket) => ({ method: 'POST', target: `/${bucket}`, headers: formHeaders, body: formOf({ key: 'posted' }) }),
    by: ['bucket list', 'policy'],
  },
  DeleteObject: {
    call: (bucket) => ({ method: 'DELETE', target: `/${bucket}/none` }),
    by: ['bucket list', 'policy'],
  },
  GetObjectTagging: { call: (bucket) => ({ method: 'GET', target: `/${bucket}/k?tagging` }), by: ['policy'] },
  GetBucketAcl: { call: (bucket) => ({ method: 'GET', target: `/${bucket}?acl` }), by: ['policy'] },
  'a copy source': {
    call: (bucket) => ({ method: 'PUT', target: '/b-strange/copy', headers: { 'x-amz-copy-source': `/${bucket}/k` } }),
    by: readers,
  },
};

/** Whether a block ends what an opening let in. */
function isShut(opening: Opening, { IgnorePublicAcls, RestrictPublicBuckets }: Block): boolean {
  if (opening === 'policy') return RestrictPublicBuckets;
  return IgnorePublicAcls || (opening === 'public flag' && RestrictPublicBuckets);
}

type Caller = 'nobody' | 'a stranger' | 'a stranger by URL';
const callers: readonly Caller[] = ['nobody', 'a stranger', 'a stranger by URL'];

/** Whether the door is one of this caller: nobody has a bucket to copy into, and a form says itself who sends it. */
function isFor(door: string, caller: Caller): boolean {
  return caller === 'nobody' ? door !== 'a copy source' : door !== 'a form';
}

function useCases(some: readonly Block[] = blocks): Case[] {
  return some.flatMap((block) =>
    (Object.keys(openings) as Opening[]).flatMap((opening) =>
      Object.entries(doors).flatMap(([door, { call, by }]) =>
        callers
          .filter((caller) => isFor(door, caller))
          .map((caller): Case => {
            const isOpen =
              by.includes(opening) &&
              !isShut(opening, block) &&
              !(caller === 'nobody' && opening === 'object list for all who sign');
            const isHead = door.startsWith('Head');
            return {
              name: `${nameOf(block)}: ${door} by ${caller} after ${opening}`,
              wanted: isOpen ? /^20\d$/ : isHead ? /^403$/ : /^403 AccessDenied$/,
              ask: async () => {
                const bucket = await makeBucket();
                await openings[opening](bucket);
                await setBlock(bucket, block);
                const made = call(bucket);
                return sendPlain(
                  world,
                  caller === 'nobody'
                    ? made
                    : signedCall(world, stranger, made, { form: caller === 'a stranger' ? 'header' : 'query' }),
                );
              },
            };
          }),
      ),
    ),
  );
}

test(
  'what opens a bucket or an object to everybody is refused where it is blocked',
  async () => {
    expect((await hold('public access blocks, puts', [...putCases(), ...policyCases()], 60)).wrong).toEqual([]);
  },
  patience,
);

test(
  'what was open before lets in nobody where it is ignored or restricted',
  async () => {
    expect((await hold('public access blocks, uses', useCases(), 80)).wrong).toEqual([]);
  },
  patience,
);

test('twin: a server that forgets the blocks of buckets is found', async () => {
  const all = blocks.filter((block) => switches.every((name) => block[name]));
  const forgets = (bucket: Bucket | undefined): Bucket | undefined => bucket && { ...bucket, publicAccess: undefined };
  const { wrong } = await whileBroken(
    world.core.buckets,
    'peek',
    (real) => async (name) => forgets(await real(name)),
    () => ask(useCases(all)),
  );
  for (const opening of Object.keys(openings))
    expect(wrong).toContainEqual(expect.stringMatching(new RegExp(`by a stranger after ${opening}:`)));
});
