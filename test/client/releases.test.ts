/** Releases with the client library: published by operators, downloaded by customers, over broken connections. */
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  Releases,
  StowageError,
  nodePlatform,
  webPlatform,
  type PushProgress,
  type ReleasesOptions,
} from '../../src/client/node.ts';
import { resetAfter, resetAfterRequest, resetAnswerAfter } from '../support/cut.ts';
import { adminKey, env, Pipeline } from '../support/releasy.ts';
import { hasty, noise, openGround, type Ground } from './ground.ts';

const MiB = 1024 * 1024;
const platform = 'linux-x86_64';
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let ground: Ground;
let releasy: Pipeline;
beforeAll(async () => {
  ground = await openGround({ env });
  releasy = new Pipeline(ground.world);
});
afterAll(() => ground.close());

const publisher = (more: Partial<ReleasesOptions> = {}): Releases =>
  new Releases({
    url: ground.world.url,
    credentials: { adminKey },
    patience: hasty,
    platform: nodePlatform({ stateFolder: join(ground.folder, 'state') }),
    ...more,
  });

/** A customer who may have the product. */
async function customer(product: string, url = ground.world.url): Promise<Releases> {
  const { id } = await releasy.customer();
  await releasy.must('POST', `/v1/admin/customers/${id}/entitlements`, { product, starts_at: 0 });
  return publisher({ url, credentials: { apiKey: (await releasy.key(id)).api_key } });
}

let count = 0;
async function draft(): Promise<{ id: string; product: string }> {
  const product = `app-${(count += 1)}`;
  return { id: (await publisher().create(product, '1.0.0')).id, product };
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe('a release', () => {
  test('is made once, found, listed and published once', async () => {
    const made = await publisher().create('tool', '1.0.0');
    expect(made).toMatchObject({ product: 'tool', version: '1.0.0', status: 'draft', created: true });
    expect(await publisher().create('tool', '1.0.0')).toMatchObject({ id: made.id, created: false });
    for (const version of ['1.0.1', '1.0.2']) await publisher().create('tool', version);
    expect((await collected(publisher().list({ product: 'tool' }))).map(({ version }) => version).sort()).toEqual([
      '1.0.0',
      '1.0.1',
      '1.0.2',
    ]);
    expect(await publisher().find('tool', '9')).toBeUndefined();
    expect(await publisher().publish(made.id)).toMatchObject({ id: made.id, status: 'published' });
    expect(await publisher().publish(made.id)).toMatchObject({ id: made.id, status: 'published' });
    expect((await collected(publisher().list({ product: 'tool', status: 'published' }))).map(({ id }) => id)).toEqual([
      made.id,
    ]);
    await expect(publisher().get('00000000-0000-4000-8000-000000000000')).rejects.toMatchObject({
      code: 'not_found',
      message: 'release not found',
    });
  });

  test('is listed page after page', async () => {
    for (let n = 0; n < 53; n += 1) await releasy.must('POST', '/v1/releases', { product: 'many', version: `${n}` });
    expect(new Set((await collected(publisher().list({ product: 'many' }))).map(({ version }) => version)).size).toBe(
      53,
    );
  });

  test('is nothing for whoever may not, and says why', async () => {
    const wrong = publisher({ credentials: { adminKey: 'wrong' } });
    await expect(wrong.create('a', '1')).rejects.toMatchObject({
      code: 'unauthenticated',
      message: 'unauthorized',
      status: 401,
    });
    const reader = await customer('tool');
    await expect(reader.create('a', '1')).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(publisher().create(' ', '1')).rejects.toMatchObject({
      code: 'malformed',
      message: 'product is required',
    });
    expect(() => publisher({ url: 'ftp://nowhere' })).toThrow(TypeError);
  });
});

describe('an artifact', () => {
  const content = noise(5 * MiB + 17, 5);

  test('is uploaded, registered, published and fetched, byte for byte', async () => {
    const { id, product } = await draft();
    const seen: string[] = [];
    const path = await ground.file('app.tar.gz', content);
    const released = await publisher().upload(id, path, {
      platform,
      filename: 'app.tar.gz',
      onProgress: ({ phase }) => void (seen.at(-1) === phase || seen.push(phase)),
    });
    expect(released).toMatchObject({
      there: false,
      resumedFrom: 0,
      sent: content.length,
      artifact: { checksum: sha256(content), size: content.length, platform },
    });
    expect(seen).toEqual(['hashing', 'sending', 'finishing']);
    const reader = await customer(product);
    expect(await reader.find(product, '1.0.0')).toBeUndefined();
    await publisher().publish(id);
    const [artifact] = (await reader.find(product, '1.0.0'))!.artifacts!;
    expect(artifact).toMatchObject({ id: released.artifact.id, filename: 'app.tar.gz', checksum: sha256(content) });
    const to = await ground.file('fetched.tar.gz');
    expect(await reader.download(artifact!, to)).toEqual({ resumedFrom: 0, received: content.length });
    expect((await readFile(to)).equals(content)).toBe(true);
  });

  test('that the release has is not sent again, by whatever name of a file', async () => {
    const { id } = await draft();
    const first = await publisher().upload(id, content, { platform, filename: 'app.bin' });
    expect(
      await publisher().upload(id, await ground.file('other.bin', content), { platform, filename: 'app.bin' }),
    ).toEqual({ artifact: expect.objectContaining({ id: first.artifact.id }), there: true, resumedFrom: 0, sent: 0 });
    const other = await publisher().upload(id, new Blob([new Uint8Array(content)]), {
      platform: 'macos',
      filename: 'app.bin',
    });
    expect({
      there: other.there,
      'same artifact': other.artifact.id === first.artifact.id,
      length: (await publisher().get(id)).artifacts!.length,
    }).toEqual({ there: false, 'same artifact': false, length: 2 });
  });

  test('goes on where another process, on another machine, was stopped', async () => {
    const { id } = await draft();
    const stop = new AbortController();
    const onProgress = ({ phase, done }: PushProgress): void => {
      if (phase === 'sending' && done >= 2 * MiB) stop.abort();
    };
    const half = publisher().upload(id, content, {
      platform,
      filename: 'x',
      signal: stop.signal,
      onProgress,
      pace: { first: MiB, most: MiB },
    });
    await expect(half).rejects.toMatchObject({ code: 'aborted' });
    const elsewhere = publisher({ platform: nodePlatform({ stateFolder: join(ground.folder, 'elsewhere') }) });
    const whole = await elsewhere.upload(id, await ground.file('copy', content), { platform, filename: 'x' });
    expect(whole.resumedFrom).toBeGreaterThanOrEqual(MiB);
    expect(whole.sent).toBe(content.length - whole.resumedFrom);
    expect((await publisher().get(id)).artifacts).toHaveLength(1);
  });

  test('bears a line that breaks in the middle of bytes, of answers, and behind requests', async () => {
    const proxy = await ground.proxy();
    const { id, product } = await draft();
    const troubles: StowageError[] = [];
    proxy.script(
      resetAfter(100),
      resetAnswerAfter(20),
      resetAfterRequest(1),
      resetAfterRequest(2),
      resetAfter(MiB),
      resetAfter(2 * MiB),
      resetAfterRequest(1),
    );
    const through = publisher({
      url: proxy.url,
      patience: { calls: { attempts: 20, first: 1, most: 5 }, transfers: { attempts: 20, first: 1, most: 5 } },
    });
    await through.upload(id, content, {
      platform,
      filename: 'broken',
      pace: { first: MiB, most: MiB },
      onTrouble: (error) => void troubles.push(error),
    });
    expect(troubles.length).toBeGreaterThan(0);
    expect((await publisher().get(id)).artifacts).toMatchObject([{ checksum: sha256(content) }]);
    await publisher().publish(id);
    expect((await (await customer(product)).find(product, '1.0.0'))!.artifacts).toHaveLength(1);
  });

  test('is registered by two at once as one', async () => {
    const { id } = await draft();
    const patience = { calls: { attempts: 50, first: 5, most: 50 }, transfers: { attempts: 50, first: 5, most: 50 } };
    const both = await Promise.all(
      [1, 2].map(() => publisher({ patience }).upload(id, content, { platform, filename: 'both' })),
    );
    const { artifacts } = await publisher().get(id);
    expect(artifacts).toMatchObject([{ checksum: sha256(content) }]);
    for (const { artifact } of both) expect(artifact.id).toBe(artifacts![0]!.id);
  });

  test('that is empty, read once, or of a release that is not there, is refused', async () => {
    const { id } = await draft();
    const wish = { platform, filename: 'x' };
    await expect(publisher().upload(id, new Uint8Array(0), wish)).rejects.toMatchObject({ code: 'malformed' });
    await expect(
      publisher().upload(
        id,
        (async function* () {
          yield content;
        })(),
        wish,
      ),
    ).rejects.toMatchObject({ code: 'malformed' });
    await expect(publisher().upload('00000000-0000-4000-8000-000000000000', content, wish)).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(publisher().upload(id, content, { platform: ' ', filename: 'x' })).rejects.toMatchObject({
      code: 'malformed',
      message: 'platform is required',
    });
  });

  test('that was spoilt on the server is noticed, and uploaded anew', async () => {
    const { id } = await draft();
    const stop = new AbortController();
    const wish = { platform, filename: 'spoilt' };
    const cut = publisher().upload(id, content, {
      ...wish,
      signal: stop.signal,
      pace: { first: MiB, most: MiB },
      onProgress: ({ phase, done }) => void (phase === 'sending' && done >= MiB && stop.abort()),
    });
    await expect(cut).rejects.toMatchObject({ code: 'aborted' });
    // Somebody who has the slot's capability puts other bytes there.
    const word = sha256(Buffer.from(JSON.stringify([id, platform, 'spoilt', sha256(content)])));
    const slot = (
      await releasy.ask(
        'POST',
        `/v1/releases/${id}/artifacts/presign`,
        { platform, filename: 'spoilt' },
        { headers: { 'Idempotency-Key': `presign ${word}` } },
      )
    ).json<{ tus_url: string; upload_uuid: string }>();
    const capability = new URL(slot.tus_url).searchParams.get('capability')!;
    const place = `${ground.world.url}/tus/${slot.upload_uuid}?capability=${capability}`;
    const tus = { 'Tus-Resumable': '1.0.0' };
    const offset = (await fetch(place, { method: 'HEAD', headers: tus })).headers.get('upload-offset')!;
    await fetch(place, {
      method: 'PATCH',
      headers: { ...tus, 'Upload-Offset': offset, 'Content-Type': 'application/offset+octet-stream' },
      body: new Uint8Array(MiB),
    });
    const whole = await publisher().upload(id, content, wish);
    expect(whole).toMatchObject({ there: false, sent: content.length, artifact: { checksum: sha256(content) } });
    expect((await publisher().get(id)).artifacts).toHaveLength(1);
  });

  test('is fetched on where a cut left off, with its key kept from other hosts', async () => {
    const { id, product } = await draft();
    await publisher().upload(id, content, { platform, filename: 'long' });
    await publisher().publish(id);
    const reader = await customer(product);
    const [artifact] = (await reader.find(product, '1.0.0'))!.artifacts!;
    const shownTo: (string | undefined)[] = [];
    let left = 2;
    const { transport, ...rest } = nodePlatform({ stateFolder: join(ground.folder, 'state') });
    const { id: who } = await releasy.customer();
    await releasy.must('POST', `/v1/admin/customers/${who}/entitlements`, { product, starts_at: 0 });
    const breaking = publisher({
      credentials: { apiKey: (await releasy.key(who)).api_key },
      platform: {
        ...rest,
        transport: async (request) => {
          const answer = await transport(request);
          if (request.method !== 'GET' || request.url.includes('/v1/')) return answer;
          shownTo.push(request.headers['x-releasy-api-key']);
          return left-- > 0
            ? { ...answer, header: answer.header, discard: answer.discard, body: broken(answer.body, MiB) }
            : answer;
        },
      },
    });
    const to = await ground.file('long');
    const fetched = await breaking.download(artifact!, to);
    expect({ 'bytes are right': (await readFile(to)).equals(content), shownTo }).toEqual({
      'bytes are right': true,
      shownTo: [undefined, undefined, undefined],
    });
    expect(fetched.received).toBeLessThan(content.length + 2 * MiB);
    expect((await readdir(ground.folder)).filter((name) => name.startsWith('long'))).toEqual(['long']);
  });

  test('of which a part is there from before is fetched on from there', async () => {
    const { id, product } = await draft();
    await publisher().upload(id, content, { platform, filename: 'parted' });
    await publisher().publish(id);
    const reader = await customer(product);
    const [artifact] = (await reader.find(product, '1.0.0'))!.artifacts!;
    const to = await ground.file('parted');
    const stop = new AbortController();
    const onProgress = ({ done }: { done: number }): void => {
      if (done > 2 * MiB) stop.abort();
    };
    await expect(reader.download(artifact!, to, { signal: stop.signal, onProgress })).rejects.toMatchObject({
      code: 'aborted',
    });
    const there = (await stat(`${to}.part`)).size;
    expect(await reader.download(artifact!, to)).toEqual({ resumedFrom: there, received: content.length - there });
    expect((await readFile(to)).equals(content)).toBe(true);
  });

  test('goes into a stream, and is no longer to be had once the release is not', async () => {
    const { id, product } = await draft();
    await publisher().upload(id, content, { platform, filename: 'streamed' });
    await publisher().publish(id);
    const reader = await customer(product);
    const [artifact] = (await reader.find(product, '1.0.0'))!.artifacts!;
    const chunks: Uint8Array[] = [];
    await reader.download(artifact!, new WritableStream({ write: (chunk: Uint8Array) => void chunks.push(chunk) }));
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
    await releasy.must('POST', `/v1/releases/${id}/unpublish`);
    await expect(reader.download(artifact!, await ground.file('late'))).rejects.toMatchObject({
      code: 'forbidden',
      message: 'release not published',
    });
    await expect(publisher().download(artifact!, await ground.file('late'))).rejects.toMatchObject({
      code: 'unauthenticated',
    });
  });

  test('works by fetch and WebAssembly too', async () => {
    const { id } = await draft();
    const released = await publisher({ platform: webPlatform() }).upload(id, new File([new Uint8Array(content)], 'x'), {
      platform,
      filename: 'x',
    });
    expect(released.artifact.checksum).toBe(sha256(content));
  });
});

/** The bytes up to a place, and then none. */
async function* broken(body: AsyncIterable<Uint8Array>, after: number): AsyncIterable<Uint8Array> {
  let seen = 0;
  for await (const piece of body) {
    yield piece;
    if ((seen += piece.byteLength) >= after) throw new StowageError('network', 'the line broke');
  }
}

describe('where another store has the artifacts', () => {
  let store: Server;
  let stored: Buffer;
  let slow = 0;
  const answers: number[] = [];
  const content = noise(MiB, 9);

  /** As little of a Releasy server and its store as the client needs. */
  beforeAll(async () => {
    store = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        const body = Buffer.concat(chunks);
        const say = (value: unknown): void =>
          void res.setHeader('Content-Type', 'application/json').end(JSON.stringify(value));
        const at = `http://127.0.0.1:${(store.address() as AddressInfo).port}`;
        const artifact = {
          id: 'a',
          object_key: 'releases/p/v/l/a/n',
          platform,
          checksum: sha256(content),
          size: content.length,
        };
        if (req.url!.startsWith('/store')) {
          if (req.method === 'GET') {
            const from = Number(/bytes=(\d+)-/.exec(req.headers.range ?? '')?.[1] ?? 0);
            res
              .writeHead(206, { 'Content-Range': `bytes ${from}-${stored.length - 1}/${stored.length}` })
              .end(stored.subarray(from));
            return;
          }
          const status = answers.shift() ?? 200;
          if (status === 200) stored = body;
          slow += 1;
          res.writeHead(status).end();
        } else if (req.url!.endsWith('/presign'))
          say({ artifact_id: 'a', object_key: artifact.object_key, upload_url: `${at}/store?signed` });
        else if (req.url!.endsWith('/artifacts')) say(artifact);
        else if (req.url!.endsWith('/token')) say({ download_url: `${at}/v1/downloads/x`, expires_at: 1 });
        else if (req.url!.startsWith('/v1/downloads/')) res.writeHead(302, { Location: '/store' }).end();
        else
          say({
            id: 'r',
            product: 'p',
            version: 'v',
            status: 'draft',
            created_at: 1,
            published_at: null,
            artifacts: [],
          });
      });
    });
    await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
  });
  afterAll(
    () =>
      new Promise((resolve) => {
        store.closeAllConnections();
        store.close(resolve);
      }),
  );
  const there = (): Releases => publisher({ url: `http://127.0.0.1:${(store.address() as AddressInfo).port}` });

  test('everything is put in one request, again where that fails', async () => {
    answers.push(503, 500);
    const released = await there().upload('r', content, { platform, filename: 'n' });
    expect({ slow, 'bytes are right': stored.equals(content), checksum: released.artifact.checksum }).toEqual({
      slow: 3,
      'bytes are right': true,
      checksum: sha256(content),
    });
    answers.push(400);
    await expect(there().upload('r', content, { platform, filename: 'n' })).rejects.toMatchObject({ code: 'protocol' });
  });

  test('what is fetched is held against the sha256', async () => {
    const artifact = { id: 'a', object_key: 'k/n', platform, checksum: sha256(content), size: content.length };
    stored = content;
    const to = await ground.file('outside');
    expect(await there().download(artifact, to)).toEqual({ resumedFrom: 0, received: content.length });
    expect((await readFile(to)).equals(content)).toBe(true);
    stored = noise(MiB, 10);
    await expect(there().download(artifact, to)).rejects.toMatchObject({ code: 'digest_mismatch' });
    expect((await readFile(to)).equals(content)).toBe(true);
    // What an earlier run has left cannot be measured any more, and is fetched again.
    stored = content;
    await writeFile(`${to}.part`, content.subarray(0, 1000));
    await writeFile(`${to}.part.json`, JSON.stringify({ sha512: artifact.checksum, size: artifact.size, from: 0 }));
    expect(await there().download(artifact, to)).toEqual({ resumedFrom: 0, received: content.length });
  });
});
