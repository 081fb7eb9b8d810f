/**
 * Starts work that no caller waits for. Its failure is told to `onFault` and never becomes an unhandled rejection, also
 * when `work` throws before it returns a promise.
 */
export function background(work: () => Promise<unknown>, onFault: (error: unknown) => void): Promise<void> {
  return Promise.resolve()
    .then(work)
    .then(() => undefined, onFault);
}
