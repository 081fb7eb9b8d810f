import type { Body } from '../../src/core/bytes/ingest.ts';

/** A request's body: `data` in pieces, cut after `cutAfter` bytes. */
export function bodyOf(data: Uint8Array, how: { cutAfter?: number; piece?: number; announce?: boolean } = {}): Body {
  const piece = how.piece ?? 65536;
  const end = Math.min(how.cutAfter ?? data.length, data.length);
  let cut: Error | undefined;
  let stopped: Error | undefined;
  let done = false;
  return {
    length: how.announce === false ? undefined : data.length,
    get cut() {
      return cut;
    },
    stop(reason) {
      if (!done) stopped ??= reason;
    },
    async *[Symbol.asyncIterator]() {
      for (let at = 0; at < end && !stopped; at += piece)
        yield Uint8Array.from(data.subarray(at, Math.min(at + piece, end)));
      done = true;
      cut = stopped ?? (end < data.length ? new Error('the line dropped') : undefined);
    },
  };
}

/** A body that delivers `data` and then stalls until it is stopped, like a dead client. */
export function deadBody(data: Uint8Array): Body & { readonly stalled: Promise<void> } {
  let cut: Error | undefined;
  let stall: () => void = () => undefined;
  const stalled = new Promise<void>((resolve) => (stall = resolve));
  const gate = new AbortController();
  return {
    stalled,
    length: data.length + 1,
    get cut() {
      return cut;
    },
    stop(reason) {
      cut ??= reason;
      gate.abort();
    },
    async *[Symbol.asyncIterator]() {
      yield Uint8Array.from(data);
      stall();
      if (!gate.signal.aborted) await new Promise((resolve) => gate.signal.addEventListener('abort', resolve));
    },
  };
}
