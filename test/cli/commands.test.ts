import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { noise, openGround, sha512, type Ground } from '../client/ground.ts';
import { runHere, type Env, type Ran } from './run.ts';

let ground: Ground;
let env: Env;

beforeAll(async () => {
  ground = await openGround();
  env = {
    STOWAGE_URL: ground.world.url,
    STOWAGE_NAMESPACE: ground.world.namespace,
    STOWAGE_KEY: ground.world.key,
    XDG_STATE_HOME: join(ground.folder, 'state'),
    XDG_CONFIG_HOME: join(ground.folder, 'config'),
  };
});

afterAll(async () => ground.close());

const stowage = (...words: string[]): Promise<Ran> => runHere(words, env);

/** Must succeed; answers its JSON. */
async function json<T = Record<string, unknown>>(...words: string[]): Promise<T> {
  const ran = await stowage(...words, '--json');
  if (ran.exit !== 0) throw new Error(`${words.join(' ')}: ${ran.exit} ${ran.out} ${ran.err}`);
  return ran.json<T>();
}

describe('access keys', () => {
  test('an access key is created, listed and revoked', async () => {
    const made = await stowage('keys', 'create', 'ci', '--read', '--write');
    const [id, secret] = [
      /AWS_ACCESS_KEY_ID=(rs_ak_\w+)/.exec(made.out)?.[1],
      /AWS_SECRET_ACCESS_KEY=(rs_sk_[\w-]+)/.exec(made.out)?.[1],
    ];
    expect({ exit: made.exit, 'type of id': typeof id, 'type of secret': typeof secret }).toEqual({
      exit: 0,
      'type of id': 'string',
      'type of secret': 'string',
    });
    const listed = await stowage('keys', 'ls');
    expect({
      'out includes id': listed.out.includes(id!),
      'out includes secret': listed.out.includes(secret!),
      'out includes read, write': listed.out.includes('read, write'),
    }).toEqual({ 'out includes id': true, 'out includes secret': false, 'out includes read, write': true });
    expect(await json('keys', 'create', 'all')).toMatchObject({
      permissions: { read: true, write: true, delete: true, admin: true },
      buckets: [],
    });
    expect((await stowage('keys', 'create', 'none', '--bucket', 'nowhere')).exit).toBe(3);
    expect((await stowage('keys', 'rm', id!)).exit).toBe(0);
    expect((await stowage('keys', 'rm', id!)).exit).toBe(3);
    expect((await stowage('keys', 'ls')).out).not.toContain(id);
  });
});

describe('push and pull', () => {
  const content = noise(200_000, 1);

  test('a file is pushed, and pulled again byte for byte', async () => {
    const path = await ground.file('disk.img', content);
    const pushed = await stowage('push', path);
    expect(pushed).toMatchObject({ exit: 0, err: '' });
    expect(pushed.out).toMatch(
      /^disk\.img: version 1, 195 KiB \(sent in \d+\.\d s\)\n {2}sha512 [0-9a-f]{128}\n {2}blob {3}[0-9a-f-]{36}\n$/,
    );
    const target = await ground.file('back.img');
    expect((await stowage('pull', 'disk.img', target)).out).toMatch(
      /back\.img: 195 KiB in \d+\.\d s \(sha512 is right\)\n$/,
    );
    expect((await readFile(target)).equals(content)).toBe(true);
  });

  test('a second argument that is a file here is refused as a name; --name accepts it', async () => {
    const [a, b] = [await ground.file('two-a.bin', noise(1000, 7)), await ground.file('two-b.bin', noise(1000, 8))];
    const refused = await stowage('push', a, b);
    expect({ exit: refused.exit, 'err includes --name': refused.err.includes('--name') }).toEqual({
      exit: 2,
      'err includes --name': true,
    });
    const many = await stowage('push', a, b, a);
    expect({ exit: many.exit, 'err includes for f in': many.err.includes('for f in') }).toEqual({
      exit: 2,
      'err includes for f in': true,
    });
    expect((await stowage('push', a, 'x', '--name', 'y')).exit).toBe(2);
    expect((await stowage('show', b)).exit).toBe(3);
    expect(await json('push', a, '--name', b)).toMatchObject({ name: b, version: 1 });
    expect((await stowage('push', '--', a, b)).exit).toBe(0);
    expect(await json('push', a, 'no-file-here')).toMatchObject({ name: 'no-file-here' });
  });

  test('push and pull report as JSON with --json', async () => {
    const path = await ground.file('json.img', content);
    expect(await json('push', path, 'other-name', '--type', 'other', '--max-versions', '5')).toEqual({
      artifact: expect.any(String),
      name: 'other-name',
      version: 1,
      blob: expect.any(String),
      size: 200_000,
      sha512: sha512(content),
      deduplicated: true,
      resumed_from: 0,
      sent: 0,
    });
    expect(await json('push', path, 'third-name', '--no-dedup')).toMatchObject({ deduplicated: false, sent: 200_000 });
    const target = await ground.file('json.back');
    expect(await json('pull', 'other-name', target)).toMatchObject({
      file: target,
      size: 200_000,
      sha512: sha512(content),
      verified: true,
      received: 200_000,
      resumed_from: 0,
    });
  });

  test('push reads standard input, and pull writes standard output', async () => {
    expect((await runHere(['push', '-', 'piped'], env, content)).exit).toBe(0);
    const pulled = await stowage('pull', 'piped', '-');
    expect(Buffer.from(pulled.out, 'latin1').equals(content)).toBe(true);
    const tail = await stowage('pull', 'piped', '-', '--offset', '195KiB');
    expect(Buffer.from(tail.out, 'latin1').equals(content.subarray(195 * 1024))).toBe(true);
    expect(await runHere(['push', '-'], env, content)).toMatchObject({
      exit: 2,
      err: expect.stringContaining('no name') as string,
    });
  });

  test("pull into a folder uses the artifact's own name, and never leaves the folder", async () => {
    await runHere(['push', '-', '../../sneaky'], env, 'x');
    await stowage('pull', '../../sneaky', `${ground.folder}/`);
    expect(await readdir(ground.folder)).toContain('sneaky');
    await runHere(['push', '-', 'a/..'], env, 'x');
    expect(await stowage('pull', 'a/..', ground.folder)).toMatchObject({ exit: 2 });
  });

  test('pull --version fetches an older version', async () => {
    await runHere(['push', '-', 'aged'], env, 'old');
    await runHere(['push', '-', 'aged'], env, 'new');
    expect((await stowage('pull', 'aged', '-')).out).toBe('new');
    expect((await stowage('pull', 'aged', '-', '--version', '1')).out).toBe('old');
    expect(await stowage('pull', 'aged', '-', '--version', '7')).toMatchObject({ exit: 3, out: '' });
  });

  test('with --json, an error of a pull to standard output goes to standard error', async () => {
    const ran = await stowage('pull', 'nobody', '-', '--json');
    expect(ran).toMatchObject({ exit: 3, out: '' });
    expect(JSON.parse(ran.err)).toMatchObject({ code: 'not_found', exit: 3 });
  });
});

describe('looking and changing', () => {
  beforeAll(async () => {
    await runHere(['push', '-', 'seen'], env, 'one');
    await runHere(['push', '-', 'seen'], env, 'two');
  });

  test('ls lists artifacts with their sizes', async () => {
    const { out } = await stowage('ls', '--name', 'seen');
    expect(out).toMatch(
      /^NAME +TYPE +VERSION +SIZE +NAMESPACE +STATE +CREATED +UUID\nseen +image +2 +3 B +system +created +\d{4}-/,
    );
    const listed = await json<{ name: string }[]>('ls');
    expect(listed.map(({ name }) => name)).toContain('seen');
    expect(await json('ls', '--type', 'snapshot')).toEqual([]);
    expect((await stowage('ls', '--type', 'snapshot')).out).toBe('No artifacts.\n');
  });

  test('show prints an artifact, and a blob', async () => {
    const artifact = await json<{ uuid: string; blob_uuid: string }>('show', 'seen');
    expect(artifact).toMatchObject({ name: 'seen', index: 2, metadata: {} });
    expect((await stowage('show', artifact.uuid)).out).toMatch(
      /name +seen\n[^]*versions +1, 2 \(at most 3 are kept\)\n/,
    );
    expect(await json('show', artifact.blob_uuid)).toMatchObject({ uuid: artifact.blob_uuid, size: 3 });
    expect((await stowage('show', artifact.blob_uuid)).out).toMatch(/references +1\n/);
    expect((await stowage('show', 'nobody')).exit).toBe(3);
  });

  test('versions lists versions, and sets how many are kept', async () => {
    expect((await json<unknown[]>('versions', 'seen')).length).toBe(2);
    expect((await stowage('versions', 'seen', '--keep', '1')).out).toMatch(/VERSION.*\n +2 /);
    expect((await stowage('versions', 'seen', '--keep', 'some')).exit).toBe(2);
  });

  test('label names a blob, given by its id or by an artifact', async () => {
    const { blob_uuid: blob } = await json<{ blob_uuid: string }>('show', 'seen');
    expect(await json('label', 'lab', 'seen')).toMatchObject({ artifact_type: 'label', blob_uuid: blob });
    expect((await stowage('label', 'lab2', blob)).out).toBe(`lab2: version 1 is blob ${blob}\n`);
    expect((await stowage('label', 'lab3', 'nobody')).exit).toBe(3);
  });

  test('share shows an artifact to every namespace, and unshare hides it again', async () => {
    expect((await stowage('share', 'seen')).out).toBe('seen is shared\n');
    expect(await json('show', 'seen')).toMatchObject({ shared: true });
    expect(await json('unshare', 'seen')).toMatchObject({ shared: false });
    expect((await stowage('unshare', 'seen')).exit).toBe(4);
  });

  test('uploads lists open uploads, and removes one', async () => {
    expect((await stowage('uploads')).out).toBe('No open uploads.\n');
    const uuid = await ground.world.upload(Buffer.from('abc'));
    expect(await json('uploads')).toMatchObject([{ uuid, size: 3 }]);
    expect((await stowage('uploads', 'ls')).out).toContain(uuid);
    expect(await json('uploads', 'rm', uuid)).toEqual({ dropped: [uuid] });
    expect((await stowage('uploads', 'rm', uuid)).exit).toBe(3);
  });

  test('rm removes one version, or the artifact with all of them', async () => {
    await runHere(['push', '-', 'going'], env, '1');
    await runHere(['push', '-', 'going'], env, '2');
    expect((await stowage('rm', 'going', '--version', '1')).out).toBe('going: version 1 deleted\n');
    expect(await json('rm', 'going')).toEqual({ deleted: 'going' });
    expect((await stowage('rm', 'going')).exit).toBe(3);
  });
});

describe('namespaces', () => {
  test('a namespace is created with a key that is shown once', async () => {
    const made = await json<{ key: string }>('namespace', 'create', 'tenant');
    expect(made).toMatchObject({ name: 'tenant', keys: ['main'], key: expect.stringMatching(/^[\w-]{32}$/) as string });
    const tenant = { ...env, STOWAGE_NAMESPACE: 'tenant', STOWAGE_KEY: made.key };
    expect((await runHere(['whoami', '--json'], tenant)).json()).toMatchObject({
      namespace: 'tenant',
      key_from: 'STOWAGE_KEY',
    });
    expect(
      (await runHere(['namespace', 'add-key', 'tenant', 'ci', '--key-file', '-'], env, 'the-key-for-ci\n')).out,
    ).toBe('tenant has the key ci\n');
    expect((await runHere(['whoami'], { ...tenant, STOWAGE_KEY: 'the-key-for-ci' })).exit).toBe(0);
    expect((await stowage('namespace', 'rm-key', 'tenant', 'ci')).exit).toBe(0);
    expect((await runHere(['whoami'], { ...tenant, STOWAGE_KEY: 'the-key-for-ci' })).exit).toBe(4);
    expect((await runHere(['namespace', 'create', 'more'], tenant)).exit).toBe(4);
    expect((await stowage('namespace', 'create', 'tenant')).exit).not.toBe(0);
  });

  test('a namespace trusts another one, and is removed', async () => {
    await json('namespace', 'create', 'one');
    await json('namespace', 'create', 'two');
    expect((await stowage('namespace', 'trust', 'one', 'two')).out).toBe('one trusts two\n');
    expect((await stowage('namespace', 'show', 'one')).out).toMatch(/trusts +.*two/);
    expect((await stowage('namespace', 'untrust', 'one', 'two')).exit).toBe(0);
    expect((await stowage('namespace', 'ls')).out).toMatch(/^NAME +STATE +KEYS +TRUSTS\n/);
    expect((await stowage('namespace', 'rm', 'one')).out).toBe('one removed\n');
    expect((await stowage('namespace', 'show', 'one')).exit).toBe(3);
  });
});

describe('who asks', () => {
  test('login saves a profile that nobody else may read, once the key is proved', async () => {
    const bare = { XDG_STATE_HOME: env['XDG_STATE_HOME']!, XDG_CONFIG_HOME: join(ground.folder, 'own') };
    expect(await runHere(['ls'], bare)).toMatchObject({
      exit: 2,
      err: expect.stringContaining('stowage login') as string,
    });
    expect((await runHere(['login', ground.world.url], bare, 'a-wrong-key')).exit).toBe(4);
    expect(await runHere(['login', '--list'], bare)).toMatchObject({ exit: 0, out: 'No profiles.\n' });
    expect((await runHere(['login', ground.world.url], bare, `${ground.world.key}\n`)).exit).toBe(0);
    expect((await stat(join(ground.folder, 'own', 'stowage', 'profiles.json'))).mode & 0o777).toBe(0o600);
    expect((await runHere(['whoami', '--json'], bare)).json()).toMatchObject({
      url: ground.world.url,
      namespace: 'system',
      key_from: 'profile default',
    });
    const listed = await runHere(['login', '--list'], bare);
    expect(listed.out).toContain(ground.world.url);
    expect(listed.out).not.toContain(ground.world.key);
    expect((await runHere(['login', '--forget'], bare)).exit).toBe(0);
    expect((await runHere(['login', '--forget'], bare)).exit).toBe(2);
  });

  test("flags go before the environment, that before profiles, and those before Shaken Fist's", async () => {
    const own = { XDG_STATE_HOME: env['XDG_STATE_HOME']!, XDG_CONFIG_HOME: join(ground.folder, 'order') };
    const good = { NAMESPACE: 'system', KEY: ground.world.key };
    const old = {
      ...own,
      SHAKENFIST_API_URL: ground.world.url,
      SHAKENFIST_NAMESPACE: good.NAMESPACE,
      SHAKENFIST_KEY: good.KEY,
    };
    expect((await runHere(['whoami', '--json'], old)).json()).toMatchObject({ key_from: 'SHAKENFIST_KEY' });
    expect((await runHere(['login', ground.world.url, '--profile', 'work'], own, good.KEY)).exit).toBe(0);
    expect((await runHere(['whoami', '--profile', 'work', '--json'], own)).json()).toMatchObject({
      key_from: 'profile work',
    });
    expect((await runHere(['whoami', '--profile', 'work'], { ...own, STOWAGE_KEY: 'wrong-key-altogether' })).exit).toBe(
      0,
    );
    expect(
      (await runHere(['whoami'], { ...own, STOWAGE_PROFILE: 'work', STOWAGE_KEY: 'wrong-key-altogether' })).exit,
    ).toBe(4);
    expect((await runHere(['whoami', '--profile', 'work', '--url', 'http://127.0.0.1:1'], own)).exit).toBe(6);
    expect((await runHere(['whoami', '--profile', 'none'], own)).exit).toBe(2);
    expect((await runHere(['whoami', '--profile', 'work', '--url', 'localhost'], own)).exit).toBe(2);
  });
});

describe('how it ends', () => {
  test.each<[string[], number]>([
    [['--version'], 0],
    [['--help'], 0],
    [['push', '--help'], 0],
    [['serve', '--help'], 0],
    [['help', 'pull'], 0],
    [[], 2],
    [['frobnicate'], 2],
    [['push'], 2],
    [['push', 'a', 'b', 'c'], 2],
    [['ls', '--frob'], 2],
    [['show', 'nobody'], 3],
    [['push', '/nowhere/at/all'], 3],
    [['check', '/nowhere'], 3],
    [['ls', '--url', 'http://127.0.0.1:1'], 6],
  ])('%j with %i', async (words, exit) => {
    expect((await stowage(...words)).exit).toBe(exit);
  });

  test('with --json an error is a JSON object', async () => {
    expect((await stowage('show', 'nobody', '--json')).json()).toMatchObject({
      code: 'not_found',
      status: 404,
      exit: 3,
      error: expect.any(String),
    });
    expect((await stowage('push', '--json')).json()).toMatchObject({ code: 'usage', exit: 2 });
    expect((await stowage('ls', '--json', '--url', 'http://127.0.0.1:1')).json()).toMatchObject({
      code: 'network',
      exit: 6,
    });
    expect((await stowage('push', '/nowhere', '--json')).json()).toMatchObject({ code: 'ENOENT', exit: 3 });
  });

  test('an interrupted command prints how to go on', async () => {
    const path = await ground.file('stopped', noise(50_000_000, 9));
    const stop = new AbortController();
    const running = runHere(['push', path, 'stopped', '--no-dedup', '--max-versions', '4'], env, '', stop.signal);
    for (;;) {
      const open = await ground.world.get<{ size: number }[]>('GET', '/upload');
      if ((open[0]?.size ?? 0) > 1_000_000) break;
    }
    stop.abort();
    const ran = await running;
    expect(ran.exit).toBe(130);
    expect(ran.err).toContain(`stowage push ${path} stopped --no-dedup --max-versions 4\n`);
    expect(await json('uploads')).toMatchObject([{ file: path, name: 'stopped' }]);
    expect((await stowage('push', path, 'stopped', '--no-dedup', '--max-versions', '4')).out).toMatch(/resumed at \d/);
  });

  test('every command has help with examples', async () => {
    const { out } = await stowage('--help');
    const names = [...out.matchAll(/^ {2}([a-z]+) .*/gm)]
      .map(([, name]) => name!)
      .filter((name) => name !== 'help' && name !== 'stowage');
    expect(names.length).toBeGreaterThanOrEqual(15);
    for (const name of new Set(names)) expect((await stowage(name, '--help')).out).toMatch(/\nExamples:\n {2}\S/);
    expect((await stowage('serve', '--help')).out).toContain('STOWAGE_STORAGE_DIR');
  });
});
