/**
 * Requests that name another namespace's bytes as the source of the caller's own. None of them gives access to those
 * bytes.
 */
import { createHash } from 'node:crypto';
import { ask, hold, whileBroken, type Case } from '../support/matrix.ts';
import { openReleasy, type Releasy } from '../support/releases.ts';
import {
  demandSigned,
  readSigned,
  sendPlain,
  sendSigned,
  signedCall,
  type Form,
  type HandCall,
} from '../support/s3-operations.ts';
import type { HandKey } from '../support/sigv4.ts';
import { patience } from '../support/torture.ts';
import type { World } from '../support/world.ts';

const secret = 'the bytes that only their owner has';
const hashOf = (algorithm: string): string => createHash(algorithm).update(secret).digest('hex');
const forms: readonly Form[] = ['header', 'query'];

let releasy: Releasy;
let world: World;
let victim: HandKey;
let stranger: HandKey;
let narrow: HandKey;
let at: Readonly<
  Record<
    'version' | 'artifact' | 'blob' | 'upload' | 'partial' | 'own' | 'multipart' | 'capability' | 'file' | 'customer',
    string
  >
>;

const tus = { 'tus-resumable': '1.0.0' };
const chunk = { ...tus, 'content-type': 'application/offset+octet-stream' };

async function partial(as: string, body: string): Promise<string> {
  const headers = { ...chunk, 'upload-length': String(body.length), 'upload-concat': 'partial' };
  return (await world.ask('POST', '/tus', { as, headers, body })).headers.get('location')!;
}

beforeAll(async () => {
  releasy = await openReleasy({ STOWAGE_LOGIN_FAILURES: '1000000' });
  ({ world } = releasy);
  for (const name of ['victim', 'stranger', 'friend']) await world.addNamespace(name);
  // The victim may put things into `friend`, which gives `friend` nothing.
  await world.get('POST', '/auth/namespaces/friend/trust', { as: 'friend', json: { external_namespace: 'victim' } });
  victim = await world.accessKey('victim');
  stranger = await world.accessKey('stranger');
  const byVictim = (call: HandCall): Promise<string> => demandSigned(world, victim, call);
  await byVictim({ method: 'PUT', target: '/b-victim', headers: { 'x-amz-bucket-object-lock-enabled': 'true' } });
  await byVictim({ method: 'PUT', target: '/b-narrow' });
  narrow = await world.accessKey('victim', { buckets: ['b-narrow'] });
  await byVictim({ method: 'PUT', target: '/b-victim/k', body: secret });
  await demandSigned(world, stranger, { method: 'PUT', target: '/b-strange' });
  await demandSigned(world, stranger, { method: 'PUT', target: '/b-strange/k', body: 'own' });
  const begun = await byVictim({ method: 'POST', target: '/b-victim/many?uploads' });
  const multipart = /<UploadId>([^<]+)/.exec(begun)![1]!;
  await byVictim({ method: 'PUT', target: `/b-victim/many?partNumber=1&uploadId=${multipart}`, body: secret });
  const artifact = await world.push('thing', Buffer.from(secret), { as: 'victim' });
  // Digests that are on record.
  for (const algorithm of ['md5', 'sha1', 'sha256'])
    await world.ask('GET', `/blobs/${artifact.blob_uuid}/checksum/${algorithm}`, { as: 'victim' });
  const granted = await world.ask('POST', '/capabilities', {
    as: 'stranger',
    json: { artifact: 'granted', max_size: 1000 },
  });
  const { slot } = await releasy.published(secret, 'secret');
  const customer = await releasy.customer('other');
  at = {
    version: (await world.core.objects.peek('b-victim', 'k'))!.versionId!,
    artifact: artifact.uuid,
    blob: artifact.blob_uuid,
    upload: await world.upload(Buffer.from(secret), 'victim'),
    partial: await partial('victim', secret),
    own: await partial('stranger', 'own'),
    multipart,
    capability: granted.json<{ capability: string }>().capability,
    file: slot.artifact_id,
    customer: customer.key,
  };
}, 60_000);
afterAll(() => releasy.close());

/** What the stranger has that has the bytes. */
async function leaked(): Promise<string> {
  const [sha512, md5] = [hashOf('sha512'), hashOf('md5')];
  const places = await Promise.all([
    ...['/artifacts', '/upload', `/upload?sha512=${sha512}`].map(async (path) =>
      (await world.ask('GET', path, { as: 'stranger' })).bytes.toString(),
    ),
    readSigned(world, stranger, { method: 'GET', target: '/b-strange' }),
    readSigned(world, narrow, { method: 'GET', target: '/b-narrow' }),
  ]);
  const clues = [sha512, md5];
  return clues.some((clue) => places.some((text) => text.includes(clue))) ? 'a leak' : 'no leak';
}

interface Planted {
  readonly name: string;
  readonly send: () => Promise<string | number>;
  readonly said: RegExp;
}

const nowhere = /^(?:403 AccessDenied|404 NoSuch(?:Key|Bucket|Version|Upload))$/;
const unread = /^400 InvalidArgument$/;

/** Spellings of the victim's object in `x-amz-copy-source`; those that are none are refused as such. */
const spellings = (): readonly (readonly [source: string, said: RegExp])[] => [
  ['/b-victim/k', nowhere],
  ['b-victim/k', nowhere],
  ['b-victim%2Fk', nowhere],
  ['%2Fb-victim%2Fk', unread],
  ['/b-victim/%6B', nowhere],
  ['/b%2Dvictim/k', nowhere],
  [`/b-victim/k?versionId=${at.version}`, nowhere],
  [`b-victim%2Fk?versionId=${at.version}`, nowhere],
  ['/b-victim/k?versionId=null', nowhere],
  ['/b-strange/../b-victim/k', nowhere],
  ['/b-strange/%2E%2E/b-victim/k', nowhere],
  ['//b-victim/k', unread],
  ['arn:aws:s3:::b-victim/k', nowhere],
  [`/b-strange/k?versionId=${at.version}`, nowhere],
  ['/b-victim/none', nowhere],
  ['/b-never/k', nowhere],
];

/** Headers beside the source, which give nobody a right. */
const besides: readonly Readonly<Record<string, string>>[] = [
  {},
  { 'x-amz-source-expected-bucket-owner': 'victim' },
  { 'x-amz-expected-bucket-owner': 'stranger' },
  { 'x-amz-copy-source-if-match': hashOf('md5') },
  { 'x-amz-copy-source-if-none-match': '"other"' },
  { 'x-amz-request-payer': 'requester' },
];

async function partOf(key: HandKey, bucket: string): Promise<string> {
  const text = await demandSigned(world, key, { method: 'POST', target: `/${bucket}/many?uploads` });
  return `/${bucket}/many?partNumber=1&uploadId=${/<UploadId>([^<]+)/.exec(text)![1]!}`;
}

function copies(): Planted[] {
  const copiers: readonly (readonly [name: string, key: HandKey, bucket: string])[] = [
    ['a stranger', stranger, 'b-strange'],
    ['a key for another bucket', narrow, 'b-narrow'],
  ];
  return copiers.flatMap(([who, key, bucket]) =>
    spellings().flatMap(([source, said]) =>
      besides.flatMap((more) =>
        forms.flatMap((form): Planted[] => {
          const headers = { ...more, 'x-amz-copy-source': source };
          const name = `${source} by ${who}, ${form}, ${JSON.stringify(more)}`;
          // The bucket of the other key is not the stranger's, as the header would have it.
          if (who !== 'a stranger' && 'x-amz-expected-bucket-owner' in more) return [];
          const send = (call: HandCall): Promise<string> => sendSigned(world, key, call, form);
          return [
            {
              name: `CopyObject from ${name}`,
              said,
              send: () => send({ method: 'PUT', target: `/${bucket}/copy`, headers }),
            },
            {
              name: `CopyObject with new metadata from ${name}`,
              said,
              send: () =>
                send({
                  method: 'PUT',
                  target: `/${bucket}/copy`,
                  headers: { ...headers, 'x-amz-metadata-directive': 'REPLACE' },
                }),
            },
            {
              name: `UploadPartCopy from ${name}`,
              said,
              send: async () => send({ method: 'PUT', target: await partOf(key, bucket), headers }),
            },
            {
              name: `UploadPartCopy of a range from ${name}`,
              said,
              send: async () =>
                send({
                  method: 'PUT',
                  target: await partOf(key, bucket),
                  headers: { ...headers, 'x-amz-copy-source-range': 'bytes=0-3' },
                }),
            },
          ];
        }),
      ),
    ),
  );
}

/** Headers that are put to a URL that the victim signed for a plain PUT or GET. */
function unsigned(): Planted[] {
  const added: readonly Readonly<Record<string, string>>[] = [
    { 'x-amz-copy-source': '/b-victim/k' },
    { 'x-amz-acl': 'public-read' },
    { 'x-amz-grant-read': 'id="stranger"' },
    { 'x-amz-tagging': 'a=b' },
    { 'x-amz-meta-a': 'b' },
    { 'x-amz-object-lock-mode': 'COMPLIANCE' },
    { 'x-amz-object-lock-legal-hold': 'ON' },
    { 'x-amz-bypass-governance-retention': 'true' },
    { 'x-amz-website-redirect-location': 'http://127.0.0.1/' },
    { 'x-amz-storage-class': 'STANDARD' },
  ];
  return added.flatMap((headers) =>
    ['PUT', 'GET', 'DELETE'].map((method): Planted => ({
      name: `${method} with a URL that was not signed with ${Object.keys(headers).join()}`,
      said: /^403 AccessDenied$/,
      send: () => {
        const signed = signedCall(
          world,
          victim,
          { method, target: '/b-victim/planted', ...(method === 'PUT' ? { body: 'x' } : {}) },
          { form: 'query' },
        );
        return sendPlain(world, { ...signed, headers });
      },
    })),
  );
}

/** Ids of the victim's in the stranger's own places. */
function ids(): Planted[] {
  const complete =
    '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>'.replace(
      'x',
      hashOf('md5'),
    );
  const calls = (bucket: string, key: string): readonly (readonly [name: string, call: HandCall])[] => [
    ['UploadPart', { method: 'PUT', target: `/${bucket}/${key}?partNumber=1&uploadId=${at.multipart}`, body: 'x' }],
    [
      'UploadPartCopy',
      {
        method: 'PUT',
        target: `/${bucket}/${key}?partNumber=1&uploadId=${at.multipart}`,
        headers: { 'x-amz-copy-source': '/b-strange/k' },
      },
    ],
    [
      'CompleteMultipartUpload',
      { method: 'POST', target: `/${bucket}/${key}?uploadId=${at.multipart}`, body: complete },
    ],
    ['ListParts', { method: 'GET', target: `/${bucket}/${key}?uploadId=${at.multipart}` }],
    ['AbortMultipartUpload', { method: 'DELETE', target: `/${bucket}/${key}?uploadId=${at.multipart}` }],
    ['GetObject', { method: 'GET', target: `/${bucket}/k?versionId=${at.version}` }],
    [
      'GetObjectAttributes',
      {
        method: 'GET',
        target: `/${bucket}/k?attributes&versionId=${at.version}`,
        headers: { 'x-amz-object-attributes': 'ETag' },
      },
    ],
  ];
  return ['b-strange', 'b-victim', 'b-never'].flatMap((bucket) =>
    ['many', 'k'].flatMap((key) =>
      calls(bucket, key).flatMap(([name, call]) =>
        forms.map((form): Planted => ({
          name: `${name} of the victim's id in ${bucket}/${key}, ${form}`,
          said: nowhere,
          send: () => sendSigned(world, stranger, call, form),
        })),
      ),
    ),
  );
}

type Json = Readonly<Record<string, unknown>>;

/** Requests of the other faces. */
function faces(): Planted[] {
  const tell = async (method: string, path: string, json: Json, as: string): Promise<number> =>
    (await world.ask(method, path, { as, json })).status;
  const sources = [
    { upload_uuid: at.upload },
    { blob_uuid: at.blob },
    { upload_uuid: at.partial.split('/').pop()! },
    { upload_uuid: at.blob },
    { blob_uuid: at.upload },
    { blob_uuid: at.artifact },
  ];
  const wheres: readonly Json[] = [
    {},
    { namespace: 'stranger' },
    { namespace: 'victim' },
    { artifact_type: 'other' },
    { max_versions: 1 },
  ];
  const names = ['mine', 'thing', 'b-victim/k'];
  const conversions = ['stranger', 'friend'].flatMap((as) =>
    sources.flatMap((source) =>
      wheres.flatMap((where) =>
        names.map((name): Planted => ({
          name: `a conversion of ${JSON.stringify({ ...source, ...where })} to ${name} by ${as}`,
          said: /^40[034]$/,
          send: () => tell('POST', `/artifacts/upload/${encodeURIComponent(name)}`, { ...where, ...source }, as),
        })),
      ),
    ),
  );
  const labels = ['mine', 'thing'].flatMap((name) =>
    [at.blob, at.upload, at.artifact].flatMap((blob) =>
      ['', 'stranger/', 'victim/'].map((where): Planted => ({
        name: `a label ${where}${name} of ${blob}`,
        said: /^40[34]$/,
        send: () => tell('POST', `/label/${where}${name}`, { blob_uuid: blob }, 'stranger'),
      })),
    ),
  );
  const lookups = ['sha512', 'md5', 'sha1', 'sha256'].flatMap((algorithm) =>
    ['stranger', 'friend'].flatMap((as) =>
      [hashOf(algorithm), hashOf(algorithm).toUpperCase()].map((hash): Planted => ({
        name: `a look-up by ${algorithm} ${hash.slice(0, 8)} by ${as}`,
        said: /^200 null$/,
        send: async () => {
          const { status, bytes } = await world.ask('GET', `/blob_checksums/${algorithm}/${hash}`, { as });
          return `${status} ${bytes.toString().trim()}`;
        },
      })),
    ),
  );
  const joined = [
    [at.partial],
    [at.own, at.partial],
    [at.partial, at.own],
    [`/tus/${at.upload}`],
    [`${world.url}${at.partial}`],
    [`http://elsewhere.example${at.partial}`],
  ];
  const joins = joined.flatMap((parts) =>
    ['', `,filename ${Buffer.from('mine').toString('base64')}`].map((named): Planted => ({
      name: `a tus upload joined of ${parts.join(' ')}${named}`,
      said: /^40[034]$/,
      send: async () => {
        const headers = {
          ...tus,
          'upload-concat': `final;${parts.join(' ')}`,
          ...(named === '' ? {} : { 'upload-metadata': named.slice(1) }),
        };
        return (await world.ask('POST', '/tus', { as: 'stranger', headers })).status;
      },
    })),
  );
  const urls = [
    's3://b-victim/k',
    'S3://b-victim/k',
    `sf://upload/victim/thing`,
    `sf://label/victim/thing`,
    `sf://blob/${at.blob}`,
    `sf://instance/${at.blob}`,
    `sf://artifact/${at.artifact}`,
    'file:///etc/hostname',
    `file://${world.folder}/catalog.sqlite`,
    'release:secret/app.tar.gz',
    `slot/${at.file}`,
    `upload/${at.upload}`,
    'data:text/plain,x',
    'blob:x',
    'ftp://127.0.0.1/x',
  ];
  const fetches = urls.flatMap((url) =>
    wheres.slice(0, 3).map((where): Planted => ({
      name: `a fetch of ${url} ${JSON.stringify(where)}`,
      said: /^40[034]$/,
      send: () => tell('POST', '/artifacts', { url, ...where }, 'stranger'),
    })),
  );
  // The server asks itself without credentials.
  const loops = [`/artifacts/${at.artifact}/data`, `/blobs/${at.blob}/data`, `/upload/${at.upload}`].map(
    (path): Planted => ({
      name: `a fetch of the server's own ${path}`,
      said: /^(?:200|400)$/,
      send: async () => {
        const status = await tell('POST', '/artifacts', { url: `${world.url}${path}` }, 'stranger');
        await world.core.fetching.idle();
        return status;
      },
    }),
  );
  const promises = [hashOf('sha512'), hashOf('sha512').toUpperCase()].flatMap((hash) =>
    ['mine', 'thing'].flatMap((name): Planted[] => [
      {
        name: `a tus upload to ${name} that promises ${hash.slice(0, 8)}`,
        said: /^201 undefined$/,
        send: async () => {
          const base64 = (text: string): string => Buffer.from(text).toString('base64');
          const metadata = `artifact ${base64(name)},sha512 ${base64(hash)}`;
          const answer = await world.ask('POST', '/tus', {
            as: 'stranger',
            headers: { ...tus, 'upload-length': String(secret.length), 'upload-metadata': metadata },
          });
          const place = answer.headers.get('location');
          if (place !== null) await world.ask('DELETE', place, { as: 'stranger', headers: tus });
          return `${answer.status} ${answer.headers.get('x-blob-uuid') ?? undefined}`;
        },
      },
      ...['?0', '?1'].map((complete): Planted => ({
        name: `an upload to ${name} that promises ${hash.slice(0, 8)}, complete ${complete}`,
        said: complete === '?0' ? /^201 undefined$/ : /^4\d\d undefined$/,
        send: async () => {
          const digest = `sha-512=:${Buffer.from(hash, 'hex').toString('base64')}:`;
          const headers = {
            'repr-digest': digest,
            'upload-complete': complete,
            'upload-length': String(complete === '?0' ? secret.length : 1),
            'upload-draft-interop-version': '8',
          };
          const answer = await world.ask('PUT', `/artifacts/${name}/data`, { as: 'stranger', headers, body: 'x' });
          const place = answer.headers.get('location');
          if (place !== null) await world.ask('DELETE', place, { as: 'stranger' });
          return `${answer.status} ${answer.headers.get('x-blob-uuid') ?? undefined}`;
        },
      })),
    ]),
  );
  const capable = [`/tus/${at.upload}`, at.partial, at.own].flatMap((place) =>
    (['HEAD', 'PATCH', 'DELETE'] as const).map((method): Planted => ({
      name: `${method} of ${place} with a capability for another upload`,
      said: /^403$/,
      send: async () => {
        const headers = method === 'PATCH' ? { ...chunk, 'upload-offset': String(secret.length) } : tus;
        const more = method === 'PATCH' ? { body: 'x' } : {};
        return (
          await world.ask(method, `${place}?capability=${encodeURIComponent(at.capability)}`, {
            as: null,
            headers,
            ...more,
          })
        ).status;
      },
    })),
  );
  const gifts = ['thing', 'new'].map((artifact): Planted => ({
    name: `a capability for the victim's ${artifact}, and its use`,
    said: /^40[034]$/,
    send: async () => {
      const json = { artifact, namespace: 'victim', max_size: 5 };
      const granted = await world.ask('POST', '/capabilities', { as: 'stranger', json });
      if (granted.status !== 200) return granted.status;
      const { capability } = granted.json<{ capability: string }>();
      const headers = { ...chunk, 'upload-length': '5' };
      const place = `/tus?capability=${encodeURIComponent(capability)}`;
      return (await world.ask('POST', place, { as: null, headers, body: 'other' })).status;
    },
  }));
  const downloads: Planted = {
    name: 'a download of what the customer may not have',
    said: /^40[34]$/,
    send: async () => (await releasy.token(at.customer, at.file)).status,
  };
  return [
    ...conversions,
    ...labels,
    ...lookups,
    ...joins,
    ...fetches,
    ...loops,
    ...promises,
    ...capable,
    ...gifts,
    downloads,
  ];
}

const casesOf = (planted: readonly Planted[]): Case[] =>
  planted.map(({ name, send, said }) => ({
    name,
    wanted: new RegExp(`(?:${said.source.replace(/\$$/, '(?= )')}).* and no leak$`),
    ask: async () => `${await send()} and ${await leaked()}`,
  }));

test(
  'nothing is made of bytes that the caller may not read',
  async () => {
    expect(
      (await hold('planted sources', casesOf([...copies(), ...unsigned(), ...ids(), ...faces()]), 100)).wrong,
    ).toEqual([]);
  },
  patience,
);

/** Asks as the victim, whoever asked. */
const asVictim = <Who extends { readonly namespace: string }>(who: Who): Who => ({ ...who, namespace: 'victim' });

test('twin: a server that gives blobs to whoever knows their ids or digests is found', async () => {
  const cases = casesOf(
    faces().filter(({ name }) => /^(?:a look-up by sha512|a conversion of .*blob_uuid|a label mine of)/.test(name)),
  );
  const { blobs } = world.core;
  const { wrong } = await whileBroken(
    blobs,
    'get',
    (real) => (who, uuid) => real(asVictim(who), uuid),
    () =>
      whileBroken(
        blobs,
        'find',
        (real) => (who, digest) => real(asVictim(who), digest),
        () => ask(cases),
      ),
  );
  expect(wrong).toContainEqual(expect.stringContaining('a look-up by sha512'));
  expect(wrong).toContainEqual(expect.stringMatching(/a conversion of .*a leak/));
});
