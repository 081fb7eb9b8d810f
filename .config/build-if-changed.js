/** Compiles `src` to `dist`, but only when a source is newer than the last build. A package without `src` is built already. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';

const stamp = 'dist/.built';
const sources = ['src', 'tsconfig.json', 'package-lock.json'];

/** Milliseconds since the epoch of the newest change below `path`; a folder changes when a file in it is removed. */
function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(`${path}/${name}`)));
}

if (existsSync('src') && !(existsSync(stamp) && statSync(stamp).mtimeMs > Math.max(...sources.map(newest)))) {
  const started = new Date();
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(stamp, started.toISOString());
}
