/** sha512 alone: one file, read in 1 MiB pieces and hashed, nothing else. argv: file. Prints seconds and CPU seconds as JSON. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { ownCpuSeconds } from './proc.ts';

const before = ownCpuSeconds();
const started = performance.now();
const file = openSync(process.argv[2]!, 'r');
const hash = createHash('sha512');
const piece = Buffer.allocUnsafe(1 << 20);
for (let read = readSync(file, piece); read > 0; read = readSync(file, piece)) hash.update(piece.subarray(0, read));
closeSync(file);
const hex = hash.digest('hex');
process.stdout.write(
  JSON.stringify({ seconds: (performance.now() - started) / 1000, cpu: ownCpuSeconds() - before, hex }),
);
