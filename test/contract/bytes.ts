/** The contract of byte stores. An engine's test passes its constructor. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { ByteStore, StageWriter } from '../../src/core/engine.ts';

export interface OpenedBytes {
  readonly bytes: ByteStore;
  readonly close: () => Promise<void>;
  /** The same store, reopened by a process without state. */
  readonly reopen: () => Promise<OpenedBytes>;
}

const sha512 = (data: Uint8Array): string => createHash('sha512').update(data).digest('hex');
const MiB = 1024 * 1024;

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Writes `data` in pieces, like a socket. */
async function pour(writer: StageWriter, data: Uint8Array, piece = 65536): Promise<void> {
  for (let at = 0; at < data.length; at += piece) await writer.write(Uint8Array.from(data.subarray(at, at + piece)));
}

export function bytesContract(name: string, open: () => Promise<OpenedBytes>): void {
  describe(`${name}: bytes`, () => {
    let opened: OpenedBytes;
    let bytes: ByteStore;
    beforeEach(async () => {
      opened = await open();
      bytes = opened.bytes;
    });
    afterEach(() => opened.close());

    async function stageOf(data: Uint8Array, piece?: number): Promise<string> {
      const stage = randomUUID();
      const writer = await bytes.open(stage, 0);
      await pour(writer, data, piece);
      await writer.sync();
      await writer.close();
      return stage;
    }

    test.each([0, 1, 4096, 65536, 262144, 262145, 3 * MiB + 17, 20 * MiB])(
      'keeps and hashes %i bytes',
      async (size) => {
        const data = randomBytes(size);
        const stage = await stageOf(data);
        expect((await bytes.digest(stage, size, 'sha512')).hex).toBe(sha512(data));
        expect(await bytes.size(stage)).toBe(size);
        const address = await bytes.seal(stage, size, sha512(data));
        await bytes.drop(stage);
        expect(await bytes.size(stage)).toBeUndefined();
        const reader = await bytes.read(address);
        expect(reader.size).toBe(size);
        expect((await collect(reader.read(0, size))).equals(data)).toBe(true);
        await reader.close();
      },
    );

    test('appends go on where the last one ended, over many openings and sizes', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 0, max: 700_000 }), { minLength: 1, maxLength: 8 }),
          fc.integer({ min: 1000, max: 70_000 }),
          async (sizes, piece) => {
            const stage = randomUUID();
            const all: Buffer[] = [];
            let offset = 0;
            for (const size of sizes) {
              const part = randomBytes(size);
              const writer = await bytes.open(stage, offset);
              await pour(writer, part, piece);
              offset += size;
              expect(await writer.sync()).toBe(offset);
              await writer.close();
              all.push(part);
            }
            expect((await bytes.digest(stage, offset, 'sha512')).hex).toBe(sha512(Buffer.concat(all)));
            expect((await collect(bytes.peek(stage, 0, offset))).equals(Buffer.concat(all))).toBe(true);
            await bytes.drop(stage);
          },
        ),
        { numRuns: 15 },
      );
    });

    test('what was taken back leaves no trace in bytes or digest', async () => {
      const kept = randomBytes(2 * MiB + 5);
      const stage = await stageOf(kept);
      for (const junk of [100, MiB, 5 * MiB]) {
        const writer = await bytes.open(stage, kept.length);
        await pour(writer, randomBytes(junk));
        await writer.close();
        await bytes.cut(stage, kept.length);
      }
      const more = randomBytes(3 * MiB);
      const writer = await bytes.open(stage, kept.length);
      await pour(writer, more);
      await writer.sync();
      await writer.close();
      const size = kept.length + more.length;
      expect((await bytes.digest(stage, size, 'sha512')).hex).toBe(sha512(Buffer.concat([kept, more])));
      expect(await bytes.size(stage)).toBe(size);
    });

    test('a cut to any size is followed by the digest', async () => {
      const data = randomBytes(4 * MiB);
      const stage = await stageOf(data);
      for (const size of [4 * MiB, 4 * MiB - 1, 3 * MiB, 65536, 1, 0]) {
        await bytes.cut(stage, size);
        expect((await bytes.digest(stage, size, 'sha512')).hex).toBe(sha512(data.subarray(0, size)));
        expect(await bytes.size(stage)).toBe(size);
      }
    });

    test('a digest is found again by a process that remembers nothing', async () => {
      const data = randomBytes(6 * MiB + 3);
      const stage = await stageOf(data);
      opened = await opened.reopen();
      bytes = opened.bytes;
      expect((await bytes.digest(stage, data.length, 'sha512')).hex).toBe(sha512(data));
    });

    test('other algorithms read the bytes when asked', async () => {
      const data = randomBytes(MiB + 1);
      const stage = await stageOf(data);
      expect((await bytes.digest(stage, data.length, 'sha256')).hex).toBe(
        createHash('sha256').update(data).digest('hex'),
      );
      const address = await bytes.seal(stage, data.length, sha512(data));
      const digests = await bytes.digests(address, ['md5', 'sha1', 'sha512', 'xxh128']);
      expect(digests.slice(0, 3).map((digest) => digest.hex)).toEqual(
        ['md5', 'sha1', 'sha512'].map((algorithm) => createHash(algorithm).update(data).digest('hex')),
      );
      expect(digests[3]!.hex).toMatch(/^[0-9a-f]{32}$/);
    });

    test('opening cuts off what was never acknowledged, and refuses what is not there', async () => {
      const stage = await stageOf(randomBytes(1000));
      await (await bytes.open(stage, 400)).close();
      expect(await bytes.size(stage)).toBe(400);
      await expect(bytes.open(stage, 500)).rejects.toMatchObject({ reason: 'lost' });
      await expect(bytes.open(randomUUID(), 1)).rejects.toMatchObject({ reason: 'lost' });
    });

    test('sealing twice gives one place; removing it leaves the stage and other copies alone', async () => {
      const data = randomBytes(1000);
      const one = await stageOf(data);
      const two = await stageOf(data);
      const address = await bytes.seal(one, 1000, sha512(data));
      expect(await bytes.seal(one, 1000, sha512(data))).toBe(address);
      const other = await bytes.seal(two, 1000, sha512(data));
      expect(other).not.toBe(address);
      await bytes.remove(address);
      await bytes.remove(address);
      expect(await bytes.stat(address)).toBeUndefined();
      expect(await bytes.stat(other)).toBe(1000);
      expect(await bytes.size(one)).toBe(1000);
      await expect(bytes.seal(one, 1001, sha512(data))).rejects.toMatchObject({ reason: 'lost' });
    });

    test('the same bytes are sealed again after a seal that was never put on record', async () => {
      const data = randomBytes(1000);
      const stage = await stageOf(data);
      const first = await bytes.seal(stage, 1000, sha512(data));
      await bytes.cut(stage, 0);
      const writer = await bytes.open(stage, 0);
      await writer.write(Buffer.from(data));
      await writer.sync();
      await writer.close();
      const second = await bytes.seal(stage, 1000, sha512(data));
      expect({ 'stat first': await bytes.stat(first), 'stat second': await bytes.stat(second) }).toEqual({
        'stat first': 1000,
        'stat second': 1000,
      });
      await bytes.remove(first);
      expect(await bytes.stat(second)).toBe(1000);
      const joined = [await stageOf(data), await stageOf(data)].map((part) => ({ stage: part, size: 1000 }));
      const whole = randomUUID();
      const both = sha512(Buffer.concat([data, data]));
      await bytes.join(whole, joined);
      const once = await bytes.seal(whole, 2000, both);
      await bytes.drop(whole);
      await bytes.join(whole, [{ stage: await stageOf(Buffer.concat([data, data])), size: 2000 }]);
      const again = await bytes.seal(whole, 2000, both);
      expect({
        'first copy': await bytes.stat(once),
        'second copy': await bytes.stat(again),
        'same place': once === again,
      }).toEqual({ 'first copy': 2000, 'second copy': 2000, 'same place': false });
    });

    test('a joined stage may move when it is sealed; a seal that is undone leaves the stage and nothing else', async () => {
      const data = randomBytes(1000);
      const joined = [await stageOf(data), await stageOf(data)].map((part) => ({ stage: part, size: 1000 }));
      const both = sha512(Buffer.concat([data, data]));
      const [whole, plain] = [randomUUID(), await stageOf(data)];
      await bytes.join(whole, joined);
      for (const moves of [true, false, true]) {
        const address = await bytes.seal(whole, 2000, both, moves);
        expect(await bytes.stat(address)).toBe(2000);
        await bytes.unseal(whole, address);
        expect([await bytes.stat(address), await bytes.size(whole)]).toEqual([undefined, 2000]);
        expect((await bytes.digest(whole, 2000, 'sha512')).hex).toBe(both);
      }
      const address = await bytes.seal(whole, 2000, both, true);
      // Joined again, as after a crash.
      await bytes.join(whole, joined);
      expect(await bytes.size(whole)).toBe(2000);
      expect(await bytes.seal(whole, 2000, both, true)).toBe(address);
      for (const { stage } of joined) await bytes.drop(stage);
      await bytes.drop(whole);
      const reader = await bytes.read(address);
      expect((await collect(reader.read(0, 2000))).equals(Buffer.concat([data, data]))).toBe(true);
      await reader.close();
      const single = await bytes.seal(plain, 1000, sha512(data), true);
      await bytes.unseal(plain, single);
      expect([await bytes.stat(single), await bytes.size(plain)]).toEqual([undefined, 1000]);
    });

    test('reads any range, and throws rather than give fewer bytes', async () => {
      const data = randomBytes(MiB);
      const stage = await stageOf(data);
      const reader = await bytes.read(await bytes.seal(stage, MiB, sha512(data)));
      for (const [from, to] of [
        [0, 0],
        [0, 1],
        [5, 700_000],
        [MiB - 1, MiB],
        [MiB, MiB],
      ] as const) {
        expect((await collect(reader.read(from, to))).equals(data.subarray(from, to))).toBe(true);
      }
      await expect(collect(reader.read(MiB - 1, MiB + 1))).rejects.toMatchObject({ reason: 'lost' });
      await reader.close();
      await expect(bytes.read(`${sha512(data)}.00000000`)).rejects.toMatchObject({ reason: 'lost' });
    });

    test('lists all that lies in it, and puts aside what is told to', async () => {
      const data = randomBytes(10);
      const stage = await stageOf(data);
      const address = await bytes.seal(stage, 10, sha512(data));
      const listed = [];
      for await (const item of bytes.list()) listed.push([item.kind, item.name, item.size]);
      expect(listed.sort()).toEqual([
        ['blob', address, 10],
        ['stage', stage, 10],
      ]);
      await bytes.quarantine(address);
      await bytes.quarantine(address);
      await bytes.drop(stage);
      for await (const item of bytes.list()) throw new Error(`still lists ${item.name}`);
      expect((await bytes.space()).free).toBeGreaterThan(0);
    });

    test('joins stages into one that reads, hashes, seals and is cut as any other', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 0, max: 700_000 }), { maxLength: 7 }),
          fc.double({ min: 0, max: 1, noNaN: true }),
          async (sizes, where) => {
            const parts = sizes.map((size) => randomBytes(size));
            const all = Buffer.concat(parts);
            const stages = await Promise.all(parts.map((part) => stageOf(part)));
            const whole = randomUUID();
            await bytes.join(
              whole,
              stages.map((stage, n) => ({ stage, size: parts[n]!.length })),
            );
            expect((await bytes.size(whole)) ?? 0).toBe(all.length);
            const digest = (await bytes.digest(whole, all.length, 'sha512')).hex;
            expect(digest).toBe(sha512(all));
            const address = await bytes.seal(whole, all.length, digest);
            const at = Math.floor(where * all.length);
            await bytes.cut(whole, at);
            expect((await bytes.size(whole)) ?? 0).toBe(at);
            expect((await bytes.digest(whole, at, 'sha512')).hex).toBe(sha512(all.subarray(0, at)));
            for (const stage of [...stages, whole]) await bytes.drop(stage);
            expect(await bytes.size(whole)).toBeUndefined();
            expect(await bytes.stat(address)).toBe(all.length);
            expect((await bytes.digests(address, ['sha512']))[0]!.hex).toBe(digest);
            const reader = await bytes.read(address);
            expect(reader.size).toBe(all.length);
            expect((await collect(reader.read(at, all.length))).equals(all.subarray(at))).toBe(true);
            await expect(collect(reader.read(0, all.length + 1))).rejects.toMatchObject({ reason: 'lost' });
            await reader.close();
            await bytes.remove(address);
            expect(await bytes.stat(address)).toBeUndefined();
          },
        ),
        { numRuns: 15 },
      );
    });

    test('what becomes of a part does not touch what was joined of it', async () => {
      const parts = [randomBytes(MiB), randomBytes(MiB + 1), randomBytes(5)];
      const stages = await Promise.all(parts.map((part) => stageOf(part)));
      const whole = randomUUID();
      const list = stages.map((stage, n) => ({ stage, size: parts[n]!.length }));
      await bytes.join(whole, list);
      // Truncated and rewritten; truncated by opening; grown.
      await bytes.cut(stages[0]!, 100);
      const anew = await bytes.open(stages[0]!, 100);
      await anew.write(randomBytes(2 * MiB));
      await anew.sync();
      await anew.close();
      const cut = await bytes.open(stages[1]!, 7);
      await cut.write(randomBytes(70));
      await cut.sync();
      await cut.close();
      const grown = await bytes.open(stages[2]!, 5);
      await grown.write(randomBytes(1000));
      await grown.sync();
      await grown.close();
      expect(await Promise.all(stages.map((stage) => bytes.size(stage)))).toEqual([100 + 2 * MiB, 77, 1005]);
      const all = Buffer.concat(parts);
      expect(await bytes.size(whole)).toBe(all.length);
      expect((await collect(bytes.peek(whole, 0, all.length))).equals(all)).toBe(true);
      opened = await opened.reopen();
      bytes = opened.bytes;
      expect((await bytes.digest(whole, all.length, 'sha512')).hex).toBe(sha512(all));
      expect((await bytes.digest(whole, all.length, 'md5')).hex).toBe(createHash('md5').update(all).digest('hex'));
    });

    test('joined again, a stage has the parts named last', async () => {
      const parts = Array.from({ length: 5 }, (_, n) => randomBytes(400_000 + n));
      const stages = await Promise.all(parts.map((part) => stageOf(part)));
      const whole = randomUUID();
      for (const order of [[0], [0, 1], [0, 1, 2, 3, 4], [0, 1, 4], [3, 1, 1], []]) {
        await bytes.join(
          whole,
          order.map((n) => ({ stage: stages[n]!, size: parts[n]!.length })),
        );
        const all = Buffer.concat(order.map((n) => parts[n]!));
        expect((await bytes.size(whole)) ?? 0).toBe(all.length);
        expect((await bytes.digest(whole, all.length, 'sha512')).hex).toBe(sha512(all));
      }
    });

    test('a joined stage takes no more bytes, and none is joined of parts that are short or gone', async () => {
      const stage = await stageOf(randomBytes(1000));
      const whole = randomUUID();
      await bytes.join(whole, [
        { stage, size: 1000 },
        { stage, size: 1000 },
      ]);
      const writer = await bytes.open(whole, 2000);
      await writer.write(new Uint8Array(0));
      expect(await writer.sync()).toBe(2000);
      expect(() => writer.write(randomBytes(1))).toThrow(expect.objectContaining({ reason: 'conflict' }));
      await writer.close();
      await expect(bytes.join(randomUUID(), [{ stage, size: 1001 }])).rejects.toMatchObject({ reason: 'lost' });
      await expect(bytes.join(randomUUID(), [{ stage: randomUUID(), size: 1 }])).rejects.toMatchObject({
        reason: 'lost',
      });
      const listed = [];
      for await (const item of bytes.list()) listed.push([item.name, item.size]);
      expect(listed.sort()).toEqual(
        [
          [stage, 1000],
          [whole, 2000],
        ].sort(),
      );
      const address = await bytes.seal(whole, 2000, 'a'.repeat(128));
      await bytes.quarantine(address);
      expect(await bytes.stat(address)).toBeUndefined();
    });

    test('many stages at once do not mix', async () => {
      const parts = Array.from({ length: 24 }, (_, n) => randomBytes(MiB + n));
      const stages = await Promise.all(parts.map((part) => stageOf(part)));
      const digests = await Promise.all(stages.map((stage, n) => bytes.digest(stage, parts[n]!.length, 'sha512')));
      expect(digests.map((digest) => digest.hex)).toEqual(parts.map((part) => sha512(part)));
    });
  });
}
