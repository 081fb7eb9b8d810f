/** Every request of the library, against a real server. */
import type { ArtifactView } from '../../src/client/node.ts';
import { noise, openGround, sha512, type Ground } from './ground.ts';

let ground: Ground;

beforeAll(async () => {
  ground = await openGround();
});
afterAll(async () => ground.close());

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('uploads', () => {
  test('are begun, looked at, appended to, cut and given up', async () => {
    const { uploads } = ground.client();
    const begun = await uploads.begin(10);
    expect(begun).toMatchObject({
      state: 'created',
      size: 0,
      length: 10,
      namespace: 'system',
      receiving: false,
      outcome: null,
    });
    const payload = {
      size: 6,
      pieces: async function* () {
        yield Buffer.from('abcdef');
      },
    };
    expect(await uploads.append(begun.uuid, 0, payload)).toBe(6);
    expect(await uploads.offset(begun.uuid)).toBe(6);
    await expect(uploads.append(begun.uuid, 3, payload)).rejects.toMatchObject({
      code: 'offset_mismatch',
      details: { offset: 6 },
      fromServer: true,
    });
    await uploads.truncate(begun.uuid, 2);
    expect((await uploads.get(begun.uuid)).size).toBe(2);
    expect((await all(uploads.list())).map(({ uuid }) => uuid)).toEqual([begun.uuid]);
    await uploads.drop(begun.uuid);
    expect(await all(uploads.list())).toEqual([]);
    await expect(uploads.offset(begun.uuid)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('of a declared length take no more', async () => {
    const { uploads } = ground.client();
    const { uuid } = await uploads.begin(3);
    const payload = {
      size: 6,
      pieces: async function* () {
        yield Buffer.from('abcdef');
      },
    };
    await expect(uploads.append(uuid, 0, payload)).rejects.toMatchObject({ code: 'too_large', fromServer: true });
    await uploads.drop(uuid);
  });
});

describe('artifacts', () => {
  test('are listed, shown, shared, trimmed and removed', async () => {
    const client = ground.client();
    for (const seed of [1, 2, 3]) await client.push(noise(1000, seed), 'art', { maxVersions: 0 });
    const artifact = await client.artifacts.get('art');
    expect(artifact).toMatchObject({
      name: 'art',
      index: 3,
      max_versions: 0,
      shared: false,
      sha512: sha512(noise(1000, 3)),
    });
    expect((await client.artifacts.versions('art')).map(({ index, size }) => [index, size])).toEqual([
      [1, 1000],
      [2, 1000],
      [3, 1000],
    ]);
    expect(await client.artifacts.share('art')).toMatchObject({ shared: true });
    expect(await client.artifacts.unshare('art')).toMatchObject({ shared: false });
    expect(Object.keys((await client.artifacts.removeVersion('art', 2)).blobs)).toEqual(['1', '3']);
    await client.artifacts.setMaxVersions('art', 1);
    expect((await client.artifacts.versions('art')).map(({ index }) => index)).toEqual([3]);
    const messages = await client.artifacts.events('art', { limit: 2 });
    expect(messages).toHaveLength(2);
    await client.artifacts.remove('art');
    await expect(client.artifacts.get('art')).rejects.toMatchObject({ code: 'not_found', status: 404 });
  });

  test('labels point at blobs', async () => {
    const client = ground.client();
    const { blob } = await client.push(noise(100, 4), 'labelled');
    expect(await client.artifacts.label('stable', blob)).toMatchObject({
      artifact_type: 'label',
      name: 'stable',
      index: 1,
      blob_uuid: blob,
    });
    await expect(client.artifacts.label('stable', '00000000-0000-4000-8000-000000000000')).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  test('artifacts have metadata', async () => {
    const client = ground.client();
    const { artifact, blob } = await client.push(noise(100, 5), 'described');
    for (const [metadata, ref] of [
      [client.artifacts.metadata, artifact.uuid],
      [client.blobs.metadata, blob],
      [client.namespaces.metadata, 'system'],
    ] as const) {
      await metadata.set(ref, 'colour', 'blue/green');
      expect(await metadata.get(ref)).toMatchObject({ colour: 'blue/green' });
      await metadata.remove(ref, 'colour');
      expect(await metadata.get(ref)).not.toHaveProperty('colour');
    }
  });

  test('are listed to the end, however many, and by name and type', async () => {
    const client = ground.client();
    const { blob } = await client.push(noise(100, 6), 'many');
    const names = Array.from({ length: 501 }, (_, at) => `many-${at}`);
    for (let at = 0; at < names.length; at += 50)
      await Promise.all(names.slice(at, at + 50).map((name) => client.artifacts.label(name, blob)));
    const listed = await all<ArtifactView>(client.artifacts.list({ type: 'label' }));
    const found = listed.map(({ name }) => name).filter((name) => name.startsWith('many-'));
    expect(found.sort()).toEqual(names.sort());
    expect((await all(client.artifacts.list({ name: 'many-7' }))).map(({ name }) => name)).toEqual(['many-7']);
  }, 30_000);
});

describe('blobs', () => {
  test('are found by digest, and have others', async () => {
    const client = ground.client();
    const content = noise(5000, 7);
    const { blob } = await client.push(content, 'found');
    expect(await client.blobs.find('sha512', sha512(content))).toMatchObject({
      uuid: blob,
      size: 5000,
      sha512: sha512(content),
    });
    expect(await client.blobs.find('sha512', sha512(noise(1)))).toBeUndefined();
    expect(await client.blobs.get(blob)).toMatchObject({ uuid: blob, reference_count: 1 });
    expect(await client.blobs.head(blob)).toMatchObject({ uuid: blob, size: 5000, sha512: sha512(content) });
    expect(await client.blobs.headOf('found', 1)).toMatchObject({ uuid: blob });
    expect(await client.blobs.checksum(blob, 'md5')).toMatch(/^[0-9a-f]{32}$/);
    expect((await all(client.blobs.list())).map(({ uuid }) => uuid)).toContain(blob);
  });
});

describe('namespaces', () => {
  test('are made, trusted and removed, with their keys', async () => {
    const client = ground.client();
    await client.namespaces.create('tenant', { keyName: 'first', key: 'a-key-of-tenant' });
    const tenant = ground.client({ namespace: 'tenant', key: 'a-key-of-tenant' });
    await tenant.login();
    expect(tenant.namespace).toBe('tenant');
    await tenant.namespaces.addKey('tenant', 'second', 'another-key-of-tenant');
    expect((await tenant.namespaces.keys('tenant')).sort()).toEqual(['first', 'second']);
    await tenant.namespaces.removeKey('tenant', 'second');
    await client.namespaces.create('friend');
    expect((await tenant.namespaces.trust('tenant', 'friend')).trust.full).toContain('friend');
    expect((await tenant.namespaces.untrust('tenant', 'friend')).trust.full).not.toContain('friend');
    expect((await client.namespaces.list()).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['friend', 'system', 'tenant']),
    );
    await expect(tenant.namespaces.create('more')).rejects.toMatchObject({ status: 401 });
    await expect(ground.client({ namespace: 'tenant', key: 'a-wrong-key-of-tenant' }).login()).rejects.toMatchObject({
      code: 'unauthenticated',
    });
    await expect(ground.client({ namespace: 'nobody', key: 'a-wrong-key-of-tenant' }).login()).rejects.toMatchObject({
      code: 'unauthenticated',
    });
    await client.namespaces.remove('tenant');
    await expect(client.namespaces.get('tenant')).rejects.toMatchObject({ code: 'not_found' });
  });

  test("see nothing of each other's, also not by hash", async () => {
    const client = ground.client();
    const content = noise(5000, 8);
    const { blob } = await client.push(content, 'secret');
    await client.namespaces.create('stranger', { keyName: 'k', key: 'the-key-of-stranger' });
    const stranger = ground.client({ namespace: 'stranger', key: 'the-key-of-stranger' });
    expect(await stranger.blobs.find('sha512', sha512(content))).toBeUndefined();
    await expect(stranger.artifacts.publish('mine', { blob })).rejects.toMatchObject({ code: 'not_found' });
    const pushed = await stranger.push(content, 'mine');
    expect(pushed).toMatchObject({ deduplicated: false, sent: 5000 });
    expect(pushed.blob).not.toBe(blob);
  });
});
