/** The library in a browser environment: fetch, WebAssembly, localStorage, nothing of Node. */
import { readFile } from 'node:fs/promises';
import { StowageClient, StowageError, webPlatform, type PushProgress } from '../../src/client/index.ts';
import { wasmHash } from '../../src/client/web/hash.ts';
import { hasty, noise, openGround, sha512, type Ground } from './ground.ts';

const MiB = 1024 * 1024;

let ground: Ground;

beforeAll(async () => {
  ground = await openGround();
});
afterAll(async () => ground.close());

const client = (fetch?: typeof globalThis.fetch): StowageClient =>
  new StowageClient({
    url: ground.world.url,
    namespace: ground.world.namespace,
    key: ground.world.key,
    patience: hasty,
    ...(fetch ? { fetch } : {}),
  });

/** A Storage as browsers have. */
class MemoryStorage {
  [key: string]: unknown;
  getItem(key: string): string | null {
    return Object.hasOwn(this, key) ? String(this[key]) : null;
  }

  setItem(key: string, value: string): void {
    this[key] = value;
  }

  removeItem(key: string): void {
    delete this[key];
  }
}

describe('in a browser', () => {
  test('bytes, Blobs and streams are pushed, and read back', async () => {
    const content = noise(3 * MiB + 1);
    const blob = new Blob([new Uint8Array(content)]);
    for (const [name, source] of [
      ['web-bytes', content],
      ['web-blob', blob],
      ['web-stream', blob.stream()],
    ] as const) {
      const pushed = await client().push(source, name, { dedup: false });
      expect(pushed).toMatchObject({ size: content.length, sha512: sha512(content) });
      const back = await client().read(name);
      expect(Buffer.from(await back.arrayBuffer()).equals(content)).toBe(true);
    }
    expect(await client().push(blob, 'web-again')).toMatchObject({ deduplicated: true });
  });

  test('paths of files are refused', async () => {
    await expect(client().push('/etc/hostname', 'x')).rejects.toMatchObject({ code: 'malformed' });
    await expect(client().pull('x', '/tmp/x')).rejects.toMatchObject({ code: 'malformed' });
  });

  test('a File is gone on with by a later page', async () => {
    const content = noise(4 * MiB, 2);
    const file = new File([new Uint8Array(content)], 'photo.raw', { lastModified: 1234 });
    const storage = new MemoryStorage();
    Object.defineProperty(globalThis, 'localStorage', { value: storage, configurable: true });
    try {
      const stop = new AbortController();
      const onProgress = ({ done }: PushProgress): void => {
        if (done >= 2 * MiB) stop.abort();
      };
      await expect(
        client().push(file, 'photo', {
          dedup: false,
          signal: stop.signal,
          onProgress,
          pace: { first: MiB, most: MiB },
        }),
      ).rejects.toMatchObject({ code: 'aborted' });
      expect(await client().journal?.list()).toHaveLength(1);
      const again = new File([new Uint8Array(content)], 'photo.raw', { lastModified: 1234 });
      const pushed = await client().push(again, 'photo', { dedup: false });
      expect(pushed.resumedFrom).toBeGreaterThanOrEqual(MiB);
      expect(pushed).toMatchObject({ sha512: sha512(content) });
      expect(Object.keys(storage)).toEqual([]);
    } finally {
      Reflect.deleteProperty(globalThis, 'localStorage');
    }
  });

  test('faults are errors of the library', async () => {
    const broken = client(async () => {
      throw new TypeError('Failed to fetch');
    });
    await expect(broken.login()).rejects.toMatchObject({ code: 'network' });
    const silent = client(
      (_url, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
        }),
    );
    const stop = new AbortController();
    const login = silent.login(stop.signal);
    stop.abort();
    await expect(login).rejects.toMatchObject({ code: 'aborted' });
    await expect(client().artifacts.get('nobody')).rejects.toBeInstanceOf(StowageError);
  });

  test('an answer that is cut is gone on with', async () => {
    const content = noise(3 * MiB, 3);
    await client().push(content, 'web-cut', { dedup: false });
    let turn = 0;
    const cutting: typeof fetch = async (url, init) => {
      const answer = await fetch(url, init);
      if (init?.method !== 'GET' || !(url as string).includes('/data') || turn++ > 0) return answer;
      const first = new Uint8Array(await answer.arrayBuffer()).subarray(0, MiB);
      const half = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(first),
        pull: (controller) => controller.error(new TypeError('network error')),
      });
      return new Response(half, { status: answer.status, headers: answer.headers });
    };
    const back = await client(cutting).read('web-cut');
    expect(turn).toBe(2);
    expect(Buffer.from(await back.arrayBuffer()).equals(content)).toBe(true);
  });

  test('the SHA-512 of the browser equals that of Node', async () => {
    const hash = await wasmHash();
    hash.update(noise(1000).subarray(0, 300));
    hash.update(noise(1000).subarray(300));
    expect(hash.digest()).toBe(sha512(noise(1000)));
    expect(webPlatform().journal).toBeUndefined();
  });
});

test("nothing that the entrance imports is Node's", async () => {
  const seen = new Set<string>();
  const visit = async (url: URL): Promise<void> => {
    if (seen.has(url.href)) return;
    seen.add(url.href);
    const source = await readFile(url, 'utf8');
    for (const [, name] of source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
      if (name!.startsWith('.')) await visit(new URL(name!, url));
      else expect(['hash-wasm', 'lowdb', 'lowdb/browser']).toContain(name);
    }
    expect(source).not.toMatch(/\b(?:Buffer|process)\.\w/);
  };
  await visit(new URL('../../src/client/index.ts', import.meta.url));
  expect(seen.size).toBeGreaterThan(20);
});
