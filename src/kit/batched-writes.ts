/** Milliseconds between two writes: a crash forgets no more than that. */
const pause = 1000;
/** Notes that are written at once, however little time has passed. */
const enough = 500;

/** Gathers what is to be put on record, so that many notes cost one write. What cannot be written is forgotten. */
export class Notes<T> {
  readonly #write: (notes: readonly T[]) => Promise<void>;
  #waiting: T[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(write: (notes: readonly T[]) => Promise<void>) {
    this.#write = write;
  }

  add(note: T): void {
    this.#waiting.push(note);
    if (this.#waiting.length >= enough) this.flush().catch(() => undefined);
    else this.#timer ??= setTimeout(() => {
      this.flush().catch(() => undefined);
    }, pause).unref();
  }

  /** Writes down what is not yet, and waits for what is being written. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const notes = this.#waiting;
    if (notes.length === 0) return this.#writing;
    this.#waiting = [];
    return (this.#writing = this.#writing.then(() => this.#write(notes)).catch(() => undefined));
  }
}
