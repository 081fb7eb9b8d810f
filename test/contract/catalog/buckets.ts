import { randomUUID } from 'node:crypto';
import { assert, asyncProperty, array, constantFrom, integer } from 'fast-check';
import type { BucketChange, ObjectFacts, ObjectsPage } from '../../../src/core/engine.ts';
import type { Bucket } from '../../../src/catalog/model.ts';
import { contentOf, eventOf, type Scene } from './scene.ts';

const bucketOf = (name: string, namespace = 'alpha', versioning: Bucket['versioning'] = 'off'): Bucket => ({
  name,
  namespace,
  createdAt: 1,
  versioning,
  open: false,
  settings: {},
});
const page: ObjectsPage = { prefix: '', after: null, limit: 1000 };

export function bucketContract(scene: () => Scene): void {
  const catalog = () => scene().catalog;
  const buckets = () => catalog().buckets;
  const make = (bucket: Bucket) => buckets().create(bucket, eventOf('bucket', bucket.name));

  /** Puts `text` under a key. @returns why not, or undefined */
  async function put(
    bucket: Bucket,
    key: string,
    text: string,
    more: Partial<ObjectFacts> = {},
  ): Promise<string | undefined> {
    const upload = await scene().upload(bucket.namespace, text.length);
    const object: ObjectFacts = {
      bucket,
      key,
      versionId: randomUUID(),
      etag: `etag of ${text}`,
      about: `{"text":"${text}"}`,
      lock: { retention: null, held: null },
      conditions: {},
      ...more,
    };
    const source = { kind: 'upload', upload, content: contentOf(text), mediaType: 'text/plain' } as const;
    const publication = scene().publication(bucket.namespace, `${bucket.name}/${key}`, source, {
      sourceUrl: `s3://${bucket.name}/${key}`,
    });
    const published = await catalog().artifacts.publish({ ...publication, object });
    return typeof published === 'string' ? published : undefined;
  }
  const retire = (bucket: Bucket, key: string) =>
    buckets().retire({
      bucket,
      key,
      conditions: {},
      fresh: { artifact: randomUUID(), version: randomUUID() },
      at: 20,
      event: eventOf('bucket', bucket.name),
    });
  const keysOf = async (name: string, more: Partial<ObjectsPage> = {}): Promise<string[]> =>
    (await buckets().objects(name, { ...page, ...more })).map(({ key }) => key);

  describe('buckets', () => {
    test('have a name that is unique in the store, and go only when they are empty', async () => {
      expect({
        first: await make(bucketOf('one')),
        'again in another namespace': await make(bucketOf('one', 'beta')),
      }).toEqual({ first: true, 'again in another namespace': false });
      await make(bucketOf('two', 'beta'));
      expect((await buckets().list('alpha', { after: null, limit: 10 })).map(({ name }) => name)).toEqual(['one']);
      expect((await buckets().list(null, { after: 'one', limit: 10 })).map(({ name }) => name)).toEqual(['two']);
      await put(bucketOf('one'), 'k', 'x');
      expect(await buckets().remove({ name: 'one' }, eventOf('bucket', 'one'))).toBe('occupied');
      await retire(bucketOf('one'), 'k');
      expect({
        removed: await buckets().remove({ name: 'one' }, eventOf('bucket', 'one')),
        again: await buckets().remove({ name: 'one' }, eventOf('bucket', 'one')),
      }).toEqual({ removed: [], again: 'none' });
      await expect(make(bucketOf('lost', 'nobody'))).rejects.toMatchObject({ reason: 'not_found' });
    });

    test('are not the next one of their name, which no decision about them changes', async () => {
      const first = { ...bucketOf('again'), generation: 'first' };
      for (const [before, next] of [
        [first, { ...first, generation: 'second' }],
        [bucketOf('old'), { ...bucketOf('old'), generation: 'first' }],
      ] as const) {
        const event = eventOf('bucket', before.name);
        await make(before);
        await buckets().remove(before, event);
        await make(next);
        await put(next, 'k', 'x');
        const begun = { bucket: before.name, key: 'k', about: '{}', createdAt: 1, touchedAt: 1, outcome: null };
        const begin = (generation: string | undefined): Promise<boolean> =>
          catalog().multipart.begin({ ...begun, id: randomUUID(), namespace: 'alpha' }, generation);
        const refused = { bucket: before, key: 'k', id: null, conditions: {}, bypass: false, at: 20, event };
        expect([
          await buckets().change(before, { open: true }, event),
          await put(before, 'k', 'y'),
          (await retire(before, 'k')).kind,
          (await buckets().removeVersion(refused)).kind,
          await begin(before.generation),
          await buckets().remove(before, event),
        ]).toEqual([undefined, 'no_bucket', 'no_bucket', 'no_bucket', false, 'none']);
        expect(await buckets().get(next.name)).toEqual(next);
        expect((await buckets().object(next.name, 'k'))?.content?.etag).toBe('etag of x');
        expect([await put(next, 'k', 'y'), await begin(next.generation)]).toEqual([undefined, true]);
        expect((await buckets().removeVersion({ ...refused, bucket: next })).kind).toBe('gone');
      }
    });

    test('keep what is set on them', async () => {
      await make(bucketOf('set'));
      await buckets().change(
        { name: 'set' },
        { open: true, set: { a: '1', "b's": '{"x":"é"}' } },
        eventOf('bucket', 'set'),
      );
      await buckets().change({ name: 'set' }, { versioning: 'enabled' }, eventOf('bucket', 'set'));
      expect(await buckets().get('set')).toMatchObject({
        open: true,
        settings: { a: '1', "b's": '{"x":"é"}' },
        versioning: 'enabled',
      });
      await buckets().change({ name: 'set' }, {}, eventOf('bucket', 'set'));
      await buckets().change({ name: 'set' }, { set: { a: null, c: '3' } }, eventOf('bucket', 'set'));
      expect((await buckets().get('set'))?.settings).toEqual({ "b's": '{"x":"é"}', c: '3' });
      expect(await buckets().change({ name: 'none' }, { open: true }, eventOf('bucket', 'none'))).toBeUndefined();
    });

    test('keep every setting of changes that run side by side', async () => {
      await make(bucketOf('many'));
      const names = Array.from({ length: 50 }, (_, n) => `s${n}`);
      await Promise.all(
        names.map((name) => buckets().change({ name: 'many' }, { set: { [name]: name } }, eventOf('bucket', 'many'))),
      );
      expect((await buckets().get('many'))?.settings).toEqual(Object.fromEntries(names.map((name) => [name, name])));
    });

    test('change only while what the caller decided by still holds', async () => {
      await make(bucketOf('given'));
      const change = (given: Record<string, string | null>) =>
        buckets().change({ name: 'given' }, { set: { a: 'set' }, given }, eventOf('bucket', 'given'));
      await expect(change({ b: 'seen' })).rejects.toMatchObject({ reason: 'bucket_changed' });
      expect((await buckets().get('given'))?.settings).toEqual({});
      expect((await change({ b: null }))?.settings).toEqual({ a: 'set' });
      expect((await change({ a: 'set', b: null }))?.settings).toEqual({ a: 'set' });
    });

    test('with object lock stay versioned', async () => {
      await make(bucketOf('locking'));
      const change = (wish: BucketChange) => buckets().change({ name: 'locking' }, wish, eventOf('bucket', 'locking'));
      await expect(change({ lock: {} })).rejects.toMatchObject({ reason: 'bucket_locked' });
      await change({ versioning: 'enabled', lock: {} });
      await expect(change({ versioning: 'suspended' })).rejects.toMatchObject({ reason: 'bucket_locked' });
      expect((await buckets().get('locking'))?.versioning).toBe('enabled');
    });

    test('go with their namespace, and their objects with them', async () => {
      await make(bucketOf('gone', 'beta'));
      await put(bucketOf('gone', 'beta'), 'k', 'x');
      await catalog().namespaces.remove('beta', eventOf('namespace', 'beta'));
      expect({ 'get gone': await buckets().get('gone'), 'object gone k': await buckets().object('gone', 'k') }).toEqual(
        { 'get gone': undefined, 'object gone k': undefined },
      );
    });
  });

  describe('objects', () => {
    test('are listed by the bytes of their keys', async () => {
      await make(bucketOf('b'));
      for (const key of ['ä', 'z', 'a/1', 'a/2', 'a0', '💾', '\u{ffff}', 'a']) await put(bucketOf('b'), key, key);
      expect(await keysOf('b')).toEqual(['a', 'a/1', 'a/2', 'a0', 'z', 'ä', '\u{ffff}', '💾']);
      expect({
        'keysOf b prefix a/': await keysOf('b', { prefix: 'a/' }),
        'keysOf b after a/1 limit 2': await keysOf('b', { after: 'a/1', limit: 2 }),
        'keysOf b prefix 💾': await keysOf('b', { prefix: '💾' }),
      }).toEqual({
        'keysOf b prefix a/': ['a/1', 'a/2'],
        'keysOf b after a/1 limit 2': ['a/2', 'a0'],
        'keysOf b prefix 💾': ['💾'],
      });
    });

    test('are put under conditions that hold at that moment', async () => {
      await make(bucketOf('b'));
      expect(await put(bucketOf('b'), 'k', 'one', { conditions: { match: ['*'] } })).toBe('condition_absent');
      expect(await put(bucketOf('b'), 'k', 'one', { conditions: { noneMatch: ['*'] } })).toBeUndefined();
      expect(await put(bucketOf('b'), 'k', 'two', { conditions: { noneMatch: ['*'] } })).toBe('condition');
      expect(await put(bucketOf('b'), 'k', 'two', { conditions: { match: ['etag of one'] } })).toBeUndefined();
      expect(await put(bucketOf('none'), 'k', 'x')).toBe('no_bucket');
      expect((await buckets().object('b', 'k'))?.content).toMatchObject({ etag: 'etag of two', size: 3 });
    });

    test('are put into the bucket of their namespace only, not into the next one of its name', async () => {
      await make(bucketOf('b', 'beta'));
      expect(await put(bucketOf('b', 'alpha'), 'k', 'x')).toBe('no_bucket');
      expect(await keysOf('b')).toEqual([]);
    });

    test('that somebody deletes as artifacts are gone here too', async () => {
      await make(bucketOf('b'));
      await put(bucketOf('b'), 'k', 'x');
      const { artifact } = (await buckets().object('b', 'k'))!;
      await catalog().artifacts.remove(artifact, 30, eventOf('artifact', artifact));
      expect(await buckets().object('b', 'k')).toBeUndefined();
      expect(await put(bucketOf('b'), 'k', 'y')).toBeUndefined();
      expect(await keysOf('b')).toEqual(['k']);
    });

    test('keep, replace and mark versions as the bucket says, whatever is done', async () => {
      let run = 0;
      await assert(
        asyncProperty(
          array(constantFrom<string[]>('put', 'retire', 'remove', 'enable', 'suspend'), { maxLength: 25, size: 'max' }),
          integer({ min: 0, max: 5 }),
          async (steps: readonly string[], pick) => {
            const name = `model-${(run += 1)}`;
            let bucket = bucketOf(name);
            await make(bucket);
            /** Newest first. */
            let model: { id: string | null; text: string | null }[] = [];
            const add = (id: string | null, text: string | null): void =>
              void (model = [{ id, text }, ...(id === null ? model.filter((one) => one.id !== null) : model)]);
            for (const [turn, step] of steps.entries()) {
              if (step === 'enable' || step === 'suspend') {
                if (step === 'suspend' && bucket.versioning === 'off') continue;
                bucket = (await buckets().change(
                  bucket,
                  { versioning: step === 'enable' ? 'enabled' : 'suspended' },
                  eventOf('bucket', name),
                ))!;
              } else if (step === 'put') {
                const versionId = randomUUID();
                expect(await put(bucket, 'k', `t${turn % 4}`, { versionId })).toBeUndefined();
                add(bucket.versioning === 'enabled' ? versionId : null, `t${turn % 4}`);
              } else if (step === 'retire') {
                const retired = await retire(bucket, 'k');
                if (bucket.versioning === 'off') model = [];
                else add(retired.kind === 'marked' ? retired.object.versionId : null, null);
              } else {
                const one = model[pick % Math.max(model.length, 1)];
                const removed = await buckets().removeVersion({
                  bucket,
                  key: 'k',
                  id: one ? one.id : null,
                  conditions: {},
                  bypass: false,
                  at: 20,
                  event: eventOf('bucket', name),
                });
                expect(removed.kind).toBe(one ? 'gone' : 'absent');
                model = model.filter((other) => other !== one);
              }
              const versions = await buckets().versions({ name }, { ...page, behind: null });
              expect(
                versions.map(({ versionId, content }) => ({
                  id: versionId,
                  text: content ? (JSON.parse(content.about) as { text: string }).text : null,
                })),
              ).toEqual(model);
              expect(versions.map(({ current }) => current)).toEqual(model.map((_one, at) => at === 0));
              expect(await keysOf(name)).toEqual(model[0]?.text ? ['k'] : []);
              const kept = model.filter(({ text }) => text !== null);
              expect((await buckets().usage({ bucket: name })).objects).toBe(kept.length);
            }
          },
        ),
        { numRuns: 30 },
      );
    });
  });

  describe('ledgers', () => {
    const { get, setLimits, spend } = {
      get: (name: string) => catalog().usage.get(name),
      setLimits: (name: string, quota: number | null) =>
        catalog().usage.setLimits(name, { quota, allowance: null }, eventOf('namespace', name)),
      spend: (month: string, bytes: number) => catalog().usage.spend(month, [['alpha', bytes]]),
    };

    test('count what is stored and reserved, whatever becomes of it', async () => {
      await make(bucketOf('b'));
      await put(bucketOf('b'), 'k', 'four');
      await put(bucketOf('b'), 'k2', 'four');
      await scene().version('alpha', 'a', 'seven!!');
      expect(await get('alpha')).toMatchObject({ stored: 15, reserved: 0, quota: null });
      const open = await scene().upload('alpha', 3);
      expect(await get('alpha')).toMatchObject({ stored: 15, reserved: 3 });
      await put(bucketOf('b'), 'k', 'replaced');
      await retire(bucketOf('b'), 'k2');
      await catalog().uploads.drop(open, eventOf('upload', open));
      expect(await get('alpha')).toMatchObject({ stored: 15, reserved: 0 });
      expect({ 'get beta': await get('beta'), 'get nobody': await get('nobody') }).toEqual({
        'get beta': expect.objectContaining({ stored: 0 }),
        'get nobody': undefined,
      });
    });

    test('refuse what is too much, at its beginning or when it comes', async () => {
      await scene().version('alpha', 'a', '12345');
      const first = (await catalog().uploads.get(await scene().upload('alpha', 0)))!;
      await setLimits('alpha', 10);
      await expect(catalog().uploads.begin({ ...first, id: randomUUID(), length: 6 })).rejects.toMatchObject({
        reason: 'over_quota',
      });
      const id = await scene().upload('alpha', 0);
      const move = { from: 0, to: 5, lastStart: null, length: null, at: 2 };
      expect((await catalog().uploads.advance(id, move))?.offset).toBe(5);
      await expect(catalog().uploads.advance(id, { ...move, from: 5, to: 6 })).rejects.toMatchObject({
        reason: 'over_quota',
      });
      expect((await catalog().uploads.get(id))?.offset).toBe(5);
      await setLimits('alpha', null);
      expect((await catalog().uploads.advance(id, { ...move, from: 5, to: 6 }))?.offset).toBe(6);
    });

    test('begin each month at nothing', async () => {
      await spend('2026-10', 5);
      await spend('2026-10', 6);
      expect(await get('alpha')).toMatchObject({ month: '2026-10', sent: 11 });
      await spend('2026-11', 2);
      expect(await get('alpha')).toMatchObject({ month: '2026-11', sent: 2 });
    });
  });

  describe('access keys', () => {
    const key = (id: string, namespace = 'alpha') => ({
      id,
      namespace,
      name: 'n',
      sealed: 's',
      grant: { buckets: ['b'], verbs: ['read' as const] },
      createdAt: 1,
      revokedAt: null,
    });

    test('are found by id, listed by namespace, and revoked once', async () => {
      const { accessKeys: keys } = catalog();
      for (const one of [key('k1'), key('k2'), key('k3', 'beta')]) await keys.create(one, eventOf('key', one.id));
      await expect(keys.create(key('k1'), eventOf('key', 'k1'))).rejects.toMatchObject({ reason: 'conflict' });
      expect(await keys.get('k1')).toEqual(key('k1'));
      expect((await keys.list('alpha', { after: null, limit: 10 })).map(({ id }) => id)).toEqual(['k1', 'k2']);
      expect({
        revoked: await keys.revoke('k1', 9, eventOf('key', 'k1')),
        again: await keys.revoke('k1', 9, eventOf('key', 'k1')),
      }).toEqual({ revoked: true, again: false });
      expect((await keys.get('k1'))?.revokedAt).toBe(9);
      expect((await keys.list(null, { after: null, limit: 10 })).map(({ id }) => id)).toEqual(['k2', 'k3']);
    });
  });

  describe('parts', () => {
    test('begin in a bucket that is there, and is of their namespace', async () => {
      const { multipart: parts } = catalog();
      await make(bucketOf('b', 'beta'));
      const begun = { key: 'k', about: '{}', createdAt: 1, touchedAt: 1, outcome: null };
      const begin = (bucket: string, namespace: string): Promise<boolean> =>
        parts.begin({ ...begun, id: randomUUID(), bucket, namespace });
      expect({
        'begin none alpha': await begin('none', 'alpha'),
        'begin b alpha': await begin('b', 'alpha'),
        'begin b beta': await begin('b', 'beta'),
      }).toEqual({ 'begin none alpha': false, 'begin b alpha': false, 'begin b beta': true });
    });

    test('are put in place of each other, listed by number, and end with their whole', async () => {
      const { multipart: parts, uploads } = catalog();
      await make(bucketOf('b'));
      const whole = {
        id: randomUUID(),
        bucket: 'b',
        key: 'k',
        namespace: 'alpha',
        about: '{}',
        createdAt: 1,
        touchedAt: 1,
        outcome: null,
      };
      await parts.begin(whole);
      const part = (number: number, upload: string) => ({ number, upload, size: 5, etag: 'e', about: '{}', at: 10 });
      const [first, again, second] = [
        await scene().upload('alpha', 5),
        await scene().upload('alpha', 5),
        await scene().upload('alpha', 5),
      ];
      expect({
        'put whole.id 1 first': await parts.put(whole.id, part(1, first)),
        'put whole.id 2 second': await parts.put(whole.id, part(2, second)),
        'put whole.id 1 again': await parts.put(whole.id, part(1, again)),
      }).toEqual({
        'put whole.id 1 first': { replaced: null },
        'put whole.id 2 second': { replaced: null },
        'put whole.id 1 again': { replaced: first },
      });
      expect((await parts.parts(whole.id, 0, 10)).map(({ number, upload }) => [number, upload])).toEqual([
        [1, again],
        [2, second],
      ]);
      // A part lives as long as its multipart upload.
      expect((await uploads.idle(1000, { after: null, limit: 10 })).map(({ id }) => id)).toEqual([first]);
      expect((await parts.list({ name: 'b' }, { prefix: '', behind: null, limit: 10 })).map(({ key }) => key)).toEqual([
        'k',
      ]);
      expect((await parts.idle(10, { after: null, limit: 10 })).length).toBe(0);
      expect((await parts.idle(11, { after: null, limit: 10 })).map(({ id }) => id)).toEqual([whole.id]);
      expect(await parts.end(whole.id, null, 12, 10)).toBeUndefined();
      expect((await parts.end(whole.id, 'made', 12))?.toSorted()).toEqual([again, second, whole.id].toSorted());
      expect((await catalog().uploads.get(again))?.state).toBe('dropped');
      expect({
        outcome: (await parts.get(whole.id))?.outcome,
        'put whole.id 3 first': await parts.put(whole.id, part(3, first)),
        listed: await parts.list({ name: 'b' }, { prefix: '', behind: null, limit: 10 }),
      }).toEqual({
        outcome: 'made',
        'put whole.id 3 first': undefined,
        listed: [],
      });
      await parts.forget(13);
      expect(await parts.get(whole.id)).toBeUndefined();
    });

    test('go with their bucket where they were never put together, and their uploads are told', async () => {
      const { multipart: parts } = catalog();
      await make(bucketOf('left'));
      const [open, ended] = ['open', 'ended'].map((key) => ({
        id: randomUUID(),
        bucket: 'left',
        key,
        namespace: 'alpha',
        about: '{}',
        createdAt: 1,
        touchedAt: 1,
        outcome: null,
      }));
      const uploads = [await scene().upload('alpha', 5), await scene().upload('alpha', 5)];
      for (const whole of [open!, ended!]) await parts.begin(whole);
      for (const [at, upload] of uploads.entries())
        await parts.put(open!.id, { number: at + 1, upload, size: 5, etag: 'e', about: '{}', at: 10 });
      await parts.end(ended!.id, 'made', 12);
      expect(new Set(await buckets().remove({ name: 'left' }, eventOf('bucket', 'left')))).toEqual(
        new Set([...uploads, open!.id]),
      );
      expect(await parts.get(open!.id)).toBeUndefined();
      for (const upload of uploads) expect((await catalog().uploads.get(upload))?.state).toBe('dropped');
    });
  });
}
