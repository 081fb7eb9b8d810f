import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import type { Algorithm } from '../../src/kit/digest.ts';
import { newHash } from '../../src/kit/hashing.ts';

const check = Buffer.from('123456789');

async function hexOf(algorithm: Algorithm, ...chunks: readonly Uint8Array[]): Promise<string> {
  const hash = await newHash(algorithm);
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

/** The check values that each algorithm's own specification or reference implementation prints. */
test.each([
  ['crc32', check, 'cbf43926'],
  ['crc32c', check, 'e3069283'],
  ['crc64nvme', check, 'ae8b14860a799888'],
  ['xxh64', Buffer.from('abc'), '44bc2cf5ad770999'],
  ['xxh3', Buffer.from('abc'), '78af5f94892f3950'],
  ['xxh128', Buffer.from('abc'), '06b05ab6733a618578af5f94892f3950'],
  ['md5', Buffer.from('abc'), '900150983cd24fb0d6963f7d28e17f72'],
  ['sha1', Buffer.from('abc'), 'a9993e364706816aba3e25717850c26c9cd0d89d'],
  ['crc32', Buffer.alloc(0), '00000000'],
  ['crc32c', Buffer.alloc(0), '00000000'],
  ['crc64nvme', Buffer.alloc(0), '0000000000000000'],
  ['xxh64', Buffer.alloc(0), 'ef46db3751d8e999'],
  ['xxh3', Buffer.alloc(0), '2d06800538d394c2'],
  ['xxh128', Buffer.alloc(0), '99aa06d3014798d86001c324468d497f'],
] as const)('%s has the published check value', async (algorithm, bytes, hex) => {
  expect(await hexOf(algorithm, bytes)).toBe(hex);
});

describe.each(['crc32', 'crc32c', 'crc64nvme', 'xxh64', 'xxh3', 'xxh128', 'sha256'] as const)('%s', (algorithm) => {
  test('does not depend on how the bytes are cut', async () => {
    const bytes = randomBytes(5000);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(5000), { maxLength: 20 }), async (cuts) => {
        const ends = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        const chunks = ends.slice(1).map((end, at) => bytes.subarray(ends[at], end));
        expect(await hexOf(algorithm, ...chunks)).toBe(await hexOf(algorithm, bytes));
      }),
      { numRuns: 25 },
    );
  });

  test('hashes that run at once do not disturb each other, nor one that was given up', async () => {
    const bodies = Array.from({ length: 40 }, () => randomBytes(1000));
    const expected: string[] = [];
    for (const body of bodies) expected.push(await hexOf(algorithm, body));
    const running = await Promise.all(bodies.map(() => newHash(algorithm)));
    for (let at = 0; at < 1000; at += 100)
      running.forEach((hash, which) => hash.update(bodies[which]!.subarray(at, at + 100)));
    expect(running.map((hash, which) => (which % 3 === 0 ? expected[which] : hash.digest('hex')))).toEqual(expected);
    expect(await hexOf(algorithm, bodies[0]!)).toBe(expected[0]);
  });
});
