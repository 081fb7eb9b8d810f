import { Gate } from '../../kit/gate.ts';
import type { Engine } from '../engine.ts';
import { holding } from './upload-locks.ts';

/** Stages dropped concurrently. */
const atOnce = 16;

/** Drops the stages of uploads that the catalog has ended, each once its lock is free. Missing ones are ignored. */
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
