/** Random input for each parser, and random requests for a real server: nothing but refusals comes of it. */
import { connect } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { CreateBucketCommand, PutBucketPolicyCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { ConfigError, readConfig } from '../../src/config.ts';
import { Refusal } from '../../src/core/refusal.ts';
import * as documents from '../../src/faces/s3/documents.ts';
import { S3Error } from '../../src/faces/s3/errors.ts';
import { isPublicPolicy, judge as judgePolicy, parsePolicy } from '../../src/faces/s3/policy.ts';
import { checkConditions, readFormPolicy } from '../../src/faces/s3/post-policy.ts';
import { canonicalRequest, pathOf, queryOf, signablePaths } from '../../src/faces/s3/signing/canonical.ts';
import { ChunkDecoder } from '../../src/faces/s3/signing/chunks.ts';
import { readClaim } from '../../src/faces/s3/signing/claim.ts';
import { tagsFromHeader } from '../../src/faces/s3/tags.ts';
import { checksumsOf } from '../../src/faces/resumable/checksums.ts';
import { booleanField, integerField } from '../../src/faces/resumable/fields.ts';
import { parseMetadata } from '../../src/faces/resumable/metadata.ts';
import { judge, rangeCounts } from '../../src/http/conditions.ts';
import { digestsOf } from '../../src/http/digest-fields.ts';
import { fileName, showing } from '../../src/http/disposition.ts';
import { maskedPath } from '../../src/http/masked.ts';
import { demandText } from '../../src/http/target.ts';
import { parseBytes } from '../../src/kit/bytes.ts';
import { wantedDigest } from '../../src/kit/digest.ts';
import { parseDuration } from '../../src/kit/durations.ts';
import { JsonFault, parseJson } from '../../src/kit/json.ts';
import { parseRange } from '../../src/kit/range.ts';
import { fuzz, Mutator, type Parser } from '../support/fuzz.ts';
import { s3Client } from '../support/s3.ts';
import { patience, randomFrom, report, rounds, seed } from '../support/torture.ts';
import { openWorld, type World } from '../support/world.ts';

const refuses = (error: unknown): boolean => [Refusal, S3Error, JsonFault, ConfigError].some((kind) => error instanceof kind);

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

const request = (headers: Record<string, string>): IncomingMessage => ({ headers, rawHeaders: Object.entries(headers).flat(), trailers: {} }) as unknown as IncomingMessage;
const namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
const digest = Buffer.alloc(32).toString('base64');
const policyText = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{
    Sid: 's', Effect: 'Allow', Principal: { AWS: ['*'] }, Action: ['s3:GetObject', 's3:Put*'], Resource: 'arn:aws:s3:::b/*.jpg',
    Condition: { StringLike: { 'aws:Referer': ['http://a/*'] }, IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '::1/128'] }, NumericLessThan: { 's3:max-keys': '10' }, Bool: { 'aws:SecureTransport': 'true' } },
  }],
});
const formPolicy = JSON.stringify({ expiration: '2099-01-01T00:00:00.000Z', conditions: [{ bucket: 'b' }, ['starts-with', '$key', 'u/'], ['eq', '$acl', 'private'], ['content-length-range', 1, 10]] });
const authorization = `AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'a'.repeat(64)}`;
const chunked = ['5\r\nhello\r\n0\r\n\r\n', '3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n', `5;chunk-signature=${'0'.repeat(64)}\r\nhello\r\n0;chunk-signature=${'0'.repeat(64)}\r\n\r\n`];

/** A document of each kind that S3 takes; what is inside is nearly right, or right. */
const xml: Readonly<Record<string, string>> = {
  completeMultipartUpload: `<CompleteMultipartUpload ${namespace}><Part><ETag>"e"</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>`,
  deletion: `<Delete ${namespace}><Object><Key>a&lt;b</Key><VersionId>v</VersionId></Object><Quiet>true</Quiet></Delete>`,
  tagging: `<Tagging ${namespace}><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>`,
  retention: `<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>`,
  legalHold: '<LegalHold><Status>ON</Status></LegalHold>',
  accessControlPolicy: '<AccessControlPolicy><Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>o</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>',
  ownershipControls: '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
  publicAccessBlock: '<PublicAccessBlockConfiguration><BlockPublicAcls>1</BlockPublicAcls></PublicAccessBlockConfiguration>',
  createBucketConfiguration: `<CreateBucketConfiguration ${namespace}><LocationConstraint>eu</LocationConstraint></CreateBucketConfiguration>`,
  versioningConfiguration: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  objectLockConfiguration: '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>',
  corsConfiguration: '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule></CORSConfiguration>',
  lifecycleConfiguration: '<LifecycleConfiguration><Rule><ID>i</ID><Status>Enabled</Status><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>',
};

const parsers: readonly Parser[] = [
  { name: 'range', corpus: ['bytes=0-4', 'bytes=-5', 'bytes=5-', 'bytes=0-1,3-4'], parse: (text) => [0, 1, 10, 2 ** 53 - 1].map((size) => parseRange(text, size)) },
  {
    name: 'conditions', corpus: ['"e"', 'W/"e", "f"', '*', 'Thu, 01 Jan 2026 00:00:00 GMT', '"e'],
    parse: (text) => ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'].map((name) => {
      return [judge({ [name]: text }, { etag: '"e"', modifiedAt: 0 }), rangeCounts({ [name]: text }, { etag: '"e"', modifiedAt: 0 })];
    }),
  },
  ...(['STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'] as const).map((payload): Parser => ({
    name: `aws-chunked ${payload}`, corpus: chunked,
    parse: (text) => {
      const decoder = new ChunkDecoder({ payload, date: '20260101T000000Z', scope: { date: '20260101', region: 'r' }, signature: '0'.repeat(64) }, Buffer.alloc(32));
      const bytes = Buffer.from(text, 'latin1');
      const cut = text.length % (bytes.length + 1);
      for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) for (const _ of decoder.push(piece));
      decoder.end();
    },
  })),
  { name: 'JSON', corpus: [policyText, '{"a":[1,2.5e3,null,true,"\\u00e4\\n"],"b":{"a":{}}}', '[[[[]]]]', '"\\ud83d\\ude00"'], parse: parseJson },
  { name: 'bucket policy', corpus: [policyText], parse: (text) => {
    const policy = parsePolicy(text, 'b');
    isPublicPolicy(policy);
    return judgePolicy(policy, { action: 's3:GetObject', resource: 'arn:aws:s3:::b/x.jpg', namespace: '', value: () => ['10.0.0.1'] });
  } },
  { name: 'form policy', corpus: [formPolicy], parse: (text) => checkConditions(readFormPolicy(Buffer.from(text).toString('base64'), 0), new Map([['key', 'u/x'], ['bucket', 'b'], ['acl', 'private']])) },
  { name: 'tus metadata', corpus: ['filename aGVsbG8=,empty,filetype dGV4dA==', 'a YQ==', 'is_confidential'], parse: parseMetadata },
  { name: 'tus checksum', corpus: [`sha256 ${digest}`, 'sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0='], parse: (text) => checksumsOf(request({ 'upload-checksum': text })) },
  { name: 'structured fields', corpus: ['?1', '?0', '123', '0'], parse: (text) => each(() => booleanField(request({ x: text }), 'x'), () => integerField(request({ x: text }), 'x')) },
  { name: 'digest fields', corpus: [`sha-256=:${digest}:`, `sha-256=:${digest}:, unknown=:AA==:`, 'sha-512=3, sha-256=10'], parse: (text) => [wantedDigest(text), digestsOf(text, 'Content-Digest')] },
  { name: 'content-disposition', corpus: ['a.txt', 'ä/b.iso', 'x"y;z%'], parse: (text) => [fileName(text), showing(text, text)] },
  { name: 'request targets', corpus: ['/artifacts/a%20b/data?x=1&y=%2F', 'http://host/tus/x?capability=eyJhIjoxfQ.b.c', '/v1/downloads/releasy_dl_x'], parse: (text) => {
    maskedPath(text);
    return demandText(text);
  } },
  { name: 'S3 keys and queries', corpus: ['/b/a%20b/c?list-type=2&prefix=a%2F&x', '/b/k?versionId=a&response-content-type=text%2Fplain'], parse: (text) => {
    queryOf(text);
    signablePaths(text);
    return [pathOf(text), canonicalRequest({ method: 'GET', target: text, headers: ['Host', text] }, ['host'], 'UNSIGNED-PAYLOAD')];
  } },
  { name: 'S3 authorization', corpus: [authorization], parse: (text) => readClaim({ method: 'GET', target: '/', headers: ['Authorization', text, 'x-amz-date', '20260101T000000Z', 'x-amz-content-sha256', 'UNSIGNED-PAYLOAD'] }) },
  { name: 'S3 dates', corpus: ['20260101T000000Z', 'Thu, 01 Jan 2026 00:00:00 GMT', '2026-01-01T00:00:00Z'], parse: (text) => {
    documents.timeOf(text);
    const claim = (name: string) => (): unknown => {
      const headers = ['Authorization', authorization, name, text, 'x-amz-content-sha256', 'UNSIGNED-PAYLOAD'];
      return readClaim({ method: 'GET', target: '/', headers });
    };
    return each(claim('x-amz-date'), claim('date'));
  } },
  { name: 'S3 presigned queries', corpus: ['/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=aa'], parse: (text) => readClaim({ method: 'GET', target: text, headers: ['Host', 'h'] }) },
  { name: 'S3 tags', corpus: ['a=1&b=2', 'a=b%20c', ''], parse: tagsFromHeader },
  { name: 'sizes and times', corpus: ['10MiB', '5s', '1.5 GiB', '7d'], parse: (text) => [parseBytes(text), parseDuration(text)] },
  { name: 'settings', corpus: ['8080', 'on', '10MiB', '5s', '0 3 * * *', 'https://a.example', '127.0.0.1'], parse: (text) => {
    const names = ['STOWAGE_PORT', 'STOWAGE_MAX_UPLOAD_SIZE', 'STOWAGE_UPLOAD_IDLE', 'STOWAGE_SWEEP_CRON', 'STOWAGE_S3_URL', 'STOWAGE_CORS_ORIGINS', 'RELEASY_PUBLIC_BASE_URL', 'STOWAGE_HOST'];
    return readConfig({ [names[text.length % names.length]!]: text });
  } },
  ...Object.entries(xml).map(([name, text]): Parser => ({
    name: `XML ${name}`, corpus: [text], parse: (input) => documents.readAs((documents as unknown as Record<string, documents.Document<unknown>>)[name]!, input),
  })),
];

const inputs = rounds(300, 1_000_000);

test.each(parsers.map((parser) => [parser.name, parser] as const))('%s: whatever comes is taken or refused, and soon', (name, parser) => {
  const began = performance.now();
  const findings = fuzz(parser, inputs, new Mutator(randomFrom(seed)), refuses);
  report('fuzz', { parser: name, inputs, findings: findings.length, seconds: Math.round((performance.now() - began) / 1000) });
  expect({ seed, findings }).toEqual({ seed, findings: [] });
}, patience);

test('what is valid is taken, so that the corpora reach behind the first check', () => {
  const bad = parsers.filter(({ name, corpus, parse }) => {
    if (name.startsWith('aws-chunked STREAMING-AWS4') || name === 'S3 presigned queries') return false;
    return !corpus.some((text) => {
      try {
        parse(text);
        return true;
      } catch {
        return false;
      }
    });
  });
  expect(bad.map(({ name }) => name)).toEqual([]);
});

test('sabotaged: a parser with a planted bug, and one that is slow, are found', () => {
  const planted: Parser = { name: 'planted', corpus: [`sha-256=:${digest}:`], parse: (text) => text.split(',').map((one) => atob(/=:(.*):$/s.exec(one)?.[1] ?? '')) };
  expect(fuzz(planted, 20_000, new Mutator(randomFrom(seed)), refuses)).not.toEqual([]);
  const stuck: Parser = { name: 'stuck', corpus: ['a'], parse: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1100) };
  expect(fuzz({ ...stuck }, 1, new Mutator(randomFrom(seed)), refuses)).toMatchObject([{ fault: 'slower than 1000 ms' }]);
});

describe('over HTTP', () => {
  let world: World;
  let s3: S3Client;
  beforeAll(async () => {
    world = await openWorld({ env: { STOWAGE_S3_PORT: '0', STOWAGE_FETCH: 'off', RELEASY_ADMIN_API_KEY: 'admin', RELEASY_API_KEY_PEPPER: 'pepper', STOWAGE_PRESIGN_RATE: '0' } });
    await world.addNamespace('fuzz');
    s3 = await s3Client(world, { as: 'fuzz' });
    await s3.send(new CreateBucketCommand({ Bucket: 'fuzzed' }));
    await restore();
  });
  afterAll(async () => {
    s3.destroy();
    await world.close();
  });

  /** What the requests are about, made again where one of them took it away. */
  async function restore(): Promise<void> {
    const anybody = { Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: ['arn:aws:s3:::fuzzed', 'arn:aws:s3:::fuzzed/*'] };
    await s3.send(new CreateBucketCommand({ Bucket: 'fuzzed' })).catch(() => undefined);
    await s3.send(new PutBucketPolicyCommand({ Bucket: 'fuzzed', Policy: JSON.stringify({ Version: '2012-10-17', Statement: [anybody] }) })).catch(() => undefined);
    await s3.send(new PutObjectCommand({ Bucket: 'fuzzed', Key: 'key', Body: 'content' })).catch(() => undefined);
    await world.push('thing', Buffer.from('content'), { as: 'fuzz' }).catch(() => undefined);
  }

  test('every route of every face answers, never with a fault of its own, and soon', async () => {
    const count = rounds(200, 200_000);
    const wire = new WireFuzz(world, new Mutator(randomFrom(seed)));
    const began = performance.now();
    const findings: string[] = [];
    for (let done = 0; done < count && findings.length < 5; done += 100) {
      if (done % 2000 === 0) await restore();
      const token = await world.token('fuzz').catch(() => 'none');
      const lanes = Array.from({ length: 4 }, async () => {
        for (let round = 0; round < 25; round += 1) findings.push(...(await wire.round(token)));
      });
      await Promise.all(lanes);
    }
    const alive = await fetch(`${world.url}/livez`);
    report('fuzz', { parser: 'HTTP', inputs: count, findings: findings.length, seconds: Math.round((performance.now() - began) / 1000), statuses: JSON.stringify(wire.statuses) });
    expect({ seed, findings, alive: alive.status }).toEqual({ seed, findings: [], alive: 200 });
  }, patience);
});

/** Sends requests that no client library would send, each on a connection of its own. */
class WireFuzz {
  readonly statuses: Record<string, number> = {};
  readonly #world: World;
  readonly #mutator: Mutator;
  readonly #routes: readonly (readonly [method: string, path: string])[];
  #connections = 0;

  constructor(world: World, mutator: Mutator) {
    this.#world = world;
    this.#mutator = mutator;
    const uuid = '00000000-0000-4000-8000-000000000000';
    this.#routes = world.server.book.operations.map(({ method, path }) => [method.toUpperCase(), path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      return name === 'namespace' ? 'fuzz' : name === 'bucket' ? 'fuzzed' : /uuid|id$/.test(name) ? uuid : /index|offset/.test(name) ? '1' : 'thing';
    })] as const);
  }

  /** One request; answers what was wrong with what became of it. */
  async round(token: string): Promise<string[]> {
    const ofS3 = this.#mutator.below(3) === 0;
    const bytes = ofS3 ? this.#s3Request() : this.#apiRequest(token);
    const url = ofS3 ? this.#world.s3Url : this.#world.url;
    let fault = await this.#send(url, bytes);
    for (let again = 0; again < 3 && fault === 'slow'; again += 1) fault = await this.#send(url, bytes);
    return fault === undefined ? [] : [`${fault}: ${JSON.stringify(bytes.toString('latin1').slice(0, 1500))}`];
  }

  #apiRequest(token: string): Buffer {
    const { pick, below, next } = bound(this.#mutator);
    const [method, path] = pick(this.#routes);
    const bodies = ['', '{}', '{"key":"k","value":"v"}', '{"namespace":"fuzz","key":"k"}', '{"name":"n","permissions":{"read":true}}', '{"artifact":"a"}', '{"product":"p","version":"1"}', '{"rules":[]}', '{"key":"k","operation":"get"}', 'bytes', '{"max_versions":3}'];
    const headers = [
      `Authorization: Bearer ${token}`, 'X-Releasy-Admin-Key: admin', `Content-Type: ${pick(['application/json', 'application/offset+octet-stream', 'application/partial-upload', 'multipart/form-data; boundary=b', 'text/plain'])}`,
      ...pick([[], ['Tus-Resumable: 1.0.0', 'Upload-Length: 5', 'Upload-Offset: 0', 'Upload-Metadata: filename YQ=='], ['Upload-Complete: ?1', 'Upload-Offset: 0', 'Upload-Draft-Interop-Version: 8'], [`Content-Digest: sha-256=:${digest}:`, `Repr-Digest: sha-256=:${digest}:`], ['Range: bytes=0-3', 'If-None-Match: "x"'], ['Idempotency-Key: k', 'Origin: http://a']]),
    ];
    const query = pick(['', '', '?limit=1', '?offset=1&limit=2', '?after=x', '?capability=x', '?event_type=audit']);
    const body = below(4) === 0 ? '--b\r\nContent-Disposition: form-data; name="namespace"\r\n\r\nfuzz\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n' : pick(bodies);
    return this.#assemble(method, below(2) === 0 ? path + query : next([path + query]), headers, body);
  }

  #s3Request(): Buffer {
    const { pick, below, next } = bound(this.#mutator);
    const sub = ['', '?acl', '?cors', '?delete', '?lifecycle', '?location', '?policy', '?tagging', '?uploads', '?uploadId=x&partNumber=1', '?versions', '?versioning', '?list-type=2&prefix=k&delimiter=%2F', '?object-lock', '?retention', '?legal-hold', '?attributes', '?publicAccessBlock', '?ownershipControls', '?select', '?x-id=PutObject', '?versionId=null'];
    const target = pick(['/', '/fuzzed', '/fuzzed/key', '/fuzzed/other', '/nowhere/key']) + pick(sub);
    const headers = pick([
      [], ['x-amz-content-sha256: UNSIGNED-PAYLOAD'], ['x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'x-amz-decoded-content-length: 5'], ['x-amz-copy-source: /fuzzed/key'], ['x-amz-meta-a: b', 'x-amz-tagging: a=b', 'x-amz-acl: private'],
      [`Authorization: ${authorization}`, 'x-amz-date: 20260101T000000Z', 'x-amz-content-sha256: UNSIGNED-PAYLOAD'], ['Range: bytes=0-1', 'If-Match: *'], ['x-amz-checksum-crc32: AAAAAA==', 'Content-MD5: AAAAAAAAAAAAAAAAAAAAAA=='], ['Content-Type: multipart/form-data; boundary=b'],
    ]);
    const body = pick(['', 'content', policyText, chunked[0]!, ...Object.values(xml), `--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n`]);
    return this.#assemble(pick(['GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'OPTIONS']), below(2) === 0 ? target : next([target]), headers, body);
  }

  #assemble(method: string, target: string, headers: readonly string[], content: string): Buffer {
    const { below, next } = bound(this.#mutator);
    const body = below(2) === 0 ? content : next([content]);
    const sent = headers.filter(() => below(8) > 0).map((line) => (below(line.startsWith('Authorization: Bearer') ? 40 : 4) === 0 ? `${line.split(':')[0]!}: ${legal(next([line.slice(line.indexOf(':') + 2)]), below(10) > 0)}` : line));
    const length = Buffer.byteLength(body);
    const framing = below(12) === 0 ? [`Content-Length: ${next([String(length)])}`] : below(12) === 0 ? ['Transfer-Encoding: chunked'] : length > 0 ? [`Content-Length: ${length}`] : [];
    const text = `${method} ${legal(target, below(8) > 0, true)} HTTP/1.1\r\n${['Host: test', ...sent, ...framing, 'Connection: close'].map((line) => `${line}\r\n`).join('')}\r\n`;
    return Buffer.concat([Buffer.from(below(40) === 0 ? next([text]) : text, below(10) === 0 ? 'latin1' : 'utf8'), Buffer.from(body)]);
  }

  /** Reads to the end of the connection. @returns what is wrong with the answer. */
  #send(url: string, bytes: Buffer): Promise<string | undefined> {
    const { hostname, port } = new URL(url);
    this.#connections += 1;
    // Each address of this machine has ports of its own, of which a closed connection keeps one for a minute.
    const localAddress = `127.0.0.${2 + (this.#connections % 200)}`;
    const began = performance.now();
    return new Promise((resolve) => {
      const socket = connect({ host: hostname === 'localhost' ? '127.0.0.1' : hostname, port: Number(port), localAddress });
      let text = '';
      let ended = false;
      const end = (): void => {
        if (ended) return;
        ended = true;
        socket.destroy();
        const status = /^HTTP\/1\.1 (?:1\d\d[^]*?\r\n\r\nHTTP\/1\.1 )*(\d{3})/.exec(text)?.[1] ?? 'none';
        this.statuses[status] = (this.statuses[status] ?? 0) + 1;
        if (status.startsWith('5') && status !== '501') return resolve(text.slice(0, 300));
        resolve(performance.now() - began > 1000 ? 'slow' : undefined);
      };
      socket.setTimeout(15_000, end).on('data', (chunk) => (text += chunk.toString('latin1'))).on('close', end).on('error', end);
      // Half a connection that is closed ends a request; that is for those whose body is not what they said.
      socket.write(bytes);
      setTimeout(() => socket.end(), 300).unref();
    });
  }
}

/** Mostly without what Node's own parser refuses before any of our code is asked. */
function legal(text: string, mostly: boolean, target = false): string {
  if (!mostly) return text;
  const encoded = text.toWellFormed().replaceAll(/[^\u0021-\u007e]/gu, (one) => (target ? encodeURIComponent(one) : ' '));
  return target && !encoded.startsWith('/') ? `/${encoded}` : encoded;
}

function bound(mutator: Mutator): { pick: Mutator['pick']; below: Mutator['below']; next: Mutator['next'] } {
  return { pick: (list) => mutator.pick(list), below: (limit) => mutator.below(limit), next: (corpus) => mutator.next(corpus) };
}
