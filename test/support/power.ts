/**
 * An engine with simulated power cuts: a cut truncates unsynced bytes to a random length. With `lying`, syncs do
 * nothing but report success.
 */
import { readdirSync, statSync, truncateSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { ByteStore, Engine, StageWriter } from '../../src/core/engine.ts';
import { openEngine } from '../../src/engines/index.ts';

export interface Machine {
  readonly engine: Engine;
  /** Cuts the power. The engine is unusable afterwards; the folder holds what survived. */
  cut(random: () => number): Promise<void>;
}

export async function powerOn(folder: string, lying = false): Promise<Machine> {
  const engine = await openEngine({
    folder,
    strict: true,
    onFault: (why, error) => {
      throw new Error(why, { cause: error });
    },
  });
  const durable = new Map<string, number>();
  // Files present at start survived the last cut.
  for (const stage of readdirSync(join(folder, 'uploads')))
    durable.set(stage, statSync(join(folder, 'uploads', stage)).size);
  return {
    engine: { ...engine, bytes: watch(engine.bytes, durable, lying) },
    cut: async (random) => {
      await engine.close();
      for (const stage of readdirSync(join(folder, 'uploads')))
        tear(join(folder, 'uploads', stage), durable.get(stage), random);
    },
  };
}

function tear(path: string, kept: number | undefined, random: () => number): void {
  if (kept === undefined) return unlinkSync(path);
  const { size } = statSync(path);
  if (size > kept) truncateSync(path, kept + Math.floor(random() * (size - kept + 1)));
}

/** Wraps the store to record what is durable. */
function watch(bytes: ByteStore, durable: Map<string, number>, lying: boolean): ByteStore {
  const noted: Partial<ByteStore> = {
    open: async (stage, offset) =>
      noting(
        await bytes.open(stage, offset),
        (to) => !lying && durable.set(stage, Math.max(to, durable.get(stage) ?? 0)),
      ),
    cut: async (stage, size) => {
      await bytes.cut(stage, size);
      if (durable.has(stage)) durable.set(stage, Math.min(size, durable.get(stage)!));
    },
    drop: async (stage) => {
      await bytes.drop(stage);
      durable.delete(stage);
    },
  };
  return new Proxy(bytes, {
    get: (target, key: keyof ByteStore) => noted[key] ?? (target[key] as () => unknown).bind(target),
  });
}

function noting(writer: StageWriter, note: (to: number) => void): StageWriter {
  return {
    get offset() {
      return writer.offset;
    },
    write: (chunk) => writer.write(chunk),
    close: () => writer.close(),
    sync: async () => {
      const to = await writer.sync();
      note(to);
      return to;
    },
  };
}
