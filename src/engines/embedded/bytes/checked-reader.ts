import { crc32 } from 'node:zlib';
import type { BlobReader, CheckAlgorithm } from '../../../core/engine.ts';
import type { DigestCheck, Hasher } from './hasher.ts';
import type { RawReader } from './reader.ts';

/** Blocks that may be in hashing while earlier ones are sent. */
const ahead = 3;

/**
 * A reader that hashes a whole read: in a hash thread, or on this thread if only a CRC-32 is needed.
 *
 * @param onClose called once, after the last read
 */
export function checkedReader(raw: RawReader, hasher: Hasher, onClose: () => Promise<void>): BlobReader {
  return {
    size: raw.size,
    read: (from, to) => raw.read(from, to),
    close: () => raw.close().finally(onClose),
    async *whole(algorithms, judge) {
      const inline = isCrcAlone(algorithms);
      const check = inline ? crcCheck() : hasher.check(algorithms);
      const lead = inline ? 1 : ahead;
      const hashing: Promise<Buffer>[] = [];
      try {
        for await (const bytes of raw.read(0, raw.size)) {
          const hashed = check.block(bytes);
          // The rejection is handled when the block is awaited, which may never happen.
          hashed.catch(() => undefined);
          hashing.push(hashed);
          if (hashing.length > lead) yield await hashing.shift()!;
        }
        while (hashing.length > 1) yield await hashing.shift()!;
        const last = await hashing[0];
        await judge(await check.sum());
        if (last) yield last;
      } finally {
        check.close();
      }
    },
  };
}

function isCrcAlone(algorithms: readonly CheckAlgorithm[]): boolean {
  return algorithms.every((algorithm) => algorithm === 'crc32');
}

/** Computing a CRC-32 here costs less CPU than passing the block to a thread and back. */
function crcCheck(): DigestCheck {
  let crc = 0;
  return {
    block(bytes) {
      crc = crc32(bytes, crc);
      return Promise.resolve(bytes);
    },
    sum: () => Promise.resolve([{ algorithm: 'crc32', hex: crc.toString(16).padStart(8, '0') }]),
    close: () => undefined,
  };
}
