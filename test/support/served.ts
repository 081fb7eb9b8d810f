/** The built server in its own process, as an operator runs it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export class Served {
  readonly url: string;
  readonly s3Url: string;
  readonly #child: ChildProcess;
  readonly #lines: string[];

  /**
   * @param openFiles limit of open files
   * @throws Error with the server's output if it ends instead of listening
   */
  static async start(
    env: Readonly<Record<string, string>>,
    options: readonly string[] = [],
    openFiles?: number,
  ): Promise<Served> {
    const command = [process.execPath, ...options, main, 'serve', '--json'];
    const [program, ...args] =
      openFiles === undefined ? command : ['/bin/sh', '-c', `ulimit -n ${openFiles} && exec "$@"`, 'sh', ...command];
    const child = spawn(program!, args, {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    let errors = '';
    let rest = '';
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    const listening = new Promise<{ urls: string[]; s3_urls: string[] }>((resolve, reject) => {
      const result: string[] = [];
      child.stdout.on('data', (data: Buffer) => {
        const pieces = (rest + data.toString()).split('\n');
        rest = pieces.pop()!;
        for (const line of pieces) {
          if (line.startsWith('{"level"')) lines.push(line);
          else result.push(line);
          if (line !== '}') continue;
          const said = JSON.parse(result.join('\n')) as { urls: string[]; s3_urls: string[]; error?: string };
          if (said.error === undefined) resolve(said);
          else reject(new Error(said.error));
        }
      });
      child.once('exit', (code, signal) =>
        reject(new Error(`the server ended (${code ?? signal}): ${errors}${lines.join('\n')}`)),
      );
    });
    const { urls, s3_urls: s3Urls } = await listening;
    return new Served(child, lines, urls[0]!, s3Urls[0]!);
  }

  private constructor(child: ChildProcess, lines: string[], url: string, s3Url: string) {
    this.#child = child;
    this.#lines = lines;
    this.url = url;
    this.s3Url = s3Url;
  }

  /** Log lines so far. */
  get log(): readonly string[] {
    return this.#lines;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Stops it as an operator does, and waits for its end. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.ended) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exit;
  }
}
