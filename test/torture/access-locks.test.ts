/**
 * Locked versions: every way to end one, weaken its lock or replace it, through every face and task. The version and
 * its lock never change.
 */
import { runLifecycle } from '../../src/faces/s3/lifecycle.ts';
import { ask, hold, whileBroken, type Case } from '../support/matrix.ts';
import { adminKey, openReleasy, type Releasy } from '../support/releases.ts';
import {
  demandSigned,
  formHeaders,
  formOf,
  readSigned,
  sendPlain,
  sendSigned,
  type Form,
  type HandCall,
} from '../support/s3-operations.ts';
import { signForm, type HandKey } from '../support/sigv4.ts';
import { patience } from '../support/torture.ts';
import type { World } from '../support/world.ts';

const kinds = ['GOVERNANCE', 'COMPLIANCE', 'hold', 'default', 'both'] as const;
type Kind = (typeof kinds)[number];
const places = ['newest', 'behind another', 'behind a mark'] as const;
type Place = (typeof places)[number];

/** A locked version, and whose it is. */
interface Locked {
  readonly kind: Kind;
  readonly place: Place;
  readonly namespace: string;
  readonly key: HandKey;
  readonly bucket: string;
  readonly version: string;
  readonly artifact: string;
  readonly blob: string;
}

const day = 86_400_000;
let releasy: Releasy;
let world: World;
let stranger: HandKey;
let count = 0;
const namespaces = new Map<string, { readonly key: HandKey; readonly weak: HandKey }>();

async function addNamespace(name: string): Promise<void> {
  await world.addNamespace(name);
  const weak = await world.accessKey(name, { permissions: { read: true, write: true, delete: true, admin: false } });
  namespaces.set(name, { key: await world.accessKey(name), weak });
}

beforeAll(async () => {
  releasy = await openReleasy({ STOWAGE_LOGIN_FAILURES: '1000000' });
  ({ world } = releasy);
  await addNamespace('owner');
  await world.addNamespace('stranger');
  stranger = await world.accessKey('stranger');
}, 60_000);
afterAll(() => releasy.close());

const until = (days: number): string => new Date(Date.now() + days * day).toISOString();
const lockConfiguration = (rule: string): string =>
  `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
const retention = (mode: string, days: number): string =>
  `<Retention><Mode>${mode}</Mode><RetainUntilDate>${until(days)}</RetainUntilDate></Retention>`;

function lockHeaders(kind: Kind): Record<string, string> {
  const held = { 'x-amz-object-lock-legal-hold': 'ON' };
  if (kind === 'hold') return held;
  if (kind === 'default') return {};
  const mode = kind === 'both' ? 'GOVERNANCE' : kind;
  return {
    'x-amz-object-lock-mode': mode,
    'x-amz-object-lock-retain-until-date': until(10),
    ...(kind === 'both' ? held : {}),
  };
}

async function makeLocked(kind: Kind, place: Place, own: boolean): Promise<Locked> {
  count += 1;
  const namespace = own ? `owner-${count}` : 'owner';
  if (own) await addNamespace(namespace);
  const { key } = namespaces.get(namespace)!;
  const bucket = `b-locked-${count}`;
  const send = (call: HandCall): Promise<string> =>
    demandSigned(world, key, { ...call, target: `/${bucket}${call.target}` });
  const configure = (rule: string): Promise<string> =>
    send({ method: 'PUT', target: '?object-lock', body: lockConfiguration(rule) });
  await send({ method: 'PUT', target: '', headers: { 'x-amz-bucket-object-lock-enabled': 'true' } });
  if (kind === 'default')
    await configure('<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>10</Days></DefaultRetention></Rule>');
  await send({ method: 'PUT', target: '/k', body: 'locked', headers: lockHeaders(kind) });
  if (kind === 'default') await configure('');
  const { artifact, versionId, content } = (await world.core.objects.peek(bucket, 'k'))!;
  if (place === 'behind another') await send({ method: 'PUT', target: '/k', body: 'newer' });
  if (place === 'behind a mark') await send({ method: 'DELETE', target: '/k' });
  return { kind, place, namespace, key, bucket, version: versionId!, artifact, blob: content!.blob };
}

/** The version, its bytes and its lock, as S3 tells them. */
async function seen({ key, bucket, version }: Locked): Promise<string> {
  const asked = ['', 'retention', 'legal-hold'].map(
    (part) => `/${bucket}/k?${part === '' ? '' : `${part}&`}versionId=${version}`,
  );
  const told: string[] = [];
  for (const target of asked) told.push(await readSigned(world, key, { method: 'GET', target }));
  return told.join('\n').replaceAll(/<(RequestId|HostId)>[^<]*/g, '');
}

interface Door {
  readonly ask: (locked: Locked) => Promise<string | number>;
  /** What is answered, where that is for the lock to say. */
  readonly said?: RegExp;
  /** The kinds of lock that it must not get through; all, unless told. */
  readonly kinds?: readonly Kind[];
  /** Whether it takes everything of the namespace along. */
  readonly whole?: boolean;
}

const bypass = { 'x-amz-bypass-governance-retention': 'true' };
const bypassFree: readonly Kind[] = ['COMPLIANCE', 'hold', 'default', 'both'];
const retained: readonly Kind[] = ['GOVERNANCE', 'COMPLIANCE', 'default', 'both'];
const strict: readonly Kind[] = ['COMPLIANCE', 'default'];
const denied = /^(?:200|403) AccessDenied$/;
const refused = /^403/;

const ofVersion =
  (method: string, part = '', more: Omit<HandCall, 'method' | 'target'> = {}) =>
  ({ bucket, version }: Locked): HandCall => ({
    method,
    target: `/${bucket}/k?${part === '' ? '' : `${part}&`}versionId=${version}`,
    ...more,
  });
const listed =
  (more: Record<string, string> = {}) =>
  ({ bucket, version }: Locked): HandCall => ({
    method: 'POST',
    target: `/${bucket}?delete`,
    headers: more,
    body: `<Delete><Object><Key>k</Key><VersionId>${version}</VersionId></Object></Delete>`,
  });

/** The doors of S3: the request, what is answered, which locks it must not get through, and whose key signs. */
type S3Door = readonly [
  name: string,
  call: (locked: Locked) => HandCall,
  said?: RegExp,
  kinds?: readonly Kind[],
  by?: 'owner' | 'weak' | 'stranger',
];
const s3Doors: readonly S3Door[] = [
  ['DeleteObject of the version', ofVersion('DELETE'), denied],
  ['DeleteObject with a bypass', ofVersion('DELETE', '', { headers: bypass }), denied, bypassFree],
  [
    'DeleteObject with a bypass by a key without the right',
    ofVersion('DELETE', '', { headers: bypass }),
    denied,
    kinds,
    'weak',
  ],
  ['DeleteObject by a stranger', ofVersion('DELETE', '', { headers: bypass }), denied, kinds, 'stranger'],
  ['DeleteObjects', listed(), denied],
  ['DeleteObjects with a bypass', listed(bypass), denied, bypassFree],
  ['DeleteObjects with a bypass by a key without the right', listed(bypass), denied, kinds, 'weak'],
  ['DeleteObject of the key', ({ bucket }) => ({ method: 'DELETE', target: `/${bucket}/k` }), /^204$/],
  ['DeleteBucket', ({ bucket }) => ({ method: 'DELETE', target: `/${bucket}` }), /^409 BucketNotEmpty$/],
  [
    'PutObjectRetention that is shorter',
    ofVersion('PUT', 'retention', { body: retention('GOVERNANCE', 1) }),
    denied,
    retained,
  ],
  [
    'PutObjectRetention that is shorter with a bypass',
    ofVersion('PUT', 'retention', { body: retention('COMPLIANCE', 1), headers: bypass }),
    denied,
    strict,
  ],
  ['PutObjectRetention of none', ofVersion('PUT', 'retention', { body: '<Retention></Retention>' }), denied, retained],
  [
    'PutObjectRetention of none with a bypass',
    ofVersion('PUT', 'retention', { body: '<Retention></Retention>', headers: bypass }),
    denied,
    strict,
  ],
  [
    'PutObjectRetention of another mode',
    ofVersion('PUT', 'retention', { body: retention('GOVERNANCE', 20), headers: bypass }),
    denied,
    strict,
  ],
  [
    'PutObjectRetention with a bypass without the right',
    ofVersion('PUT', 'retention', { body: retention('GOVERNANCE', 1), headers: bypass }),
    denied,
    retained,
    'weak',
  ],
  [
    'PutObjectRetention by a stranger',
    ofVersion('PUT', 'retention', { body: retention('COMPLIANCE', 20) }),
    denied,
    kinds,
    'stranger',
  ],
  [
    'PutObjectLegalHold by a stranger',
    ofVersion('PUT', 'legal-hold', { body: '<LegalHold><Status>OFF</Status></LegalHold>' }),
    denied,
    kinds,
    'stranger',
  ],
  [
    'PutBucketVersioning to suspend',
    ({ bucket }) => ({
      method: 'PUT',
      target: `/${bucket}?versioning`,
      body: '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>',
    }),
    /^409 InvalidBucketState$/,
  ],
  [
    'PutObjectLockConfiguration without a rule',
    ({ bucket }) => ({ method: 'PUT', target: `/${bucket}?object-lock`, body: lockConfiguration('') }),
    /^200$/,
  ],
  ['PutObject over it', ({ bucket }) => ({ method: 'PUT', target: `/${bucket}/k`, body: 'other' }), /^200$/],
  ['PutObject over it, by its version', ofVersion('PUT', '', { body: 'other' }), /^4\d\d|^501/],
  [
    'CopyObject over it',
    ({ bucket, version }) => ({
      method: 'PUT',
      target: `/${bucket}/k`,
      headers: { 'x-amz-copy-source': `/${bucket}/k?versionId=${version}`, 'x-amz-metadata-directive': 'REPLACE' },
    }),
    /^200$/,
  ],
  ['CreateBucket over it', ({ bucket }) => ({ method: 'PUT', target: `/${bucket}` })],
  [
    'CreateBucket over it by a stranger',
    ({ bucket }) => ({ method: 'PUT', target: `/${bucket}` }),
    /^409 BucketAlreadyExists$/,
    kinds,
    'stranger',
  ],
];

const forms: readonly Form[] = ['header', 'query'];

function keyOf({ namespace, key }: Locked, by: 'owner' | 'weak' | 'stranger'): HandKey {
  if (by === 'stranger') return stranger;
  return by === 'weak' ? namespaces.get(namespace)!.weak : key;
}

/** The doors of the other faces, by the owner's token and by that of `system`. */
type ApiDoor = readonly [
  name: string,
  method: string,
  path: (locked: Locked) => string,
  json?: ((locked: Locked) => unknown) | undefined,
  more?: Omit<Door, 'ask'>,
];
const apiDoors: readonly ApiDoor[] = [
  ['DELETE of the artifact', 'DELETE', ({ artifact }) => `/artifacts/${artifact}`, undefined, { said: refused }],
  [
    'DELETE of the version',
    'DELETE',
    ({ artifact }) => `/artifacts/${artifact}/versions/1`,
    undefined,
    { said: refused },
  ],
  ['a limit of versions', 'POST', ({ artifact }) => `/artifacts/${artifact}/versions`, () => ({ max_versions: 1 })],
  [
    'DELETE of all artifacts',
    'DELETE',
    () => '/artifacts',
    ({ namespace }) => ({ confirm: true, namespace }),
    { said: refused, whole: true },
  ],
  [
    'DELETE of the bucket by the console',
    'DELETE',
    ({ bucket }) => `/api/storage/buckets/${bucket}`,
    undefined,
    { said: /^4\d\d/ },
  ],
  [
    'a fetch of its source',
    'POST',
    () => '/artifacts',
    ({ bucket }) => ({ url: `s3://${bucket}/k` }),
    { said: /^400/ },
  ],
  [
    'the label of its name',
    'POST',
    ({ bucket }) => `/label/${encodeURIComponent(`${bucket}/k`)}`,
    ({ blob }) => ({ blob_uuid: blob }),
  ],
];

/** Uploads that become something of the object's own name. */
const uploads: Readonly<Record<string, (locked: Locked, as: string) => Promise<string | number>>> = {
  'a conversion over its name': async ({ bucket, namespace }, as) => {
    const upload = await world.upload(Buffer.from('other'), as);
    const json = { upload_uuid: upload, namespace, artifact_type: 'other', max_versions: 1 };
    return (await world.ask('POST', `/artifacts/upload/${encodeURIComponent(`${bucket}/k`)}`, { as, json })).status;
  },
  'a conversion with its source': async ({ bucket, namespace }, as) => {
    const upload = await world.upload(Buffer.from('other'), as);
    const json = {
      upload_uuid: upload,
      namespace,
      artifact_type: 'other',
      max_versions: 1,
      source_url: `s3://${bucket}/k`,
    };
    return (await world.ask('POST', `/artifacts/upload/${encodeURIComponent(`${bucket}/k`)}`, { as, json })).status;
  },
  'a plain upload to its name': async ({ bucket }, as) =>
    (await world.ask('PUT', `/artifacts/${encodeURIComponent(`${bucket}/k`)}/data`, { as, body: 'other' })).status,
  'a plain upload to its artifact': async ({ artifact }, as) =>
    (await world.ask('PUT', `/artifacts/${artifact}/data`, { as, body: 'other' })).status,
  'a tus upload to its name': async ({ bucket }, as) => {
    const metadata = `artifact ${Buffer.from(`${bucket}/k`).toString('base64')}`;
    const headers = {
      'tus-resumable': '1.0.0',
      'upload-length': '5',
      'upload-metadata': metadata,
      'content-type': 'application/offset+octet-stream',
    };
    return (await world.ask('POST', '/tus', { as, headers, body: 'other' })).status;
  },
  'a capability for its name': async ({ bucket, namespace }, as) => {
    const granted = await world.ask('POST', '/capabilities', {
      as,
      json: { artifact: `${bucket}/k`, namespace, max_size: 10 },
    });
    if (granted.status >= 300) return granted.status;
    const headers = {
      'tus-resumable': '1.0.0',
      'upload-length': '5',
      'content-type': 'application/offset+octet-stream',
    };
    const { capability } = granted.json<{ capability: string }>();
    return (
      await world.ask('POST', `/tus?capability=${encodeURIComponent(capability)}`, { as: null, headers, body: 'other' })
    ).status;
  },
  'many versions above a limit that was set before': async ({ artifact, bucket, key }, as) => {
    await world.ask('POST', `/artifacts/${artifact}/versions`, { as, json: { max_versions: 1 } });
    for (const body of ['a', 'b', 'c']) await sendSigned(world, key, { method: 'PUT', target: `/${bucket}/k`, body });
    return 'put';
  },
};

/** A multipart upload that is completed over it, and a form that is posted over it. */
async function completeOver({ bucket, key }: Locked): Promise<string> {
  const text = await demandSigned(world, key, { method: 'POST', target: `/${bucket}/k?uploads` });
  const id = /<UploadId>([^<]+)/.exec(text)![1]!;
  await demandSigned(world, key, { method: 'PUT', target: `/${bucket}/k?partNumber=1&uploadId=${id}`, body: 'part' });
  const parts = await demandSigned(world, key, { method: 'GET', target: `/${bucket}/k?uploadId=${id}` });
  const tag = /<ETag>([^<]+)/.exec(parts)![1]!;
  const part = `<Part><PartNumber>1</PartNumber><ETag>${tag}</ETag></Part>`;
  const body = `<CompleteMultipartUpload>${part}</CompleteMultipartUpload>`;
  return sendSigned(world, key, { method: 'POST', target: `/${bucket}/k?uploadId=${id}`, body });
}

function postOver({ bucket, key }: Locked): Promise<string> {
  const fields = signForm(key, bucket, { key: 'k' }, { at: world.clock.now() });
  return sendPlain(world, { method: 'POST', target: `/${bucket}`, headers: formHeaders, body: formOf(fields) });
}

/** Upkeep, some days later, while the lock still holds. */
async function later(work: () => Promise<unknown>): Promise<string> {
  world.clock.move(5 * day);
  try {
    await work();
    return 'done';
  } finally {
    world.clock.move(-5 * day);
  }
}

const rule = (what: string): string =>
  '<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>' +
  `${what}</Rule></LifecycleConfiguration>`;
const rules: Readonly<Record<string, string>> = {
  days: '<Expiration><Days>1</Days></Expiration>',
  'a date': `<Expiration><Date>2020-01-01T00:00:00Z</Date></Expiration>`,
  'noncurrent days': '<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>',
  both:
    '<Expiration><Days>1</Days></Expiration>' +
    '<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>',
};

const doors: Readonly<Record<string, Door>> = Object.fromEntries<Door>([
  ...s3Doors.flatMap(([name, call, said, some, by = 'owner']) =>
    forms.map((form): [string, Door] => [
      `S3 ${name}, ${form}`,
      {
        ask: (locked) => sendSigned(world, keyOf(locked, by), call(locked), form),
        ...(said ? { said } : {}),
        ...(some ? { kinds: some } : {}),
      },
    ]),
  ),
  ...apiDoors.flatMap(([name, method, path, json, more]) =>
    (['owner', 'system'] as const).map((by): [string, Door] => [
      `API ${name} by ${by}`,
      {
        ...more,
        ask: async (locked) => {
          const as = by === 'owner' ? locked.namespace : by;
          return (
            await world.ask(method, path(locked), { as, headers: bypass, ...(json ? { json: json(locked) } : {}) })
          ).status;
        },
      },
    ]),
  ),
  ...Object.entries(uploads).flatMap(([name, send]) =>
    (['owner', 'system'] as const).map((by): [string, Door] => [
      `${name} by ${by}`,
      {
        ask: (locked) => send(locked, by === 'owner' ? locked.namespace : by),
        said: name === 'a conversion with its source' ? /^400$/ : /^(?:20\d|put)$/,
      },
    ]),
  ),
  [
    'DELETE of the namespace',
    {
      ask: async ({ namespace }) => (await world.ask('DELETE', `/auth/namespaces/${namespace}`)).status,
      said: refused,
      whole: true,
    },
  ],
  ['a multipart upload over it', { ask: completeOver, said: /^200$/ }],
  ['a form over it', { ask: postOver, said: /^204$/ }],
  [
    'a release that claims its bytes',
    {
      ask: async ({ bucket, artifact }) => {
        const headers = { 'x-releasy-admin-key': adminKey };
        const { id } = await releasy.release();
        const json = {
          artifact_id: artifact,
          object_key: `${bucket}/k`,
          checksum: '0'.repeat(64),
          size: 6,
          platform: 'p',
        };
        const { status } = await world.ask('POST', `/v1/releases/${id}/artifacts`, { as: null, headers, json });
        await world.ask('DELETE', `/v1/releases/${id}`, { as: null, headers });
        return status;
      },
      said: /^4\d\d/,
    },
  ],
  ['the sweep', { ask: () => later(() => world.core.sweep.run()) }],
  ...Object.entries(rules).map(([name, what]): [string, Door] => [
    `a rule of ${name}`,
    {
      ask: async ({ bucket, key }) => {
        await demandSigned(world, key, { method: 'PUT', target: `/${bucket}?lifecycle`, body: rule(what) });
        return later(() => runLifecycle(world.core, { day }));
      },
    },
  ]),
]);

type Around = <T>(work: () => Promise<T>) => Promise<T>;
const plainly: Around = (work) => work();

/** @param around what is broken while the door is tried. */
function casesOf(which: (name: string) => boolean = () => true, around: Around = plainly): Case[] {
  return Object.entries(doors)
    .filter(([name]) => which(name))
    .flatMap(([name, { ask: through, said = /./, kinds: some = kinds, whole = false }]) =>
      some.flatMap((kind) =>
        places.map((place): Case => ({
          name: `${name}: ${kind}, ${place}`,
          wanted: new RegExp(`(?:${said.source.replace(/\$$/, '(?= )')}).* and it stays$`),
          ask: async () => {
            const locked = await makeLocked(kind, place, whole);
            const before = await seen(locked);
            if (!before.startsWith('200 locked')) return `no version: ${before}`;
            const answer = await around(async () => through(locked));
            return `${answer} and it ${(await seen(locked)) === before ? 'stays' : 'is changed'}`;
          },
        })),
      ),
    );
}

test(
  'a locked version stays, whatever is asked',
  async () => {
    expect((await hold('locked versions', casesOf(), 30)).wrong).toEqual([]);
  },
  patience,
);

test('twin: a server that lets every deletion bypass GOVERNANCE is found', async () => {
  const { wrong } = await ask(
    casesOf(
      (name) => name.startsWith('S3 DeleteObject of the version'),
      (work) =>
        whileBroken(
          world.core.objects,
          'removeVersion',
          (real) => (allowed, key, id, deletion) => real(allowed, key, id, { ...deletion, bypass: true }),
          work,
        ),
    ),
  );
  expect(wrong).toContainEqual(
    expect.stringMatching(/DeleteObject of the version, header: GOVERNANCE, newest: 204 and it is changed/),
  );
  expect(wrong).not.toContainEqual(expect.stringContaining('COMPLIANCE'));
});

test('twin: a server whose clock is ahead of every lock is found, at the doors of all faces', async () => {
  const names = [
    'S3 DeleteObject of the version',
    'API DELETE of the artifact',
    'API DELETE of the version by owner',
    'S3 PutObjectRetention of none,',
  ];
  const { wrong } = await ask(
    casesOf(
      (name) => names.some((one) => name.startsWith(one)),
      (work) => whileBroken(world.core.clock, 'now', (real) => () => real() + 11 * day, work),
    ),
  );
  for (const name of names)
    expect(wrong).toContainEqual(expect.stringMatching(new RegExp(`^${name}.*COMPLIANCE.*is changed`)));
  expect(wrong).not.toContainEqual(expect.stringMatching(/: hold, .*is changed/));
});
