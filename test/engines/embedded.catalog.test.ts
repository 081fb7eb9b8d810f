import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { catalogContract } from '../contract/catalog.ts';
import type { OpenedCatalog } from '../contract/catalog.ts';
import { openCatalog } from '../../src/engines/embedded/catalog.ts';

async function open(folder?: string): Promise<OpenedCatalog> {
  const home = folder ?? (await mkdtemp(join(tmpdir(), 'catalog-')));
  const { catalog, close } = await openCatalog({ path: join(home, 'catalog.sqlite'), strict: true, onFault: (error) => { throw error; } });
  return {
    catalog,
    close: async () => {
      await close();
      await rm(home, { recursive: true, force: true });
    },
    reopen: async () => {
      await close();
      return open(home);
    },
  };
}

catalogContract('embedded', () => open());
