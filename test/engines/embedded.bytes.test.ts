import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderBytes } from '../../src/engines/embedded/bytes/store.ts';
import { Disk } from '../../src/engines/embedded/disk.ts';
import { Hasher } from '../../src/engines/embedded/bytes/hasher.ts';
import { blobPath, fans, layoutOf, stagePath } from '../../src/engines/embedded/layout.ts';
import { ProcessLocks } from '../../src/engines/embedded/locks.ts';
import { Scanner } from '../../src/engines/embedded/bytes/scanner.ts';
import { bytesContract, type OpenedBytes } from '../contract/bytes.ts';
import { locksContract } from '../contract/locks.ts';

const fault = (why: string): never => {
  throw new Error(why);
};

async function openIn(root: string, strict: boolean): Promise<OpenedBytes> {
  const layout = layoutOf(root);
  for (const folder of [layout.uploads, layout.quarantine, ...fans.map((fan) => join(layout.blobs, fan))])
    await mkdir(folder, { recursive: true });
  const hasher = new Hasher({ gentle: false });
  const scanner = new Scanner();
  const shut = async (): Promise<void> => void (await Promise.all([hasher.close(), scanner.close()]));
  return {
    bytes: new FolderBytes(layout, { disk: new Disk(strict, fault), hasher, scanner, paced: strict }),
    close: async () => {
      await shut();
      await rm(root, { recursive: true });
    },
    reopen: async () => {
      await shut();
      return openIn(root, strict);
    },
  };
}

const fresh = (): Promise<string> => mkdtemp(join(tmpdir(), 'stowage-bytes-'));

bytesContract('embedded, strict', async () => openIn(await fresh(), true));
bytesContract('embedded, relaxed', async () => openIn(await fresh(), false));
locksContract('embedded', () => new ProcessLocks());

test.each(['../x', '..', '', 'a/b', '00000000-0000-0000-0000-00000000000G', 'A'.repeat(36)])(
  'no path is made of %j',
  (name) => {
    expect(() => stagePath(layoutOf('/nowhere'), name)).toThrow(TypeError);
    expect(() => blobPath(layoutOf('/nowhere'), name)).toThrow(TypeError);
  },
);
