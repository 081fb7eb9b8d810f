/** Runs the command line in this process or in its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { run } from '../../src/cli/index.ts';

export interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
  /** Standard output as JSON. */
  json<T = Record<string, unknown>>(): T;
}

export type Env = Readonly<Record<string, string>>;

/** Runs it here. */
export async function runHere(
  words: readonly string[],
  env: Env,
  stdin: Uint8Array | string = '',
  signal = new AbortController().signal,
): Promise<Ran> {
  const out = collect();
  const err = collect();
  const exit = await run(
    words,
    { env, stdin: Readable.from([Buffer.from(stdin)]), stdout: out.stream, stderr: err.stream, signal },
    '1.2.3',
  );
  return ran(exit, out.text(), err.text());
}

export interface Running {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  /** Resolves with the exit code; -1 after a signal. */
  readonly done: Promise<Ran>;
}

/** Starts it as a process, from the build. */
export function start(words: readonly string[], env: Env): Running {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../dist/main.js', import.meta.url)), ...words], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  const done = once(child, 'close').then(([code]) => ran(typeof code === 'number' ? code : -1, out, err));
  return { child, out: () => out, err: () => err, done };
}

function collect(): { readonly stream: PassThrough; readonly text: () => string } {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return {
    stream,
    text: () =>
      Buffer.concat([...chunks, ...[stream.read() as Buffer | null].filter((rest) => rest !== null)]).toString(
        'latin1',
      ),
  };
}

function ran(exit: number, out: string, err: string): Ran {
  return { exit, out, err, json: <T>() => JSON.parse(out) as T };
}
