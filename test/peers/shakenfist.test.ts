/** The Shaken Fist client against the real server: everything that its command line does. */
import { createHash, randomBytes } from 'node:crypto';
import { ApiError, ShakenFist, type ArtifactView, type BlobView } from '../support/shakenfist.ts';
import { artifactDownload, artifactUpload } from '../support/shakenfist-cli.ts';
import { openWorld, type World } from '../support/world.ts';

let world: World;
let client: ShakenFist;

// The one thing fetched here lies nowhere, on loopback.
beforeAll(async () => void (world = await openWorld({ env: { STOWAGE_FETCH: 'any', STOWAGE_BLOB_GRACE: '0s' } })));
afterAll(() => world.close());

beforeEach(async () => void (client = await ShakenFist.open(world)));
/** What a test made goes: names are free again, and lists are empty. */
afterEach(async () => {
  for (const { name } of await client.call<{ name: string }[]>('GET', '/auth/namespaces'))
    await (name === world.namespace
      ? client.call('DELETE', '/artifacts', { confirm: true, namespace: name })
      : client.call('DELETE', `/auth/namespaces/${name}`));
  client.close();
  // Blobs that nothing names go with the sweep.
  world.clock.move(1);
  await world.server.upkeep.sweep();
});

const sha512 = (content: Buffer): string => createHash('sha512').update(content).digest('hex');

/** Runs the command lines of another namespace, made for it. */
async function neighbour(name: string): Promise<ShakenFist> {
  await client.call('POST', '/auth/namespaces', { namespace: name });
  await client.call('POST', `/auth/namespaces/${name}/keys`, { key_name: 'first', key: 'a-long-enough-key' });
  return ShakenFist.open({ url: world.url, namespace: name, key: 'a-long-enough-key' });
}

async function status(work: Promise<unknown>): Promise<number> {
  const cause: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(cause instanceof ApiError)) throw new Error('it was to be refused', { cause });
  return cause.status;
}

describe('upload and download', () => {
  const contents: readonly (readonly [string, Buffer])[] = [
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    ['random bytes of several chunks', randomBytes(5_000_000)],
    ['zeros, of which neighbouring chunks are alike', Buffer.alloc(3 * 4096 + 5_000_000)],
    ['a first chunk that is a JSON number', Buffer.from('12345'.padEnd(4096))],
    [
      'a first chunk that is a JSON object',
      Buffer.from('{"upload_uuid": "00000000-0000-4000-8000-000000000000", "size": 1}'.padEnd(4096)),
    ],
  ];

  test.each(contents)('%s', async (_title, content) => {
    const { artifact, recycled } = await artifactUpload(client, 'thing', content);
    expect(recycled).toBe(false);
    expect(artifact).toMatchObject({
      state: 'created',
      index: 1,
      namespace: world.namespace,
      artifact_type: 'image',
      shared: false,
    });
    expect((await artifactDownload(client, 'thing')).equals(content)).toBe(true);
    expect(await client.withSha512(sha512(content))).toMatchObject({
      uuid: artifact.blob_uuid,
      size: content.length,
      sha512: sha512(content),
    });
  });

  test('a name with a space, and one beyond ASCII', async () => {
    for (const name of ['with space', 'größe']) {
      await artifactUpload(client, name, Buffer.from(name));
      expect((await artifactDownload(client, name)).toString()).toBe(name);
    }
  });

  test('the same bytes again are recycled and add no version; other bytes add one', async () => {
    const first = randomBytes(10_000);
    const { artifact } = await artifactUpload(client, 'thing', first);
    const again = await artifactUpload(client, 'thing', first);
    expect(again).toMatchObject({ recycled: true, artifact: { uuid: artifact.uuid, index: 1 } });
    const second = await artifactUpload(client, 'thing', randomBytes(10_000));
    expect(second.artifact).toMatchObject({ uuid: artifact.uuid, index: 2 });
    expect(Object.keys(second.artifact.blobs)).toEqual(['1', '2']);
  });

  test('a download is chunked, so that a cut can be seen', async () => {
    const { artifact } = await artifactUpload(client, 'thing', randomBytes(1000));
    const answer = await fetch(`${world.url}/blobs/${artifact.blob_uuid}/data`, {
      headers: { Authorization: await bearer() },
    });
    expect({
      status: answer.status,
      'transfer-encoding': answer.headers.get('transfer-encoding'),
      'content-length': answer.headers.get('content-length'),
    }).toEqual({ status: 200, 'transfer-encoding': 'chunked', 'content-length': null });
    await answer.arrayBuffer();
  });
});

/** A token of the system namespace, for requests that the client would not send. */
async function bearer(): Promise<string> {
  const body = JSON.stringify({ namespace: world.namespace, key: world.key });
  const answer = await fetch(`${world.url}/auth`, {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'application/json' },
  });
  return `Bearer ${((await answer.json()) as { access_token: string }).access_token}`;
}

describe('the rest of the command line', () => {
  let artifact: ArtifactView;
  let blob: string;

  beforeEach(async () => {
    ({ artifact } = await artifactUpload(client, 'thing', Buffer.from('the bytes')));
    blob = artifact.blob_uuid!;
  });

  test('what the root page says it can', () => {
    const words = [
      'blob-search-by-hash',
      'artifact-metadata',
      'blob-metadata',
      'events-by-type',
      'artifact-upload-types',
      'blob-events',
      'blob-single-checksum',
    ];
    for (const word of words) expect({ word, 'can word': client.can(word) }).toEqual({ word, 'can word': true });
    // With this one the client would ask for the first 512 MiB for ever.
    expect(client.can('blob-data-limit')).toBe(false);
  });

  test('artifact list, show and versions show an artifact', async () => {
    const listed = await client.artifacts();
    expect(listed.map(({ uuid }) => uuid)).toEqual([artifact.uuid]);
    const shown = await client.artifact('thing');
    expect(shown).toMatchObject({
      uuid: artifact.uuid,
      max_versions: 3,
      source_url: `sf://upload/${world.namespace}/thing`,
      index: 1,
    });
    expect(shown.blobs['1']).toMatchObject({
      uuid: blob,
      size: 9,
      reference_count: 1,
      depends_on: null,
      instances: [],
    });
    expect(await client.versions(artifact.uuid)).toMatchObject([{ uuid: blob, index: 1, instances: [], size: 9 }]);
  });

  test('an artifact without versions has an index all the same', async () => {
    const made = await client.call<ArtifactView>('POST', '/artifacts', {
      url: 'http://127.0.0.1:1/nothing',
      shared: false,
      namespace: null,
    });
    expect(made).toMatchObject({ index: 0, blobs: {} });
    for (const view of await client.artifacts()) expect(Number.isInteger(view.index)).toBe(true);
  });

  test('artifact delete-version, max-versions and delete', async () => {
    for (const text of ['second', 'third', 'fourth']) await artifactUpload(client, 'thing', Buffer.from(text));
    expect((await client.versions('thing')).map(({ index }) => index)).toEqual([2, 3, 4]);
    await client.call('DELETE', '/artifacts/thing/versions/3');
    expect((await client.versions('thing')).map(({ index }) => index)).toEqual([2, 4]);
    expect(await client.call('POST', '/artifacts/thing/versions', { max_versions: 1 })).toBeNull();
    expect((await client.versions('thing')).map(({ index }) => index)).toEqual([4]);
    expect(await client.call('DELETE', '/artifacts/thing')).toMatchObject({ state: 'deleted' });
    expect(await status(client.artifact('thing'))).toBe(404);
    expect(await client.artifact(artifact.uuid)).toMatchObject({ state: 'deleted' });
    expect(await client.call('DELETE', `/artifacts/${artifact.uuid}`)).toBeNull();
  });

  test('artifact share shows an artifact to others, and unshare hides it', async () => {
    const other = await neighbour('other');
    expect(await status(other.artifact(artifact.uuid))).toBe(404);
    expect(await client.call('POST', '/artifacts/thing/share')).toMatchObject({ shared: true });
    expect((await artifactDownload(other, artifact.uuid)).toString()).toBe('the bytes');
    expect(await client.call('POST', '/artifacts/thing/unshare')).toMatchObject({ shared: false });
    expect(await status(client.call('POST', '/artifacts/thing/unshare'))).toBe(403);
    expect(await status(other.artifact(artifact.uuid))).toBe(404);
    other.close();
  });

  test('events, with a limit that is a string', async () => {
    const events = await client.call<Record<string, unknown>[]>('GET', '/artifacts/thing/events');
    expect(events.length).toBeGreaterThan(0);
    for (const event of events) {
      expect(event).toMatchObject({
        timestamp: expect.any(Number) as number,
        fqdn: expect.any(String) as string,
        message: expect.any(String) as string,
      });
    }
    expect(await client.call('GET', '/artifacts/thing/events', { limit: '1' })).toHaveLength(1);
    expect(await client.call('GET', '/artifacts/thing/events', { event_type: 'audit', limit: 1 })).toMatchObject([
      { type: 'audit' },
    ]);
    expect(await client.call('GET', `/blobs/${blob}/events`)).toEqual(expect.any(Array));
  });

  test.each(['artifact', 'blob'] as const)(
    '%s metadata, by the library and by the command line, which asks for an instance',
    async (kind) => {
      const ref = kind === 'artifact' ? artifact.uuid : blob;
      const path = `/${kind}s/${ref}/metadata`;
      expect(await client.call('GET', path)).toEqual({});
      expect(await client.call('PUT', `/instances/${ref}/metadata/colour`, { value: 'blue' })).toBeNull();
      expect(await client.call('PUT', `${path}/shape`, { value: 'round' })).toBeNull();
      expect(await client.call('GET', path)).toEqual({ colour: 'blue', shape: 'round' });
      expect(await client.call('DELETE', `/instances/${ref}/metadata/colour`)).toBeNull();
      expect(await client.call('DELETE', `${path}/absent`)).toBeNull();
      expect(await client.call('GET', path)).toEqual({ shape: 'round' });
    },
  );

  test('label update makes a label of a blob, and changes it', async () => {
    const label = await client.call<ArtifactView>('POST', '/label/best', { blob_uuid: blob });
    expect(label).toMatchObject({ artifact_type: 'label', source_url: `sf://label/${world.namespace}/best`, index: 1 });
    expect(await client.call('POST', `/label/${world.namespace}/best`, { blob_uuid: blob })).toMatchObject({
      uuid: label.uuid,
      index: 1,
    });
  });

  test('blob list, show and sha512 show a blob', async () => {
    const listed = await client.call<BlobView[]>('GET', '/blobs', { node: null });
    expect(listed.map(({ uuid }) => uuid)).toEqual([blob]);
    const shown = await client.call<BlobView>('GET', `/blobs/${blob}`);
    expect(shown).toMatchObject({
      state: 'created',
      size: 9,
      sha512: sha512(Buffer.from('the bytes')),
      reference_count: 1,
      transcodes: {},
      instances: [],
    });
    expect(shown).toMatchObject({
      fetched_at: expect.any(Number) as number,
      locations: [expect.any(String) as string],
    });
    expect(await client.withSha512('0'.repeat(128))).toBeNull();
    expect(await client.call('GET', `/blobs/${blob}/checksum/sha512`)).toMatchObject({ checksum: shown.sha512 });
  });

  test('namespaces are created, listed, shown, keyed, trusted and deleted', async () => {
    const other = await neighbour('other');
    expect((await client.call<{ name: string }[]>('GET', '/auth/namespaces')).map(({ name }) => name).sort()).toEqual(
      ['other', world.namespace].sort(),
    );
    const trusting = await client
      .call('POST', '/auth/namespaces/other/trust', { external_namespace: 'third' })
      .catch(() => undefined);
    expect(trusting).toBeUndefined();
    await client.call('POST', '/auth/namespaces', { namespace: 'third' });
    expect(await client.call('POST', '/auth/namespaces/other/trust', { external_namespace: 'third' })).toMatchObject({
      trust: { full: expect.arrayContaining(['third']) as string[] },
    });
    expect(await client.call('GET', '/auth/namespaces/other')).toMatchObject({
      name: 'other',
      state: 'created',
      keys: ['first'],
      metadata: {},
    });
    expect(await client.call('DELETE', '/auth/namespaces/other/trust/third')).toMatchObject({ name: 'other' });
    // `namespace update-key` leaves the name out of the path.
    expect(
      await client.call('PUT', '/auth/namespaces/other/keys', { key_name: 'first', key: 'another-long-key' }),
    ).toBe('first');
    expect(await status(other.artifacts())).toBe(401);
    expect(await client.call('PUT', '/auth/namespaces/other/metadata/colour', { value: 'blue' })).toBeNull();
    expect(await client.call('GET', '/auth/namespaces/other/metadata')).toEqual({ colour: 'blue' });
    expect(await client.call('DELETE', '/auth/namespaces/other/metadata/colour')).toBeNull();
    expect(await client.call('DELETE', '/auth/namespaces/other/keys/first')).toBeNull();
    expect(await client.call('DELETE', '/auth/namespaces/other')).toBeNull();
    expect(await status(client.call('GET', '/auth/namespaces/other'))).toBe(404);
    other.close();
  });

  test('all artifacts of a namespace are deleted on confirmation', async () => {
    expect(await status(client.call('DELETE', '/artifacts', { confirm: false, namespace: world.namespace }))).toBe(400);
    expect(await client.call('DELETE', '/artifacts', { confirm: true, namespace: world.namespace })).toEqual([
      artifact.uuid,
    ]);
    expect(await client.artifacts()).toEqual([]);
  });

  test("what is not the caller's is not there", async () => {
    const other = await neighbour('other');
    expect(await status(other.artifact(artifact.uuid))).toBe(404);
    expect(await status(other.call('GET', `/blobs/${blob}`))).toBe(404);
    expect(await other.withSha512(sha512(Buffer.from('the bytes')))).toBeNull();
    expect(await status(other.publish('mine', { blob_uuid: blob }))).toBe(404);
    // The same bytes, sent and so proved: an artifact of its own.
    expect(await artifactUpload(other, 'thing', Buffer.from('the bytes'))).toMatchObject({
      recycled: false,
      artifact: { namespace: 'other' },
    });
    // Not the system namespace: 401, after which the client logs in once more, for nothing.
    expect(await status(other.call('GET', '/blobs', { node: null }))).toBe(401);
    other.close();
  });
});
