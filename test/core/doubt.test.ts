/** A record whose making failed may be there all the same: its bytes must be, too. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine, UploadFacts } from '../../src/core/engine.ts';
import { openCore, type Core } from '../../src/core/index.ts';
import { Refusal } from '../../src/core/refusal.ts';
import { openEngine } from '../../src/engines/index.ts';
import { bodyOf } from '../support/body.ts';

const who = { namespace: 'system', credential: 'test' };
const day = 86_400_000;
const data = randomBytes(5000);
let folder: string;

beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'stowage-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

type Advance = UploadFacts['advance'];

/** Opens the store for one piece of work, with another way of advancing uploads where one is given. */
async function using<T>(
  work: (core: Core) => Promise<T>,
  meddle: (advance: Advance) => Advance = (advance) => advance,
): Promise<T> {
  const engine = await openEngine({ folder, strict: true, onFault: () => undefined });
  const { uploads } = engine.catalog;
  const meddled: Engine = {
    ...engine,
    catalog: { ...engine.catalog, uploads: { ...uploads, advance: meddle((...move) => uploads.advance(...move)) } },
  };
  const core = await openCore(meddled, {
    limits: { maxSize: 1e9, headroom: 0, idle: day },
    ages: { multipart: day, grace: day, stray: day, memory: day, events: day },
    scrub: { every: 0, rate: 0 },
    source: undefined,
    systemKey: 'key',
    keys: { secret: Buffer.alloc(32), configured: undefined },
  });
  try {
    return await work(core);
  } finally {
    await core.close();
    await engine.close();
  }
}

const failing =
  (error: unknown, first: (...move: Parameters<Advance>) => Promise<unknown>): Advance =>
  async (...move) => {
    await first(...move);
    throw error;
  };

test('an append whose record was made, though its making failed, keeps its bytes', async () => {
  const id = await using(
    async (core) => {
      const upload = await core.uploads.begin(who);
      await expect(core.uploads.append(who, upload.id, bodyOf(data), { at: 0, digests: [] })).rejects.toMatchObject({
        reason: 'unavailable',
      });
      return upload.id;
    },
    (advance) => failing(new Refusal('unavailable', 'the catalog stopped'), advance),
  );
  await using(async (core) => {
    expect(core.recovered.damaged).toEqual([]);
    expect((await core.uploads.look(who, id)).offset).toBe(data.length);
  });
});

test('an append whose record was not made takes no bytes along into the next one', async () => {
  const id = await using(
    async (core) => {
      const upload = await core.uploads.begin(who);
      await expect(core.uploads.append(who, upload.id, bodyOf(data), { at: 0, digests: [] })).rejects.toMatchObject({
        reason: 'unavailable',
      });
      return upload.id;
    },
    () => failing(new Refusal('unavailable', 'the catalog stopped'), async () => undefined),
  );
  await using(async (core) => {
    expect(core.recovered).toMatchObject({ trimmed: 1, damaged: [] });
    await core.uploads.append(who, id, bodyOf(data.subarray(0, 100)), { at: 0, digests: [] });
    const target = {
      name: 'thing',
      type: 'other' as const,
      namespace: null,
      sourceUrl: null,
      shared: false,
      maxVersions: 0,
    };
    await core.artifacts.convert(who, id, target, { size: 100, digests: [] });
  });
});
