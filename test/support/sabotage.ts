/** Builds of the server without certain rules, to show that a test detects their absence. */
import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { startServer } from '../../src/server/index.ts';

/** A text of a built module, which must occur once, and its replacement. */
export interface Cut {
  /** Path in the build, such as `catalog/quota.js`. */
  readonly file: string;
  readonly rule: string;
  readonly instead: string;
}

export interface Sabotaged {
  readonly startServer: typeof startServer;
  /** Removes the build, after its servers are closed. */
  remove(): Promise<void>;
}

/** Copies the build without the rules; its worker threads run the copy too. */
export async function withoutRules(cuts: readonly Cut[]): Promise<Sabotaged> {
  // Inside node_modules, so that the copy resolves the same packages.
  const folder = join(process.cwd(), 'node_modules/.cache', `stowage-sabotaged-${randomUUID()}`);
  await mkdir(folder, { recursive: true });
  const filter = (path: string): boolean => !/\.(map|d\.ts)$/.test(path);
  // The server serves these documents.
  const documents = (await readdir(process.cwd())).filter((name) => name.endsWith('.md'));
  for (const name of ['dist', 'docs', 'package.json', 'openapi.yaml', ...documents])
    await cp(join(process.cwd(), name), join(folder, name), { recursive: true, filter });
  for (const { file, rule, instead } of cuts) {
    const path = join(folder, 'dist', file);
    const parts = (await readFile(path, 'utf8')).split(rule);
    if (parts.length !== 2) throw new Error(`${file} has this rule ${parts.length - 1} times: ${rule}`);
    await writeFile(path, parts.join(instead));
  }
  const built = (await import(pathToFileURL(join(folder, 'dist/server/index.js')).href)) as Pick<
    Sabotaged,
    'startServer'
  >;
  return { startServer: built.startServer, remove: () => rm(folder, { recursive: true }) };
}
