/**
 * Signature Version 4: the SDK's signatures are accepted, changed requests are not; chunked bodies in any
 * fragmentation.
 */
import { createHash } from 'node:crypto';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import {
  array,
  assert,
  asyncProperty,
  constantFrom,
  integer,
  property,
  string,
  uint8Array,
  type Arbitrary,
} from 'fast-check';
import { encode, type RawRequest } from '../../src/faces/s3/signing/canonical.ts';
import { ChunkDecoder } from '../../src/faces/s3/signing/chunks.ts';
import { signingKeyOf, verify, type Signed } from '../../src/faces/s3/signing/verify.ts';
import { signingOf } from '../support/sigv4.ts';

const id = 'AKIDEXAMPLE';
const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const runs = Number(process.env['STOWAGE_SIGV4_RUNS'] ?? 2000);

const check = (request: RawRequest, now = Date.now()): Promise<Signed | undefined> =>
  verify(request, { now, window: 300_000, secret: async (keyId) => (keyId === id ? secret : undefined) });

const settings: S3ClientConfig = {
  region: 'us-east-1',
  endpoint: 'http://127.0.0.1:13001',
  forcePathStyle: true,
  credentials: { accessKeyId: id, secretAccessKey: secret },
};

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly query?: Record<string, string | string[] | null>;
  readonly headers: Record<string, string>;
}

/** What the SDK would put on the wire. */
async function signed(make: (client: S3Client) => Promise<unknown>): Promise<RawRequest> {
  let sent: Sent | undefined;
  const requestHandler = { handle: async (request: Sent) => ((sent = request), Promise.reject(new Error('not sent'))) };
  const client = new S3Client({ ...settings, requestHandler: requestHandler as never, maxAttempts: 1 });
  await make(client).catch(() => undefined);
  const { method, path, query = {}, headers } = sent!;
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().map((one) => (one === null ? encode(name) : `${encode(name)}=${encode(one)}`)),
  );
  return {
    method,
    target: pairs.length === 0 ? path : `${path}?${pairs.join('&')}`,
    headers: Object.entries(headers).flat(),
  };
}

const key: Arbitrary<string> = string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter(
  (text) => text.isWellFormed() && !/^\/|^\.{1,2}$|\/\.{1,2}(?:\/|$)|^\.{1,2}\//.test(text),
);

describe('what the SDK signs', () => {
  test('in headers, for any key, prefix and metadata', async () => {
    await assert(
      asyncProperty(key, string({ maxLength: 20 }), async (Key, note) => {
        const put = await signed((client) =>
          client.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body: 'hello', Metadata: { note: encode(note) } })),
        );
        expect((await check(put))?.claim.keyId).toBe(id);
        const list = await signed((client) =>
          client.send(new ListObjectsV2Command({ Bucket: 'bucket', Prefix: Key, Delimiter: '/' })),
        );
        expect((await check(list))?.claim.form).toBe('header');
      }),
      { numRuns: 60 },
    );
  });

  test('in a URL, for any key', async () => {
    await assert(
      asyncProperty(key, integer({ min: 1, max: 604_800 }), async (Key, expiresIn) => {
        const url = new URL(
          await getSignedUrl(new S3Client(settings), new GetObjectCommand({ Bucket: 'bucket', Key }), { expiresIn }),
        );
        const request = { method: 'GET', target: url.pathname + url.search, headers: ['Host', url.host] };
        expect((await check(request))?.claim.expires).toBe(expiresIn);
        await expect(check({ ...request, method: 'PUT' })).rejects.toMatchObject({ code: 'SignatureDoesNotMatch' });
      }),
      { numRuns: 60 },
    );
  });

  test('a request without a signature is anonymous', async () => {
    expect(await check({ method: 'GET', target: '/bucket/key', headers: ['Host', 'here'] })).toBeUndefined();
  });
});

describe('what was changed on the way', () => {
  test('is refused, whatever it was', async () => {
    const url = new URL(
      await getSignedUrl(new S3Client(settings), new GetObjectCommand({ Bucket: 'bucket', Key: 'a/b c' }), {
        expiresIn: 600,
      }),
    );
    const valid: RawRequest[] = [
      await signed((client) =>
        client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'a/b c', Body: 'hello', Metadata: { a: 'b' } })),
      ),
      await signed((client) => client.send(new HeadObjectCommand({ Bucket: 'bucket', Key: 'x' }))),
      { method: 'GET', target: url.pathname + url.search, headers: ['Host', url.host] },
    ];
    for (const request of valid) expect(await check(request)).toBeDefined();
    let accepted = 0;
    await assert(
      asyncProperty(
        constantFrom(...valid),
        integer({ min: 0, max: 1_000_000 }),
        integer({ min: 33, max: 126 }),
        async (request, at, byte) => {
          const changed = mutated(request, at, String.fromCharCode(byte));
          if (changed === undefined) return;
          const outcome = await check(changed).then(
            (found) => found,
            (error: unknown) =>
              error instanceof Error && error.name === 'S3Error' ? undefined : Promise.reject(error),
          );
          if (outcome !== undefined) accepted += 1;
        },
      ),
      { numRuns: runs },
    );
    expect(accepted).toBe(0);
  });

  /** The request with one character changed in what is signed; undefined where that changes nothing that counts. */
  function mutated(request: RawRequest, at: number, to: string): RawRequest | undefined {
    const signedNames = new Set(['authorization', 'host', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-meta-a']);
    const places: { read: string; write: (text: string) => RawRequest }[] = [
      { read: request.method, write: (method) => ({ ...request, method }) },
      { read: request.target, write: (target) => ({ ...request, target }) },
    ];
    for (let header = 0; header < request.headers.length; header += 2) {
      if (!signedNames.has(request.headers[header]!.toLowerCase())) continue;
      places.push({
        read: request.headers[header + 1]!,
        write: (text) => ({ ...request, headers: request.headers.toSpliced(header + 1, 1, text) }),
      });
    }
    const place = places[at % places.length]!;
    const position = at % place.read.length;
    const text = place.read.slice(0, position) + to + place.read.slice(position + 1);
    if (text === place.read) return undefined;
    // The same thing said in other words: case of an escape, or an escape of what needs none.
    const same = (one: string): string => one.replaceAll(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase());
    return same(text) === same(place.read) ? undefined : place.write(text);
  }

  test.each<[string, (request: RawRequest) => RawRequest, string]>([
    [
      'an x-amz- header that was not signed',
      (request) => ({ ...request, headers: [...request.headers, 'x-amz-acl', 'public-read'] }),
      'AccessDenied',
    ],
    [
      'a second Authorization',
      (request) => ({ ...request, headers: [...request.headers, 'Authorization', 'AWS4-HMAC-SHA256 x'] }),
      'InvalidArgument',
    ],
    [
      'another algorithm',
      (request) => ({
        ...request,
        headers: request.headers.map((value) => value.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256')),
      }),
      'AuthorizationHeaderMalformed',
    ],
    [
      'a signed header that is gone',
      (request) => ({
        ...request,
        headers: request.headers.filter((_value, at) => request.headers[at - (at % 2)] !== 'x-amz-meta-a'),
      }),
      'SignatureDoesNotMatch',
    ],
    [
      'another service',
      (request) => ({
        ...request,
        headers: request.headers.map((value) => value.replace('/s3/aws4_request', '/ec2/aws4_request')),
      }),
      'AuthorizationHeaderMalformed',
    ],
    [
      'another day',
      (request) => ({ ...request, headers: request.headers.map((value) => value.replace(/\/\d{8}\//, '/20200101/')) }),
      'AuthorizationHeaderMalformed',
    ],
    [
      'another key',
      (request) => ({ ...request, headers: request.headers.map((value) => value.replace(id, 'AKIDOTHER')) }),
      'InvalidAccessKeyId',
    ],
    [
      'signed headers out of order',
      (request) => ({
        ...request,
        headers: request.headers.map((value) => value.replace('SignedHeaders=', 'SignedHeaders=zzz;')),
      }),
      'AuthorizationHeaderMalformed',
    ],
  ])('%s', async (_what, change, code) => {
    const request = await signed((client) =>
      client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body: 'hello', Metadata: { a: 'b' } })),
    );
    await expect(check(change(request))).rejects.toMatchObject({ code });
  });

  test('a mismatch tells what was to be signed, and no secret', async () => {
    const request = await signed((client) => client.send(new HeadObjectCommand({ Bucket: 'bucket', Key: 'k' })));
    const error = await check({ ...request, target: '/bucket/other' }).then(
      () => undefined,
      (refused: { details: Record<string, string> }) => refused,
    );
    expect(error!.details['CanonicalRequest']).toContain('HEAD\n/bucket/other\n');
    expect(error!.details['StringToSign']).toMatch(/^AWS4-HMAC-SHA256\n\d{8}T\d{6}Z\n/);
    expect(JSON.stringify(error!.details)).not.toContain(secret);
  });
});

describe('bodies in chunks', () => {
  const scope = { date: '20261121', region: 'us-east-1' };
  const client = signingOf({ accessKeyId: id, secretAccessKey: secret }, Date.parse('2026-11-21T12:00:00Z'));
  const { date } = client;
  const seed = 'a'.repeat(64);
  const signingKey = signingKeyOf(secret, scope);
  const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

  /** A body as a client makes it, by the specification's own words. */
  function body(
    chunks: readonly Uint8Array[],
    mode: { signed: boolean; trailers?: Record<string, string>; feeds?: boolean },
  ): Buffer {
    let before = seed;
    const sign = (kind: string, ...hashes: string[]): string =>
      (before = client.sign([`AWS4-HMAC-SHA256-${kind}`, date, client.scope, before, ...hashes].join('\n')));
    const parts = [...chunks.filter((chunk) => chunk.byteLength > 0), new Uint8Array()].map((chunk) => {
      const head = `${chunk.byteLength.toString(16)}${mode.signed ? `;chunk-signature=${sign('PAYLOAD', sha256(''), sha256(chunk))}` : ''}\r\n`;
      return Buffer.concat([Buffer.from(head), chunk, Buffer.from(chunk.byteLength > 0 ? '\r\n' : '')]);
    });
    const trailers = Object.entries(mode.trailers ?? {})
      .map(([name, value]) => `${name}:${value}${mode.feeds ? '\n\r\n' : '\r\n'}`)
      .join('');
    const signature =
      mode.signed && mode.trailers
        ? `x-amz-trailer-signature:${sign(
            'TRAILER',
            sha256(
              Object.entries(mode.trailers)
                .map(([name, value]) => `${name}:${value}\n`)
                .join(''),
            ),
          )}\r\n`
        : '';
    return Buffer.concat([...parts, Buffer.from(`${trailers}${signature}\r\n`)]);
  }

  function decode(payload: string, pieces: readonly Uint8Array[]): { content: Buffer; trailers: Map<string, string> } {
    const decoder = new ChunkDecoder({ payload, date, scope, signature: seed }, signingKey);
    const content = Buffer.concat(
      pieces.flatMap((piece) => [...decoder.push(piece)].map((chunk) => Buffer.from(chunk))),
    );
    decoder.end();
    return { content, trailers: decoder.trailers };
  }

  const modes = [
    ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { signed: true }],
    ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { signed: true, trailers: { 'x-amz-checksum-crc32': 'AAAAAA==' } }],
    ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { signed: false, trailers: { 'x-amz-checksum-crc32': 'AAAAAA==' } }],
    // As minio-go sends them: a trailer ends by a line feed, as it is signed, and then by a line break.
    [
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
      { signed: true, trailers: { 'x-amz-checksum-crc32': 'AAAAAA==' }, feeds: true },
    ],
    [
      'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      { signed: false, trailers: { 'x-amz-checksum-crc32': 'AAAAAA==' }, feeds: true },
    ],
  ] as const;

  test.each(modes)('%s, split at every byte', (payload, mode) => {
    const chunks = [Buffer.from('hello '), Buffer.from('world, this is a chunk')];
    const whole = body(chunks, mode);
    for (let at = 0; at <= whole.length; at += 1) {
      const { content, trailers } = decode(payload, [whole.subarray(0, at), whole.subarray(at)]);
      expect(content.toString()).toBe('hello world, this is a chunk');
      expect([...trailers]).toEqual('trailers' in mode ? [['x-amz-checksum-crc32', 'AAAAAA==']] : []);
    }
  });

  test.each(modes)('%s, any chunks cut anyhow', (payload, mode) => {
    assert(
      property(
        array(uint8Array({ maxLength: 300 }), { maxLength: 6, size: 'max' }),
        array(integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 }),
        (chunks, steps) => {
          const whole = body(chunks, mode);
          const pieces: Buffer[] = [];
          for (let at = 0, turn = 0; at < whole.length; turn += 1) {
            const step = steps[turn % steps.length]!;
            pieces.push(whole.subarray(at, at + step));
            at += step;
          }
          expect(decode(payload, pieces).content.equals(Buffer.concat(chunks))).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  test.each(modes)('%s: no changed byte, no missing end and nothing behind it is let through', (payload, mode) => {
    const whole = body([Buffer.from('some content'), Buffer.from('more of it')], mode);
    for (let at = 0; at < whole.length; at += 1) {
      const changed = Buffer.from(whole);
      changed[at]! ^= 1;
      // What is not signed can be changed unnoticed: checksums are for that.
      if (mode.signed)
        expect(() => decode(payload, [changed])).toThrow(expect.objectContaining({ name: 'S3Error' }) as Error);
      // Of two line breaks behind a line feed one is enough.
      if (!('feeds' in mode) || at < whole.length - 2)
        expect(() => decode(payload, [whole.subarray(0, at)])).toThrow(
          expect.objectContaining({ code: 'IncompleteBody' }) as Error,
        );
    }
    expect(() => decode(payload, [whole, Buffer.from('x')])).toThrow(
      expect.objectContaining({ code: 'IncompleteBody' }) as Error,
    );
  });

  test('chunks out of order, dropped or repeated are refused', () => {
    const chunk = (text: string): Buffer => Buffer.from(text);
    const whole = body([chunk('one'), chunk('two'), chunk('six')], { signed: true }).toString('latin1');
    const [one, two, six, end] = whole.split(/(?=\b[30];chunk-signature)/) as [string, string, string, string];
    for (const order of [
      [two, one, six, end],
      [one, six, end],
      [one, one, two, six, end],
      [one, two, end],
    ]) {
      expect(() => decode('STREAMING-AWS4-HMAC-SHA256-PAYLOAD', [Buffer.from(order.join(''), 'latin1')])).toThrow(
        expect.objectContaining({ code: 'SignatureDoesNotMatch' }) as Error,
      );
    }
  });

  test('lines without end, huge sizes and too many trailers are refused', () => {
    for (const bad of [
      '1'.repeat(5000),
      'fffffffffffff\r\n',
      '-1\r\n',
      '5\n',
      'g\r\n',
      '\r\n',
      `0\r\n${Array.from({ length: 30 }, (_, at) => `t${at}:x\r\n`).join('')}\r\n`,
    ]) {
      expect(() => decode('STREAMING-UNSIGNED-PAYLOAD-TRAILER', [Buffer.from(bad)])).toThrow(
        expect.objectContaining({ code: 'IncompleteBody' }) as Error,
      );
    }
  });
});
