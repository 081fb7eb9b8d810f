/**
 * Starts work that no caller awaits. A failure goes to `onFault` and never becomes an unhandled rejection, even if
 * `work` throws synchronously.
 */
export function background(work: () => Promise<unknown>, onFault: (error: unknown) => void): Promise<void> {
  return Promise.resolve()
    .then(work)
    .then(() => undefined, onFault);
}
