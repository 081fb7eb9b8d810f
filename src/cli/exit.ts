/** The exit codes of the command line and the errors that map to them. */
import { StowageError, type StowageCode } from '../client/node.ts';

export const exits = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notAuthorised: 4,
  conflict: 5,
  unavailable: 6,
  interrupted: 130,
} as const;

export type Exit = (typeof exits)[keyof typeof exits];

export const exitTable = `Exit codes:
  0    done
  1    failed, or a check found faults
  2    wrong usage
  3    not found
  4    not authorised
  5    conflict, a folder in use, or bytes with a wrong checksum
  6    the server is unavailable, unreachable, or out of space
  70   the server had a fatal fault; restart it
  130  interrupted`;

/** The command line is used wrongly. */
export class UsageError extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'UsageError';
  }
}

/** Ends a command that has already printed its result, with this exit code. */
export class ExitWith extends Error {
  readonly exit: Exit;

  constructor(exit: Exit) {
    super('ended');
    this.exit = exit;
  }
}

const byCode: Readonly<Record<StowageCode, Exit>> = {
  malformed: exits.usage,
  unauthenticated: exits.notAuthorised,
  forbidden: exits.notAuthorised,
  not_found: exits.notFound,
  conflict: exits.conflict,
  offset_mismatch: exits.conflict,
  digest_mismatch: exits.conflict,
  precondition: exits.conflict,
  superseded: exits.conflict,
  source_changed: exits.conflict,
  occupied: exits.conflict,
  over_quota: exits.notAuthorised,
  too_large: exits.failed,
  out_of_range: exits.usage,
  lost: exits.failed,
  protocol: exits.failed,
  source_spent: exits.failed,
  interrupted: exits.unavailable,
  not_ready: exits.unavailable,
  full: exits.unavailable,
  throttled: exits.unavailable,
  unavailable: exits.unavailable,
  internal: exits.unavailable,
  network: exits.unavailable,
  timeout: exits.unavailable,
  aborted: exits.interrupted,
};

export function exitFor(error: unknown): Exit {
  if (error instanceof ExitWith) return error.exit;
  if (error instanceof StowageError) return byCode[error.code];
  if (error instanceof UsageError) return exits.usage;
  switch ((error as NodeJS.ErrnoException | null)?.code) {
    case 'ENOENT':
      return exits.notFound;
    case 'EBUSY':
      return exits.conflict;
    default:
      return exits.failed;
  }
}
