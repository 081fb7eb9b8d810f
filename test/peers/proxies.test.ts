/** Draft uploads through Debian's proxies; those that are not installed are reported as skipped. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { accessSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/raw.ts';
import { whole } from '../support/requests.ts';
import { openWorld, type World } from '../support/world.ts';

const nginx = '/usr/sbin/nginx';
const caddy = '/usr/bin/caddy';
/** Bytes that are sent again and again, so that several 104 are due: more than 16 MiB times 8. */
const block = randomBytes(1024 * 1024);
const blocks = 200;

let world: World;
let folder: string;
let child: ChildProcess | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stowage-proxies-'));
  world = await openWorld();
});
afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
});
afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Runs a proxy until the end of the test. @returns where it listens */
async function proxy(program: string, words: readonly string[], config: (port: number) => string): Promise<string> {
  const port = await freePort();
  await writeFile(join(folder, 'config'), config(port));
  const env = { PATH: '/usr/bin:/bin', HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder };
  child = spawn(program, [...words], { cwd: folder, env, stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  await eventually(() =>
    fetch(`${url}/livez`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return url;
}

const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
const throughNginx = (lines: string): Promise<string> =>
  proxy(
    nginx,
    ['-p', folder, '-c', join(folder, 'config'), '-e', join(folder, 'errors')],
    (port) => `
  daemon off; master_process off; pid ${join(folder, 'pid')}; events {}
  http {
    access_log off; client_max_body_size 0; ${temporary.map((name) => `${name}_temp_path ${join(folder, name)};`).join(' ')}
    server { listen 127.0.0.1:${port}; location / { proxy_pass ${world.url}; ${lines} } }
  }`,
  );
const throughCaddy = (lines: string): Promise<string> =>
  proxy(
    caddy,
    ['run', '--config', join(folder, 'config'), '--adapter', 'caddyfile'],
    (port) => `
{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  reverse_proxy ${world.url.replace('http://', '')} {
${lines}
  }
}
`,
  );

/** Uploads all blocks in one request that asks for 104. @returns the answer, and what it should be */
async function upload(
  url: string,
  name: string,
): Promise<{ status: number | undefined; sha512: unknown; right: string }> {
  const hash = createHash('sha512');
  const sending = request(`${url}/artifacts/${name}/data`, {
    method: 'PUT',
    headers: {
      Authorization: `Bearer ${await world.token()}`,
      'Content-Length': blocks * block.length,
      'Upload-Complete': '?1',
      'Upload-Draft-Interop-Version': '8',
    },
  });
  const answered = once(sending, 'response') as Promise<[IncomingMessage]>;
  answered.catch(() => undefined);
  for (let count = 0; count < blocks; count += 1) {
    block.writeUInt32BE(count);
    hash.update(block);
    if (!sending.write(Buffer.from(block))) await Promise.race([once(sending, 'drain'), answered]);
  }
  sending.end();
  const [answer] = await answered;
  const text = (await whole(answer)).toString();
  const sha512: unknown = answer.statusCode === 201 ? (JSON.parse(text) as { sha512: unknown }).sha512 : text;
  return { status: answer.statusCode, sha512, right: hash.digest('hex') };
}

const testWith = (program: string): jest.It => {
  try {
    accessSync(program);
    return test;
  } catch {
    return test.skip;
  }
};
const forwarding = 'proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;';
const unbuffered = 'proxy_http_version 1.1; proxy_request_buffering off;';

testWith(nginx).each([
  ['as it is', ''],
  ['with HTTP/1.1', unbuffered],
  ['with HTTP/1.1 and forwarding headers', `${unbuffered} ${forwarding}`],
  [
    'with HTTP/1.1, connections that are kept, and forwarding headers',
    `${unbuffered} proxy_set_header Connection ""; ${forwarding}`,
  ],
])('an upload that asks for 104 goes through nginx %s', async (name, lines) => {
  const { status, sha512, right } = await upload(await throughNginx(lines), `nginx ${name}`.replaceAll(/\W/g, '-'));
  expect({ status, sha512 }).toEqual({ status: 201, sha512: right });
});

testWith(caddy).each([
  ['as it is', ''],
  [
    'without forwarding headers',
    '    header_up -X-Forwarded-For\n    header_up -X-Forwarded-Proto\n    header_up -X-Forwarded-Host',
  ],
])('an upload that asks for 104 goes through Caddy %s', async (name, lines) => {
  const { status, sha512, right } = await upload(await throughCaddy(lines), `caddy ${name}`.replaceAll(/\W/g, '-'));
  expect({ status, sha512 }).toEqual({ status: 201, sha512: right });
});
