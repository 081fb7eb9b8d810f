import type { Hold, Locks } from '../../core/engine.ts';
import { Refusal } from '../../core/refusal.ts';

/** Milliseconds that the holder has to finish its current write. */
const patience = 10_000;

interface Waiting {
  readonly seat: ProcessHold;
  readonly enter: () => void;
}

interface LockQueue {
  holder: ProcessHold;
  readonly waiting: Waiting[];
}

/** Locks within one process. A new request asks the holder to yield and takes the lock when it does. */
export class ProcessLocks implements Locks {
  readonly #lines = new Map<string, LockQueue>();

  async take(key: string): Promise<Hold> {
    const line = this.#lines.get(key);
    if (!line) return this.#enter(key);
    const seat = new ProcessHold(() => this.#leave(key));
    const turn = this.#wait(line, seat);
    line.holder.ask();
    await turn;
    return seat;
  }

  async tryTake(key: string): Promise<Hold | undefined> {
    return this.#lines.has(key) ? undefined : this.#enter(key);
  }

  held(key: string): boolean {
    return this.#lines.has(key);
  }

  #enter(key: string): ProcessHold {
    const seat = new ProcessHold(() => this.#leave(key));
    this.#lines.set(key, { holder: seat, waiting: [] });
    return seat;
  }

  #wait(line: LockQueue, seat: ProcessHold): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const waiting: Waiting = { seat, enter: () => (clearTimeout(timer), resolve()) };
      const timer = setTimeout(() => {
        line.waiting.splice(line.waiting.indexOf(waiting), 1);
        reject(new Refusal('unavailable', 'another request is still finishing its write to this upload; try again'));
      }, patience);
      line.waiting.push(waiting);
    });
  }

  #leave(key: string): void {
    const line = this.#lines.get(key)!;
    const next = line.waiting.shift();
    if (!next) {
      this.#lines.delete(key);
      return;
    }
    line.holder = next.seat;
    // Another request is already queued, so ask the new holder to yield at once.
    if (line.waiting.length > 0) next.seat.ask();
    next.enter();
  }
}

class ProcessHold implements Hold {
  readonly #asking = new AbortController();
  #leave: (() => void) | undefined;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  get asked(): AbortSignal {
    return this.#asking.signal;
  }

  ask(): void {
    this.#asking.abort();
  }

  release(): void {
    const leave = this.#leave;
    this.#leave = undefined;
    leave?.();
  }
}
