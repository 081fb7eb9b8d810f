/** Builds of the server that lack one rule, so that a test can show that it finds that. */
import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { startServer } from '../../src/server/index.ts';

/** A piece of a built module, which must be there once, and what is put in its place. */
export interface Cut {
  /** Its path in the build, as in `catalog/quota.js`. */
  readonly file: string;
  readonly rule: string;
  readonly instead: string;
}

export interface Sabotaged {
  readonly startServer: typeof startServer;
  /** Removes the build; its servers must be closed by then. */
  remove(): Promise<void>;
}

/** Copies the build and takes the rules away from the copy; its threads run the copy, too. */
export async function withoutRules(cuts: readonly Cut[]): Promise<Sabotaged> {
  // Below node_modules, so that the copy finds the same packages.
  const folder = join(process.cwd(), 'node_modules/.cache', `stowage-sabotaged-${randomUUID()}`);
  await mkdir(folder, { recursive: true });
  const filter = (path: string): boolean => !/\.(map|d\.ts)$/.test(path);
  // The server serves its own documents.
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
