#!/usr/bin/env -S node --max-semi-space-size=2
/** The process: arguments, environment and signals in, an exit code out. */
import { readFileSync } from 'node:fs';
import { run } from './cli/index.ts';

/** Milliseconds in which a command must have ended once it was asked to. */
const grace = 10_000;

const stop = new AbortController();
let asked = 0;

function onSignal(signal: NodeJS.Signals): void {
  asked += 1;
  // Whoever asks a second time means it; nothing that was acknowledged is lost by leaving at once.
  if (asked > 1) process.exit(130);
  stop.abort(new Error(signal));
  setTimeout(() => process.exit(1), grace).unref();
}

process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

// Whoever reads along may have had enough, as `head` has.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

process.exitCode = await run(
  process.argv.slice(2),
  {
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: stop.signal,
  },
  version,
);
