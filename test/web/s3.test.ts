/** A page of another origin that puts a large file straight into a bucket, by a URL that its server asked for. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { openBrowser, openSite, type Site } from '../support/browser.ts';
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
  world = await openWorld();
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

const link = (wish: Record<string, unknown>): Promise<Link> => world.get<Link>('POST', '/api/storage/buckets/films/presign', { json: wish });
const allow = (allowed_origins: readonly string[]): Promise<unknown> =>
  world.get('PATCH', '/api/storage/buckets/films/cors', { json: { rules: [{ allowed_origins, allowed_methods: ['GET', 'PUT'], allowed_headers: ['content-type'] }] } });

/** Puts the chosen file as a page does; answers status and tag, or how the browser refused. */
function put({ url, headers }: Link): Promise<string> {
  return page.evaluate(async ({ url, headers }) => {
    const body = (document.querySelector('#file') as HTMLInputElement).files![0]!;
    return fetch(url, { method: 'PUT', body, headers }).then(({ status, headers }) => `${status} ${headers.get('etag')}`, (error: unknown) => String(error));
  }, { url, headers });
}

test('500 MB from a page, in memory that stays flat', async () => {
  await allow([site.url]);
  await page.setInputFiles('#file', file);
  const wish = { key: 'film.mov', operation: 'put', content_type: 'video/quicktime' };
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 50);
  const answer = await put(await link(wish));
  clearInterval(watch);
  const md5 = createHash('md5');
  for await (const chunk of createReadStream(file)) md5.update(chunk as Buffer);
  expect(answer).toBe(`200 "${md5.digest('hex')}"`);
  // Whoever held the body would need all of its size.
  expect(most - before).toBeLessThan(size / 2);
  const { url } = await link({ key: 'film.mov', operation: 'get' });
  expect(await page.evaluate(async (url) => (await fetch(url, { headers: { Range: 'bytes=0-5' } }).catch(() => fetch(url))).text().then((text) => text.slice(0, 6)), url)).toBe('a film');
}, 120_000);

test('a page that no rule names is refused by its browser', async () => {
  await allow(['https://elsewhere.example']);
  await page.setInputFiles('#file', { name: 'small', mimeType: 'text/plain', buffer: Buffer.from('small') });
  expect(await put(await link({ key: 'refused', operation: 'put', content_type: 'text/plain' }))).toMatch(/TypeError/);
  expect((await world.ask('GET', '/artifacts/films%2Frefused')).status).toBe(404);
});
