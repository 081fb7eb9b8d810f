/** Worker thread that computes digests of one file at a time, at a limited rate. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import type { Algorithm, Digest } from '../../../kit/digest.ts';
import type { ThreadAnswer } from '../../../kit/thread.ts';
import { newHash } from '../../../kit/hashing.ts';
import { RunFile } from './run-file.ts';

export interface ScanRequest {
  readonly id: number;
  readonly path: string;
  readonly algorithms: readonly Algorithm[];
  /** Number of bytes to read from the start; default: the whole file. */
  readonly size?: number | undefined;
  /** Maximum bytes a second; 0 for no limit. */
  readonly rate: number;
  /** Set to 1 when the request is cancelled. */
  readonly stop: Int32Array;
}

export interface ScanFailure {
  readonly message: string;
  readonly code: string | undefined;
}

const block = Buffer.allocUnsafeSlow(1024 * 1024);

parentPort!.on('message', (request: ScanRequest) => {
  const answer = (...told: [value: unknown, failure?: ScanFailure]): void =>
    parentPort!.postMessage([[request.id, ...told] satisfies ThreadAnswer]);
  scan(request).then(answer, (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    answer(undefined, { message, code });
  });
});

async function scan({ path, algorithms, size = Infinity, rate, stop }: ScanRequest): Promise<Digest[]> {
  const hashes = await Promise.all(
    algorithms.map(async (algorithm) => ({ algorithm, hash: await newHash(algorithm) })),
  );
  const file = new RunFile(path);
  try {
    const began = performance.now();
    for (let position = 0; position < size && Atomics.load(stop, 0) === 0;) {
      const got = file.read(block, Math.min(block.length, size - position), position);
      if (got === 0) break;
      for (const { hash } of hashes) hash.update(block.subarray(0, got));
      position += got;
      const early = rate > 0 ? (position / rate) * 1000 - (performance.now() - began) : 0;
      if (early > 1) await sleep(Math.min(early, 1000));
    }
  } finally {
    file.close();
  }
  return hashes.map(({ algorithm, hash }) => ({ algorithm, hex: hash.digest('hex') }));
}
