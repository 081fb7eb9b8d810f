/** The command line in its own process: killed, stopped, disconnected. */
import { mkdtemp, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noise, openGround, sha512, type Ground } from '../client/ground.ts';
import { drip } from '../support/cut.ts';
import { eventually } from '../support/raw.ts';
import { start, type Env } from './run.ts';

const MiB = 1024 * 1024;
const content = noise(24 * MiB, 1);

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

/** By way of a line that is slow for so many processes, so that there is a middle to be killed in. */
async function slowly(processes: number): Promise<Env> {
  const proxy = await ground.proxy();
  proxy.script(...Array.from({ length: processes }, () => drip(8 * MiB)));
  return { ...env, STOWAGE_URL: proxy.url };
}

async function arrived(): Promise<number> {
  return (await ground.world.get<{ size: number }[]>('GET', '/upload'))[0]?.size ?? 0;
}

describe('push', () => {
  test('a push that was killed goes on when the command is repeated, and sends nothing again that had arrived', async () => {
    const path = await ground.file('killed', content);
    const words = ['push', path, 'killed', '--no-dedup', '--json'];
    // The journal knows a server by its address, so all of them go by the proxy.
    const slow = await slowly(2);
    let at = 0;
    for (const enough of [MiB, 3 * MiB]) {
      const running = start(words, slow);
      await eventually(async () => (await arrived()) >= enough, { named: `${enough} bytes` });
      running.child.kill('SIGKILL');
      expect((await running.done).exit).toBe(-1);
      at = await arrived();
      expect(at).toBeGreaterThanOrEqual(enough);
    }
    const ran = await start(words, slow).done;
    expect(ran.exit).toBe(0);
    const pushed = ran.json<{ sent: number; resumed_from: number; sha512: string }>();
    expect(pushed.resumed_from).toBeGreaterThanOrEqual(at);
    expect(pushed.sent).toBe(content.length - pushed.resumed_from);
    expect(pushed.sha512).toBe(sha512(content));
    expect((await ground.world.ask('GET', '/artifacts/killed/data')).bytes.equals(content)).toBe(true);
    expect(await ground.world.get('GET', '/upload')).toEqual([]);
  }, 60_000);

  test('a push that is interrupted prints how to go on, and exits with 130', async () => {
    const path = await ground.file('two words', content);
    const slow = await slowly(1);
    const running = start(['push', path, 'interrupted', '--no-dedup'], slow);
    await eventually(async () => (await arrived()) >= MiB, { named: 'a MiB' });
    running.child.kill('SIGINT');
    const ran = await running.done;
    expect(ran.exit).toBe(130);
    expect(ran.err).toContain(`stowage push '${path}' interrupted --no-dedup\n`);
    expect((await start(['push', path, 'interrupted', '--no-dedup'], slow).done).out).toMatch(/resumed at \d/);
  }, 60_000);

  test('a push of standard input that is interrupted leaves no upload', async () => {
    const running = start(['push', '-', 'stdin'], env);
    running.child.stdin?.write(content.subarray(0, MiB));
    await eventually(async () => (await arrived()) >= MiB, { named: 'a MiB' });
    running.child.kill('SIGINT');
    expect((await running.done).exit).toBe(130);
    expect(await ground.world.get('GET', '/upload')).toEqual([]);
  }, 30_000);
});

describe('pull', () => {
  beforeAll(async () => {
    await ground.world.push('pulled', content);
  });

  test('a pull that was killed goes on when the command is repeated', async () => {
    const path = await ground.file('pulled');
    const words = ['pull', 'pulled', path, '--json'];
    const running = start(words, env);
    await eventually(async () => ((await stat(`${path}.part`).catch(() => undefined))?.size ?? 0) > MiB, {
      named: 'a MiB',
    });
    running.child.kill('SIGKILL');
    await running.done;
    const left = await stat(`${path}.part`).then(
      ({ size }) => size,
      () => undefined,
    );
    const ran = await start(words, env).done;
    expect(ran.exit).toBe(0);
    // It may have been too fast to be killed.
    if (left !== undefined)
      expect(ran.json()).toMatchObject({ resumed_from: left, received: content.length - left, verified: true });
    expect((await readFile(path)).equals(content)).toBe(true);
    expect((await readdir(ground.folder)).filter((name) => name.startsWith('pulled'))).toEqual(['pulled']);
  }, 30_000);

  test('a pull into a pipe whose reader left ends without an error', async () => {
    const running = start(['pull', 'pulled', '-'], env);
    running.child.stdout?.once('data', () => running.child.stdout?.destroy());
    expect(await running.done).toMatchObject({ exit: 0, err: '' });
  }, 30_000);
});

describe('serve', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stowage-serve-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test('shows its key once, serves, refuses a second, and ends when asked; the store is then checked', async () => {
    const words = ['serve', '--port', '0', '--storage', join(folder, 'store')];
    const quiet = { STOWAGE_LOG_LEVEL: 'silent', XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder };
    const first = start([...words, '--json'], quiet);
    await eventually(() => first.out().includes('}\n}'), { named: 'the address' });
    const {
      urls,
      first_start: { key },
    } = JSON.parse(first.out()) as { urls: [string]; first_start: { key: string } };
    const own = { ...quiet, STOWAGE_URL: urls[0], STOWAGE_NAMESPACE: 'system', STOWAGE_KEY: key };
    const file = await ground.file('served', content);
    expect((await start(['push', file, 'served'], own).done).exit).toBe(0);
    expect(await start(words, quiet).done).toMatchObject({ exit: 5, err: expect.stringContaining('in use') as string });
    expect((await start(['check', join(folder, 'store')], own).done).exit).not.toBe(0);
    first.child.kill('SIGTERM');
    expect((await first.done).exit).toBe(0);

    const again = start(words, quiet);
    await eventually(() => again.err().includes('listening on'), { named: 'the address' });
    expect(again.err()).not.toContain(key);
    again.child.kill('SIGINT');
    expect((await again.done).exit).toBe(0);

    const check = ['check', join(folder, 'store'), '--read-data', '--json'];
    const good = await start(check, quiet).done;
    expect(good.exit).toBe(0);
    expect(good.json()).toMatchObject({ blobs: 1, bytes: content.length, faults: [] });
    await spoil(join(folder, 'store'), content.length);
    expect(
      (
        await start(
          check.filter((word) => word !== '--read-data'),
          quiet,
        ).done
      ).exit,
    ).toBe(0);
    const bad = await start(check, quiet).done;
    expect(bad.exit).toBe(1);
    expect(bad.json<{ faults: string[] }>().faults).toHaveLength(1);
  }, 60_000);

  test('serve names every invalid setting at once', async () => {
    const ran = await start(['serve', '--port', 'many'], { STOWAGE_LOG_LEVEL: 'loud' }).done;
    expect(ran.exit).toBe(2);
    expect(ran.err).toMatch(/STOWAGE_PORT[^]*STOWAGE_LOG_LEVEL|STOWAGE_LOG_LEVEL[^]*STOWAGE_PORT/);
  });
});

/** Turns one byte of the one file of this size. */
async function spoil(folder: string, size: number): Promise<void> {
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name);
    const seen = await stat(path);
    if (!seen.isFile() || seen.size !== size) continue;
    const file = await open(path, 'r+').catch(() => undefined);
    if (!file) throw new Error(`${path} cannot be written`);
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, 12_345);
    await file.write(Buffer.from([byte[0]! ^ 1]), 0, 1, 12_345);
    await file.close();
    return;
  }
  throw new Error('no such file');
}
