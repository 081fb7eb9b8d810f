/** The Node parts of the client: transport, and hashing in a thread. */
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileHash } from '../../src/client/node/file-hash.ts';
import { fileSource } from '../../src/client/node/file-source.ts';
import { nodeTransport } from '../../src/client/node/transport.ts';
import { readAnswerText, type Outgoing, type RequestPayload } from '../../src/client/transport.ts';
import { noise, sha512 } from './ground.ts';

const MiB = 1024 * 1024;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stowage-node-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function withServer(
  handle: (req: IncomingMessage, res: ServerResponse) => unknown,
  work: (url: string) => Promise<void>,
): Promise<void> {
  const server = createServer((req, res) => void handle(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const request = (url: string, more: Partial<Outgoing> = {}): Outgoing => ({
  method: 'GET',
  url,
  headers: {},
  idle: 2000,
  ...more,
});

const payloadOf = (bytes: Uint8Array, stride = 65_536): RequestPayload => ({
  size: bytes.byteLength,
  pieces: async function* () {
    for (let at = 0; at < bytes.byteLength; at += stride) yield bytes.subarray(at, at + stride);
  },
});

describe('requests by node:http', () => {
  test('keep their connection, and send a body with its length', async () => {
    const ports = new Set<number>();
    await withServer(
      async (req, res) => {
        ports.add(req.socket.remotePort!);
        let size = 0;
        for await (const piece of req as AsyncIterable<Buffer>) size += piece.length;
        res.end(`${size} ${req.headers['content-length']} ${req.headers['transfer-encoding']}`);
      },
      async (url) => {
        const transport = nodeTransport();
        const sent: number[] = [];
        const answer = await transport(
          request(url, { method: 'POST', body: payloadOf(noise(MiB)), onSent: (bytes) => sent.push(bytes) }),
        );
        expect(await readAnswerText(answer)).toBe(`${MiB} ${MiB} undefined`);
        expect(sent.at(-1)).toBe(MiB);
        expect(sent).toEqual([...sent].sort((a, b) => a - b));
        expect(await readAnswerText(await transport(request(url, { method: 'POST', body: 'text' })))).toBe(
          '4 4 undefined',
        );
        expect(await readAnswerText(await transport(request(url)))).toBe('0 undefined undefined');
        expect(ports.size).toBe(1);
      },
    );
  });

  test('an answer in the middle of the body is heard, and the rest not sent', async () => {
    await withServer(
      (_req, res) => void res.writeHead(409, { 'content-type': 'application/json' }).end('{"code":"offset_mismatch"}'),
      async (url) => {
        let sent = 0;
        const answer = await nodeTransport()(
          request(url, { method: 'POST', body: payloadOf(noise(64 * MiB)), onSent: (bytes) => (sent = bytes) }),
        );
        expect(answer.status).toBe(409);
        expect(await readAnswerText(answer)).toBe('{"code":"offset_mismatch"}');
        expect(sent).toBeLessThan(32 * MiB);
      },
    );
  });

  test('a kept connection that died is replaced', async () => {
    let turn = 0;
    await withServer(
      (req, res) => {
        turn += 1;
        if (turn === 2) req.socket.resetAndDestroy();
        else res.end('yes');
      },
      async (url) => {
        const transport = nodeTransport();
        expect(await readAnswerText(await transport(request(url)))).toBe('yes');
        expect(await readAnswerText(await transport(request(url)))).toBe('yes');
        expect(turn).toBe(3);
      },
    );
  });

  test('a fresh connection that dies is a fault of the line', async () => {
    await withServer(
      (req) => void req.socket.resetAndDestroy(),
      async (url) => {
        await expect(nodeTransport()(request(url))).rejects.toMatchObject({ code: 'network' });
      },
    );
    await expect(nodeTransport()(request('http://127.0.0.1:1/'))).rejects.toMatchObject({
      code: 'network',
      message: expect.stringContaining('connection refused') as string,
    });
  });

  test('a body that is cut is not a short one', async () => {
    await withServer(
      (_req, res) => {
        res.writeHead(200, { 'content-length': '100' }).write('half', () => res.destroy());
      },
      async (url) => {
        await expect(readAnswerText(await nodeTransport()(request(url)))).rejects.toMatchObject({ code: 'network' });
      },
    );
    await withServer(
      (_req, res) => {
        res.write('half', () => res.destroy());
      },
      async (url) => {
        await expect(readAnswerText(await nodeTransport()(request(url)))).rejects.toMatchObject({ code: 'network' });
      },
    );
  });

  test('silence ends, before the answer and in it', async () => {
    await withServer(
      () => undefined,
      async (url) => {
        await expect(nodeTransport()(request(url, { idle: 50 }))).rejects.toMatchObject({ code: 'timeout' });
      },
    );
    await withServer(
      (_req, res) => void res.write('half'),
      async (url) => {
        await expect(readAnswerText(await nodeTransport()(request(url, { idle: 50 })))).rejects.toMatchObject({
          code: 'timeout',
        });
      },
    );
  });

  test('a signal ends it, before it began, before the answer and in it', async () => {
    await withServer(
      (_req, res) => void res.write('half'),
      async (url) => {
        await expect(nodeTransport()(request(url, { signal: AbortSignal.abort() }))).rejects.toMatchObject({
          code: 'aborted',
        });
        const stop = new AbortController();
        const answer = await nodeTransport()(request(url, { signal: stop.signal }));
        const reading = readAnswerText(answer);
        stop.abort();
        await expect(reading).rejects.toMatchObject({ code: 'aborted' });
      },
    );
    const stop = new AbortController();
    await withServer(
      () => stop.abort(),
      async (url) => {
        await expect(nodeTransport()(request(url, { signal: stop.signal }))).rejects.toMatchObject({ code: 'aborted' });
      },
    );
  });

  test('a source that fails while it is sent is the error', async () => {
    await withServer(
      (req, res) => void req.resume().on('end', () => res.end()),
      async (url) => {
        const broken: RequestPayload = {
          size: 10,
          pieces: async function* () {
            yield Buffer.from('abc');
            throw new Error('the disk broke');
          },
        };
        await expect(nodeTransport()(request(url, { method: 'POST', body: broken }))).rejects.toThrow('the disk broke');
      },
    );
  });
});

describe("a file's hash", () => {
  test.each([
    ['here', 100_001],
    ['in a thread', 20 * MiB + 3],
  ])('%s', async (_where, size) => {
    const path = join(folder, 'f');
    const bytes = noise(size);
    await writeFile(path, bytes);
    const told: number[] = [];
    expect(await new FileHash(path, size).digest(size, (done) => told.push(done))).toBe(sha512(bytes));
    expect(told).toEqual([...told].sort((a, b) => a - b));
  });

  test('follows a file that grows, in steps of any size', async () => {
    const path = join(folder, 'f');
    const bytes = noise(10 * MiB);
    await writeFile(path, '');
    const hash = new FileHash(path, bytes.length);
    let at = 0;
    for (const step of [1, 5, 700_000, MiB, 3, 2 * MiB + 1, 64_000, 12]) {
      await appendFile(path, bytes.subarray(at, at + step));
      at += step;
      hash.advance(at);
      // The thread reads meanwhile.
      await readFile(path);
    }
    await appendFile(path, bytes.subarray(at));
    expect(await hash.digest(bytes.length, () => {})).toBe(sha512(bytes));
  });

  test('of a file that became shorter is refused', async () => {
    const path = join(folder, 'f');
    await writeFile(path, noise(1000));
    for (const expected of [2000, 20 * MiB]) {
      await expect(new FileHash(path, expected).digest(expected, () => {})).rejects.toMatchObject({
        code: 'source_changed',
      });
    }
  });

  test('hashing ends when the signal is aborted', async () => {
    const path = join(folder, 'f');
    await writeFile(path, noise(16 * MiB));
    const stop = new AbortController();
    const digest = new FileHash(path, 16 * MiB).digest(16 * MiB, () => {}, stop.signal);
    stop.abort();
    await expect(digest).rejects.toMatchObject({ code: 'aborted' });
  });

  test('of a file that is gone is a fault, at once and later', async () => {
    for (const size of [10, 16 * MiB])
      await expect(new FileHash(join(folder, 'none'), size).digest(size, () => {})).rejects.toThrow(/ENOENT/);
    const early = new FileHash(join(folder, 'none'), 16 * MiB);
    early.advance(5);
    await expect(early.digest(10, () => {})).rejects.toThrow(/ENOENT/);
  });
});

test('a file as a source keeps its promise about pieces: two behind the newest stay untouched', async () => {
  const path = join(folder, 'f');
  const bytes = noise(9 * MiB + 11);
  await writeFile(path, bytes);
  const source = await fileSource(path);
  const payload = await source.piece(3, 8 * MiB, undefined);
  const kept: { at: number; piece: Uint8Array }[] = [];
  let at = 3;
  for await (const piece of payload!.pieces()) {
    kept.push({ at, piece });
    at += piece.byteLength;
    if (kept.length > 3) kept.shift();
    // What is read ahead is there once a later read is.
    await readFile(path);
    for (const one of kept)
      expect(Buffer.from(one.piece).equals(bytes.subarray(one.at, one.at + one.piece.byteLength))).toBe(true);
  }
  expect(at).toBe(3 + 8 * MiB);
  await source.close();
});
