import { appendFile, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { StowageError, nodePlatform, type PushProgress, type Transport } from '../../src/client/node.ts';
import { blackHoleAfter, resetAfter, resetAfterRequest, stallAfter } from '../support/cut.ts';
import { noise, openGround, sha512, type Ground } from './ground.ts';

const MiB = 1024 * 1024;

let ground: Ground;

beforeAll(async () => {
  ground = await openGround({ env: { STOWAGE_TOKEN_LIFETIME: '15m' } });
});

afterAll(async () => ground.close());

/** What the server has under this name now. */
async function stored(name: string): Promise<Buffer> {
  return (await ground.world.ask('GET', `/artifacts/${name}/data`)).bytes;
}

/** Uploads that are open on the server. */
async function open(): Promise<string[]> {
  return (await ground.world.get<{ uuid: string }[]>('GET', '/upload')).map(({ uuid }) => uuid);
}

async function entries(): Promise<string[]> {
  return (await readdir(join(ground.folder, 'state', 'uploads')).catch(() => [])).filter(
    (name) => !name.endsWith('.lock'),
  );
}

/** Pushes until `enough` bytes have left, then stops as a killed process would, but for its lock. */
async function pushSome(path: string, name: string, enough: number, dedup = false): Promise<void> {
  const stop = new AbortController();
  const onProgress = ({ phase, done }: PushProgress): void => {
    if (phase === 'sending' && done >= enough) stop.abort();
  };
  await expect(
    ground.client().push(path, name, { dedup, signal: stop.signal, onProgress, pace: { first: MiB, most: MiB } }),
  ).rejects.toMatchObject({ code: 'aborted' });
}

describe('uploads that others began', () => {
  const content = noise(3 * MiB, 77);

  /** A third of the content, as another machine left it some time ago. */
  async function left(headers: Record<string, string>, bytes = content.subarray(0, MiB)): Promise<string> {
    const { uuid } = await ground.world.get<{ uuid: string }>('POST', '/upload', { headers });
    await ground.world.get('POST', `/upload/${uuid}`, { body: Buffer.from(bytes), headers: { 'Upload-Offset': '0' } });
    return uuid;
  }
  const promise = (bytes: Buffer): Record<string, string> => ({
    'Repr-Digest': `sha-512=:${Buffer.from(sha512(bytes), 'hex').toString('base64')}:`,
  });
  test("an upload that somebody began with this content's digest is continued", async () => {
    ground.world.clock.move(-60_000);
    const uuid = await left({ ...promise(content), 'Upload-Length': String(content.length) });
    ground.world.clock.move(60_000);
    const pushed = await ground.client().push(await ground.file('promised', content), 'promised');
    expect(pushed).toMatchObject({ resumedFrom: MiB, sent: 2 * MiB, sha512: sha512(content) });
    expect((await ground.world.get<{ state: string }>('GET', `/upload/${uuid}`)).state).toBe('sealed');
  });

  test('an upload is not continued while another client may still send to it', async () => {
    const other = noise(2 * MiB, 78);
    const uuid = await left(promise(other), other.subarray(0, MiB));
    expect(await ground.client().push(await ground.file('busy', other), 'busy')).toMatchObject({
      resumedFrom: 0,
      sent: other.length,
    });
    await ground.world.get('DELETE', `/upload/${uuid}`);
  });

  test('an upload whose bytes are not those that it promised is not continued', async () => {
    const other = noise(2 * MiB, 79);
    ground.world.clock.move(-60_000);
    await left(promise(other), noise(MiB, 80));
    ground.world.clock.move(60_000);
    expect(await ground.client().push(await ground.file('liar', other), 'liar')).toMatchObject({
      sha512: sha512(other),
    });
    expect((await stored('liar')).equals(other)).toBe(true);
    expect(await open()).toEqual([]);
  });

  test('an upload that curl -T left is found by its name, and continued', async () => {
    const other = noise(2 * MiB, 81);
    const begun = await ground.world.ask('PUT', '/artifacts/curled/data', {
      headers: { 'Upload-Complete': '?0', 'Upload-Length': String(other.length) },
      body: Buffer.from(other.subarray(0, MiB)),
    });
    const upload = begun.headers.get('location')!.split('/').at(-1)!;
    const pushed = await ground.client().push(await ground.file('curled', other), 'curled', { upload });
    expect(pushed).toMatchObject({ resumedFrom: MiB, sent: MiB, sha512: sha512(other) });
    await expect(
      ground.client().push(await ground.file('curled', other), 'again', { upload, dedup: false }),
    ).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('what can be pushed', () => {
  const content = noise(3 * MiB + 17, 1);

  test.each<[string, () => Promise<Parameters<ReturnType<Ground['client']>['push']>[0]>]>([
    ['a file', () => ground.file('whole', content)],
    ['bytes', async () => content],
    ['a Blob', async () => new Blob([new Uint8Array(content)])],
    ['a Node stream', async () => Readable.from([content.subarray(0, 5), content.subarray(5)])],
    ['a web stream', async () => new Blob([new Uint8Array(content)]).stream()],
    [
      'an iterable',
      async () =>
        (async function* () {
          for (let at = 0; at < content.length; at += 100_000) yield content.subarray(at, at + 100_000);
        })(),
    ],
  ])('%s', async (kind, source) => {
    const name = `kind-${kind.replaceAll(' ', '-')}`;
    const pushed = await ground.client().push(await source(), name, { dedup: false });
    expect(pushed).toMatchObject({
      size: content.length,
      sha512: sha512(content),
      version: 1,
      deduplicated: false,
      resumedFrom: 0,
      sent: content.length,
    });
    expect((await stored(name)).equals(content)).toBe(true);
    expect(await entries()).toEqual([]);
    expect(await open()).toEqual([]);
  });

  test.each<[string, () => Promise<Uint8Array | string | Readable>]>([
    ['file', () => ground.file('empty', Buffer.alloc(0))],
    ['array', async () => new Uint8Array()],
    ['stream', async () => Readable.from([])],
  ])('an empty %s can be pushed', async (kind, source) => {
    const pushed = await ground.client().push(await source(), `empty-${kind}`);
    expect(pushed).toMatchObject({ size: 0, version: 1 });
    expect((await stored(`empty-${kind}`)).length).toBe(0);
  });

  test('a folder, or a file that does not exist, is refused', async () => {
    await expect(ground.client().push(ground.folder, 'x')).rejects.toMatchObject({ code: 'malformed' });
    await expect(ground.client().push(join(ground.folder, 'none'), 'x')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a push sets the type, the namespace and the number of versions', async () => {
    const other = await ground.world.addNamespace('other');
    const pushed = await ground
      .client()
      .push(Buffer.from('typed'), 'typed', { type: 'other', namespace: other, maxVersions: 7, shared: false });
    expect(pushed.artifact).toMatchObject({ artifact_type: 'other', namespace: 'other', max_versions: 7 });
  });
});

describe('the look-up', () => {
  test('sends nothing that the server has', async () => {
    const content = noise(2 * MiB, 2);
    const path = await ground.file('twice', content);
    await ground.client().push(path, 'first-name');
    const phases = new Set<string>();
    const again = await ground.client().push(path, 'second-name', { onProgress: ({ phase }) => phases.add(phase) });
    expect(again).toMatchObject({
      deduplicated: true,
      sent: 0,
      size: content.length,
      sha512: sha512(content),
      version: 1,
    });
    expect([...phases]).toEqual(['hashing', 'finishing']);
    expect((await stored('second-name')).equals(content)).toBe(true);
  });

  test('without dedup, the server is not asked for the digest', async () => {
    const path = await ground.file('thrice', noise(MiB, 2));
    await ground.client().push(path, 'third');
    const again = await ground.client().push(path, 'fourth', { dedup: false });
    expect(again).toMatchObject({ deduplicated: false, sent: MiB });
  });

  test('the same bytes again make no new version', async () => {
    const path = await ground.file('same', noise(1000, 3));
    expect((await ground.client().push(path, 'same')).version).toBe(1);
    expect((await ground.client().push(path, 'same')).version).toBe(1);
    await writeFile(path, noise(1000, 4));
    expect((await ground.client().push(path, 'same')).version).toBe(2);
  });
});

describe('a push that was stopped', () => {
  test('goes on where it was, by another client', async () => {
    const content = noise(8 * MiB, 5);
    const path = await ground.file('resumed', content);
    await pushSome(path, 'resumed', 3 * MiB);
    expect(await entries()).toHaveLength(1);
    const [upload] = await open();
    const pushed = await ground.client().push(path, 'resumed', { dedup: false });
    expect(pushed.resumedFrom).toBeGreaterThanOrEqual(2 * MiB);
    expect(pushed.sent).toBe(content.length - pushed.resumedFrom);
    expect((await stored('resumed')).equals(content)).toBe(true);
    expect(await open()).not.toContain(upload);
    expect(await entries()).toEqual([]);
  });

  test('does not hash again what was hashed for its look-up', async () => {
    const content = noise(8 * MiB, 6);
    const path = await ground.file('hashed', content);
    await pushSome(path, 'hashed', 3 * MiB, true);
    const phases: string[] = [];
    await ground
      .client()
      .push(path, 'hashed', { onProgress: ({ phase }) => phases.at(-1) !== phase && phases.push(phase) });
    expect(phases).toEqual(['sending', 'finishing']);
    expect((await stored('hashed')).equals(content)).toBe(true);
  });

  test('starts afresh when the file changed, and gives the old upload up', async () => {
    const path = await ground.file('changed', noise(6 * MiB, 7));
    await pushSome(path, 'changed', 2 * MiB);
    const [old] = await open();
    const fresh = noise(6 * MiB, 8);
    await writeFile(path, fresh);
    const pushed = await ground.client().push(path, 'changed', { dedup: false });
    expect(pushed).toMatchObject({ resumedFrom: 0, sent: fresh.length });
    expect((await stored('changed')).equals(fresh)).toBe(true);
    expect(await open()).not.toContain(old);
  });

  test("starts afresh when what it left is not the file's, whatever the journal says", async () => {
    const content = noise(6 * MiB, 9);
    const path = await ground.file('mixed', content);
    await pushSome(path, 'mixed', 2 * MiB);
    const [upload] = await open();
    await ground.world.get('POST', `/upload/${upload}/truncate/0`);
    await ground.world.get('POST', `/upload/${upload}`, { body: new Uint8Array(MiB) });
    const pushed = await ground.client().push(path, 'mixed', { dedup: false });
    expect(pushed.resumedFrom).toBe(0);
    expect((await stored('mixed')).equals(content)).toBe(true);
    expect(await open()).not.toContain(upload);
  });

  test('starts afresh when the server dropped the upload', async () => {
    const content = noise(6 * MiB, 10);
    const path = await ground.file('dropped', content);
    await pushSome(path, 'dropped', 2 * MiB);
    const [upload] = await open();
    await ground.world.get('DELETE', `/upload/${upload}`);
    expect(await ground.client().push(path, 'dropped', { dedup: false })).toMatchObject({ resumedFrom: 0 });
    expect((await stored('dropped')).equals(content)).toBe(true);
  });

  test('starts afresh when the server drops the upload while it is sent', async () => {
    const content = noise(6 * MiB, 11);
    const path = await ground.file('dropped-midway', content);
    let dropping: Promise<unknown> | undefined;
    const pushed = await ground.client().push(path, 'dropped-midway', {
      dedup: false,
      pace: { first: 512 * 1024, most: 512 * 1024 },
      onProgress: ({ done }) => {
        if (done > MiB) dropping ??= open().then(([upload]) => ground.world.ask('DELETE', `/upload/${upload}`));
      },
    });
    await dropping;
    expect(pushed.size).toBe(content.length);
    expect((await stored('dropped-midway')).equals(content)).toBe(true);
  });

  test('after its version was made gets the same version', async () => {
    const content = noise(MiB, 12);
    const path = await ground.file('answered', content);
    const platform = nodePlatform({ stateFolder: join(ground.folder, 'state') });
    const deaf: Transport = async (request) => {
      const answer = await platform.transport(request);
      if (!request.url.includes('/artifacts/upload/')) return answer;
      answer.discard();
      throw new StowageError('network', 'the answer was lost');
    };
    await expect(
      ground.client({ platform: { ...platform, transport: deaf } }).push(path, 'answered', { dedup: false }),
    ).rejects.toMatchObject({ code: 'network' });
    expect(await entries()).toHaveLength(1);
    const pushed = await ground.client().push(path, 'answered', { dedup: false });
    expect(pushed).toMatchObject({ version: 1, sent: 0, sha512: sha512(content) });
    expect(await entries()).toEqual([]);
  });

  test('of a stream leaves nothing behind', async () => {
    const stop = new AbortController();
    const endless = (async function* () {
      for (;;) yield noise(100_000, 13);
    })();
    const before = await open();
    const pushing = ground
      .client()
      .push(endless, 'endless', { signal: stop.signal, onProgress: ({ done }) => done > MiB && stop.abort() });
    await expect(pushing).rejects.toMatchObject({ code: 'aborted' });
    expect(await open()).toEqual(before);
  });
});

describe('a source that changes', () => {
  test('while it is sent is refused', async () => {
    const path = await ground.file('moving', noise(4 * MiB, 15));
    let appended: Promise<void> | undefined;
    const pushing = ground.client().push(path, 'moving', {
      dedup: false,
      pace: { first: 256 * 1024, most: 256 * 1024 },
      onProgress: ({ done }) => {
        if (done > MiB) appended ??= appendFile(path, 'more');
      },
    });
    await expect(pushing).rejects.toMatchObject({ code: 'source_changed' });
    await appended;
    expect((await ground.world.ask('GET', '/artifacts/moving')).status).toBe(404);
    expect(await entries()).toEqual([]);
    expect(await open()).toEqual([]);
  });

  test('unnoticed, in one byte with its time set back, is found out by its digest', async () => {
    const path = await ground.file('sly', noise(4 * MiB, 16));
    await pushSome(path, 'sly', 2 * MiB, true);
    const content = await readFile(path);
    const [entry] = await entries();
    const journal = join(ground.folder, 'state', 'uploads', entry!);
    content[10] = content[10]! ^ 1;
    await writeFile(path, content);
    const stamp = (JSON.parse(await readFile(journal, 'utf8')) as { stamp: string }).stamp;
    const nanoseconds = BigInt(stamp.split(':')[1]!);
    await utimes(path, Number(nanoseconds / 1000n) / 1e6, Number(nanoseconds / 1000n) / 1e6);
    const pushed = await ground.client().push(path, 'sly');
    expect((await stored('sly')).equals(content)).toBe(true);
    expect(pushed.sha512).toBe(sha512(content));
  });
});

describe('two pushes of one file at once', () => {
  test('both pushes of one file succeed', async () => {
    const content = noise(6 * MiB, 17);
    const path = await ground.file('shared', content);
    const troubles: string[] = [];
    const options = { dedup: false, onTrouble: ({ code }: StowageError) => troubles.push(code) };
    const pushed = await Promise.all([
      ground.client().push(path, 'shared', options),
      ground.client().push(path, 'shared', options),
    ]);
    expect(pushed.map(({ sha512: hex }) => hex)).toEqual([sha512(content), sha512(content)]);
    expect(troubles).toContain('occupied');
    expect((await stored('shared')).equals(content)).toBe(true);
    expect(await open()).toEqual([]);
  });
});

describe('a bad line', () => {
  test('a connection that falls silent without a word costs at most 8 MiB sent twice', async () => {
    const content = noise(64 * MiB, 18);
    const path = await ground.file('holes', content);
    const proxy = await ground.proxy();
    // Every second connection is one that asks for the offset and goes on with it.
    proxy.script(...Array.from({ length: 8 }, () => blackHoleAfter(6 * MiB)));
    const before = proxy.connections.length;
    const pushed = await ground.client({ url: proxy.url }).push(path, 'holes', { dedup: false });
    expect(proxy.connections.length - before).toBe(9);
    expect((await stored('holes')).equals(content)).toBe(true);
    const twice = pushed.sent - content.length;
    // What had left this machine's memory for the proxy and was not handed on.
    expect(twice / 8).toBeLessThan(8 * MiB);
  }, 60_000);

  test('connections that are reset anywhere are replaced', async () => {
    const content = noise(20 * MiB, 19);
    const path = await ground.file('resets', content);
    const proxy = await ground.proxy();
    proxy.script(...[100, 700, 70_000, 1_234_567, 300, 5_000_000, 2_000_001, 64 * 1024, 1].map(resetAfter));
    await ground.client({ url: proxy.url }).push(path, 'resets', { dedup: false });
    expect((await stored('resets')).equals(content)).toBe(true);
  }, 30_000);

  test('a stream survives connections that are reset', async () => {
    const content = noise(20 * MiB, 20);
    const proxy = await ground.proxy();
    proxy.script(...[90_000, 3_000_000, 1_234_567, 300, 5_000_000].map(resetAfter));
    const pushed = await ground.client({ url: proxy.url }).push(Readable.from(split(content, 70_000)), 'stream-resets');
    expect(pushed.sha512).toBe(sha512(content));
    expect((await stored('stream-resets')).equals(content)).toBe(true);
  }, 30_000);

  test('answers that are lost, the last one included, cost nothing', async () => {
    const content = noise(MiB, 21);
    const proxy = await ground.proxy();
    // One connection a request: login, begin, append, its question, publish.
    proxy.script(...Array.from({ length: 5 }, () => resetAfterRequest()));
    const pushed = await ground.client({ url: proxy.url }).push(content, 'lost-answers', { dedup: false });
    expect(pushed).toMatchObject({ version: 1, sha512: sha512(content) });
    expect((await stored('lost-answers')).equals(content)).toBe(true);
  });

  test('a connection that falls silent is given up after the idle time', async () => {
    const content = noise(4 * MiB, 22);
    const proxy = await ground.proxy();
    proxy.script(stallAfter(MiB));
    const codes: string[] = [];
    await ground
      .client({ url: proxy.url })
      .push(content, 'stalled', { dedup: false, idle: 300, onTrouble: ({ code }) => codes.push(code) });
    expect(codes).toEqual(['timeout']);
    expect((await stored('stalled')).equals(content)).toBe(true);
  });

  test('a server that refuses connections for a while is waited for', async () => {
    const content = noise(12 * MiB, 23);
    const path = await ground.file('gone', content);
    const platform = nodePlatform({ stateFolder: join(ground.folder, 'state') });
    let refused = 0;
    const gone: Transport = async (request) => {
      if (request.method !== 'HEAD' || refused === 5) return await platform.transport(request);
      refused += 1;
      throw new StowageError('network', 'connection refused');
    };
    const proxy = await ground.proxy();
    proxy.script(resetAfter(5 * MiB));
    const pushed = await ground
      .client({ url: proxy.url, platform: { ...platform, transport: gone } })
      .push(path, 'gone', { dedup: false });
    expect(refused).toBe(5);
    expect(pushed.sha512).toBe(sha512(content));
    expect((await stored('gone')).equals(content)).toBe(true);
  }, 30_000);

  test('a token that expires during a push is renewed', async () => {
    const content = noise(4 * MiB, 24);
    let moved = false;
    const pushed = await ground.client().push(content, 'token', {
      dedup: false,
      pace: { first: 512 * 1024, most: 512 * 1024 },
      onProgress: ({ phase, done }) => {
        if (phase !== 'sending' || done < 2 * MiB || moved) return;
        moved = true;
        ground.world.clock.move(16 * 60_000);
      },
    });
    expect(moved).toBe(true);
    expect(pushed.sha512).toBe(sha512(content));
  });
});

function* split(bytes: Buffer, stride: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += stride) yield bytes.subarray(at, at + stride);
}
