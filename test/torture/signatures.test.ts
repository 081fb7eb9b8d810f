/**
 * Signed requests that were changed: only equivalent ones are accepted. The signer is independent of the server's code.
 */
import { createHash } from 'node:crypto';
import type { RawRequest } from '../../src/faces/s3/signing/canonical.ts';
import { ChunkDecoder } from '../../src/faces/s3/signing/chunks.ts';
import { verify } from '../../src/faces/s3/signing/verify.ts';
import { presignByHand, signByHand, signedChunks, signForm } from '../support/sigv4.ts';
import { patience, randomFrom, report, rounds, seed } from '../support/torture.ts';
import { openWorld, type World } from '../support/world.ts';

const key = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const now = Date.UTC(2026, 10, 25, 12);
const random = randomFrom(seed);
const below = (most: number): number => Math.floor(random() * most);
const host = 'http://127.0.0.1:13001';

const flat = (headers: Readonly<Record<string, string>>): string[] => Object.entries(headers).flat();

/** Requests as they were signed. */
function originals(): RawRequest[] {
  const make = (method: string, path: string, headers: Record<string, string> = {}, body = ''): RawRequest => {
    const url = new URL(`${host}${path}`);
    return {
      method,
      target: `${url.pathname}${url.search}`,
      headers: ['Host', url.host, ...flat(signByHand({ key, method, url, at: now }, headers, body))],
    };
  };
  const presigned = (method: string, path: string): RawRequest => {
    const url = new URL(presignByHand({ key, method, url: new URL(`${host}${path}`), at: now }, 600));
    return { method, target: `${url.pathname}${url.search}`, headers: ['Host', url.host, 'User-Agent', 'any'] };
  };
  return [
    make('PUT', '/bucket/a/b%20c', { 'x-amz-meta-note': 'a  b', 'content-type': 'text/plain' }, 'hello'),
    make('GET', '/bucket?list-type=2&prefix=a%2Fb&delimiter=%2F'),
    make('HEAD', '/bucket/x'),
    make('DELETE', '/bucket/x?versionId=abc'),
    make('PUT', '/bucket/copy', { 'x-amz-copy-source': 'bucket/x', 'x-amz-acl': 'private' }),
    make('POST', '/bucket?delete=', { 'content-md5': 'x' }, '<Delete/>'),
    presigned('GET', '/bucket/a/b%20c'),
    presigned('PUT', '/bucket/%C3%A9?partNumber=1&uploadId=x'),
    presigned('DELETE', '/bucket/x?versionId=abc'),
  ];
}

const characters = Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at)).join('');

/** A text with one byte replaced, removed, put in, doubled or swapped, or a stretch of it removed. */
function mutate(text: string): string {
  const at = below(text.length + 1);
  const character = characters[below(characters.length)]!;
  switch (below(7)) {
    case 0:
      return text.slice(0, at) + character + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1);
    case 2:
      return text.slice(0, at) + text.slice(at + 1 + below(8));
    case 3:
      return text.slice(0, at) + text.slice(Math.max(0, at - 1));
    case 4:
      return `${text.slice(0, at)}${text[at + 1] ?? ''}${text[at] ?? ''}${text.slice(at + 2)}`;
    case 5:
      return text.slice(0, at) + (text[at] ?? '').toUpperCase() + text.slice(at + 1);
    default:
      return text.slice(0, at) + character + text.slice(at + 1);
  }
}

/** A request changed in one place: its method, its target, a header, or which parameters and headers there are. */
function mutateRequest(request: RawRequest): RawRequest {
  const { method, target, headers } = request;
  const pair = below(headers.length / 2) * 2;
  switch (below(10)) {
    case 0:
      return { ...request, method: ['GET', 'PUT', 'DELETE', 'HEAD', 'POST', mutate(method)][below(6)]! };
    case 1:
    case 2:
    case 3:
      return { ...request, target: mutate(target) };
    case 4:
      return {
        ...request,
        target: `${target}${target.includes('?') ? '&' : '?'}${['acl', 'versionId=x', 'X-Amz-Expires=604800', 'x-id=y', 'prefix=z', 'response-content-type=text%2Fhtml'][below(6)]!}`,
      };
    case 5:
      return { ...request, target: target.replace(/[?&][^&]*$/, '') };
    case 6:
      return { ...request, headers: headers.toSpliced(pair, 2) };
    case 7:
      return {
        ...request,
        headers: [
          ...headers,
          [
            'x-amz-acl',
            'x-amz-copy-source',
            'x-amz-meta-more',
            'x-amz-date',
            'Authorization',
            'Host',
            'x-amz-content-sha256',
            headers[pair]!,
          ][below(8)]!,
          'other',
        ],
      };
    case 8:
      return { ...request, headers: headers.toSpliced(pair, 1, mutate(headers[pair]!)) };
    default:
      return { ...request, headers: headers.toSpliced(pair + 1, 1, mutate(headers[pair + 1]!)) };
  }
}

/** What a request says, by this test's own reading: method, path, parameters, and the headers that count. */
function meaning({ method, target, headers }: RawRequest): string | undefined {
  const [path = '', ...query] = target.split('?');
  const pairs: [string, string][] = [];
  for (let at = 0; at < headers.length; at += 2)
    pairs.push([headers[at]!.toLowerCase(), headers[at + 1]!.trim().replaceAll(/\s+/g, ' ')]);
  const named = new Map<string, string[]>();
  for (const [name, value] of pairs) named.set(name, [...(named.get(name) ?? []), value]);
  const authorization = named.get('authorization')?.[0] ?? '';
  const isUrl = /[?&]X-Amz-Signature=/.test(target);
  const signed = /SignedHeaders=([^,\s]*)/.exec(authorization)?.[1]?.split(';') ?? ['host'];
  const counting = [...named].filter(([name]) => signed.includes(name) || name.startsWith('x-amz-')).toSorted();
  try {
    const parameters = query
      .join('?')
      .split('&')
      .filter((one) => one !== '')
      .map((one) => {
        const [name = '', ...value] = one.split('=');
        return `${decodeURIComponent(name)}=${decodeURIComponent(value.join('='))}`;
      })
      .toSorted();
    const credential = isUrl
      ? ''
      : authorization
          .slice('AWS4-HMAC-SHA256'.length)
          .split(',')
          .map((one) => one.trim())
          .toSorted()
          .join();
    return JSON.stringify([method, decodeURIComponent(path), parameters, counting, credential]);
  } catch {
    return undefined;
  }
}

type Verifier = (request: RawRequest) => Promise<boolean>;

const honest: Verifier = async (request) => {
  try {
    return (
      (await verify(request, {
        now,
        window: 900_000,
        secret: async (id) => (id === key.accessKeyId ? key.secretAccessKey : undefined),
      })) !== undefined
    );
  } catch (error) {
    if (error instanceof Error && error.name === 'S3Error') return false;
    throw error;
  }
};

/** Mutations that a verifier takes though they say something else. */
async function wronglyTaken(verifier: Verifier, mutations: number): Promise<string[]> {
  const all = originals();
  const found: string[] = [];
  for (let turn = 0; turn < mutations; turn += 1) {
    const original = all[below(all.length)]!;
    let changed = original;
    for (let times = 1 + below(2); times > 0; times -= 1) changed = mutateRequest(changed);
    if ((await verifier(changed)) && meaning(changed) !== meaning(original)) found.push(JSON.stringify(changed));
  }
  return found;
}

test('what was signed is taken', async () => {
  for (const request of originals())
    expect({ target: request.target, honest: await honest(request) }).toEqual({ target: request.target, honest: true });
});

test(
  'headers and queries: no changed request is taken for the one that was signed',
  async () => {
    const mutations = rounds(4000, 60_000);
    const found = await wronglyTaken(honest, mutations);
    report('signatures of requests', { mutations, taken: found.length });
    expect(found).toEqual([]);
  },
  patience,
);

test.each<[string, Verifier]>([
  [
    'passes over the query',
    (request) =>
      honest({
        ...request,
        target:
          originals().find((one) => one.target.split('?')[0] === request.target.split('?')[0])?.target ??
          request.target,
      }),
  ],
  [
    'passes over the method',
    async (request) =>
      (
        await Promise.all(['GET', 'PUT', 'DELETE', 'HEAD', 'POST'].map((method) => honest({ ...request, method })))
      ).includes(true),
  ],
  [
    'passes over headers that are not signed',
    (request) =>
      honest({
        ...request,
        headers: request.headers.flatMap((name, at) =>
          at % 2 === 0 && !/^x-amz-(?:acl|copy-source|meta-more)$/i.test(name) ? [name, request.headers[at + 1]!] : [],
        ),
      }),
  ],
])(
  'twin: a verifier that %s is found',
  async (_what, verifier) => {
    expect((await wronglyTaken(verifier, 1500)).length).toBeGreaterThan(0);
  },
  patience,
);

describe.each([
  ['signed chunks', undefined],
  ['signed chunks with signed trailers', { 'x-amz-checksum-crc32c': 'wdBDMA==', 'x-amz-meta-late': 'a note' }],
] as const)('bodies in %s', (what, trailers) => {
  const chunks = ['first chunk of it', 'x', 'the last one, with more bytes'].map((text) => Buffer.from(text));
  const url = new URL(`${host}/bucket/chunked`);
  const { headers, body } = signedChunks({ key, method: 'PUT', url, at: now }, chunks, trailers);
  const signedRequest: RawRequest = {
    method: 'PUT',
    target: url.pathname,
    headers: ['Host', url.host, ...flat(headers)],
  };
  const unsigned = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

  /** The content of a body and its trailers, where it is taken. */
  async function decoded(bytes: Uint8Array, payload = headers['x-amz-content-sha256']!): Promise<string | undefined> {
    const { claim, signingKey } = (await verify(signedRequest, {
      now,
      window: 900_000,
      secret: async () => key.secretAccessKey,
    }))!;
    const decoder = new ChunkDecoder({ ...claim, payload }, signingKey);
    try {
      const parts: Buffer[] = [];
      for (let at = 0; at < bytes.byteLength;) {
        const end = at + 1 + below(60);
        for (const piece of decoder.push(bytes.subarray(at, end))) parts.push(Buffer.from(piece));
        at = end;
      }
      decoder.end();
      const late = [...decoder.trailers].filter(([name]) => name !== 'x-amz-trailer-signature').toSorted();
      return JSON.stringify([Buffer.concat(parts).toString('latin1'), late]);
    } catch (error) {
      if (error instanceof Error && error.name === 'S3Error') return undefined;
      throw error;
    }
  }

  const whole = JSON.stringify([Buffer.concat(chunks).toString('latin1'), Object.entries(trailers ?? {}).toSorted()]);

  function changedBody(): Buffer {
    const at = below(body.byteLength);
    switch (below(7)) {
      case 0:
        return body.subarray(0, at);
      case 1:
        return Buffer.concat([body.subarray(0, at), body.subarray(at + 1 + below(120))]);
      case 2:
        return Buffer.concat([body.subarray(0, at), Buffer.from([below(256)]), body.subarray(at)]);
      case 3:
        return Buffer.concat([body, body.subarray(at)]);
      case 4: {
        const parts = body.toString('latin1').split(/(?=\b[0-9a-f]+;chunk-signature=)/);
        const [from, to] = [below(parts.length), below(parts.length)];
        return Buffer.from(parts.with(from, parts[to]!).join(''), 'latin1');
      }
      case 5: {
        const lines = body.toString('latin1').split('\r\n');
        const [from, to] = [below(lines.length), below(lines.length)];
        const line = [lines[to]!, 'x-amz-meta-more:b', 'x-amz-checksum-crc32:AAAAAA==', ''][below(4)]!;
        return Buffer.from(
          (below(2) === 0 ? lines.with(from, line) : lines.toSpliced(from, below(2), line)).join('\r\n'),
          'latin1',
        );
      }
      default: {
        const changed = Buffer.from(body);
        changed[at] = below(256);
        return changed;
      }
    }
  }

  const wrong = async (mutations: number, payload?: string): Promise<number> => {
    let taken = 0;
    for (let turn = 0; turn < mutations; turn += 1) {
      const content = await decoded(changedBody(), payload);
      if (content !== undefined && content !== whole) taken += 1;
    }
    return taken;
  };

  test(
    'no changed body is taken as another content',
    async () => {
      expect(await decoded(body)).toBe(whole);
      const mutations = rounds(2000, 15_000);
      const taken = await wrong(mutations);
      report(`signatures of ${what}`, { mutations, taken });
      expect(taken).toBe(0);
    },
    patience,
  );

  test(
    'twin: a decoder that does not look at the signatures of chunks is found',
    async () => {
      expect(await wrong(2000, unsigned)).toBeGreaterThan(0);
    },
    patience,
  );

  test('each byte set to another is refused or says the same', async () => {
    for (let at = 0; at < body.byteLength; at += 1) {
      const changed = Buffer.from(body);
      changed[at]! ^= 1 + below(255);
      const content = await decoded(changed);
      expect({ at, 'nothing or the whole': content === undefined || content === whole }).toEqual({
        at,
        'nothing or the whole': true,
      });
    }
  });
});

describe('over the wire', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({
      env: {
        STOWAGE_S3_ACCESS_KEY_ID: key.accessKeyId,
        STOWAGE_S3_SECRET_ACCESS_KEY: key.secretAccessKey,
        // The limit of wrong signatures would refuse what the verifier must refuse.
        STOWAGE_LOGIN_FAILURES: '1000000',
      },
    });
    const url = new URL(`${world.s3Url}/b-signed`);
    expect((await fetch(url, { method: 'PUT', headers: signByHand({ key, method: 'PUT', url }) })).status).toBe(200);
  });
  afterAll(() => world.close());

  /** Fields of a form that was signed for one key. */
  const fieldsOf = (): Record<string, string> =>
    signForm(
      key,
      'b-signed',
      { key: 'form', 'Content-Type': 'text/plain', 'x-amz-meta-a': 'b' },
      { at: world.clock.now() },
    );

  type Fields = Readonly<Record<string, string>>;

  const post = async (fields: Fields): Promise<boolean> => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append('file', new Blob(['x']), 'x');
    const answer = await fetch(`${world.s3Url}/b-signed`, { method: 'POST', body: form });
    await answer.arrayBuffer();
    return answer.status < 300;
  };

  /** Changed fields that were taken. */
  async function wrongForms(
    send: (fields: Fields) => Promise<boolean>,
    mutations: number,
    enough = Infinity,
  ): Promise<string[]> {
    const fields = fieldsOf();
    const names = Object.keys(fields);
    const taken: string[] = [];
    for (let turn = 0; turn < mutations && taken.length < enough; turn += 1) {
      const name = names[below(names.length)]!;
      const value = mutate(fields[name]!);
      if (value !== fields[name] && (await send({ ...fields, [name]: value }))) taken.push(`${name}=${value}`);
    }
    return taken;
  }

  test(
    'forms: no changed field is taken',
    async () => {
      expect(await post(fieldsOf())).toBe(true);
      const mutations = rounds(100, 5000);
      const taken = await wrongForms(post, mutations);
      report('signatures of forms', { mutations, taken: taken.length });
      expect(taken).toEqual([]);
    },
    patience,
  );

  test(
    'twin: a server of forms that passes over a field is found',
    async () => {
      const original = fieldsOf();
      expect(
        (await wrongForms((fields) => post({ ...fields, 'x-amz-meta-a': original['x-amz-meta-a']! }), 1000, 1)).length,
      ).toBeGreaterThan(0);
    },
    patience,
  );

  interface Wire {
    readonly path: string;
    readonly headers: Fields;
    readonly body: string;
  }

  const send = async ({ path, headers, body }: Wire): Promise<boolean> => {
    const answer = await fetch(`${world.s3Url}${path}?x-id=PutObject`, { method: 'PUT', headers, body });
    await answer.arrayBuffer();
    return answer.status < 300;
  };

  /** Changed requests that were taken for what they do not say. */
  async function wrongRequests(
    sender: (request: Wire) => Promise<boolean>,
    mutations: number,
    enough = Infinity,
  ): Promise<string[]> {
    const taken: string[] = [];
    for (let turn = 0; turn < mutations && taken.length < enough; turn += 1) {
      const url = new URL(`${world.s3Url}/b-signed/k?x-id=PutObject`);
      const headers = signByHand(
        { key, method: 'PUT', url, at: world.clock.now() },
        { 'x-amz-meta-a': 'b' },
        'the body',
      );
      const names = Object.keys(headers);
      const name = names[below(names.length)]!;
      const kind = below(3);
      const body = kind === 0 ? mutate('the body') : 'the body';
      const sent = kind === 1 ? { ...headers, [name]: mutate(headers[name]!) } : headers;
      const path = kind === 2 ? mutate(url.pathname).replaceAll(/[?#\\]/g, 'x') : url.pathname;
      // An escape, or none, of the same character is the same key.
      const isSamePath = path === url.pathname || nameOf(path) === url.pathname;
      const isSame =
        body === 'the body' &&
        isSamePath &&
        Object.entries(sent).every(([one, value]) => meaningOf(one, value) === meaningOf(one, headers[one]!));
      if (isSame || !path.startsWith('/b-signed/')) continue;
      if (await sender({ path, headers: sent, body })) taken.push(JSON.stringify([path, sent, body]));
    }
    return taken;
  }

  test(
    'requests: no changed URL, header or body is taken',
    async () => {
      const mutations = rounds(100, 5000);
      const taken = await wrongRequests(send, mutations);
      report('signatures over the wire', { mutations, taken: taken.length });
      expect(taken).toEqual([]);
    },
    patience,
  );

  test.each<[string, (request: Wire) => Wire]>([
    ['body', (request) => ({ ...request, body: 'the body' })],
    ['path', (request) => ({ ...request, path: '/b-signed/k' })],
    ['metadata', (request) => ({ ...request, headers: { ...request.headers, 'x-amz-meta-a': 'b' } })],
  ])(
    'twin: a server that passes over the %s is found',
    async (_what, healed) => {
      expect((await wrongRequests((request) => send(healed(request)), 1000, 1)).length).toBeGreaterThan(0);
    },
    patience,
  );

  const nameOf = (path: string): string | undefined => {
    try {
      return decodeURIComponent(new URL(`${world.s3Url}${path}`).pathname);
    } catch {
      return undefined;
    }
  };
  const meaningOf = (name: string, value: string): string =>
    name === 'authorization'
      ? value
          .replace('AWS4-HMAC-SHA256', '')
          .split(',')
          .map((one) => one.trim())
          .toSorted()
          .join()
      : value.trim();
});

test('the hash of a body binds its bytes', () => {
  const url = new URL(`${host}/bucket/k`);
  expect(signByHand({ key, method: 'PUT', url, at: now }, {}, 'a')['x-amz-content-sha256']).toBe(
    createHash('sha256').update('a').digest('hex'),
  );
});
