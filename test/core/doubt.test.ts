/** If recording fails with an unknown outcome, the bytes are kept, because the record may exist. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Catalog, Engine } from '../../src/core/engine.ts';
import { openCore, type Core } from '../../src/core/index.ts';
import { words } from '../../src/server/domain.ts';
import { Refusal } from '../../src/core/refusal.ts';
import { allowIn } from '../../src/core/tenants/access.ts';
import { openEngine } from '../../src/engines/index.ts';
import type { Multipart } from '../../src/catalog/model.ts';
import { collect } from '../contract/bytes.ts';
import { bodyOf } from '../support/body.ts';

const who = { namespace: 'system', credential: 'test' };
const day = 86_400_000;
const data = randomBytes(5000);
let folder: string;

beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'stowage-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

type Advance = Catalog['uploads']['advance'];
type Publish = Catalog['artifacts']['publish'];

/** Opens the store for one piece of work, with other ways of advancing uploads and of publishing where they are given. */
async function using<T>(
  work: (core: Core, engine: Engine) => Promise<T>,
  meddle: (advance: Advance) => Advance = (advance) => advance,
  hinder: (publish: Publish, engine: Engine) => Publish = (publish) => publish,
): Promise<T> {
  const engine = await openEngine({ folder, strict: true, onFault: () => undefined });
  const { uploads, artifacts } = engine.catalog;
  const meddled: Engine = {
    ...engine,
    catalog: {
      ...engine.catalog,
      uploads: { ...uploads, advance: meddle((...move) => uploads.advance(...move)) },
      artifacts: { ...artifacts, publish: hinder((publication) => artifacts.publish(publication), engine) },
    },
  };
  const core = await openCore(meddled, {
    words,
    limits: { maxSize: 1e9, headroom: 0, idle: day },
    ages: { multipart: day, grace: day, stray: day, memory: day, events: day },
    scrub: { every: 0, rate: 0 },
    source: undefined,
    systemKey: 'key',
    keys: { secret: Buffer.alloc(32), configured: undefined },
  });
  try {
    return await work(core, engine);
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

describe('the whole of a multipart upload', () => {
  const bodies = [randomBytes(70_000), randomBytes(80_000), randomBytes(90_000)];
  const all = Buffer.concat(bodies);
  const facts = { etag: 'etag', about: '{}' };
  const unmeddled = (advance: Advance): Advance => advance;

  async function begin(core: Core): Promise<Multipart> {
    const allowed = allowIn(who, 'write', await core.buckets.create(who, 'bucket'));
    const multipart = await core.multipart.begin(allowed, 'key', '{}');
    for (const [n, body] of bodies.entries())
      await (await core.multipart.receive(allowed, multipart, n + 1, bodyOf(body), [])).keep(facts);
    return multipart;
  }

  async function complete(core: Core, multipart: Multipart, conditions = {}): Promise<string> {
    const parts = await core.multipart.parts(multipart, 0, 10);
    const request = { key: 'key', conditions };
    const allowed = await core.buckets.allow(who, 'bucket', 'write');
    return core.multipart.complete(allowed, multipart, parts, request, facts, () => 'done');
  }

  async function demandWhole(core: Core): Promise<void> {
    const object = await core.objects.peek('bucket', 'key');
    const reader = await core.objects.open(await core.blobs.get(who, object!.content!.blob));
    expect((await collect(reader.read(0, reader.size))).equals(all)).toBe(true);
    await reader.close();
  }

  test('lies once: its stage has moved when it is put on record', async () => {
    const stages: (number | undefined)[] = [];
    await using(
      async (core) => {
        await complete(core, await begin(core));
        await demandWhole(core);
      },
      unmeddled,
      (publish, { bytes }) =>
        async (publication) => {
          const { source } = publication;
          if (source.kind === 'upload') stages.push(await bytes.size(source.upload));
          return publish(publication);
        },
    );
    expect(stages).toEqual([undefined]);
  });

  test('that was not put on record, though it had moved, is no loss after a restart, and is made anew', async () => {
    const stopped = new Refusal('unavailable', 'the catalog stopped');
    const multipart = await using(
      async (core) => {
        const begun = await begin(core);
        await expect(complete(core, begun)).rejects.toMatchObject({ reason: 'unavailable' });
        return begun;
      },
      unmeddled,
      () => () => Promise.reject(stopped),
    );
    await using(async (core, { bytes }) => {
      expect(await bytes.size(multipart.id)).toBeUndefined();
      expect(core.recovered.damaged).toEqual([]);
      expect(await complete(core, multipart)).toBe('done');
      await demandWhole(core);
    });
  });

  test('that was not put on record is made anew without a restart, too', async () => {
    let fails = true;
    await using(
      async (core) => {
        const multipart = await begin(core);
        await expect(complete(core, multipart)).rejects.toMatchObject({ reason: 'unavailable' });
        fails = false;
        expect(await complete(core, multipart)).toBe('done');
        await demandWhole(core);
      },
      unmeddled,
      (publish) => (publication) =>
        fails ? Promise.reject(new Refusal('unavailable', 'the catalog stopped')) : publish(publication),
    );
  });

  test('that is on record, though its making failed, is told to whoever asks again', async () => {
    let fails = true;
    await using(
      async (core) => {
        const multipart = await begin(core);
        expect(await complete(core, multipart)).toBe('done');
        fails = false;
        await demandWhole(core);
      },
      unmeddled,
      (publish) => async (publication) => {
        const published = await publish(publication);
        if (fails) throw new Refusal('unavailable', 'the catalog stopped');
        return published;
      },
    );
  });

  test.each([
    ['a condition', { match: ['no such tag'] }, 'no_object', (): undefined => undefined],
    ['the catalog', {}, 'over_quota', (): Refusal => new Refusal('over_quota', 'there is no room')],
  ])('that %s refuses is a stage again, and nothing lies at its address', async (_, conditions, reason, refusal) => {
    let refusing = true;
    await using(
      async (core, { bytes }) => {
        const multipart = await begin(core);
        await expect(complete(core, multipart, conditions)).rejects.toMatchObject({ reason });
        const sealed: string[] = [];
        for await (const { kind, name } of bytes.list()) if (kind === 'blob') sealed.push(name);
        expect(sealed).toEqual([]);
        expect(await bytes.size(multipart.id)).toBe(all.length);
        refusing = false;
        expect(await complete(core, multipart)).toBe('done');
        await demandWhole(core);
      },
      unmeddled,
      (publish) => (publication) => {
        const refused = refusing ? refusal() : undefined;
        return refused ? Promise.reject(refused) : publish(publication);
      },
    );
  });
});
