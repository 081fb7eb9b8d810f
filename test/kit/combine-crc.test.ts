import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { combineCrcs, type CrcRange } from '../../src/kit/combine-crc.ts';
import { newHash } from '../../src/kit/hashing.ts';

const algorithms = ['crc32', 'crc32c', 'crc64nvme'] as const;

async function crcOf(algorithm: (typeof algorithms)[number], bytes: Uint8Array): Promise<string> {
  const hash = await newHash(algorithm);
  hash.update(bytes);
  return hash.digest('hex');
}

test.each(algorithms)('%s of runs is the CRC of their bytes', async (algorithm) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(3000), { minLength: 1, maxLength: 8 }), async (sizes) => {
      const bodies = sizes.map((size) => randomBytes(size));
      const runs = await Promise.all(
        bodies.map(async (body): Promise<CrcRange> => ({ crc: await crcOf(algorithm, body), size: body.length })),
      );
      expect(combineCrcs(algorithm, runs as [CrcRange, ...CrcRange[]])).toBe(
        await crcOf(algorithm, Buffer.concat(bodies)),
      );
    }),
    { numRuns: 40 },
  );
});

test('what is no CRC cannot be combined', () => {
  expect(combineCrcs('sha256', [{ crc: '00', size: 1 }])).toBeUndefined();
});
