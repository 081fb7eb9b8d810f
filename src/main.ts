#!/usr/bin/env -S node --max-semi-space-size=2
/** Process entry point: passes arguments, environment and signals to the command line and sets the exit code. */
import { readFileSync } from 'node:fs';
import { run } from './cli/index.ts';

/** Milliseconds that a command has to stop after the first signal. */
const grace = 10_000;

const stop = new AbortController();
let asked = 0;

function onSignal(signal: NodeJS.Signals): void {
  asked += 1;
  // A second signal exits at once. This loses nothing: acknowledged bytes are already on disk.
  if (asked > 1) process.exit(130);
  stop.abort(new Error(signal));
  setTimeout(() => process.exit(1), grace).unref();
}

process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

// The reader of a pipe may close it early, as `head` does.
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
