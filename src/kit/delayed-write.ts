/** Notes that gather for a while and are then written down together; one writing at a time. */
export class Gathering {
  readonly #write: () => Promise<void>;
  readonly #pause: number;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /**
   * @param write writes down whatever there is by then. What fails is heard by `close` alone.
   * @param pause milliseconds from the first note to the writing: a crash forgets no more than that.
   */
  constructor(write: () => Promise<void>, pause: number) {
    this.#write = write;
    this.#pause = pause;
  }

  /** To be told of each note. */
  came(): void {
    this.#timer ??= setTimeout(() => void this.#run().catch(() => undefined), this.#pause).unref();
  }

  /** Writes down the rest. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#run();
  }

  #run(): Promise<void> {
    this.#timer = undefined;
    this.#writing = this.#writing.catch(() => undefined).then(this.#write);
    return this.#writing;
  }
}
