import { randomUUID } from 'node:crypto';
import { assert, asyncProperty, array, constantFrom, integer, record } from 'fast-check';
import type { Registration, Reservation } from '../../../src/core/engine.ts';
import type { Bucket, Download, Release, ReleaseFile, Slot } from '../../../src/catalog/model.ts';
import { contentOf, done, eventOf, type Scene } from './scene.ts';

const bucket: Bucket = { name: 'kept', namespace: 'alpha', createdAt: 1, versioning: 'off', open: false, settings: {} };
const page = { behind: null, offset: 0, limit: 100 };

export function releaseContract(scene: () => Scene): void {
  const catalog = () => scene().catalog;
  const releases = () => catalog().releases;
  const releaseOf = (product: string, version: string, more: Partial<Release> = {}): Release => ({
    id: randomUUID(),
    namespace: 'alpha',
    product,
    version,
    status: 'draft',
    createdAt: 1,
    publishedAt: null,
    ...more,
  });
  const make = (release: Release): Promise<Release> => releases().create(release, eventOf('release', release.id));
  const slotOf = (release: Release, more: Partial<Slot> = {}): Slot => {
    const id = randomUUID();
    return {
      id,
      release: release.id,
      bucket: 'kept',
      key: `releases/${id}`,
      platform: 'p',
      fileName: 'f',
      outside: false,
      createdAt: 1,
      expiresAt: 100,
      ...more,
    };
  };

  /** Puts `text` at a slot's key. @returns the blob */
  async function fill(slot: Slot, text: string): Promise<string> {
    const upload = await scene().upload('alpha', text.length);
    const source = { kind: 'upload', upload, content: contentOf(text), mediaType: 'text/plain' } as const;
    const object = {
      bucket: { name: slot.bucket },
      key: slot.key,
      versionId: randomUUID(),
      etag: 'etag',
      about: '{}',
      lock: { retention: null, held: null },
      conditions: {},
    };
    const publication = scene().publication('alpha', `${slot.bucket}/${slot.key}`, source, {
      sourceUrl: `s3://${slot.bucket}/${slot.key}`,
    });
    return done(await catalog().artifacts.publish({ ...publication, object })).blob;
  }

  function registrationOf(slot: Slot, blob: string | null, size: number, request: string = randomUUID()): Registration {
    const { expiresAt: _, ...place } = slot;
    const file: ReleaseFile = {
      ...place,
      size,
      sha256: 'ab',
      blob,
      etag: 'etag',
      about: '{}',
      versionId: null,
      request,
      createdAt: 5,
    };
    const pin =
      blob === null
        ? null
        : scene().publication(
            'alpha',
            slot.key,
            { kind: 'blob', blob },
            { sourceUrl: `release:${slot.release}/${slot.id}` },
          );
    return {
      file,
      publication: pin && { ...pin, fresh: { artifact: slot.id, blob: randomUUID() } },
      event: eventOf('release', slot.release),
    };
  }

  describe('releases', () => {
    beforeEach(() => catalog().buckets.create(bucket, eventOf('bucket', 'kept')));

    test('have one id for each product and version of a namespace', async () => {
      const first = await make(releaseOf('app', '1'));
      const second = releaseOf('app', '1');
      expect({
        'make second': await make(second),
        'make first': await make(first),
        'get second.id': await releases().get(second.id),
      }).toEqual({ 'make second': first, 'make first': first, 'get second.id': undefined });
      for (const other of [
        releaseOf('App', '1'),
        releaseOf('app', '1.0'),
        releaseOf('app', '1', { namespace: 'beta' }),
      ])
        expect(await make(other)).toEqual(other);
      await expect(make(releaseOf('app', '1', { namespace: 'nobody' }))).rejects.toMatchObject({ reason: 'not_found' });
    });

    test('are listed newest first, and by place without a gap', async () => {
      const made = await Promise.all(
        [3, 1, 2, 2, 2].map((createdAt, index) => make(releaseOf('app', String(index), { createdAt }))),
      );
      const order = made.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1)).map(({ id }) => id);
      expect((await releases().list('alpha', {}, page)).map(({ id }) => id)).toEqual(order);
      for (const [index, id] of order.entries()) {
        const { createdAt: at } = made.find((one) => one.id === id)!;
        expect((await releases().list('alpha', {}, { ...page, behind: { at, id } })).map((one) => one.id)).toEqual(
          order.slice(index + 1),
        );
        expect((await releases().list('alpha', {}, { ...page, offset: index, limit: 2 })).map((one) => one.id)).toEqual(
          order.slice(index, index + 2),
        );
      }
      expect({
        'of another namespace': await releases().list('beta', {}, page),
        'of no product': await releases().list('alpha', { products: [] }, page),
        published: await releases().list('alpha', { status: 'published' }, page),
      }).toEqual({ 'of another namespace': [], 'of no product': [], published: [] });
    });

    test('a release changes its status once a request', async () => {
      const { id } = await make(releaseOf('app', '1'));
      const turns = await Promise.all(
        [1, 2, 3].map((at) => releases().turn(id, 'draft', 'published', at, eventOf('release', id))),
      );
      expect(turns.filter(Boolean)).toHaveLength(1);
      expect(await releases().turn(id, 'published', 'draft', 9, eventOf('release', id))).toMatchObject({
        status: 'draft',
        publishedAt: null,
      });
    });

    test('register a slot once, and the same request gets the same file', async () => {
      const slot = slotOf(await make(releaseOf('app', '1')));
      expect({
        first: await releases().open(slot),
        'again with another key': await releases().open({ ...slot, key: 'other' }),
      }).toEqual({ first: slot, 'again with another key': slot });
      const registration = registrationOf(slot, await fill(slot, 'bytes'), 5);
      const file = await releases().register(registration);
      expect(file).toMatchObject({ id: slot.id, size: 5, outside: false });
      expect({
        'register registration': await releases().register(registration),
        'register slot null 5': await releases().register(registrationOf(slot, null, 5)),
        'slot slot.id': await releases().slot(slot.id),
      }).toEqual({ 'register registration': file, 'register slot null 5': 'taken', 'slot slot.id': undefined });
      const none = slotOf(await make(releaseOf('app', '2')));
      expect(await releases().register(registrationOf(none, null, 5))).toBe('no_slot');
      await releases().open(none);
      expect({
        'of no slot': await releases().register(registrationOf({ ...none, key: 'other' }, null, 5)),
        'of no blob': await releases().register(registrationOf(none, randomUUID(), 5)),
      }).toEqual({ 'of no slot': 'no_slot', 'of no blob': 'no_blob' });
      expect(((await releases().register(registrationOf(none, null, 5))) as ReleaseFile).outside).toBe(true);
    });

    test('pin what they register: the object may change and go, and is there by the id of the file', async () => {
      const slot = slotOf(await make(releaseOf('app', '1')));
      await releases().open(slot);
      await releases().register(registrationOf(slot, await fill(slot, 'first'), 5));
      await fill(slot, 'second');
      const pinned = async () => (await catalog().buckets.object('kept', slot.key, { id: slot.id }))?.content?.size;
      expect({
        pinned: await pinned(),
        size: (await catalog().buckets.object('kept', slot.key))?.content?.size,
      }).toEqual({ pinned: 5, size: 6 });
      await catalog().buckets.retire({
        bucket: { name: 'kept' },
        key: slot.key,
        conditions: {},
        fresh: { artifact: randomUUID(), version: randomUUID() },
        at: 20,
        event: eventOf('bucket', 'kept'),
      });
      await catalog().buckets.removeVersion({
        bucket: { name: 'kept' },
        key: slot.key,
        id: slot.id,
        conditions: {},
        bypass: false,
        at: 20,
        event: eventOf('bucket', 'kept'),
      });
      await catalog().blobs.sweep(1000, 100);
      expect({
        pinned: await pinned(),
        'object kept slot.key': await catalog().buckets.object('kept', slot.key),
        'remove kept': await catalog().buckets.remove({ name: 'kept' }, eventOf('bucket', 'kept')),
      }).toEqual({ pinned: 5, 'object kept slot.key': undefined, 'remove kept': 'occupied' });
      expect(await catalog().buckets.object('kept', 'other', { id: slot.id })).toBeUndefined();
      await releases().remove(slot.release, 30, eventOf('release', slot.release));
      expect({
        pinned: await pinned(),
        length: (await catalog().blobs.sweep(1000, 100)).contents.length,
        'remove kept': await catalog().buckets.remove({ name: 'kept' }, eventOf('bucket', 'kept')),
      }).toEqual({ pinned: undefined, length: 1, 'remove kept': [] });
    });

    test('go with all that is theirs, and leave what is locked', async () => {
      const release = await make(releaseOf('app', '1'));
      const [slot, open] = [slotOf(release), slotOf(release)];
      for (const one of [slot, open]) await releases().open(one);
      await releases().register(registrationOf(slot, await fill(slot, 'bytes'), 5));
      await fill(open, 'more');
      const download: Download = {
        id: randomUUID(),
        verifier: 'v',
        file: slot.id,
        customer: 'c',
        apiKey: 'k',
        purpose: null,
        createdAt: 1,
        expiresAt: 10,
      };
      expect({
        create: await catalog().downloads.create(download),
        'proved v': await catalog().downloads.proved('v'),
        'create for no file': await catalog().downloads.create({
          ...download,
          id: randomUUID(),
          file: randomUUID(),
        }),
      }).toEqual({
        create: true,
        'proved v': download,
        'create for no file': false,
      });
      const removed = await releases().remove(release.id, 10, eventOf('release', release.id));
      expect({
        files: removed!.files.map(({ id }) => id),
        slots: removed!.slots,
        'remove release.id 10': await releases().remove(release.id, 10, eventOf('release', release.id)),
      }).toEqual({ files: [slot.id], slots: [open], 'remove release.id 10': undefined });
      expect({
        'get download.id': await catalog().downloads.get(download.id),
        'file slot.id': await releases().file(slot.id),
        stored: (await catalog().usage.get('alpha'))!.stored,
      }).toEqual({ 'get download.id': undefined, 'file slot.id': undefined, stored: 0 });
      await catalog().buckets.change(
        { name: 'kept' },
        { versioning: 'enabled', set: { lock: '{}' } },
        eventOf('bucket', 'kept'),
      );
      const locked = slotOf(await make(releaseOf('app', '2')));
      await releases().open(locked);
      await fill(locked, 'locked');
      await releases().remove(locked.release, 10, eventOf('release', locked.release));
      expect((await catalog().buckets.object('kept', locked.key))?.content?.size).toBe(6);
    });

    test('stay while a client fills them, and while they last, whatever was seen of them before', async () => {
      const release = await make(releaseOf('app', '1'));
      const [uploading, inParts, late] = [1, 2, 3].map((n) => slotOf(release, { expiresAt: n === 3 ? 20 : 10 })) as [
        Slot,
        Slot,
        Slot,
      ];
      for (const one of [uploading, inParts, late]) await releases().open(one);
      await catalog().uploads.begin({
        ...(await catalog().uploads.get(await scene().upload('alpha', 1)))!,
        id: uploading.id,
      });
      const multipart = {
        id: randomUUID(),
        bucket: 'kept',
        key: inParts.key,
        namespace: 'alpha',
        about: '',
        createdAt: 1,
        touchedAt: 1,
        outcome: null,
      };
      await catalog().multipart.begin(multipart);
      const close = async () => {
        const closed: boolean[] = [];
        for (const { id } of [uploading, inParts, late])
          closed.push(await releases().close(id, 15, eventOf('release', release.id)));
        return closed;
      };
      expect(await close()).toEqual([false, false, false]);
      await catalog().uploads.drop(uploading.id, eventOf('upload', uploading.id));
      await catalog().multipart.end(multipart.id, null, 2);
      expect(await close()).toEqual([true, true, false]);
    });

    test('lapse and close by time', async () => {
      const release = await make(releaseOf('app', '1'));
      const [soon, late] = [slotOf(release, { expiresAt: 10 }), slotOf(release, { expiresAt: 20 })];
      for (const one of [soon, late]) await releases().open(one);
      expect(await releases().lapsed(15, { after: null, limit: 10 })).toEqual([soon]);
      await fill(soon, 'unused');
      expect({
        closed: await releases().close(soon.id, 15, eventOf('release', release.id)),
        again: await releases().close(soon.id, 15, eventOf('release', release.id)),
        object: await catalog().buckets.object('kept', soon.key),
      }).toEqual({ closed: true, again: false, object: undefined });
    });
  });

  describe('requests that happen once', () => {
    const reservation = (owner: string, at: number, more: Partial<Reservation> = {}): Reservation => ({
      id: 'word',
      fingerprint: 'wish',
      seed: `seed of ${owner}`,
      owner,
      at,
      leaseUntil: at + 60,
      expiresAt: at + 1000,
      ...more,
    });
    const facts = () => catalog().idempotency;

    test("are one's at a time, and go on with the seed of whoever began", async () => {
      const raced = await Promise.all(['a', 'b', 'c'].map((owner) => facts().reserve(reservation(owner, 0))));
      expect(raced.map(({ kind }) => kind).toSorted()).toEqual(['busy', 'busy', 'yours']);
      const { seed } = raced.find((one) => one.kind === 'yours')!;
      expect({
        'reserve d 59': await facts().reserve(reservation('d', 59)),
        'reserve d 60': await facts().reserve(reservation('d', 60)),
      }).toEqual({
        'reserve d 59': { kind: 'busy', until: 60 },
        'reserve d 60': { kind: 'yours', seed, fresh: false },
      });
      const first = seed.slice(-1);
      expect({
        'settle word first late': await facts().settle('word', first, 'late'),
        'renew word first 500': await facts().renew('word', first, 500),
        'renew word d 200': await facts().renew('word', 'd', 200),
      }).toEqual({ 'settle word first late': false, 'renew word first 500': false, 'renew word d 200': true });
      expect({
        'reserve e 199': await facts().reserve(reservation('e', 199)),
        'settle word d done': await facts().settle('word', 'd', 'done'),
      }).toEqual({ 'reserve e 199': { kind: 'busy', until: 200 }, 'settle word d done': true });
      expect({
        'the same request': await facts().reserve(reservation('f', 300)),
        'another request': await facts().reserve(reservation('f', 300, { fingerprint: 'other' })),
      }).toEqual({
        'the same request': { kind: 'done', outcome: 'done' },
        'another request': { kind: 'other' },
      });
      expect(await facts().reserve(reservation('g', 1000))).toEqual({ kind: 'yours', seed: 'seed of g', fresh: true });
    });

    test('are given back whole, or to the same request alone', async () => {
      await facts().reserve(reservation('a', 0));
      await facts().giveUp('word', 'b', true);
      expect((await facts().reserve(reservation('c', 1))).kind).toBe('busy');
      await facts().giveUp('word', 'a', false);
      expect({
        'another request': await facts().reserve(reservation('c', 1, { fingerprint: 'other' })),
        'the same request': await facts().reserve(reservation('c', 1)),
      }).toEqual({
        'another request': { kind: 'other' },
        'the same request': { kind: 'yours', seed: 'seed of a', fresh: false },
      });
      await facts().giveUp('word', 'c', true);
      expect(await facts().reserve(reservation('d', 1, { fingerprint: 'other' }))).toEqual({
        kind: 'yours',
        seed: 'seed of d',
        fresh: true,
      });
      await facts().abandon();
      expect(await facts().reserve(reservation('e', 1, { fingerprint: 'other' }))).toEqual({
        kind: 'yours',
        seed: 'seed of d',
        fresh: false,
      });
      await facts().forget(5000);
      expect(await facts().reserve(reservation('e', 2))).toEqual({ kind: 'yours', seed: 'seed of e', fresh: true });
    });

    test('never have two owners, whatever happens in which order', async () => {
      const moves = array(
        record({
          owner: constantFrom('a', 'b', 'c'),
          move: constantFrom('reserve', 'renew', 'settle', 'giveUp'),
          wait: integer({ min: 0, max: 90 }),
        }),
        { maxLength: 25 },
      );
      await assert(
        asyncProperty(moves, async (played) => {
          const id = randomUUID();
          let now = 0;
          let model: { owner: string | null; until: number; outcome: string | null } | undefined;
          for (const { owner, move, wait } of played) {
            now += wait;
            const held = model?.owner === owner && model.outcome === null;
            if (move === 'reserve') {
              const expected =
                model?.outcome != null ? 'done' : model && model.owner !== null && model.until > now ? 'busy' : 'yours';
              expect((await facts().reserve(reservation(owner, now, { id, expiresAt: 100_000 }))).kind).toBe(expected);
              if (expected === 'yours') model = { owner, until: now + 60, outcome: null };
            } else if (move === 'renew') {
              expect(await facts().renew(id, owner, now + 60)).toBe(held);
              if (held) model = { ...model!, until: now + 60 };
            } else if (move === 'settle') {
              expect(await facts().settle(id, owner, `by ${owner}`)).toBe(held);
              if (held) model = { ...model!, owner: null, outcome: `by ${owner}` };
            } else {
              await facts().giveUp(id, owner, true);
              if (held) model = undefined;
            }
          }
        }),
        { numRuns: Number(process.env['STOWAGE_TEST_RUNS'] ?? 40) },
      );
    });
  });
}
