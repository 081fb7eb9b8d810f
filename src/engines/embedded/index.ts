import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Engine } from '../../core/engine.ts';
import { FolderBytes } from './bytes/store.ts';
import { openCatalog, type OpenCatalog } from './sqlite/thread.ts';
import { Disk } from './disk.ts';
import { Guard } from './guard.ts';
import { Hasher } from './bytes/hasher.ts';
import { fans, layoutOf, type Layout } from './layout.ts';
import { lossOfAll, refusalOf } from './lineage.ts';
import { ProcessLocks } from './locks.ts';
import { NodeFile, type CatalogMark } from './node-file.ts';
import { makePrivateFile, restrictModes } from './privacy.ts';
import { Scanner } from './bytes/scanner.ts';
import { inlineLimit, withInline } from './bytes/inline.ts';

export interface EmbeddedOptions {
  /** The storage folder; created if missing. */
  readonly folder: string;
  /** Whether acknowledged data is on disk. Without it nothing is synced, and a power cut may lose acknowledged data. */
  readonly strict: boolean;
  /** Called when the disk fails. */
  readonly onFault: (why: string, error: unknown) => void;
  /** Called when a thread died and was replaced. */
  readonly onRestart?: (thread: string, error: unknown) => void;
  /** Called when the catalog thread is gone for good; all further requests fail. */
  readonly onLost?: (error: unknown) => void;
  /** Called with what is missing if the store opens with a loss; without it, such a store is refused. */
  readonly onLoss?: ((loss: string) => void) | undefined;
  /** Opens the store without advancing the catalog's generation, for read-only commands. */
  readonly readOnly?: boolean;
}

/**
 * Opens the engine for one machine and one folder.
 *
 * @throws Error if another process has the folder; Refusal `lost` if the catalog is missing or is not the newest of the
 *   store
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Engine> {
  const layout = layoutOf(options.folder);
  const disk = new Disk(options.strict, options.onFault);
  await makeFolders(layout, disk);
  const guard = await Guard.enter(layout);
  try {
    disk.probe(layout.guardNote);
    const { catalog, sparedUntil } = await openRecordedCatalog(layout, options, disk);
    const hasher = new Hasher({ gentle: !options.strict, onRestart: (error) => options.onRestart?.('hash', error) });
    const scanner = new Scanner((error) => options.onRestart?.('scan', error));
    const bytes = new FolderBytes(layout, { disk, hasher, scanner, paced: options.strict });
    return {
      catalog: catalog.catalog,
      bytes: withInline(bytes, (sha512) => catalog.catalog.contents.bytes(sha512)),
      inlineLimit: inlineLimit,
      locks: new ProcessLocks(),
      health: () => disk.health,
      alone: true,
      sparedUntil,
      close: async () => {
        await catalog.close();
        await Promise.all([bytes.close(), hasher.close(), scanner.close()]);
        disk.close();
        guard.leave();
      },
    };
  } catch (error) {
    disk.close();
    guard.leave();
    throw error;
  }
}

/** Opens the catalog that `node.json` names and records its generation there. */
async function openRecordedCatalog(
  layout: Layout,
  options: EmbeddedOptions,
  disk: Disk,
): Promise<{ catalog: OpenCatalog; sparedUntil: number | undefined }> {
  const node = new NodeFile(layout.node);
  const before = await node.read();
  let lost = false;
  const onLoss =
    options.onLoss &&
    ((loss: string): void => {
      lost = true;
      options.onLoss!(loss);
    });
  const missing = await lossOfAll(layout, before);
  if (missing !== undefined && !onLoss) throw refusalOf(missing, layout.catalog);
  if (missing !== undefined) onLoss!(missing);
  await makePrivateFile(layout.catalog);
  await restrictModes(layout);
  const relaxed = options.strict ? {} : { relaxed: true };
  const note = async (catalog: CatalogMark): Promise<void> => {
    await node.change((facts) => Object.assign(facts, { catalog: { ...catalog, ...relaxed } }));
  };
  const catalog = await openCatalog({
    path: layout.catalog,
    strict: options.strict,
    onFault: (error) => disk.distrust('the catalog cannot be written', error),
    onRestart: (error) => options.onRestart?.('catalog', error),
    onLost: (error) => {
      disk.distrust('the catalog stopped', error);
      options.onLost?.(error);
    },
    lineage: {
      known: missing === undefined ? before?.catalog : undefined,
      onLoss,
      note: options.readOnly ? undefined : note,
    },
  });
  if (!lost) return { catalog, sparedUntil: before?.sparedUntil };
  const { sparedUntil } = await node.change((facts) => Object.assign(facts, { sparedUntil: Date.now() }));
  return { catalog, sparedUntil };
}

/** Creates all folders durably at startup, so that no write has to. */
async function makeFolders(layout: Layout, disk: Disk): Promise<void> {
  const made = await mkdir(layout.root, { recursive: true, mode: 0o700 });
  for (const folder of [layout.uploads, layout.blobs, layout.quarantine])
    await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const fan of fans) await mkdir(join(layout.blobs, fan), { recursive: true, mode: 0o700 });
  await disk.syncFolder(layout.blobs);
  await disk.syncFolder(layout.root);
  if (made) await disk.syncFolder(dirname(layout.root));
}
