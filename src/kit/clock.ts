/** Where the time comes from, so that a test can move it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds by a clock that nobody sets; only differences mean anything. */
  elapsed?(): number;
}

export const wallClock: Clock = { now: () => Date.now(), elapsed: () => performance.now() };
