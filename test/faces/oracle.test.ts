/** No response reveals whether another namespace has stored the same bytes. */
import { createHash } from 'node:crypto';
import { CreateBucketCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { s3Client } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

const metricsToken = 'the-token-of-the-scraper';
const content = Buffer.from('what both have, or only one of them'.repeat(2000));
const sha512 = createHash('sha512').update(content).digest('hex');
/** Digests that are computed when they are asked for. */
const asked = ['md5', 'sha1', 'sha256'] as const;
const hexOf = (algorithm: string): string => createHash(algorithm).update(content).digest('hex');

interface Seen {
  readonly what: string;
  readonly status: number;
  readonly text: string;
}

/** Without what differs between any two runs: ids, times and numbers of ports. */
function plainly(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'ID')
    .replaceAll(/"(\w*(?:_at|_used|modified|timestamp|duration))":[\d.]+/g, '"$1":0')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/127\.0\.0\.1:\d+/g, 'HOST');
}

/** Lists are in the order of their ids, which are random. */
function inOrder(text: string): string {
  return text.startsWith('[')
    ? JSON.stringify((JSON.parse(text) as unknown[]).map((one) => JSON.stringify(one)).toSorted())
    : text;
}

/** Everything that `prober` and nobody can look at, before and after it stores the content by each face. */
async function lookAround(world: World): Promise<Seen[]> {
  const seen: Seen[] = [];
  const look = async (
    what: string,
    method: string,
    path: string,
    as: string | null = 'prober',
    json?: unknown,
  ): Promise<void> => {
    const { status, bytes } = await world.ask(method, path, { as, ...(json === undefined ? {} : { json }) });
    seen.push({
      what: `${what}: ${method} ${path.replaceAll(/[0-9a-f-]{36}/g, 'ID')} as ${as}`,
      status,
      text: inOrder(plainly(bytes.toString())),
    });
  };
  const all = async (what: string): Promise<void> => {
    for (const as of ['prober', null])
      for (const path of ['/metrics', '/livez', '/readyz', '/healthz', '/live', '/ready', '/health', '/upload'])
        await look(what, 'GET', path, as);
    for (const path of [
      '/artifacts',
      `/blob_checksums/sha512/${sha512}`,
      '/api/storage/usage',
      '/api/storage/buckets',
      '/auth/namespaces/prober',
    ])
      await look(what, 'GET', path);
    for (const algorithm of asked) await look(what, 'GET', `/blob_checksums/${algorithm}/${hexOf(algorithm)}`);
    await look(what, 'GET', '/blobs');
  };
  await all('before');
  const pushed = await world.push('probe', content, { as: 'prober' });
  for (const path of ['', '/versions', '/events', '/metadata'])
    await look('pushed', 'GET', `/artifacts/${pushed.uuid}${path}`);
  await look('pushed', 'GET', `/blobs/${pushed.blob_uuid}`);
  for (const algorithm of ['sha-256', 'sha-512', 'md5']) {
    const headers = { 'Want-Repr-Digest': `${algorithm}=9` };
    const answer = await world.ask('GET', `/blobs/${pushed.blob_uuid}/data`, { as: 'prober', headers });
    const told = ['etag', 'repr-digest', 'content-digest', 'digest', 'content-md5'].map((name) =>
      answer.headers.get(name),
    );
    seen.push({ what: `a download that asks for ${algorithm}`, status: answer.status, text: JSON.stringify(told) });
  }
  await all('pushed');
  const s3 = await s3Client(world, { as: 'prober' });
  await s3.send(new CreateBucketCommand({ Bucket: 'b-probe' }));
  const { ETag, ChecksumCRC32 } = await s3.send(new PutObjectCommand({ Bucket: 'b-probe', Key: 'k', Body: content }));
  const { ContentLength } = await s3.send(new HeadObjectCommand({ Bucket: 'b-probe', Key: 'k' }));
  seen.push({ what: 'S3', status: 200, text: JSON.stringify([ETag, ChecksumCRC32, ContentLength]) });
  await look('S3', 'GET', '/api/storage/buckets/b-probe/usage');
  await all('S3');
  return seen;
}

/** The victim has digests of its bytes computed. */
async function knowDigests(world: World, blob: string): Promise<void> {
  for (const algorithm of asked) await world.get('GET', `/blobs/${blob}/checksum/${algorithm}`, { as: 'victim' });
}

/** What the prober sees of its own blob once the victim has computed one digest more, and then its own digests. */
async function seenAfterwards(world: World, secret: string): Promise<Seen[]> {
  const seen: Seen[] = [];
  const { blob_uuid: own } = await world.get<{ blob_uuid: string }>('GET', '/artifacts/probe', { as: 'prober' });
  await world.get('GET', `/blobs/${secret}/checksum/sha224`, { as: 'victim' }).catch(() => undefined);
  await world.get('GET', `/blobs/${secret}/data`, { as: 'victim' }).catch(() => undefined);
  for (const path of ['', '/events', '/metadata']) {
    const { status, bytes } = await world.ask('GET', `/blobs/${own}${path}`, { as: 'prober' });
    seen.push({ what: `afterwards: ${path}`, status, text: inOrder(plainly(bytes.toString())) });
  }
  for (const algorithm of asked) {
    const { status, bytes } = await world.ask('GET', `/blobs/${own}/checksum/${algorithm}`, { as: 'prober' });
    seen.push({ what: `own ${algorithm}`, status, text: plainly(bytes.toString()) });
  }
  return seen;
}

async function probe(victimHasIt: boolean): Promise<{ seen: Seen[]; metrics: string }> {
  const world = await openWorld({ env: { STOWAGE_NODE: 'node', STOWAGE_METRICS_TOKEN: metricsToken } });
  try {
    for (const name of ['victim', 'prober']) await world.addNamespace(name);
    const secret = await world.push('secret', victimHasIt ? content : Buffer.alloc(content.byteLength, 1), {
      as: 'victim',
    });
    await knowDigests(world, secret.blob_uuid);
    const seen = await lookAround(world);
    seen.push(...(await seenAfterwards(world, secret.blob_uuid)));
    const metrics = await world.ask('GET', '/metrics', {
      as: null,
      headers: { Authorization: `Bearer ${metricsToken}` },
    });
    return { seen, metrics: metrics.bytes.toString() };
  } finally {
    await world.close();
  }
}

test('what a namespace and nobody see is the same, whether another namespace has the bytes or not', async () => {
  const [has, hasNot] = [await probe(true), await probe(false)];
  expect(has.seen).toEqual(hasNot.seen);
  // The digests that were asked for are right, and were not seen before they were asked for; an ETag of S3 is one's own.
  const own = has.seen.filter(({ what }) => what.startsWith('own '));
  expect(own.map(({ status }, at) => [status, own[at]!.text.includes(hexOf(asked[at]!))])).toEqual(
    asked.map(() => [200, true]),
  );
  const before = has.seen.filter(({ what }) => !what.startsWith('own ') && what !== 'S3');
  expect(before.filter(({ text }) => asked.some((one) => text.includes(hexOf(one))))).toEqual([]);
  // Twin: the same comparison finds the difference in what the operator sees.
  const stored = ({ metrics }: typeof has): string | undefined => /^stowage_stored_bytes (\d+)$/m.exec(metrics)?.[1];
  expect(stored(has)).toBeDefined();
  expect(stored(has)).not.toBe(stored(hasNot));
});

test("the metrics are for the scraper's token and for the system namespace", async () => {
  const world = await openWorld({ env: { STOWAGE_METRICS_TOKEN: metricsToken } });
  try {
    await world.addNamespace('tenant');
    const { accessKeyId, secretAccessKey } = await world.accessKey('system');
    const ask = async (authorization: string | undefined): Promise<number> =>
      (
        await world.ask('GET', '/metrics', {
          as: null,
          headers: authorization === undefined ? {} : { Authorization: authorization },
        })
      ).status;
    expect(await ask(`Bearer ${metricsToken}`)).toBe(200);
    expect(await ask(`Bearer ${await world.token('system')}`)).toBe(200);
    const basic = Buffer.from(`${accessKeyId}:${secretAccessKey}`).toString('base64');
    for (const wrong of [
      undefined,
      'Bearer',
      'Bearer ',
      `Bearer ${metricsToken}x`,
      `Bearer ${metricsToken.slice(1)}`,
      metricsToken,
      `Basic ${basic}`,
      `Bearer ${await world.token('tenant')}`,
    ]) {
      expect({ wrong, ask: await ask(wrong) }).toEqual({ wrong, ask: 401 });
    }
    expect((await world.ask('GET', `/metrics?token=${metricsToken}`, { as: null })).status).toBe(401);
  } finally {
    await world.close();
  }
});

test("without a scraper's token, the metrics are for the system namespace alone", async () => {
  const world = await openWorld();
  try {
    await world.addNamespace('tenant');
    expect(
      await Promise.all(
        [null, 'tenant', 'system'].map(async (as) => (await world.ask('GET', '/metrics', { as })).status),
      ),
    ).toEqual([401, 401, 200]);
  } finally {
    await world.close();
  }
});
