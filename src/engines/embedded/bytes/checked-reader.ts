import type { BlobReader } from '../../../core/engine.ts';
import type { Hasher } from './hasher.ts';
import type { RawReader } from './reader.ts';

/** Blocks that a thread hashes while earlier ones are sent. */
const ahead = 3;

/**
 * A reader whose whole reads are hashed on the way, in a hash thread.
 *
 * @param onClose called once, when nothing more is read.
 */
export function checkedReader(raw: RawReader, hasher: Hasher, onClose: () => Promise<void>): BlobReader {
  return {
    size: raw.size,
    read: (from, to) => raw.read(from, to),
    close: () => raw.close().finally(onClose),
    async *whole(algorithms, judge) {
      const check = hasher.check(algorithms);
      const hashing: Promise<Buffer>[] = [];
      try {
        for await (const bytes of raw.read(0, raw.size)) {
          const hashed = check.block(bytes);
          // It is heard when its turn comes, which may be never.
          hashed.catch(() => undefined);
          hashing.push(hashed);
          if (hashing.length > ahead) yield await hashing.shift()!;
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
