/** Prints results, notices and errors, as text or as JSON. */
import { once } from 'node:events';
import { StowageError } from '../client/node.ts';
import { exitFor, exits, UsageError } from './exit.ts';
import { printable } from './format.ts';
import type { World } from './world.ts';

export class Output {
  readonly #world: World;
  /** Whether results and errors are printed as JSON. */
  json = false;
  /** Whether notices are suppressed. */
  quiet = false;
  /** Set when standard output carries file bytes; results then go to standard error. */
  stdoutTaken = false;

  constructor(world: World) {
    this.#world = world;
  }

  /** Prints a result: `value` as JSON, or `human` as text. */
  result(value: unknown, human: string): void {
    const out = this.stdoutTaken ? this.#world.stderr : this.#world.stdout;
    if (this.json) out.write(JSON.stringify(value, null, 2) + '\n');
    else if (!this.stdoutTaken || !this.quiet) out.write(human + '\n');
  }

  /** Prints a long result. As JSON it is written as it arrives, as one array. */
  async stream<T>(items: AsyncIterable<T>, human: (items: readonly T[]) => string): Promise<void> {
    const { stdout } = this.#world;
    if (!this.json) {
      const all: T[] = [];
      for await (const item of items) all.push(item);
      this.result(all, human(all));
      return;
    }
    let first = true;
    for await (const item of items) {
      const free = stdout.write((first ? '[\n' : ',\n') + JSON.stringify(item));
      first = false;
      if (!free) await once(stdout, 'drain');
    }
    stdout.write(first ? '[]\n' : '\n]\n');
  }

  /** Prints a message that is not part of the result. */
  notice(sentence: string): void {
    if (!this.quiet) this.#world.stderr.write(`stowage: ${sentence}\n`);
  }

  /** Prints why the command failed. */
  error(error: unknown): void {
    if (this.json) {
      const out = this.stdoutTaken ? this.#world.stderr : this.#world.stdout;
      out.write(JSON.stringify({ ...describe(error), exit: exitFor(error) }, null, 2) + '\n');
      return;
    }
    const lines = sentenceOf(error).split('\n').map(printable);
    this.#world.stderr.write(`stowage: ${lines.join('\n')}\n`);
    const hint = hintFor(error);
    if (hint) this.#world.stderr.write(`${hint}\n`);
  }
}

function describe(error: unknown): Record<string, unknown> {
  if (error instanceof StowageError) return error.toJSON();
  if (error instanceof UsageError) return { error: error.message, code: 'usage' };
  return { error: sentenceOf(error), code: (error as NodeJS.ErrnoException | null)?.code ?? 'failed' };
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function hintFor(error: unknown): string | undefined {
  if (exitFor(error) === exits.notAuthorised) return 'To see your server and namespace: stowage whoami';
  if (error instanceof StowageError && error.code === 'network')
    return 'Is the server running? To set another address: --url, STOWAGE_URL or stowage login URL';
  return undefined;
}
