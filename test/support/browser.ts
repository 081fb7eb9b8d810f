/** A headless browser: the installed Chromium, or the one in the packages. */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize, resolve } from 'node:path';
import { chromium, type Browser } from 'playwright-core';

const installed = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** `STOWAGE_TEST_BROWSER` takes precedence. */
export async function openBrowser(): Promise<Browser> {
  const own = process.env['STOWAGE_TEST_BROWSER'] ?? installed.find((path) => existsSync(path));
  if (own !== undefined) return launch(own);
  if (process.arch !== 'x64')
    throw new Error("the tests need a browser: install Debian's package chromium, or name one in STOWAGE_TEST_BROWSER");
  // The package unpacks its system libraries only if it believes to run in a cloud function.
  process.env['AWS_EXECUTION_ENV'] ??= 'AWS_Lambda_nodejs22.x';
  const { default: packed } = await import('@sparticuz/chromium');
  // It does not check whether an earlier run left an incomplete file.
  if (!existsSync(join(tmpdir(), 'al2023'))) await rm(join(tmpdir(), 'chromium'), { force: true });
  // Not with the package's arguments, which disable the cross-origin rules under test.
  return launch(await packed.executablePath());
}

function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
}

/** A site with its own origin and a page that imports the client library as modules. */
export interface Site {
  readonly url: string;
  close(): Promise<void>;
}

const types: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.html': 'text/html' };

/** Import map of the library. */
const imports = {
  stowage: '/dist/client/index.js',
  'hash-wasm': '/node_modules/hash-wasm/dist/index.esm.js',
  lowdb: '/node_modules/lowdb/lib/index.js',
  'lowdb/browser': '/node_modules/lowdb/lib/browser.js',
  uuid: '/node_modules/uuid/dist/index.js',
};

const page = `<!doctype html><meta charset="utf-8"><title>A page of somebody's</title>
<script type="importmap">${JSON.stringify({ imports })}</script>
<input type="file" id="file">`;

export async function openSite(): Promise<Site> {
  const root = resolve(import.meta.dirname, '../..');
  const server = createServer((req, res) => {
    const path = normalize(new URL(req.url!, 'http://x').pathname);
    if (path === '/') return void res.setHeader('Content-Type', 'text/html').end(page);
    const served = /^\/(?:dist|node_modules)\/.*\.js$/.test(path)
      ? readFile(root + path)
      : Promise.reject(new Error('not here'));
    served.then(
      (bytes) => res.setHeader('Content-Type', types[extname(path)]!).end(bytes),
      () => res.writeHead(404).end(),
    );
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}
