/** The contract of catalogs. An engine's test passes its constructor. */
import type { Catalog } from '../../src/core/engine.ts';
import { artifactContract } from './catalog/artifacts.ts';
import { bucketContract } from './catalog/buckets.ts';
import { customerContract } from './catalog/customers.ts';
import { journalContract } from './catalog/events.ts';
import { ledgerContract } from './catalog/ledgers.ts';
import { modelContract } from './catalog/model.ts';
import { namespaceContract } from './catalog/namespaces.ts';
import { publishContract } from './catalog/publish.ts';
import { releaseContract } from './catalog/releases.ts';
import { Scene } from './catalog/scene.ts';
import { sightContract } from './catalog/visibility.ts';
import { sweepContract } from './catalog/sweep.ts';
import { uploadContract } from './catalog/uploads.ts';

export interface OpenedCatalog {
  readonly catalog: Catalog;
  readonly close: () => Promise<void>;
  /** The same catalog, reopened by a process without state. */
  readonly reopen: () => Promise<OpenedCatalog>;
}

const everyPart: readonly ((scene: () => Scene) => void)[] = [
  namespaceContract,
  uploadContract,
  publishContract,
  artifactContract,
  sightContract,
  sweepContract,
  journalContract,
  bucketContract,
  releaseContract,
  customerContract,
  ledgerContract,
  modelContract,
];

/** @param parts suites to run, besides the one for reopening */
export function catalogContract(
  name: string,
  open: () => Promise<OpenedCatalog>,
  parts: typeof everyPart = everyPart,
): void {
  describe(`${name}: catalog`, () => {
    let opened: OpenedCatalog;
    let scene: Scene;
    beforeEach(async () => {
      opened = await open();
      scene = new Scene(opened.catalog);
      await scene.namespace('alpha');
      await scene.namespace('beta');
    });
    afterEach(async () => {
      // Ledgers must be correct after every test.
      const wrong = await opened.catalog.usage.miscounted(false);
      await opened.close();
      expect(wrong).toEqual([]);
    });

    for (const one of parts) one(() => scene);

    test('what was acknowledged is there after it was opened again', async () => {
      const { artifact, blob } = await scene.version('alpha', 'kept', 'bytes');
      const upload = await scene.upload('alpha', 7);
      const before = await facts(opened.catalog, artifact.uuid, blob, upload);
      opened = await opened.reopen();
      expect(await facts(opened.catalog, artifact.uuid, blob, upload)).toEqual(before);
    });
  });
}

async function facts(catalog: Catalog, artifact: string, blob: string, upload: string): Promise<unknown> {
  return Promise.all([
    catalog.namespaces.get('alpha'),
    catalog.artifacts.get(artifact),
    catalog.artifacts.versions([artifact]),
    catalog.blobs.get(blob),
    catalog.uploads.get(upload),
    catalog.contents.totals(),
    catalog.events.events('artifact', artifact, { limit: 10 }),
  ]);
}
