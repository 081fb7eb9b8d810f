/** The build's own catalog, because a thread cannot be started from TypeScript. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const built = pathToFileURL(resolve('dist/engines/embedded/sqlite/thread.js')).href;

export const { openCatalog } = (await import(built)) as typeof import('../../src/engines/embedded/sqlite/thread.ts');
