/** A page of another origin that puts a large file into a bucket with a presigned URL. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { Browser, Page } from 'playwright-core';
import { openBrowser, openSite, type Site } from '../support/browser.ts';
import { eventually } from '../support/raw.ts';
import { refusal, s3Client } from '../support/s3.ts';
import { openWorld, type World } from '../support/world.ts';

const size = 500_000_000;

let world: World;
let site: Site;
let browser: Browser;
let page: Page;
let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stowage-s3-page-'));
  file = join(folder, 'film.mov');
  const handle = await open(file, 'w');
  await handle.write('a film');
  await handle.truncate(size);
  await handle.close();
  world = await openWorld({ env: { RELEASY_ADMIN_API_KEY: 'the-key-of-the-releases' } });
  site = await openSite();
  browser = await openBrowser();
  page = await browser.newPage();
  await page.goto(site.url);
  await world.ask('POST', '/api/storage/buckets', { json: { name: 'films' } });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await Promise.all([site?.close(), world?.close()]);
  await rm(folder, { recursive: true, force: true });
});

interface Link {
  readonly url: string;
  readonly headers: Record<string, string>;
}

const link = (wish: Record<string, unknown>): Promise<Link> =>
  world.get<Link>('POST', '/api/storage/buckets/films/presign', { json: wish });
const allow = (allowed_origins: readonly string[]): Promise<unknown> =>
  world.get('PATCH', '/api/storage/buckets/films/cors', {
    json: { rules: [{ allowed_origins, allowed_methods: ['GET', 'PUT'], allowed_headers: ['content-type'] }] },
  });

/** Puts the chosen file as a page does; answers status and tag, or how the browser refused. */
function put({ url, headers }: Link): Promise<string> {
  return page.evaluate(
    async ({ url, headers }) => {
      const body = (document.querySelector('#file') as HTMLInputElement).files![0]!;
      return fetch(url, { method: 'PUT', body, headers }).then(
        ({ status, headers }) => `${status} ${headers.get('etag')}`,
        (error: unknown) => String(error),
      );
    },
    { url, headers },
  );
}

test('U22: 500 MB from a page, in memory that stays flat; they are there when the answer is, and not before', async () => {
  await allow([site.url]);
  await page.setInputFiles('#file', file);
  const wish = { key: 'film.mov', operation: 'put', content_type: 'video/quicktime' };
  const s3 = await s3Client(world);
  const shown = async (): Promise<unknown[]> => [
    await refusal(s3.send(new HeadObjectCommand({ Bucket: 'films', Key: 'film.mov' }))),
    ((await s3.send(new ListObjectsV2Command({ Bucket: 'films' }))).Contents ?? []).map(({ Key }) => Key),
  ];
  // A line of 100 MB/s.
  const line = await page.context().newCDPSession(page);
  await line.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: 100_000_000,
  });
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 50);
  const sent = put(await link(wish));
  await eventually(async () => (await world.get<unknown[]>('GET', '/upload')).length === 1);
  expect(await shown()).toEqual(['404', []]);
  const answer = await sent;
  clearInterval(watch);
  await line.detach();
  const md5 = createHash('md5');
  for await (const chunk of createReadStream(file)) md5.update(chunk as Buffer);
  expect(answer).toBe(`200 "${md5.digest('hex')}"`);
  expect(await shown()).toEqual([undefined, ['film.mov']]);
  // Whoever held the body would need all of its size.
  expect(most - before).toBeLessThan(size / 2);
  const { url } = await link({ key: 'film.mov', operation: 'get' });
  expect(
    await page.evaluate(
      async (url) =>
        (await fetch(url, { headers: { Range: 'bytes=0-5' } }).catch(() => fetch(url)))
          .text()
          .then((text) => text.slice(0, 6)),
      url,
    ),
  ).toBe('a film');
}, 120_000);

test('a page that no rule names is refused by its browser', async () => {
  await allow(['https://elsewhere.example']);
  await page.setInputFiles('#file', { name: 'small', mimeType: 'text/plain', buffer: Buffer.from('small') });
  expect(await put(await link({ key: 'refused', operation: 'put', content_type: 'text/plain' }))).toMatch(/TypeError/);
  expect((await world.ask('GET', '/artifacts/films%2Frefused')).status).toBe(404);
});

test('a page puts a file into the slot of a release, which is then registered', async () => {
  const ask = async <T>(path: string, json: Record<string, unknown>): Promise<T> => {
    const answer = await world.ask('POST', path, {
      as: null,
      headers: { 'x-releasy-admin-key': 'the-key-of-the-releases' },
      json,
    });
    expect({ status: answer.status, text: answer.bytes.toString() }).toEqual({ status: 200, text: expect.anything() });
    return answer.json<T>();
  };
  const { id } = await ask<{ id: string }>('/v1/releases', { product: 'app', version: '1.0.0' });
  const slot = await ask<{ artifact_id: string; object_key: string; upload_url: string }>(
    `/v1/releases/${id}/artifacts/presign`,
    { filename: 'app.bin', platform: 'web' },
  );
  await page.setInputFiles('#file', {
    name: 'app.bin',
    mimeType: 'application/octet-stream',
    buffer: Buffer.from('an app'),
  });
  expect(await put({ url: slot.upload_url, headers: {} })).toBe(
    `200 "${createHash('md5').update('an app').digest('hex')}"`,
  );
  const checksum = createHash('sha256').update('an app').digest('hex');
  const wish = { artifact_id: slot.artifact_id, object_key: slot.object_key, platform: 'web', checksum, size: 6 };
  expect(await ask(`/v1/releases/${id}/artifacts`, wish)).toMatchObject({ id: slot.artifact_id, checksum });
});
