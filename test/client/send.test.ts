import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { nodeHash } from '../../src/client/node/file-hash.ts';
import { Pace } from '../../src/client/pace.ts';
import { sendUpload, type Sent } from '../../src/client/send.ts';
import { bytesSource, type UploadSource } from '../../src/client/source.ts';
import { streamSource } from '../../src/client/stream-source.ts';
import { Uploads } from '../../src/client/uploads.ts';
import { openLine, patience, type Line, type Trouble } from './line.ts';

const bytes = (size: number): Buffer =>
  Buffer.from(Array.from({ length: size }, (_, at) => (at * 7 + (at >> 8)) & 255));

async function* trickle(all: Buffer, stride: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < all.length; at += stride) {
    if (at % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    yield all.subarray(at, at + stride);
  }
}

const pace = (): Pace => new Pace({ first: 300, least: 100, most: 2000 });

/** @param from where to begin; `ask` to have the server say. */
async function sendOver(line: Line, source: UploadSource, from: number | 'ask' = 0): Promise<Sent> {
  return await sendUpload(new Uploads(line.session), 'u', source, from === 'ask' ? undefined : from, {
    pace: pace(),
    patience,
    idle: 1000,
    onProgress: () => {},
  });
}

const trouble: fc.Arbitrary<Trouble> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Trouble>({ kind: 'fine' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('cut' as const),
      share: fc.double({ min: 0.05, max: 0.95, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Trouble>({ kind: 'lost answer' }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('refused' as const), status: fc.constantFrom(500, 502, 503) }),
  },
);

/** No more tries in a row that bring nothing than patience bears: a refusal, or a cut so early that no byte came through. */
const script = fc
  .array(trouble, { maxLength: 30 })
  .filter(
    (troubles) => !/F{4}/.test(troubles.map(({ kind }) => (kind === 'refused' || kind === 'cut' ? 'F' : '.')).join('')),
  );

describe('sending', () => {
  test('whatever the line does, the upload ends as the source, and no byte that arrived is sent again', async () => {
    await fc.assert(
      fc.asyncProperty(script, fc.integer({ min: 0, max: 9000 }), async (troubles, size) => {
        const line = openLine(troubles);
        const all = bytes(size);
        const sent = await sendOver(line, bytesSource(all, nodeHash));
        expect(sent.size).toBe(size);
        expect(line.stored().equals(all)).toBe(true);
        expect(line.carried()).toBe(size);
      }),
      { numRuns: 300 },
    );
  });

  test('a stream survives breaks with no more of it in memory than its window', async () => {
    await fc.assert(
      fc.asyncProperty(
        script,
        fc.integer({ min: 0, max: 9000 }),
        fc.integer({ min: 1, max: 1200 }),
        async (troubles, size, stride) => {
          const line = openLine(troubles);
          const all = bytes(size);
          const source = streamSource(trickle(all, stride), nodeHash, { window: 3000, linger: 1 });
          const sent = await sendOver(line, source);
          expect(sent.size).toBe(size);
          expect(line.stored().equals(all)).toBe(true);
          expect(Math.max(0, ...line.requests.map((request) => request.size))).toBeLessThanOrEqual(1500);
          expect(await source.sha512(() => {}, undefined)).toBe(createHash('sha512').update(all).digest('hex'));
          await source.close();
        },
      ),
      { numRuns: 200 },
    );
  });

  test('an upload that somebody else began is asked for its offset first', async () => {
    const line = openLine([]);
    const all = bytes(2500);
    await sendOver(line, bytesSource(all.subarray(0, 1000), nodeHash));
    line.requests.length = 0;
    const sent = await sendOver(line, bytesSource(all, nodeHash), 'ask');
    expect(sent).toEqual({ from: 1000, size: 2500, bytes: 1500 });
    expect(line.requests[0]?.method).toBe('HEAD');
    expect(line.stored().equals(all)).toBe(true);
  });

  test('a wrong offset is set right by what the refusal tells, without another question', async () => {
    const line = openLine([]);
    const all = bytes(2500);
    await sendOver(line, bytesSource(all.subarray(0, 1000), nodeHash));
    line.requests.length = 0;
    await sendOver(line, bytesSource(all, nodeHash), 0);
    expect(line.requests.map(({ method }) => method)).not.toContain('HEAD');
    expect(line.stored().equals(all)).toBe(true);
  });

  test('a sender gives up after so many failures in a row', async () => {
    const line = openLine(Array.from({ length: 50 }, () => ({ kind: 'refused', status: 503 }) as const));
    await expect(sendOver(line, bytesSource(bytes(100), nodeHash))).rejects.toMatchObject({ code: 'unavailable' });
    expect(line.requests.filter(({ method }) => method === 'POST').length).toBe(patience.attempts);
  });

  test('a body too large for something on the way is sent in smaller ones, and stays small', async () => {
    const line = openLine([{ kind: 'fine' }, { kind: 'fine' }, { kind: 'refused', status: 413 }]);
    const all = bytes(20_000);
    await sendOver(line, bytesSource(all, nodeHash));
    expect(line.stored().equals(all)).toBe(true);
    const refused = line.requests[2]!.size;
    expect(Math.max(...line.requests.slice(3).map(({ size }) => size))).toBeLessThanOrEqual(refused / 2);
  });

  test("an upload that holds more than the source is not the source's", async () => {
    const line = openLine([]);
    await sendOver(line, bytesSource(bytes(500), nodeHash));
    await expect(sendOver(line, bytesSource(bytes(100), nodeHash), 'ask')).rejects.toMatchObject({ code: 'conflict' });
  });

  test('a stream whose bytes are gone says so', async () => {
    const all = bytes(2000);
    const line = openLine([]);
    const source = streamSource(trickle(all, 100), nodeHash, { window: 1000, linger: 60_000 });
    source.settle(0);
    await source.piece(0, 400, undefined);
    source.settle(300);
    await expect(sendOver(line, source)).rejects.toMatchObject({ code: 'source_spent' });
    await source.close();
  });
});
