/** The library on a page of another origin, and the server's front page, in a real browser. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import type { StowageClient } from '../../src/client/index.ts';
import { openBrowser, openSite, type Site } from '../support/browser.ts';
import { openProxy, resetAfter, type Proxy } from '../support/cut.ts';
import { openWorld, type World } from '../support/world.ts';

const MiB = 1024 * 1024;
const content = randomBytes(24 * MiB + 5);
const sha512 = createHash('sha512').update(content).digest('hex');

let world: World;
let proxy: Proxy;
let site: Site;
let browser: Browser;
let page: Page;
let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stowage-browser-'));
  file = join(folder, 'holiday.mov');
  await writeFile(file, content);
  world = await openWorld();
  site = await openSite();
  proxy = await openProxy({ host: '127.0.0.1', port: Number(new URL(world.url).port) });
  browser = await openBrowser();
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await Promise.all([proxy?.close(), site?.close(), world?.close()]);
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  page = await (await browser.newContext()).newPage();
  await page.goto(site.url);
});
afterEach(() => page?.context().close());

/** What a page needs to make a client; the browser's window has it as `open()`. */
async function prepare(url = proxy.url): Promise<void> {
  await page.evaluate(
    async ({ url, namespace, key }) => {
      const library = 'stowage';
      const { StowageClient } = (await import(library)) as typeof import('../../src/client/index.ts');
      Object.assign(globalThis, {
        client: new StowageClient({
          url,
          namespace,
          key,
          patience: { transfers: { attempts: 20, first: 20, most: 200 } },
        }),
        chosen: () => (document.querySelector('#file') as HTMLInputElement).files![0]!,
      });
    },
    { url, namespace: world.namespace, key: world.key },
  );
}

interface Window {
  readonly client: StowageClient;
  chosen(): File;
}

const stored = async (name: string): Promise<string> =>
  createHash('sha512')
    .update((await world.ask('GET', `/artifacts/${name}/data`)).bytes)
    .digest('hex');

test('a file is pushed over a line that breaks, from a page of another origin', async () => {
  await prepare();
  await page.setInputFiles('#file', file);
  proxy.script({}, {}, {}, resetAfter(5 * MiB), resetAfter(300_000), resetAfter(7 * MiB));
  const pushed = await page.evaluate(async () => {
    const { client, chosen } = globalThis as unknown as Window;
    return client.push(chosen(), 'holiday', { dedup: false });
  });
  expect(pushed).toMatchObject({ version: 1, size: content.length, sha512 });
  expect(await stored('holiday')).toBe(sha512);
});

test('a page that was closed is gone on with by the next one', async () => {
  await prepare();
  await page.setInputFiles('#file', file);
  const done = await page.evaluate(async () => {
    const { client, chosen } = globalThis as unknown as Window;
    return new Promise<number>((resolve) => {
      const onProgress = ({ done }: { done: number }): void => {
        if (done > 8 * 1024 * 1024) resolve(done);
      };
      client
        .push(chosen(), 'closed', { dedup: false, onProgress, pace: { first: 1024 * 1024, most: 1024 * 1024 } })
        .catch(() => undefined);
    });
  });
  await page.reload();
  await prepare();
  await page.setInputFiles('#file', file);
  const pushed = await page.evaluate(async () => {
    const { client, chosen } = globalThis as unknown as Window;
    return client.push(chosen(), 'closed', { dedup: false });
  });
  expect(pushed.resumedFrom).toBeGreaterThanOrEqual(done);
  expect(pushed.sha512).toBe(sha512);
  expect(await stored('closed')).toBe(sha512);
});

test('what is known is not sent, what is read is checked, and what fails has a code', async () => {
  await prepare(world.url);
  await page.setInputFiles('#file', file);
  await world.push('known', content);
  const seen = await page.evaluate(async () => {
    const { client, chosen } = globalThis as unknown as Window;
    const pushed = await client.push(chosen(), 'known-again');
    const blob = await client.read('known');
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-512', await blob.arrayBuffer()));
    const code = await client.artifacts.get('nobody').then(
      () => 'found',
      (error: { code: string }) => error.code,
    );
    return {
      deduplicated: pushed.deduplicated,
      hex: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
      code,
    };
  });
  expect(seen).toEqual({ deduplicated: true, hex: sha512, code: 'not_found' });
});

test('the front page takes a file from a person', async () => {
  await page.goto(world.url);
  await page.fill('input[name=key]', world.key);
  await page.fill('input[name=name]', 'by-hand');
  await page.setInputFiles('input[name=file]', file);
  await page.click('button');
  await page.waitForLoadState();
  expect(await page.textContent('main')).toContain('by-hand');
  expect(await stored('by-hand')).toBe(sha512);
});
