/** Which operation a request selects, and which requests are refused. */
import * as sdk from '@aws-sdk/client-s3';
import { pino } from 'pino';
import { eventually } from '../support/raw.ts';
import { plain, refusal, s3Client, type Plain } from '../support/s3.ts';
import { presignByHand, type HandKey } from '../support/sigv4.ts';
import { openWorld, type World } from '../support/world.ts';

const Bucket = 'operations';
let world: World;
let s3: sdk.S3Client;
let key: HandKey;
const lines: string[] = [];

beforeAll(async () => {
  world = await openWorld({ log: pino({ level: 'debug' }, { write: (line) => void lines.push(line) }) });
  // Without a prefix of the host, which one operation has.
  s3 = await s3Client(world, { disableHostPrefix: true });
  key = await world.accessKey();
  await s3.send(new sdk.CreateBucketCommand({ Bucket }));
  await s3.send(new sdk.PutObjectCommand({ Bucket, Key: 'k', Body: 'kept' }));
});
afterAll(() => world.close());

/** A presigned request, whose query also stands for headers. */
function ask(method: string, target: string, body?: string, headers: Record<string, string> = {}): Promise<Plain> {
  const url = presignByHand({ key, method, url: new URL(`${world.s3Url}/${target}`), at: world.clock.now() });
  return plain(url, { method, headers, ...(body === undefined ? {} : { body }) });
}

async function kept(): Promise<string> {
  return (await s3.send(new sdk.GetObjectCommand({ Bucket, Key: 'k' }))).Body!.transformToString();
}

/** The parts of the SDK's own schemas that name an operation and what it takes. */
type Schema = readonly [kind: number, namespace: string, name: string, traits: unknown, ...rest: unknown[]];
type Reference = Schema | (() => Schema) | number | readonly [unknown, Readonly<Record<string, unknown>>?];

const isSchema = (value: unknown): value is Schema =>
  Array.isArray(value) && typeof value[1] === 'string' && typeof value[2] === 'string';
const resolve = (reference: Reference): Reference =>
  typeof reference === 'function' ? resolve(reference()) : reference;

/** A value of that shape, with all that a structure must have, or all that it may have. */
function sample(reference: Reference, whole: boolean): unknown {
  const shape = resolve(reference);
  if (typeof shape === 'number') {
    if (shape >= 128) return { a: 'x' };
    if (shape >= 64) return [sample(shape - 64, whole)];
    return new Map<number, unknown>([
      [0, 'x'],
      [1, 1],
      [2, true],
      [4, new Date(0)],
      [5, new Date(0)],
      [6, new Date(0)],
      [7, new Date(0)],
      [15, {}],
      [21, 'x'],
      [42, Buffer.from('x')],
    ]).get(shape);
  }
  if (typeof shape === 'function') return undefined;
  if (!isSchema(shape)) return sample(shape[0] as Reference, whole);
  const [kind, , , , names, members, required] = shape as unknown as [
    number,
    string,
    string,
    unknown,
    string[],
    Reference[],
    number,
  ];
  if (kind === 1) return [sample(names as unknown as Reference, whole)];
  if (kind === 0) return sample(names as unknown as Reference, whole);
  if (kind !== 3 && kind !== -3 && kind !== 4) return 'x';
  const count = whole ? names.length : (required ?? 0);
  const chosen = names.slice(0, kind === 4 ? 1 : count);
  return Object.fromEntries(chosen.map((name, at) => [name, sample(members[at]!, whole)]));
}

const operations = Object.entries(sdk as unknown as Record<string, unknown>).flatMap(([, value]) =>
  isSchema(value) && value[0] === 9 ? [[value[2], value[4] as Reference] as const] : [],
);

test('the SDK has all operations of S3', () => {
  expect(operations.length).toBeGreaterThanOrEqual(99);
});

test.each(operations)('A4: %s reaches its own operation, or none', async (name, input) => {
  const Command = (sdk as unknown as Record<string, new (input: unknown) => sdk.GetObjectCommand>)[`${name}Command`]!;
  for (const whole of [false, true]) {
    const made = sample(input, whole) as Record<string, unknown>;
    const given = {
      ...made,
      ...('Bucket' in made ? { Bucket: 'operations-of-the-sdk' } : {}),
      ...('Key' in made ? { Key: 'k' } : {}),
    };
    const before = lines.length;
    const error = await s3.send(new Command(given)).then(
      () => undefined,
      (thrown: unknown) => thrown as { name: string; $metadata?: { httpStatusCode?: number } },
    );
    // What the client itself refuses to send was no request.
    if (error && error.$metadata?.httpStatusCode === undefined) continue;
    await eventually(async () => lines.slice(before).some((line) => line.includes('"status"')));
    const routes = lines.slice(before).flatMap((line) => (JSON.parse(line) as { route?: string }).route ?? []);
    const reached = routes.filter((route) => route.startsWith('S3 '));
    expect({
      name,
      whole,
      reached: reached.length === 0 ? [400, 501].includes(error!.$metadata!.httpStatusCode!) : reached,
    }).toEqual({ name, whole, reached: reached.length === 0 ? true : [`S3 ${name}`] });
  }
});

describe('A4, A5: a request that no operation takes is refused, and changes nothing', () => {
  test.each([
    ['DELETE', 'k?annotation&annotationName=n', 501, 'NotImplemented'],
    ['PUT', 'k?annotation&annotationName=n', 501, 'NotImplemented'],
    ['GET', '?abac', 501, 'NotImplemented'],
    ['PUT', 'k?encryption', 501, 'NotImplemented'],
    ['PUT', 'k?renameObject', 501, 'NotImplemented'],
    ['GET', '?nothing-that-there-is', 501, 'NotImplemented'],
    ['DELETE', 'k?nothing-that-there-is=1', 501, 'NotImplemented'],
    ['PUT', 'k?VersionId=1', 501, 'NotImplemented'],
    ['DELETE', 'k?acl', 501, 'NotImplemented'],
    ['HEAD', 'k?torrent', 501, undefined],
    ['PUT', 'k?append&position=0', 501, 'NotImplemented'],
    ['GET', 'k?x-id=PutObject', 501, 'NotImplemented'],
    ['PUT', 'k?partNumber=3', 400, 'InvalidArgument'],
    ['PUT', 'k?uploadId=x', 400, 'InvalidArgument'],
    ['DELETE', 'k?partNumber=3', 400, 'InvalidArgument'],
    ['POST', 'k?uploads&partNumber=1', 400, 'InvalidArgument'],
    ['PUT', 'k?versionId=null', 400, 'InvalidArgument'],
    ['DELETE', 'k?uploads', 501, 'NotImplemented'],
    ['DELETE', 'k?response-content-type=x', 400, 'InvalidArgument'],
    ['GET', '?acl&policy', 400, 'InvalidArgument'],
    ['DELETE', 'k?tagging&uploadId=x', 400, 'InvalidArgument'],
    ['DELETE', 'k?versionId=null&versionId=0', 400, 'InvalidArgument'],
    ['GET', '?list-type=3', 400, 'InvalidArgument'],
    ['GET', '?prefix=a&versionId=null', 400, 'InvalidArgument'],
    ['DELETE', '?prefix=a', 400, 'InvalidArgument'],
    ['POST', 'k', 405, 'MethodNotAllowed'],
  ] as const)('%s %s', async (method, rest, status, code) => {
    const answer = await ask(
      method,
      rest.startsWith('?') ? `${Bucket}${rest}` : `${Bucket}/${rest}`,
      method === 'PUT' || method === 'POST' ? 'another' : undefined,
    );
    expect({ status: answer.status, code: answer.code }).toEqual({ status, code });
    expect(await kept()).toBe('kept');
  });

  test("parameters that begin with x- are for a client's own logs, as S3 has it", async () => {
    expect((await ask('GET', `${Bucket}/k?x-page=7&x-id=GetObject`)).text).toBe('kept');
  });

  test('a copy is a copy where its source stands in the query, too', async () => {
    const answer = await ask('PUT', `${Bucket}/copied?x-amz-copy-source=${Bucket}%2Fk`);
    expect({
      status: answer.status,
      'text includes CopyObjectResult': answer.text.includes('CopyObjectResult'),
    }).toEqual({ status: 200, 'text includes CopyObjectResult': true });
    expect((await ask('PUT', `${Bucket}/copied?x-amz-copy-source=${Bucket}%2Fk%3Fpart%3D1`)).code).toBe(
      'InvalidArgument',
    );
  });
});

describe('A24: nothing that a client sends to be protected is passed over', () => {
  test.each([
    ['PUT', 'k?x-amz-server-side-encryption=AES256', 501, 'NotImplemented'],
    ['PUT', 'k?x-amz-server-side-encryption-customer-key=a', 501, 'NotImplemented'],
    ['GET', 'k?x-amz-server-side-encryption-customer-algorithm=AES256', 501, 'NotImplemented'],
    ['POST', 'k?uploads&x-amz-server-side-encryption=aws:kms', 501, 'NotImplemented'],
    ['PUT', 'k?x-amz-write-offset-bytes=4', 501, 'NotImplemented'],
    ['PUT', 'k?x-amz-object-lock-event-hold=ON', 501, 'NotImplemented'],
    ['PUT', 'k?x-amz-object-never-heard-of=1', 501, 'NotImplemented'],
    ['DELETE', 'k?x-amz-mfa=1', 501, 'NotImplemented'],
    ['DELETE', 'k?x-amz-copy-source=a', 501, 'NotImplemented'],
    ['PUT', 'k?x-amz-website-redirect-location=/a', 501, 'NotImplemented'],
    ['PUT', 'k?x-amz-storage-class=GLACIER', 400, 'InvalidStorageClass'],
    ['POST', 'k?uploads&x-amz-storage-class=NONE', 400, 'InvalidStorageClass'],
    ['PUT', 'k?x-amz-security-token=a', 400, 'InvalidToken'],
    ['PUT', 'k?x-amz-request-payer=someone', 400, 'InvalidArgument'],
    ['PUT', 'k?x-amz-expected-bucket-owner=another', 403, 'AccessDenied'],
    ['GET', 'none?x-amz-expected-bucket-owner=another', 403, 'AccessDenied'],
    [
      'PUT',
      `k?x-amz-copy-source=${Bucket}/k&x-amz-source-expected-bucket-owner=another&x-amz-metadata-directive=REPLACE`,
      403,
      'AccessDenied',
    ],
    [
      'PUT',
      `k?x-amz-copy-source=${Bucket}/k&x-amz-copy-source-if-unmodified-since=never&x-amz-metadata-directive=REPLACE`,
      400,
      'InvalidArgument',
    ],
    ['DELETE', 'k?x-amz-if-match-size=large', 400, 'InvalidArgument'],
  ] as const)('%s %s', async (method, rest, status, code) => {
    const answer = await ask(method, `${Bucket}/${rest}`, method === 'PUT' ? 'another' : undefined);
    expect({ status: answer.status, code: answer.code }).toEqual({ status, code });
    expect(await kept()).toBe('kept');
  });

  test.each([
    ['PUT', 'k', { 'if-unmodified-since': new Date(0).toUTCString() }],
    ['PUT', 'k', { 'content-range': 'bytes 0-6/7' }],
    ['PUT', 'k?tagging', { 'if-match': '"a"' }],
    ['DELETE', 'k', { 'if-none-match': '*' }],
    ['POST', 'k?uploads', { 'if-none-match': '*' }],
    ['GET', '?list-type=2', { 'if-match': '"a"' }],
  ] as const)('%s %s with %j is done under no condition, and so not at all', async (method, rest, headers) => {
    const answer = await ask(
      method,
      rest.startsWith('?') ? `${Bucket}${rest}` : `${Bucket}/${rest}`,
      method === 'PUT' ? 'another' : undefined,
      headers,
    );
    expect({ status: answer.status, code: answer.code }).toEqual({ status: 501, code: 'NotImplemented' });
    expect(await kept()).toBe('kept');
  });

  test('the size and the time that a multipart upload is said to have', async () => {
    const begin = async (): Promise<string> =>
      (await s3.send(new sdk.CreateMultipartUploadCommand({ Bucket, Key: 'm' }))).UploadId!;
    const UploadId = await begin();
    const { ETag } = await s3.send(
      new sdk.UploadPartCommand({ Bucket, Key: 'm', UploadId, PartNumber: 1, Body: '12345' }),
    );
    const complete = (MpuObjectSize: number): Promise<unknown> =>
      s3.send(
        new sdk.CompleteMultipartUploadCommand({
          Bucket,
          Key: 'm',
          UploadId,
          MpuObjectSize,
          MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
        }),
      );
    expect(await refusal(complete(4))).toBe('InvalidRequest');
    await complete(5);
    const other = await begin();
    const abort = (IfMatchInitiatedTime: Date): Promise<unknown> =>
      s3.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key: 'm', UploadId: other, IfMatchInitiatedTime }));
    expect(await refusal(abort(new Date(0)))).toBe('PreconditionFailed');
    const { Uploads } = await s3.send(new sdk.ListMultipartUploadsCommand({ Bucket }));
    await abort(Uploads!.find((one) => one.UploadId === other)!.Initiated!);
  });
});

describe('B11: what no bucket here has is answered as S3 answers for a bucket without it', () => {
  const ofBucket = { Bucket };

  test('empty documents, which a client reads', async () => {
    expect(await s3.send(new sdk.GetBucketNotificationConfigurationCommand(ofBucket))).not.toHaveProperty(
      'QueueConfigurations',
    );
    expect(await s3.send(new sdk.GetBucketLoggingCommand(ofBucket))).not.toHaveProperty('LoggingEnabled');
    expect((await s3.send(new sdk.GetBucketRequestPaymentCommand(ofBucket))).Payer).toBe('BucketOwner');
    expect((await s3.send(new sdk.GetBucketAccelerateConfigurationCommand(ofBucket))).Status).toBeUndefined();
    expect((await s3.send(new sdk.ListBucketAnalyticsConfigurationsCommand(ofBucket))).IsTruncated).toBe(false);
    expect((await s3.send(new sdk.ListBucketIntelligentTieringConfigurationsCommand(ofBucket))).IsTruncated).toBe(
      false,
    );
    expect((await s3.send(new sdk.ListBucketInventoryConfigurationsCommand(ofBucket))).IsTruncated).toBe(false);
    expect((await s3.send(new sdk.ListBucketMetricsConfigurationsCommand(ofBucket))).IsTruncated).toBe(false);
  });

  test('codes for what is asked for by name, and 501 for setting it', async () => {
    expect(await refusal(s3.send(new sdk.GetBucketInventoryConfigurationCommand({ Bucket, Id: 'a' })))).toBe(
      'NoSuchConfiguration',
    );
    expect(
      await refusal(
        s3.send(new sdk.PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration: {} })),
      ),
    ).toBe('NotImplemented');
    expect(
      await refusal(
        s3.send(
          new sdk.PutBucketRequestPaymentCommand({ Bucket, RequestPaymentConfiguration: { Payer: 'Requester' } }),
        ),
      ),
    ).toBe('NotImplemented');
  });
});

describe('B10: buckets and uploads under way', () => {
  test('a new bucket has the tags that it was made with, and tells its name', async () => {
    const { BucketArn } = await s3.send(
      new sdk.CreateBucketCommand({
        Bucket: 'tagged',
        CreateBucketConfiguration: { Tags: [{ Key: 'team', Value: 'a' }] },
      }),
    );
    expect(BucketArn).toBe('arn:aws:s3:::tagged');
    expect((await s3.send(new sdk.HeadBucketCommand({ Bucket: 'tagged' }))).BucketArn).toBe('arn:aws:s3:::tagged');
    expect((await s3.send(new sdk.GetBucketTaggingCommand({ Bucket: 'tagged' }))).TagSet).toEqual([
      { Key: 'team', Value: 'a' },
    ]);
    const wrong = [
      { LocationConstraint: 'eu-west-1' as const },
      { Location: { Type: 'AvailabilityZone' as const, Name: 'a' } },
    ];
    const codes = await Promise.all(
      wrong.map((one) =>
        refusal(s3.send(new sdk.CreateBucketCommand({ Bucket: 'elsewhere', CreateBucketConfiguration: one }))),
      ),
    );
    expect(codes).toEqual(['InvalidLocationConstraint', 'NotImplemented']);
  });

  test('uploads are rolled up at a delimiter, page by page, and each is told once', async () => {
    await s3.send(new sdk.CreateBucketCommand({ Bucket: 'under-way' }));
    const keys = ['a', 'a', 'a', 'b/1', 'b/2', 'b/2', 'c', 'd/1'];
    for (const Key of keys) await s3.send(new sdk.CreateMultipartUploadCommand({ Bucket: 'under-way', Key }));
    const seen: string[] = [];
    let [KeyMarker, UploadIdMarker]: (string | undefined)[] = [];
    for (let more = true; more;) {
      const page: sdk.ListMultipartUploadsCommandOutput = await s3.send(
        new sdk.ListMultipartUploadsCommand({
          Bucket: 'under-way',
          Delimiter: '/',
          MaxUploads: 2,
          KeyMarker,
          UploadIdMarker,
        }),
      );
      const told = [
        ...(page.Uploads ?? []).map(({ Key, UploadId }) => `${Key} ${UploadId}`),
        ...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix!),
      ];
      expect({ 'page is short': told.length <= 2, Delimiter: page.Delimiter }).toEqual({
        'page is short': true,
        Delimiter: '/',
      });
      seen.push(...told);
      [KeyMarker, UploadIdMarker, more] = [page.NextKeyMarker, page.NextUploadIdMarker, page.IsTruncated!];
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.map((one) => one.split(' ')[0])).toEqual(['a', 'a', 'a', 'b/', 'c', 'd/']);
    const behind = await s3.send(
      new sdk.ListMultipartUploadsCommand({ Bucket: 'under-way', KeyMarker: 'b/1', Prefix: 'b/' }),
    );
    expect(behind.Uploads!.map(({ Key }) => Key)).toEqual(['b/2', 'b/2']);
    expect(
      await refusal(
        s3.send(new sdk.ListMultipartUploadsCommand({ Bucket: 'under-way', KeyMarker: 'a', UploadIdMarker: 'no id' })),
      ),
    ).toBe('InvalidArgument');
  });

  test.each([['?max-buckets=0'], ['?max-buckets=10001'], ['?max-buckets=-1'], ['?max-buckets=1e3'], ['?max-buckets=']])(
    'B8: %s is refused',
    async (query) => {
      expect((await ask('GET', query)).code).toBe('InvalidArgument');
    },
  );
});

describe("B12, B13: S3's codes, and S3's sentences", () => {
  test.each([
    ['GET', `${Bucket}/k?versionId=1`, 400, 'InvalidArgument', 'Invalid version id specified'],
    ['GET', `${Bucket}/k?versionId=${'0'.repeat(32)}`, 404, 'NoSuchVersion', 'The specified version does not exist.'],
    [
      'GET',
      `${Bucket}?versions&key-marker=k&version-id-marker=1`,
      400,
      'InvalidArgument',
      'Invalid version id specified',
    ],
    ['GET', `${Bucket}/none`, 404, 'NoSuchKey', 'The specified key does not exist.'],
    ['GET', 'no-such-bucket', 404, 'NoSuchBucket', 'The specified bucket does not exist.'],
    [
      'GET',
      `${Bucket}?max-keys=-1`,
      400,
      'InvalidArgument',
      'Argument max-keys must be an integer between 0 and 2147483647',
    ],
    [
      'PUT',
      `${Bucket}/k?x-amz-tagging=a%26a`,
      400,
      'InvalidArgument',
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    ],
    ['PUT', `${Bucket}/k?x-amz-tagging=a*%3Db`, 400, 'InvalidTag', 'The TagKey you have provided is invalid'],
    ['PUT', `${Bucket}/k?x-amz-tagging=a%3Db*`, 400, 'InvalidTag', 'The TagValue you have provided is invalid'],
    [
      'PUT',
      `${Bucket}?ownershipControls`,
      400,
      'MalformedXML',
      'The XML you provided was not well-formed or did not validate against our published schema.',
    ],
  ] as const)('%s %s', async (method, target, status, code, message) => {
    const answer = await ask(method, target, method === 'PUT' ? '<Other/>' : undefined);
    expect({
      status: answer.status,
      code: answer.code,
      message: /<Message>(.*)<\/Message>/.exec(answer.text)?.[1]?.replaceAll('&quot;', '"'),
    }).toEqual({ status, code, message: message });
  });

  test('modes and dates of a lock in headers are arguments', async () => {
    await s3.send(new sdk.CreateBucketCommand({ Bucket: 'locked', ObjectLockEnabledForBucket: true }));
    const put = (mode: string, until: string): Promise<Plain> =>
      ask(
        'PUT',
        `locked/k?x-amz-object-lock-mode=${mode}&x-amz-object-lock-retain-until-date=${encodeURIComponent(until)}`,
        'x',
      );
    const later = new Date(world.clock.now() + 60_000).toISOString();
    expect({
      'unknown mode': (await put('governance', later)).code,
      'unknown time': (await put('GOVERNANCE', 'tomorrow')).code,
      status: (await put('GOVERNANCE', later)).status,
    }).toEqual({
      'unknown mode': 'InvalidArgument',
      'unknown time': 'InvalidArgument',
      status: 200,
    });
  });

  test('a page that no rule of the bucket lets in is told so', async () => {
    const options = (headers: Record<string, string>): Promise<Plain> =>
      plain(`${world.s3Url}/${Bucket}/k`, { method: 'OPTIONS', headers });
    const outcomes = [
      await options({}),
      await options({ Origin: 'https://a.test', 'Access-Control-Request-Method': 'GET' }),
    ];
    expect(outcomes.map(({ status, code }) => [status, code])).toEqual([
      [400, 'BadRequest'],
      [403, 'AccessForbidden'],
    ]);
  });
});

describe('Signature Version 2 is refused with what to change', () => {
  test.each([
    ['header', '', { authorization: 'AWS AKID:c2lnbmF0dXJl' }],
    ['query', '?AWSAccessKeyId=AKID&Signature=c2ln&Expires=2000000000', {}],
  ] as const)('%s form', async (_form, query, headers) => {
    const answer = await plain(`${world.s3Url}/${Bucket}/k${query}`, { headers });
    expect({ status: answer.status, code: answer.code }).toEqual({ status: 400, code: 'InvalidRequest' });
    expect(/<Message>(.*)<\/Message>/.exec(answer.text)![1]).toContain("signature_version='s3v4'");
  });
});
