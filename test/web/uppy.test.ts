/** Uppy, unmodified, in a real browser, with a capability instead of a key, over a connection that breaks. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { openBrowser, openSite, type Site } from '../support/browser.ts';
import { openProxy, resetAfter, type Proxy } from '../support/cut.ts';
import { openWorld, type World } from '../support/world.ts';

const MiB = 1024 * 1024;
const content = randomBytes(20 * MiB + 7);
const sha512 = createHash('sha512').update(content).digest('hex');

let world: World;
let proxy: Proxy;
let site: Site;
let browser: Browser;
let page: Page;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stowage-uppy-'));
  await writeFile(join(folder, 'holiday.mov'), content);
  world = await openWorld();
  proxy = await openProxy({ host: '127.0.0.1', port: Number(new URL(world.url).port) });
  site = await openSite();
  browser = await openBrowser();
  page = await browser.newPage();
  await page.goto(site.url);
  await page.addScriptTag({ content: await bundle() });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await Promise.all([proxy?.close(), site?.close(), world?.close()]);
  await rm(folder, { recursive: true, force: true });
});

/** Uppy as a site ships it. */
async function bundle(): Promise<string> {
  const source = `export { default as Core } from '@uppy/core'; export { default as Tus } from '@uppy/tus';`;
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: import.meta.dirname },
    bundle: true,
    format: 'iife',
    globalName: 'Uppy',
    platform: 'browser',
    write: false,
    logLevel: 'silent',
  });
  return outputFiles[0]!.text;
}

interface Uploaded {
  readonly successful: { readonly uploadURL: string }[];
  readonly failed: { readonly error: string }[];
}

/** Sends the chosen file as a page of a site does; answers what Uppy says of it. */
async function send(options: Record<string, unknown>): Promise<Uploaded> {
  await page.setInputFiles('#file', join(folder, 'holiday.mov'));
  return page.evaluate(async (options) => {
    const { Uppy } = globalThis as unknown as {
      Uppy: { Core: typeof import('@uppy/core').default; Tus: typeof import('@uppy/tus').default };
    };
    const uppy = new Uppy.Core().use(Uppy.Tus, { retryDelays: Array.from({ length: 20 }, () => 50), ...options });
    const file = (document.querySelector('#file') as HTMLInputElement).files![0]!;
    uppy.addFile({ name: file.name, type: file.type, data: file });
    const { successful = [], failed = [] } = (await uppy.upload())!;
    const told = {
      successful: successful.map(({ uploadURL }) => ({ uploadURL: String(uploadURL) })),
      failed: failed.map(({ error }) => ({ error: String(error) })),
    };
    uppy.destroy();
    return told;
  }, options);
}

const stored = async (name: string): Promise<string> =>
  createHash('sha512')
    .update((await world.ask('GET', `/artifacts/${name}/data`)).bytes)
    .digest('hex');
const grant = async (artifact: string, more: Record<string, unknown> = {}): Promise<string> =>
  (await world.get<{ tus: string }>('POST', '/capabilities', { json: { artifact, ...more } })).tus;

test('with a token, the file becomes what its name says', async () => {
  const { failed } = await send({
    endpoint: `${proxy.url}/tus`,
    headers: { Authorization: `Bearer ${await world.token()}` },
  });
  expect(failed).toEqual([]);
  expect(await stored('holiday.mov')).toBe(sha512);
});

test('with a capability and no key, over resets', async () => {
  proxy.script({}, {}, resetAfter(4 * MiB), resetAfter(300_000), resetAfter(6 * MiB));
  const { successful, failed } = await send({
    endpoint: `${proxy.url}${await grant('by-capability', { max_size: content.length, type: 'video/*' })}`,
  });
  expect(failed).toEqual([]);
  expect(successful).toHaveLength(1);
  expect(await stored('by-capability')).toBe(sha512);
});

test('what a capability does not allow, it does not do', async () => {
  const { successful, failed } = await send({
    endpoint: `${world.url}${await grant('too-small', { max_size: 1000 })}`,
    retryDelays: [],
  });
  expect(successful).toEqual([]);
  expect(failed[0]!.error).toContain('413');
  expect((await world.ask('GET', '/artifacts/too-small')).status).toBe(404);
});
