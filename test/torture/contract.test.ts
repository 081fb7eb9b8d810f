/** The contract of a catalog through its thread: all of it in `npm run torture`, the model test in `npm test`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCatalog } from '../../src/engines/embedded/sqlite/thread.ts';
import { catalogContract, type OpenedCatalog } from '../contract/catalog.ts';
import { modelContract } from '../contract/catalog/model.ts';
import { tortured } from '../support/torture.ts';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'catalog-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

async function open(): Promise<OpenedCatalog> {
  const fail = (error: unknown): never => {
    throw error;
  };
  const { catalog, close } = await openCatalog({ path: join(folder, 'catalog.sqlite'), strict: true, onFault: fail });
  return { catalog, close, reopen: async () => (await close(), open()) };
}

catalogContract('through its thread', open, tortured ? undefined : [modelContract]);
