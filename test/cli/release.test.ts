/** `stowage release` as a pipeline and as a customer uses it. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { noise, openGround, type Ground } from '../client/ground.ts';
import { adminKey, env as settings, Pipeline } from '../support/releasy.ts';
import { eventually } from '../support/raw.ts';
import { runHere, start, type Env, type Ran } from './run.ts';

const MiB = 1024 * 1024;
const content = noise(3 * MiB, 3);
const sha256 = createHash('sha256').update(content).digest('hex');

let ground: Ground;
let releasy: Pipeline;
let operator: Env;
let customer: Env;
beforeAll(async () => {
  ground = await openGround({ env: settings });
  releasy = new Pipeline(ground.world);
  const places = {
    XDG_STATE_HOME: join(ground.folder, 'state'),
    XDG_CONFIG_HOME: join(ground.folder, 'config'),
    RELEASY_BASE_URL: ground.world.url,
  };
  operator = { ...places, RELEASY_ADMIN_API_KEY: adminKey };
  const { id } = await releasy.customer();
  await releasy.must('POST', `/v1/admin/customers/${id}/entitlements`, { product: 'app', starts_at: 0 });
  customer = { ...places, RELEASY_API_KEY: (await releasy.key(id)).api_key };
});
afterAll(() => ground.close());

const release = (env: Env, ...words: string[]): Promise<Ran> => runHere(['release', ...words], env);

test('a pipeline creates, uploads and publishes; each step may be done again; a customer downloads', async () => {
  const path = await ground.file('app.tar.gz', content);
  const made = await release(operator, 'create', 'app', '1.0.0');
  expect({ exit: made.exit, out: made.out }).toEqual({
    exit: 0,
    out: expect.stringMatching(/^app 1\.0\.0: [\da-f-]{36}\n$/),
  });
  const again = await release(operator, 'create', 'app', '1.0.0', '--json');
  expect({ exit: again.exit, body: again.json(), err: again.err }).toEqual({
    exit: 0,
    body: expect.objectContaining({ created: false, status: 'draft' }),
    err: expect.stringContaining('as a draft'),
  });

  const first = await release(operator, 'upload', 'app@1.0.0', path, '--platform', 'linux-x86_64');
  expect({ exit: first.exit, out: first.out }).toEqual({ exit: 0, out: expect.stringContaining(`sha256 ${sha256}`) });
  expect(
    (await release(operator, 'upload', 'app@1.0.0', path, '--platform', 'linux-x86_64', '--json')).json(),
  ).toMatchObject({ there: true, sent: 0, sha256, size: content.length });
  expect(
    (
      await release(
        operator,
        'upload',
        again.json<{ id: string }>().id,
        path,
        '--platform',
        'macos',
        '--name',
        'app.pkg',
        '--json',
      )
    ).json(),
  ).toMatchObject({ there: false, platform: 'macos' });

  expect((await release(customer, 'download', 'app@1.0.0')).exit).toBe(3);
  for (const _ of [1, 2])
    expect(await release(operator, 'publish', 'app@1.0.0')).toMatchObject({ exit: 0, out: 'app 1.0.0 is published\n' });

  const listed = await release(customer, 'ls');
  expect(listed.out).toMatch(
    /^PRODUCT +VERSION +STATUS +CREATED +ID +PLATFORM +ARTIFACT +SIZE\napp +1\.0\.0 +published .* app\.(tar\.gz|pkg) +3\.0 MiB\n .* app\.(tar\.gz|pkg) +3\.0 MiB\n$/,
  );
  expect((await release(operator, 'ls', '--status', 'draft', '--json')).json()).toEqual([]);

  const several = await release(customer, 'download', 'app@1.0.0');
  expect({ exit: several.exit, err: several.err }).toEqual({
    exit: 2,
    err: expect.stringContaining('linux-x86_64  app.tar.gz'),
  });
  const fetched = await release(customer, 'download', 'app@1.0.0', `${ground.folder}/`, '--name', 'app.pkg', '--json');
  expect({ exit: fetched.exit, body: fetched.json() }).toEqual({
    exit: 0,
    body: {
      file: join(ground.folder, 'app.pkg'),
      artifact: expect.any(String),
      size: content.length,
      sha256,
      resumed_from: 0,
      received: content.length,
    },
  });
  expect((await readFile(join(ground.folder, 'app.pkg'))).equals(content)).toBe(true);
  const piped = await release(customer, 'download', 'app@1.0.0', '-', '--platform', 'linux-x86_64');
  expect({ exit: piped.exit, 'bytes are right': Buffer.from(piped.out, 'latin1').equals(content) }).toEqual({
    exit: 0,
    'bytes are right': true,
  });
});

test('the same bytes registered twice are one choice, other bytes of that name another', async () => {
  const { id } = (await release(operator, 'create', 'app', '3.0.0', '--json')).json<{ id: string }>();
  const register = async (bytes: Buffer): Promise<string> => {
    const slot = await releasy.must<{ artifact_id: string; object_key: string; upload_url: string }>(
      'POST',
      `/v1/releases/${id}/artifacts/presign`,
      { filename: 'f', platform: 'any' },
    );
    await fetch(slot.upload_url, { method: 'PUT', body: new Uint8Array(bytes) });
    const { artifact_id, object_key } = slot;
    await releasy.must('POST', `/v1/releases/${id}/artifacts`, {
      artifact_id,
      object_key,
      checksum: createHash('sha256').update(bytes).digest('hex'),
      size: bytes.length,
      platform: 'any',
    });
    return artifact_id;
  };
  for (const _ of [1, 2]) await register(content);
  await release(operator, 'publish', 'app@3.0.0');
  expect((await release(customer, 'download', 'app@3.0.0', join(ground.folder, 'one'))).exit).toBe(0);
  const other = await register(Buffer.from('other'));
  expect(await release(customer, 'download', 'app@3.0.0', join(ground.folder, 'one'))).toMatchObject({
    exit: 2,
    err: expect.stringContaining(`${other}  any  f`),
  });
  expect((await release(customer, 'download', 'app@3.0.0', '-', '--artifact', other)).out).toBe('other');
});

test('what makes no sense, or is not for the caller, is told with its exit code', async () => {
  expect(await release({ ...operator, RELEASY_ADMIN_API_KEY: '' }, 'create', 'a', '1')).toMatchObject({
    exit: 2,
    err: expect.stringContaining('set RELEASY_ADMIN_API_KEY or RELEASY_OPERATOR_TOKEN'),
  });
  expect(await release(customer, 'publish', 'app@1.0.0')).toMatchObject({ exit: 2 });
  expect(await release(operator, 'download', 'app@1.0.0')).toMatchObject({
    exit: 2,
    err: expect.stringContaining('RELEASY_API_KEY'),
  });
  expect(await release({ ...operator, RELEASY_ADMIN_API_KEY: 'wrong' }, 'create', 'a', '1')).toMatchObject({ exit: 4 });
  expect(await release(operator, 'publish', 'app@9')).toMatchObject({
    exit: 3,
    err: expect.stringContaining('there is no release app@9'),
  });
  for (const ref of ['app', '@1', 'app@']) expect(await release(operator, 'publish', ref)).toMatchObject({ exit: 2 });
  expect(
    await release(operator, 'upload', 'app@1.0.0', join(ground.folder, 'nothing'), '--platform', 'x'),
  ).toMatchObject({ exit: 3 });
  expect(await release(operator, 'upload', 'app@1.0.0', await ground.file('f', content))).toMatchObject({ exit: 2 });
  expect(
    await release(operator, 'upload', 'app@1.0.0', await ground.file('empty', Buffer.alloc(0)), '--platform', 'x'),
  ).toMatchObject({ exit: 2 });
});

test('an upload whose process was killed goes on where it was', async () => {
  const large = noise(24 * MiB, 4);
  const path = await ground.file('large.bin', large);
  await release(operator, 'create', 'app', '2.0.0');
  const proxy = await ground.proxy();
  const words = ['release', 'upload', 'app@2.0.0', path, '--platform', 'linux', '--json'];
  proxy.script(...Array.from({ length: 8 }, () => ({ rate: 4 * MiB })));
  const running = start(words, { ...operator, RELEASY_BASE_URL: proxy.url });
  await eventually(() => proxy.connections.some(({ arrived }) => arrived >= 4 * MiB), { named: 'four MiB' });
  running.child.kill('SIGKILL');
  await running.done;
  const ran = await start(words, operator).done;
  expect(ran.exit).toBe(0);
  const { resumed_from: from, sent } = ran.json<{ resumed_from: number; sent: number }>();
  expect({ 'goes on': from > 0, 'whole length': from + sent }).toEqual({
    'goes on': true,
    'whole length': large.length,
  });
}, 60_000);
