/** The source of time; tests pass their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds on a monotonic clock; only differences are meaningful. */
  elapsed?(): number;
}

export const wallClock: Clock = { now: () => Date.now(), elapsed: () => performance.now() };
