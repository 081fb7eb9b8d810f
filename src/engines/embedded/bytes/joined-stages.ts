/** Joined stages: their parts and their writer. */
import { LRUCache } from 'lru-cache';
import type { StageWriter } from '../../../core/engine.ts';
import { Refusal } from '../../../core/refusal.ts';

export interface JoinedPart {
  readonly stage: string;
  readonly size: number;
}

/** A joined stage accepts no bytes. */
export class JoinedWriter implements StageWriter {
  readonly offset: number;

  constructor(offset: number) {
    this.offset = offset;
  }

  write(chunk: Uint8Array): undefined {
    if (chunk.byteLength > 0) throw new Refusal('conflict', 'a joined upload accepts no more bytes');
  }

  async sync(): Promise<number> {
    return this.offset;
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

/** Maximum number of stages remembered. */
const mostJoined = 1000;

/** The parts of the stages that this process joined. */
export class JoinedStages {
  readonly #parts = new LRUCache<string, readonly JoinedPart[]>({ max: mostJoined });

  /** The number of leading parts that the stage already has, and their bytes. */
  common(stage: string, parts: readonly JoinedPart[]): { same: number; at: number } {
    const before = this.#parts.get(stage) ?? [];
    let same = 0;
    let at = 0;
    for (
      ;
      same < parts.length && before[same]?.stage === parts[same]!.stage && before[same]?.size === parts[same]!.size;
      same += 1
    )
      at += parts[same]!.size;
    return { same, at };
  }

  keep(stage: string, parts: readonly JoinedPart[]): void {
    this.#parts.set(stage, parts);
  }

  forget(stage: string): void {
    this.#parts.delete(stage);
  }
}
