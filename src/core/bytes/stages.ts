import { Gate } from '../../kit/gate.ts';
import type { Engine } from '../engine.ts';
import { holding } from './upload-locks.ts';

/** Stages whose bytes are given up at once. */
const atOnce = 16;

/** Gives up the bytes of uploads that the catalog has ended; each once nobody writes to it any more. One that has none is no fault. */
export async function dropStages(
  { locks, bytes }: Pick<Engine, 'locks' | 'bytes'>,
  uploads: readonly string[],
): Promise<void> {
  const turns = new Gate(atOnce);
  await Promise.all(
    uploads.map((upload) =>
      turns.through(async () => {
        await holding(locks, upload, () => bytes.drop(upload));
      }),
    ),
  );
}
