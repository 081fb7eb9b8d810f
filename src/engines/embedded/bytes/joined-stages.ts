/** Stages that were joined of others: what is known of them, and how they are written to. */
import { LRUCache } from 'lru-cache';
import type { StageWriter } from '../../../core/engine.ts';
import { Refusal } from '../../../core/refusal.ts';

export interface Part {
  readonly stage: string;
  readonly size: number;
}

/** Nothing is written behind what was joined. */
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

/** Joined stages kept in mind. */
const mostJoined = 1000;

/** Of which parts stages were joined in this process. */
export class JoinedStages {
  readonly #parts = new LRUCache<string, readonly Part[]>({ max: mostJoined });

  /** How many of the first parts a stage has already, and how many bytes they are. */
  common(stage: string, parts: readonly Part[]): { same: number; at: number } {
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

  keep(stage: string, parts: readonly Part[]): void {
    this.#parts.set(stage, parts);
  }

  forget(stage: string): void {
    this.#parts.delete(stage);
  }
}
