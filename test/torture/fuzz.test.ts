/** Random input for each parser, and random requests for a real server: the only errors are proper refusals. */
import { Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { ConfigError, readConfig } from '../../src/config/index.ts';
import type { Core } from '../../src/core/index.ts';
import type { Body } from '../../src/core/bytes/ingest.ts';
import { Refusal } from '../../src/core/refusal.ts';
import * as documents from '../../src/faces/s3/documents.ts';
import { lifecycleConfiguration } from '../../src/faces/s3/lifecycle-document.ts';
import { readAs, timeOf, type Document } from '../../src/faces/s3/schema.ts';
import { S3Error } from '../../src/faces/s3/errors.ts';
import { isPublicPolicy, evaluatePolicy as judgePolicy, parsePolicy } from '../../src/faces/s3/policy.ts';
import { checkConditions, readFormPolicy } from '../../src/faces/s3/post-policy.ts';
import { canonicalRequest, pathOf, queryOf, signablePaths } from '../../src/faces/s3/signing/canonical.ts';
import { ChunkDecoder } from '../../src/faces/s3/signing/chunks.ts';
import { readClaim } from '../../src/faces/s3/signing/claim.ts';
import { tagsFromHeader } from '../../src/faces/s3/tags.ts';
import { checksumsOf } from '../../src/faces/resumable/checksums.ts';
import { Concatenation } from '../../src/faces/resumable/concatenation.ts';
import { booleanField, integerField } from '../../src/faces/resumable/fields.ts';
import { parseMetadata } from '../../src/faces/resumable/metadata.ts';
import { form as browserForm } from '../../src/faces/web/form.ts';
import type { Context } from '../../src/faces/web/context.ts';
import { evaluateConditions, rangeCounts } from '../../src/http/conditions.ts';
import { digestsOf } from '../../src/http/digest-fields.ts';
import { fileName, contentHeaders } from '../../src/http/disposition.ts';
import { boundaryOf, FormParts } from '../../src/faces/s3/form-parts.ts';
import type { RouteCall } from '../../src/http/routes.ts';
import { maskedPath } from '../../src/http/masked-paths.ts';
import { demandText } from '../../src/http/target.ts';
import { Tokens } from '../../src/http/tokens.ts';
import { parseBytes } from '../../src/kit/bytes.ts';
import { wantedDigest } from '../../src/kit/digest.ts';
import { parseDuration } from '../../src/kit/durations.ts';
import { JsonFault, parseJson } from '../../src/kit/json.ts';
import { parseRange } from '../../src/kit/range.ts';
import { fuzz, Mutator, type Parser } from '../support/fuzz.ts';
import { s3Client } from '../support/s3.ts';
import type { HandKey } from '../support/sigv4.ts';
import { patience, randomFrom, report, rounds, seed } from '../support/torture.ts';
import { Examples, wired, WireFuzz, type Template } from '../support/wire-fuzz.ts';
import { openWorld, type World } from '../support/world.ts';

const refuses = (error: unknown): boolean =>
  [Refusal, S3Error, JsonFault, ConfigError].some((kind) => error instanceof kind);

/** Does several things with one input, each of which may refuse it; throws the last refusal where all did. */
function each(...tries: readonly (() => unknown)[]): void {
  const refusals = tries.flatMap((attempt) => {
    try {
      attempt();
      return [];
    } catch (error) {
      if (!refuses(error)) throw error;
      return [error];
    }
  });
  if (refusals.length === tries.length) throw refusals.at(-1);
}

const request = (headers: Record<string, string>): IncomingMessage =>
  ({ headers, rawHeaders: Object.entries(headers).flat(), trailers: {} }) as unknown as IncomingMessage;
const namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
const digest = Buffer.alloc(32).toString('base64');
const policyText = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Sid: 's',
      Effect: 'Allow',
      Principal: { AWS: ['*'] },
      Action: ['s3:GetObject', 's3:Put*'],
      Resource: 'arn:aws:s3:::b/*.jpg',
      Condition: {
        StringLike: { 'aws:Referer': ['http://a/*'] },
        IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '::1/128'] },
        NumericLessThan: { 's3:max-keys': '10' },
        Bool: { 'aws:SecureTransport': 'true' },
      },
    },
  ],
});
const formPolicy = JSON.stringify({
  expiration: '2099-01-01T00:00:00.000Z',
  conditions: [
    { bucket: 'b' },
    ['starts-with', '$key', 'u/'],
    ['eq', '$acl', 'private'],
    ['content-length-range', 1, 10],
  ],
});
const authorization = `AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'a'.repeat(64)}`;
const chunked = [
  '5\r\nhello\r\n0\r\n\r\n',
  '3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n',
  `5;chunk-signature=${'0'.repeat(64)}\r\nhello\r\n0;chunk-signature=${'0'.repeat(64)}\r\n\r\n`,
];

/** A document of each kind that S3 takes; what is inside is nearly right, or right. */
const xml: Readonly<Record<string, string>> = {
  completeMultipartUpload: `<CompleteMultipartUpload ${namespace}><Part><ETag>"e"</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>`,
  deletion: `<Delete ${namespace}><Object><Key>a&lt;b</Key><VersionId>v</VersionId></Object><Quiet>true</Quiet></Delete>`,
  tagging: `<Tagging ${namespace}><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>`,
  retention: `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>`,
  legalHold: '<LegalHold><Status>ON</Status></LegalHold>',
  accessControlPolicy:
    '<AccessControlPolicy><Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>o</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>',
  ownershipControls:
    '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
  publicAccessBlock:
    '<PublicAccessBlockConfiguration><BlockPublicAcls>1</BlockPublicAcls></PublicAccessBlockConfiguration>',
  createBucketConfiguration: `<CreateBucketConfiguration ${namespace}><LocationConstraint>eu</LocationConstraint></CreateBucketConfiguration>`,
  versioningConfiguration: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  objectLockConfiguration:
    '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>',
  corsConfiguration:
    '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule></CORSConfiguration>',
  lifecycleConfiguration:
    '<LifecycleConfiguration><Rule><ID>i</ID><Status>Enabled</Status><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>',
};

const part = (name: string, value: string, more = ''): string =>
  `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
const forms = [
  `${part('namespace', 'n')}${part('key', 'k')}${part('name', 'x')}${part('file', 'content', '; filename="a/b.txt"')}--b--\r\n`,
  `${part('a', 'b')}--b--`,
  `preamble\r\n--b\r\ncontent-type: text/plain\r\n${part('file', 'x').slice(5)}--b--`,
];

/** A text as a body in two pieces. */
function bodyOf(text: string): Body {
  const bytes = Buffer.from(text);
  const cut = text.length % (bytes.length + 1);
  return {
    length: undefined,
    cut: undefined,
    stop: () => undefined,
    async *[Symbol.asyncIterator]() {
      yield bytes.subarray(0, cut);
      yield bytes.subarray(cut);
    },
  };
}

async function readForm(text: string): Promise<void> {
  const parts = new FormParts(bodyOf(text), boundaryOf('multipart/form-data; boundary=b'));
  for (let one = await parts.next(); one; one = await parts.next()) {
    for await (const _ of one.body);
    if (one.body.cut) throw one.body.cut;
  }
}

/** The form of the front page, for a core that keeps nothing. */
async function readBrowserForm(text: string): Promise<void> {
  let answer: (call: RouteCall) => unknown = () => undefined;
  const core = { namespaces: { login: () => Promise.reject(new Refusal('unauthenticated', 'no')) } };
  browserForm({ core, routes: { open: (_: string, given: typeof answer) => (answer = given) } } as unknown as Context);
  const headers = { 'content-type': 'multipart/form-data; boundary=b', 'content-length': String(text.length) };
  const req = Object.assign(Readable.from([]), { headers, ip: '127.0.0.1' });
  await answer({ req, res: {}, raw: () => bodyOf(text) } as unknown as RouteCall);
}

const id = '00000000-0000-4000-8000-000000000000';
const partial = { id, about: JSON.stringify({ concat: 'partial' }) };
const concatenation = new Concatenation({
  uploads: { look: async () => partial, begin: async () => partial },
} as unknown as Core);

const tokens = new Tokens(
  {
    clock: { now: () => Date.parse('2026-01-01T00:00:00Z'), elapsed: () => 0 },
    loginAttempts: {
      wrong: (_, error) => {
        throw error;
      },
    },
    namespaces: { recall: async (namespace, credential) => ({ namespace, credential }) },
  },
  { secret: Buffer.alloc(32), issuer: 'fuzz', lifetime: 3_600_000 },
);
const capability = { upload: id, artifact: 'a', namespace: null, maxSize: 5, type: null };
const token = await tokens.mint({ namespace: 'n', name: 'k', nonce: 'x', verifier: '', createdAt: 0 });
const granted = await tokens.grantFor({ namespace: 'n', credential: 'k', nonce: 'x' }, capability, 60);

async function readToken(text: string): Promise<void> {
  const carried = {
    headers: { authorization: `Bearer ${text}` },
    query: {},
    ip: '127.0.0.1',
  } as unknown as RouteCall['req'];
  const inQuery = { headers: {}, query: { capability: text }, ip: '127.0.0.1' } as unknown as RouteCall['req'];
  await tokens.principal(carried).catch(() => tokens.holder(inQuery));
}

const parsers: readonly Parser[] = [
  { name: 'forms', corpus: forms, parse: readForm },
  { name: 'browser forms', corpus: forms, parse: readBrowserForm },
  {
    name: 'Upload-Concat',
    corpus: [`final;/tus/${id} http://h/tus/${id}/`, `final; /tus/${id}`, 'partial'],
    parse: (text) => concatenation.begin({ namespace: 'n', credential: 'k' }, { concat: text }),
  },
  { name: 'JWT', corpus: [token, granted], parse: readToken },
  {
    name: 'range',
    corpus: ['bytes=0-4', 'bytes=-5', 'bytes=5-', 'bytes=0-1,3-4'],
    parse: (text) => [0, 1, 10, 2 ** 53 - 1].map((size) => parseRange(text, size)),
  },
  {
    name: 'conditions',
    corpus: ['"e"', 'W/"e", "f"', '*', 'Thu, 01 Jan 2026 00:00:00 GMT', '"e'],
    parse: (text) =>
      ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'].map((name) => {
        return [
          evaluateConditions({ [name]: text }, { etag: '"e"', modifiedAt: 0 }),
          rangeCounts({ [name]: text }, { etag: '"e"', modifiedAt: 0 }),
        ];
      }),
  },
  ...(
    [
      'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    ] as const
  ).map((payload): Parser => ({
    name: `aws-chunked ${payload}`,
    corpus: chunked,
    parse: (text) => {
      const decoder = new ChunkDecoder(
        { payload, date: '20260101T000000Z', scope: { date: '20260101', region: 'r' }, signature: '0'.repeat(64) },
        Buffer.alloc(32),
      );
      const bytes = Buffer.from(text, 'latin1');
      const cut = text.length % (bytes.length + 1);
      for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) for (const _ of decoder.push(piece));
      decoder.end();
    },
  })),
  {
    name: 'JSON',
    corpus: [policyText, '{"a":[1,2.5e3,null,true,"\\u00e4\\n"],"b":{"a":{}}}', '[[[[]]]]', '"\\ud83d\\ude00"'],
    parse: parseJson,
  },
  {
    name: 'bucket policy',
    corpus: [policyText],
    parse: (text) => {
      const policy = parsePolicy(text, 'b');
      isPublicPolicy(policy);
      return judgePolicy(policy, {
        action: 's3:GetObject',
        resource: 'arn:aws:s3:::b/x.jpg',
        namespace: '',
        value: () => ['10.0.0.1'],
      });
    },
  },
  {
    name: 'form policy',
    corpus: [formPolicy],
    parse: (text) =>
      checkConditions(
        readFormPolicy(Buffer.from(text).toString('base64'), 0),
        new Map([
          ['key', 'u/x'],
          ['bucket', 'b'],
          ['acl', 'private'],
        ]),
      ),
  },
  {
    name: 'tus metadata',
    corpus: ['filename aGVsbG8=,empty,filetype dGV4dA==', 'a YQ==', 'is_confidential'],
    parse: parseMetadata,
  },
  {
    name: 'tus checksum',
    corpus: [`sha256 ${digest}`, 'sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0='],
    parse: (text) => checksumsOf(request({ 'upload-checksum': text })),
  },
  {
    name: 'structured fields',
    corpus: ['?1', '?0', '123', '0'],
    parse: (text) =>
      each(
        () => booleanField(request({ x: text }), 'x'),
        () => integerField(request({ x: text }), 'x'),
      ),
  },
  {
    name: 'digest fields',
    corpus: [`sha-256=:${digest}:`, `sha-256=:${digest}:, unknown=:AA==:`, 'sha-512=3, sha-256=10'],
    parse: (text) => [wantedDigest(text), digestsOf(text, 'Content-Digest')],
  },
  {
    name: 'content-disposition',
    corpus: ['a.txt', 'ä/b.iso', 'x"y;z%'],
    parse: (text) => [fileName(text), contentHeaders(text, text)],
  },
  {
    name: 'request targets',
    corpus: [
      '/artifacts/a%20b/data?x=1&y=%2F',
      'http://host/tus/x?capability=eyJhIjoxfQ.b.c',
      '/v1/downloads/releasy_dl_x',
    ],
    parse: (text) => {
      maskedPath(text);
      return demandText(text);
    },
  },
  {
    name: 'S3 keys and queries',
    corpus: ['/b/a%20b/c?list-type=2&prefix=a%2F&x', '/b/k?versionId=a&response-content-type=text%2Fplain'],
    parse: (text) => {
      queryOf(text);
      signablePaths(text);
      return [
        pathOf(text),
        canonicalRequest({ method: 'GET', target: text, headers: ['Host', text] }, ['host'], 'UNSIGNED-PAYLOAD'),
      ];
    },
  },
  {
    name: 'S3 authorization',
    corpus: [authorization],
    parse: (text) =>
      readClaim({
        method: 'GET',
        target: '/',
        headers: ['Authorization', text, 'x-amz-date', '20260101T000000Z', 'x-amz-content-sha256', 'UNSIGNED-PAYLOAD'],
      }),
  },
  {
    name: 'S3 dates',
    corpus: ['20260101T000000Z', 'Thu, 01 Jan 2026 00:00:00 GMT', '2026-01-01T00:00:00Z'],
    parse: (text) => {
      timeOf(text);
      const claim = (name: string) => (): unknown => {
        const headers = ['Authorization', authorization, name, text, 'x-amz-content-sha256', 'UNSIGNED-PAYLOAD'];
        return readClaim({ method: 'GET', target: '/', headers });
      };
      return each(claim('x-amz-date'), claim('date'));
    },
  },
  {
    name: 'S3 presigned queries',
    corpus: [
      '/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=aa',
    ],
    parse: (text) => readClaim({ method: 'GET', target: text, headers: ['Host', 'h'] }),
  },
  { name: 'S3 tags', corpus: ['a=1&b=2', 'a=b%20c', ''], parse: tagsFromHeader },
  {
    name: 'sizes and times',
    corpus: ['10MiB', '5s', '1.5 GiB', '7d'],
    parse: (text) => [parseBytes(text), parseDuration(text)],
  },
  {
    name: 'settings',
    corpus: ['8080', 'on', '10MiB', '5s', '0 3 * * *', 'https://a.example', '127.0.0.1'],
    parse: (text) => {
      const names = [
        'STOWAGE_PORT',
        'STOWAGE_MAX_UPLOAD_SIZE',
        'STOWAGE_UPLOAD_IDLE',
        'STOWAGE_SWEEP_CRON',
        'STOWAGE_S3_URL',
        'STOWAGE_CORS_ORIGINS',
        'RELEASY_PUBLIC_BASE_URL',
        'STOWAGE_HOST',
      ];
      return readConfig({ [names[text.length % names.length]!]: text });
    },
  },
  ...Object.entries(xml).map(([name, text]): Parser => ({
    name: `XML ${name}`,
    corpus: [text],
    parse: (input) =>
      readAs(({ ...documents, lifecycleConfiguration } as unknown as Record<string, Document<unknown>>)[name]!, input),
  })),
];

const inputs = rounds(300, 1_000_000);

test.each(parsers.map((parser) => [parser.name, parser] as const))(
  '%s: whatever comes is taken or refused, and soon',
  async (name, parser) => {
    const began = performance.now();
    const findings = await fuzz(parser, inputs, new Mutator(randomFrom(seed)), refuses);
    report('fuzz', {
      parser: name,
      inputs,
      findings: findings.length,
      seconds: Math.round((performance.now() - began) / 1000),
    });
    expect({ seed, findings }).toEqual({ seed, findings: [] });
  },
  patience,
);

test('what is valid is taken, so that the corpora reach behind the first check', async () => {
  const bad: string[] = [];
  for (const { name, corpus, parse } of parsers) {
    // Signed for another day, or by nobody; and a login that there is not.
    if (name.startsWith('aws-chunked STREAMING-AWS4') || name === 'S3 presigned queries' || name === 'browser forms')
      continue;
    const outcomes = await Promise.allSettled(corpus.map(async (text) => parse(text)));
    if (!outcomes.some(({ status }) => status === 'fulfilled')) bad.push(name);
  }
  expect(bad).toEqual([]);
});

test('sabotaged: a parser with a planted bug, and one that is slow, are found', async () => {
  const planted: Parser = {
    name: 'planted',
    corpus: [`sha-256=:${digest}:`],
    parse: (text) => text.split(',').map((one) => atob(/=:(.*):$/s.exec(one)?.[1] ?? '')),
  };
  expect(await fuzz(planted, 20_000, new Mutator(randomFrom(seed)), refuses)).not.toEqual([]);
  const stuck: Parser = {
    name: 'stuck',
    corpus: ['a'],
    parse: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1100),
  };
  expect(await fuzz({ ...stuck }, 1, new Mutator(randomFrom(seed)), refuses)).toMatchObject([
    { fault: 'slower than 1000 ms' },
  ]);
});

/** The member of the OpenAPI description that an operation is. */
interface Described {
  readonly parameters?: readonly unknown[];
  readonly requestBody?: unknown;
}

/** What a tenant has, so that requests can be about something. Made again and again, since requests take it away. */
interface Seeds {
  readonly namespace: string;
  readonly token: string;
  readonly bucket: string;
  readonly key: HandKey;
  readonly uploadId: string;
  /** Values of members and parameters of the OpenAPI description. */
  readonly known: Readonly<Record<string, unknown>>;
}

describe('over HTTP', () => {
  let world: World;
  let tenants = 0;
  const admin = { headers: { 'X-Releasy-Admin-Key': 'admin' }, as: null };
  beforeAll(async () => {
    world = await openWorld({
      env: {
        STOWAGE_S3_PORT: '0',
        STOWAGE_FETCH: 'off',
        RELEASY_ADMIN_API_KEY: 'admin',
        RELEASY_API_KEY_PEPPER: 'pepper',
        STOWAGE_PRESIGN_RATE: '0',
      },
    });
  });
  afterAll(() => world.close());

  async function seeds(before: Seeds | undefined): Promise<Seeds> {
    if (before) await world.ask('DELETE', `/auth/namespaces/${before.namespace}`);
    const namespace = await world.addNamespace(`fuzz${(tenants += 1)}`);
    // Requests that delete a key delete this one, not the one that the others are sent with.
    await world.get('POST', `/auth/namespaces/${namespace}/keys`, {
      json: { key_name: 'second', key: 'a-second-key' },
    });
    const bucket = `${namespace}-bucket`;
    const key = await world.accessKey(namespace);
    const s3 = await s3Client(world, { as: namespace });
    const uploadId = await filled(s3, bucket);
    s3.destroy();
    const { uuid: artifact, blob_uuid: blob } = await world.push('thing', Buffer.from('content'), { as: namespace });
    const upload = await world.upload(Buffer.from('bytes'), namespace);
    const customer = (await world.ask('POST', '/v1/admin/customers', { ...admin, json: { name: namespace } })).json();
    const release = (
      await world.ask('POST', '/v1/releases', { ...admin, json: { product: 'p', version: namespace } })
    ).json();
    const known = {
      namespace,
      ref: artifact,
      artifact,
      artifact_uuid: artifact,
      name: 'thing',
      blob_uuid: blob,
      blob,
      uuid: upload,
      upload_uuid: upload,
      id: upload,
      bucket,
      key: 'key',
      customer_id: customer['id'],
      release_id: release['id'],
      product: 'p',
      version: 'v',
      index: 0,
      offset: 0,
      limit: 5,
      after: upload,
      key_name: 'second',
      sha512: 'a'.repeat(128),
      algorithm: 'sha512',
      checksum: 'a'.repeat(64),
      platform: 'linux',
    };
    return { namespace, token: await world.token(namespace), bucket, key, uploadId, known };
  }

  async function filled(s3: S3Client, Bucket: string): Promise<string> {
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    await s3.send(new PutObjectCommand({ Bucket, Key: 'key', Body: 'content' }));
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }));
    await s3.send(new UploadPartCommand({ Bucket, Key: 'parts', UploadId, PartNumber: 1, Body: 'part' }));
    return UploadId!;
  }

  test(
    'every route of every face answers, never with a fault of its own, and soon',
    async () => {
      const count = rounds(400, 200_000);
      const mutator = new Mutator(randomFrom(seed));
      const wire = new WireFuzz();
      const began = performance.now();
      const findings: string[] = [];
      let tenant: Seeds | undefined;
      for (let done = 0; done < count && findings.length < 5; done += 200) {
        tenant = await seeds(tenant);
        const api = new ApiRequests(world, mutator, tenant);
        const turn = async (): Promise<void> => {
          const face = mutator.below(3) === 0 ? 'S3' : 'API';
          const url = face === 'S3' ? world.s3Url : world.url;
          const template = face === 'S3' ? s3Request(mutator, tenant!) : api.next();
          const found = await wire.send(face, url, wired(url, template, mutator));
          for (const finding of found) report('fuzz', { parser: 'HTTP', finding });
          findings.push(...found);
        };
        await Promise.all(
          Array.from({ length: 8 }, async () => {
            for (let round = 0; round < 25; round += 1) await turn();
          }),
        );
        if (done % 5000 === 0)
          report('fuzz', { parser: 'HTTP so far', inputs: done + 200, statuses: JSON.stringify(wire.statuses) });
      }
      const alive = await fetch(`${world.url}/livez`);
      const seconds = Math.round((performance.now() - began) / 1000);
      const shares = { API: wire.share('API'), S3: wire.share('S3') };
      report('fuzz', {
        parser: 'HTTP',
        inputs: count,
        findings: findings.length,
        seconds,
        shares: JSON.stringify(shares),
        statuses: JSON.stringify(wire.statuses),
      });
      expect({ seed, findings, alive: alive.status }).toEqual({ seed, findings: [], alive: 200 });
      // Requests that nobody understands prove little.
      expect(Math.min(...Object.values(shares))).toBeGreaterThan(0.25);
    },
    patience,
  );
});

/** Requests of the OpenAPI description, with parameters and bodies as it has them. */
class ApiRequests {
  readonly #world: World;
  readonly #mutator: Mutator;
  readonly #tenant: Seeds;
  readonly #examples: Examples;

  constructor(world: World, mutator: Mutator, tenant: Seeds) {
    this.#world = world;
    this.#mutator = mutator;
    this.#tenant = tenant;
    this.#examples = new Examples(world.server.openapi.content, mutator, tenant.known);
  }

  next(): Template {
    const { pick, below } = bound(this.#mutator);
    if (below(6) === 0) return this.#tus();
    const { method, path, body, tag } = pick(this.#world.server.openapi.operations);
    const { described, parameters } = this.#describe(path, method);
    const value = ({ name, schema }: Parameter): string =>
      encodeURIComponent(String(this.#examples.of(schema, named(path, name))));
    const of = (place: string): Parameter[] =>
      parameters.filter((one) => one.in === place && (one.required === true || below(4) === 0));
    const query = of('query')
      .map((one) => `${one.name}=${value(one)}`)
      .join('&');
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      value(parameters.find((one) => one.name === name) ?? { name, in: 'path' }),
    );
    const releasy = path.startsWith('/v1/');
    return {
      method: method.toUpperCase(),
      target: query === '' ? filled : `${filled}?${query}`,
      headers: [
        ...(releasy
          ? [['X-Releasy-Admin-Key', 'admin'] as const]
          : [['Authorization', `Bearer ${this.#tenant.token}`] as const]),
        ...of('header').map((one) => [one.name, String(this.#examples.of(one.schema, one.name))] as const),
        ...(body.kind === 'json'
          ? [['Content-Type', 'application/json'] as const]
          : tag === ''
            ? []
            : this.#conditions()),
      ],
      body:
        body.kind === 'json'
          ? JSON.stringify(this.#body(described))
          : body.kind === 'raw'
            ? pick(['bytes', '', forms[0]!])
            : '',
    };
  }

  #conditions(): Template['headers'] {
    return this.#mutator.pick([
      [],
      [],
      [],
      [['Range', 'bytes=0-3']],
      [['If-None-Match', '"x"']],
      [['Content-Digest', `sha-256=:${digest}:`]],
      [['Origin', 'http://a']],
      [['Content-Type', 'multipart/form-data; boundary=b']],
      [
        ['Upload-Complete', '?1'],
        ['Upload-Draft-Interop-Version', '8'],
      ],
    ]);
  }

  /** What speaks in header fields. */
  #tus(): Template {
    const { pick } = bound(this.#mutator);
    const { token, known } = this.#tenant;
    const upload = String(known['uuid']);
    const tus = [
      ['Authorization', `Bearer ${token}`],
      ['Tus-Resumable', '1.0.0'],
    ] as const;
    const draft = [
      ['Authorization', `Bearer ${token}`],
      ['Upload-Draft-Interop-Version', '8'],
    ] as const;
    const bytes = ['Content-Type', 'application/offset+octet-stream'] as const;
    return pick<Template>([
      {
        method: 'POST',
        target: '/tus',
        headers: [...tus, ['Upload-Length', '5'], ['Upload-Metadata', 'filename YS50eHQ=,note eA==']],
        body: '',
      },
      {
        method: 'POST',
        target: '/tus',
        headers: [...tus, ['Upload-Defer-Length', '1'], ['Upload-Concat', 'partial'], bytes],
        body: 'abc',
      },
      { method: 'POST', target: '/tus', headers: [...tus, ['Upload-Concat', `final;/tus/${upload}`]], body: '' },
      { method: 'HEAD', target: `/tus/${upload}`, headers: tus, body: '' },
      {
        method: 'PATCH',
        target: `/tus/${upload}`,
        headers: [...tus, bytes, ['Upload-Offset', '5'], ['Upload-Checksum', 'sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=']],
        body: 'abc',
      },
      { method: 'PATCH', target: `/tus/${upload}`, headers: [...tus, bytes, ['Upload-Offset', '5']], body: 'abc' },
      { method: 'DELETE', target: `/tus/${upload}`, headers: tus, body: '' },
      {
        method: 'PUT',
        target: '/artifacts/thing/data',
        headers: [...draft, ['Upload-Complete', '?1'], ['Repr-Digest', `sha-256=:${digest}:`]],
        body: 'bytes',
      },
      {
        method: 'POST',
        target: '/artifacts/other/data',
        headers: [...draft, ['Upload-Complete', '?0'], ['Upload-Length', '9']],
        body: 'bytes',
      },
      {
        method: 'PATCH',
        target: `/upload/${upload}`,
        body: 'abc',
        headers: [
          ...draft,
          ['Content-Type', 'application/partial-upload'],
          ['Upload-Offset', '5'],
          ['Upload-Complete', '?0'],
        ],
      },
    ]);
  }

  #body({ requestBody }: Described): unknown {
    const { content } = this.#examples.resolved(requestBody) as { content: Record<string, { schema: unknown }> };
    return this.#examples.of(content['application/json']!.schema);
  }

  #describe(path: string, method: string): { described: Described; parameters: Parameter[] } {
    const { paths } = this.#world.server.openapi.content as {
      paths: Record<string, Described & Record<string, Described>>;
    };
    const described = paths[path]![method]!;
    const list = [...(paths[path]!.parameters ?? []), ...(described.parameters ?? [])];
    return { described, parameters: list.map((one) => this.#examples.resolved(one) as Parameter) };
  }
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema?: unknown;
}

/** What a parameter stands for, where its name alone does not tell. */
function named(path: string, name: string): string {
  if (name === 'uuid' && path.startsWith('/blobs')) return 'blob';
  if (name === 'id' && path.startsWith('/v1/')) return path.includes('customers') ? 'customer_id' : 'release_id';
  return name;
}

function s3Request(mutator: Mutator, { bucket, key, uploadId }: Seeds): Template {
  const { pick, below } = bound(mutator);
  const at = `/${bucket}`;
  const template = pick<
    readonly [method: string, target: string, body?: string | undefined, headers?: Template['headers']]
  >([
    ['GET', '/'],
    ['GET', at],
    ['GET', `${at}?list-type=2&prefix=k&delimiter=%2F&max-keys=5`],
    ['GET', `${at}?versions`],
    ['GET', `${at}?uploads`],
    ...[
      'acl',
      'cors',
      'lifecycle',
      'location',
      'policy',
      'tagging',
      'versioning',
      'object-lock',
      'publicAccessBlock',
      'ownershipControls',
      'policyStatus',
    ].map((sub) => ['GET', `${at}?${sub}`] as const),
    ['HEAD', at],
    ['HEAD', `${at}/key`],
    ['GET', `${at}/key`],
    ['GET', `${at}/key`, '', [['Range', 'bytes=0-2']]],
    ['GET', `${at}/key`, '', [['If-Match', '"x"']]],
    ['GET', `${at}/key?tagging`],
    ['GET', `${at}/key?acl`],
    ['GET', `${at}/key?attributes`, '', [['x-amz-object-attributes', 'ETag,ObjectSize']]],
    ['GET', `${at}/key?response-content-type=text%2Fplain&response-content-disposition=inline`],
    ['GET', `${at}/parts?uploadId=${uploadId}`],
    [
      'PUT',
      `${at}/other`,
      'content',
      [
        ['x-amz-meta-a', 'b'],
        ['x-amz-tagging', 'a=b'],
        ['Content-Type', 'text/plain'],
      ],
    ],
    ['PUT', `${at}/other`, 'content', [['x-amz-checksum-crc32', 'AAAAAA==']]],
    [
      'PUT',
      `${at}/other`,
      'content',
      [
        ['Cache-Control', 'no-cache'],
        ['Expires', 'soon'],
      ],
    ],
    ['PUT', `${at}/copy`, '', [['x-amz-copy-source', `${at}/key`]]],
    [
      'PUT',
      `${at}/copy`,
      '',
      [
        ['x-amz-copy-source', `${at}/key`],
        ['x-amz-metadata-directive', 'REPLACE'],
      ],
    ],
    ['PUT', `${at}/parts?uploadId=${uploadId}&partNumber=2`, 'part'],
    ['POST', `${at}/parts?uploads`, ''],
    ['POST', `${at}/parts?uploadId=${uploadId}`, xml['completeMultipartUpload']],
    ['POST', `${at}?delete`, xml['deletion']],
    ['PUT', `${at}?tagging`, xml['tagging']],
    ['PUT', `${at}/key?tagging`, xml['tagging']],
    ['PUT', `${at}/key?retention`, xml['retention']],
    ['PUT', `${at}/key?legal-hold`, xml['legalHold']],
    ['PUT', `${at}?cors`, xml['corsConfiguration']],
    ['PUT', `${at}?lifecycle`, xml['lifecycleConfiguration']],
    ['PUT', `${at}?versioning`, xml['versioningConfiguration']],
    ['PUT', `${at}?publicAccessBlock`, xml['publicAccessBlock']],
    ['PUT', `${at}?ownershipControls`, xml['ownershipControls']],
    ['PUT', `${at}?policy`, policyText.replaceAll(':::b/', `:::${bucket}/`)],
    ['PUT', `${at}-new`, xml['createBucketConfiguration']],
    ['DELETE', `${at}/other`],
    ['DELETE', `${at}/key?tagging`],
    ['DELETE', `${at}?policy`],
    ['DELETE', `${at}?cors`],
    ['DELETE', `${at}-new`],
    [
      'OPTIONS',
      `${at}/key`,
      '',
      [
        ['Origin', 'http://a'],
        ['Access-Control-Request-Method', 'GET'],
      ],
    ],
    [
      'POST',
      at,
      `${part('key', 'k')}${part('policy', Buffer.from(formPolicy).toString('base64'))}${part('file', 'x', '; filename="f"')}--b--\r\n`,
      [['Content-Type', 'multipart/form-data; boundary=b']],
    ],
    [
      'PUT',
      `${at}/other`,
      chunked[0],
      [
        ['x-amz-content-sha256', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'],
        ['x-amz-decoded-content-length', '5'],
      ],
    ],
    [
      'GET',
      `${at}/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${key.accessKeyId}%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=aa`,
    ],
    ['GET', `${at}?select`],
    ['PUT', `${at}?x-id=PutObject`],
    ['GET', '/nowhere/key'],
  ]);
  const [method, target, body = '', headers = []] = template;
  const signed =
    below(8) > 0 &&
    !target.includes('X-Amz-') &&
    !headers.some(([name]) => name === 'x-amz-content-sha256' || name === 'Origin');
  return { method, target, body, headers, ...(signed ? { key } : {}) };
}

function bound(mutator: Mutator): { pick: Mutator['pick']; below: Mutator['below'] } {
  return { pick: (list) => mutator.pick(list), below: (limit) => mutator.below(limit) };
}
