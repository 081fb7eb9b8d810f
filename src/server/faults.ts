/** Faults outside of any request. Each is logged and counted; a fatal one ends the process. */
import type { Logger } from 'pino';

/** Where a fault occurred. These are metric labels, so the list is closed. */
export type FaultKind = 'background' | 'thread' | 'listener' | 'unhandled_rejection' | 'uncaught_exception';

/** Exit code after a fatal fault. A supervisor restarts the process, and recovery keeps what was acknowledged. */
export const fatalExit = 70;

/** Errors of a broken connection. They affect only that connection, even if no listener handled them. */
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

  /** @param end ends the process; without it a fatal fault is only logged and counted, and the caller must act */
  constructor(log: Logger, end?: (code: number) => void) {
    this.#log = log;
    this.#end = end;
  }

  /** Number of faults by kind since the start. */
  get counts(): ReadonlyMap<FaultKind, number> {
    return this.#counts;
  }

  /** Records a failure that no caller awaits; the process continues. */
  note(kind: FaultKind, what: string, error: unknown): void {
    this.#count(kind);
    this.#log.error({ err: error, fault: kind }, what);
  }

  /** Records the loss of something that the process needs, and ends the process. */
  fatal(kind: FaultKind, what: string, error: unknown): void {
    this.#count(kind);
    this.#log.fatal({ err: error, fault: kind, exit: fatalExit }, `${what}; the process ends`);
    this.#end?.(fatalExit);
  }

  /**
   * Handles unhandled rejections and exceptions. A rejection only leaves one task undone. An exception may leave state
   * half changed, so it ends the process, unless it is the error of a connection.
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
