/** Faults that no request answers for: each is logged and counted, and the process ends where going on would be worse. */
import type { Logger } from 'pino';

/** Where a fault showed. Labels of a metric: a closed list. */
export type FaultKind = 'background' | 'thread' | 'listener' | 'unhandled_rejection' | 'uncaught_exception';

/** The exit code of a process that cannot go on. A supervisor starts it again, and recovery keeps what was acknowledged. */
export const fatalExit = 70;

/** Errors of a connection that broke: they concern that connection alone, also where no listener took them. */
const ofConnections: ReadonlySet<unknown> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ETIMEDOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'HPE_INVALID_EOF_STATE',
]);

export class Faults {
  readonly #log: Logger;
  readonly #end: ((code: number) => void) | undefined;
  readonly #counts = new Map<FaultKind, number>();

  /** @param end ends the process; without it a fatal fault is only logged and counted, and the caller has to act. */
  constructor(log: Logger, end?: (code: number) => void) {
    this.#log = log;
    this.#end = end;
  }

  /** Faults by kind since the start. */
  get counts(): ReadonlyMap<FaultKind, number> {
    return this.#counts;
  }

  /** Something failed that no caller waits for; the process goes on. */
  note(kind: FaultKind, what: string, error: unknown): void {
    this.#count(kind);
    this.#log.error({ err: error, fault: kind }, what);
  }

  /** Something is gone that the process needs: it ends at once. */
  fatal(kind: FaultKind, what: string, error: unknown): void {
    this.#count(kind);
    this.#log.fatal({ err: error, fault: kind, exit: fatalExit }, `${what}; the process ends`);
    this.#end?.(fatalExit);
  }

  /**
   * Takes what reaches the process itself. A rejection leaves one piece of work undone; an exception may have left any
   * state half changed, so the process ends, unless it is a connection's.
   */
  guard(process: NodeJS.EventEmitter): void {
    process.on('unhandledRejection', (error: unknown) =>
      this.note('unhandled_rejection', 'a rejection was not handled', error),
    );
    process.on('uncaughtException', (error: unknown) => {
      if (isOfConnection(error)) this.note('uncaught_exception', 'a connection failed without a handler', error);
      else this.fatal('uncaught_exception', 'an exception was not caught', error);
    });
  }

  #count(kind: FaultKind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }
}

function isOfConnection(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && ofConnections.has(error.code);
}
