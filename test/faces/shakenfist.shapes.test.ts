/** Every route's response matches the OpenAPI description and the expectations of old clients. */
import { createHash } from 'node:crypto';
import { askByBook } from '../support/answers.ts';
import { openWorld, type ArtifactView, type Asked, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => void (world = await openWorld()));
afterAll(() => world.close());

async function ok<T = Record<string, unknown>>(operation: string, path: string, asked: Asked = {}): Promise<T> {
  const answer = await askByBook(world, operation, path, asked);
  if (answer.status !== 200) throw new Error(`${operation}: ${answer.status} ${answer.bytes.toString()}`);
  expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  expect(answer.headers.get('x-powered-by')).toBeNull();
  return answer.json<T>();
}

const hashOf = (algorithm: string, text: string): string => createHash(algorithm).update(text).digest('hex');

test('a login has the documented form', async () => {
  const login = await ok('login', '/auth', { as: null, json: { namespace: 'system', key: world.key } });
  expect(login).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 900 });
  const [head, claims] = (login['access_token'] as string)
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown);
  expect(head).toEqual({ alg: 'HS256', typ: 'JWT' });
  expect(claims).toMatchObject({
    sub: ['system', 'default'],
    iss: 'testnode',
    nonce: expect.any(String),
    exp: expect.any(Number),
  });
});

test('an upload, from its first byte to an artifact', async () => {
  const upload = await ok('beginUpload', '/upload', { headers: { 'Upload-Length': '10' } });
  expect(upload).toMatchObject({
    state: 'created',
    node: 'testnode',
    namespace: 'system',
    metadata: {},
    size: 0,
    length: 10,
    receiving: false,
    outcome: null,
  });
  const uuid = upload['uuid'] as string;
  expect(await ok('appendUpload', `/upload/${uuid}`, { body: '01234' })).toBe(5);
  expect(await ok('appendUpload', `/upload/${uuid}`, { body: 'x567' })).toBe(9);
  expect(await ok('truncateUpload', `/upload/${uuid}/truncate/5`)).toBeNull();
  expect(await ok('appendUpload', `/upload/${uuid}`, { body: '56789', headers: { 'Upload-Offset': '5' } })).toBe(10);
  expect(await ok('listUploads', '/upload')).toEqual([expect.objectContaining({ uuid, size: 10 })]);
  const shown = await askByBook(world, 'getUpload', `/upload/${uuid}`);
  expect({
    'upload-offset': shown.headers.get('upload-offset'),
    'upload-length': shown.headers.get('upload-length'),
    'cache-control': shown.headers.get('cache-control'),
  }).toEqual({ 'upload-offset': '10', 'upload-length': '10', 'cache-control': 'no-store' });
  const { expires_at: expires, touched_at: touched } = shown.json<Record<'expires_at' | 'touched_at', number>>();
  expect(expires - touched).toBe(86_400);
  const head = await askByBook(world, 'headUpload', `/upload/${uuid}`);
  expect({
    status: head.status,
    'upload-offset': head.headers.get('upload-offset'),
    'upload-length': head.headers.get('upload-length'),
    length: head.bytes.length,
  }).toEqual({ status: 200, 'upload-offset': '10', 'upload-length': '10', length: 0 });

  const artifact = await ok<ArtifactView>('convertUpload', '/artifacts/upload/made', {
    json: { upload_uuid: uuid, source_url: null, shared: false, namespace: null },
  });
  expect(artifact).toMatchObject({
    name: 'made',
    state: 'created',
    artifact_type: 'image',
    source_url: 'sf://upload/system/made',
    max_versions: 3,
    namespace: 'system',
    shared: false,
    index: 1,
    metadata: {},
    version: 6,
    sha512: hashOf('sha512', '0123456789'),
    blobs: { 1: { uuid: artifact.blob_uuid, size: 10, reference_count: 1, depends_on: null } },
  });
  expect(Object.keys(artifact.blobs['1']!)).not.toContain('instances');
  expect(await ok('convertUpload', '/artifacts/upload/made', { json: { upload_uuid: uuid } })).toEqual(artifact);
  expect(await ok('getUpload', `/upload/${uuid}`)).toMatchObject({
    state: 'sealed',
    expires_at: null,
    outcome: { artifact_uuid: artifact.uuid, index: 1, blob_uuid: artifact.blob_uuid },
  });
  expect(await ok('listUploads', '/upload')).toEqual([]);
});

test('an upload that is given up', async () => {
  const uuid = await world.upload(Buffer.from('x'));
  expect(await ok('dropUpload', `/upload/${uuid}`)).toBeNull();
  expect((await askByBook(world, 'getUpload', `/upload/${uuid}`)).status).toBe(404);
});

test('artifacts and their versions have the documented form', async () => {
  const first = await world.push('thing', Buffer.from('one'), { json: { artifact_type: 'other' } });
  expect(first.artifact_type).toBe('other');
  for (const text of ['two', 'three', 'four'])
    await world.push('thing', Buffer.from(text), { json: { artifact_type: 'other' } });
  const shown = await ok<ArtifactView>('getArtifact', '/artifacts/thing');
  expect(shown).toMatchObject({ uuid: first.uuid, index: 4 });
  expect(Object.keys(shown.blobs)).toEqual(['2', '3', '4']);
  expect(shown.blobs['2']!.instances).toEqual([]);
  expect(await ok('listArtifacts', '/artifacts')).toContainEqual(expect.objectContaining({ uuid: first.uuid }));
  const versions = await ok<{ index: number; size: number; instances: string[] }[]>(
    'listVersions',
    `/artifacts/${first.uuid}/versions`,
  );
  expect(versions.map(({ index, size, instances }) => [index, size, instances])).toEqual([
    [2, 3, []],
    [3, 5, []],
    [4, 4, []],
  ]);
  expect(await ok('deleteVersion', '/artifacts/thing/versions/3')).toMatchObject({ index: 4, state: 'created' });
  expect(await ok('setMaxVersions', '/artifacts/thing/versions', { json: { max_versions: 1 } })).toBeNull();
  expect(Object.keys((await ok<ArtifactView>('getArtifact', '/artifacts/thing')).blobs)).toEqual(['4']);
  expect(await ok('shareArtifact', '/artifacts/thing/share')).toMatchObject({ shared: true });
  expect(await ok('unshareArtifact', '/artifacts/thing/unshare')).toMatchObject({ shared: false });
  expect(await ok('deleteArtifact', '/artifacts/thing')).toMatchObject({ uuid: first.uuid, state: 'deleted' });
  expect(await ok('deleteArtifact', `/artifacts/${first.uuid}`)).toBeNull();
  const gone = await ok<ArtifactView>('getArtifact', `/artifacts/${first.uuid}`);
  expect(gone).toMatchObject({ state: 'deleted', index: 4, blobs: { 4: { size: 4, reference_count: 0 } } });
  expect(await ok('listVersions', `/artifacts/${first.uuid}/versions`)).toEqual([
    expect.objectContaining({ index: 4, reference_count: 0, state: 'deleted' }),
  ]);
  expect((await askByBook(world, 'getArtifact', '/artifacts/thing')).status).toBe(404);
});

test('the last version takes the artifact with it', async () => {
  await world.push('single', Buffer.from('one'));
  expect(await ok('deleteVersion', '/artifacts/single/versions/1')).toMatchObject({ state: 'deleted' });
});

test('events, with a limit that is a text or a number, in the body or the query', async () => {
  const { uuid } = await world.push('eventful', Buffer.from('one'));
  await ok('setArtifactMetadata', `/artifacts/${uuid}/metadata/k`, { json: { value: 'v' } });
  const all = await ok<{ timestamp: number; type: string; fqdn: string }[]>(
    'listArtifactEvents',
    `/artifacts/${uuid}/events`,
  );
  expect(all.length).toBeGreaterThanOrEqual(2);
  expect(all[0]!.timestamp).toBeGreaterThanOrEqual(all.at(-1)!.timestamp);
  expect(all[0]!.fqdn).toBe('testnode');
  expect(await ok('listArtifactEvents', `/artifacts/${uuid}/events?limit=1`)).toHaveLength(1);
  expect(await ok('listArtifactEvents', `/artifacts/${uuid}/events?event_type=mutate`)).toEqual([
    expect.objectContaining({ type: 'mutate' }),
  ]);
  const blob = (await ok<ArtifactView>('getArtifact', `/artifacts/${uuid}`)).blob_uuid;
  expect(await ok('listBlobEvents', `/blobs/${blob}/events`)).toEqual(expect.any(Array));
});

test('labels, here and in another namespace', async () => {
  const one = await world.push('labelled', Buffer.from('label one'));
  const two = await world.push('labelled', Buffer.from('label two'));
  const label = await ok<ArtifactView>('updateLabel', '/label/stable', { json: { blob_uuid: one.blob_uuid } });
  expect(label).toMatchObject({
    artifact_type: 'label',
    source_url: 'sf://label/system/stable',
    index: 1,
    name: 'stable',
  });
  expect(await ok('updateLabel', '/label/stable', { json: { blob_uuid: one.blob_uuid } })).toMatchObject({
    uuid: label.uuid,
    index: 1,
  });
  expect(
    await ok('updateLabelElsewhere', '/label/system/stable', { json: { blob_uuid: two.blob_uuid, max_versions: 1 } }),
  ).toMatchObject({ uuid: label.uuid, index: 2 });
  expect(await ok('getLabel', '/label/stable')).toMatchObject({ uuid: label.uuid, max_versions: 1 });
  expect(await ok('getLabelElsewhere', '/label/system/stable')).toMatchObject({ uuid: label.uuid });
  expect(await ok('deleteLabel', '/label/stable')).toMatchObject({ state: 'deleted' });
  expect((await askByBook(world, 'deleteLabelElsewhere', '/label/system/stable')).status).toBe(404);
});

test('blobs have the documented form', async () => {
  const { blob_uuid: uuid } = await world.push('plain.txt', Buffer.from('a blob'));
  const blob = await ok('getBlob', `/blobs/${uuid}`);
  expect(blob).toMatchObject({
    uuid,
    state: 'created',
    size: 6,
    transcodes: {},
    locations: ['testnode'],
    reference_count: 1,
    sha512: hashOf('sha512', 'a blob'),
    'mime-type': 'text/plain',
    instances: [],
    depends_on: null,
    version: 6,
  });
  const listed = await ok<Record<string, unknown>[]>('listBlobs', '/blobs');
  expect(listed.find((one) => one['uuid'] === uuid)).not.toHaveProperty('instances');
  expect(await ok('findBlob', `/blob_checksums/sha512/${hashOf('sha512', 'a blob').toUpperCase()}`)).toMatchObject({
    uuid,
  });
  expect(await ok('findBlob', `/blob_checksums/sha512/${hashOf('sha512', 'another')}`)).toBeNull();
  expect(await ok('findBlob', '/blob_checksums/sha512/nonsense')).toBeNull();
  for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512']) {
    expect(await ok('getBlobChecksum', `/blobs/${uuid}/checksum/${algorithm}`)).toEqual({
      algorithm,
      checksum: hashOf(algorithm, 'a blob'),
    });
    if (algorithm !== 'md5')
      expect(await ok('findBlob', `/blob_checksums/${algorithm}/${hashOf(algorithm, 'a blob')}`)).toMatchObject({
        uuid,
      });
  }
  expect(await ok('getBlobChecksum', `/blobs/${uuid}/checksum/xxh128`)).toMatchObject({
    checksum: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
  expect(await ok('getBlob', `/blobs/${uuid}`)).toMatchObject({ checksums: { sha256: hashOf('sha256', 'a blob') } });
});

test('metadata, by all its names', async () => {
  const { uuid, blob_uuid: blob } = await world.push('noted', Buffer.from('noted'));
  const kinds = [
    ['Artifact', `/artifacts/${uuid}`],
    ['Blob', `/blobs/${blob}`],
    ['Namespace', '/auth/namespaces/system'],
    ['Instance', `/instances/${uuid}`],
    ['Instance', `/instances/${blob}`],
  ];
  for (const [kind, base] of kinds) {
    expect(await ok(`add${kind}Metadata`, `${base}/metadata`, { json: { key: 'one', value: '1' } })).toBeNull();
    expect(await ok(`set${kind}Metadata`, `${base}/metadata/two%2Fthree`, { json: { value: '2' } })).toBeNull();
    expect(await ok(`get${kind}Metadata`, `${base}/metadata`)).toEqual({ one: '1', 'two/three': '2' });
    expect(await ok(`delete${kind}Metadata`, `${base}/metadata/one`)).toBeNull();
    expect(await ok(`delete${kind}Metadata`, `${base}/metadata/one`)).toBeNull();
    expect(await ok(`get${kind}Metadata`, `${base}/metadata`)).toEqual({ 'two/three': '2' });
    expect(await ok(`delete${kind}Metadata`, `${base}/metadata/two%2Fthree`)).toBeNull();
  }
  await ok('setArtifactMetadata', `/artifacts/noted/metadata/__proto__`, { json: { value: 'mine' } });
  expect((await world.ask('GET', '/artifacts/noted/metadata')).bytes.toString()).toBe('{"__proto__":"mine"}');
});

test('namespaces, keys and trust have the documented form', async () => {
  const made = await ok('createNamespace', '/auth/namespaces', {
    json: { namespace: 'builds', key_name: 'ci', key: 'a long key indeed' },
  });
  expect(made).toMatchObject({
    name: 'builds',
    state: 'created',
    metadata: {},
    keys: ['ci'],
    trust: { full: ['system'] },
  });
  await ok('createNamespace', '/auth/namespaces', { json: { namespace: 'bare', key_name: null, key: null } });
  expect((await ok<{ name: string }[]>('listNamespaces', '/auth/namespaces')).map(({ name }) => name)).toEqual([
    'bare',
    'builds',
    'system',
  ]);
  expect(await ok('addKey', '/auth/namespaces/builds/keys', { json: { key_name: 'laptop', key: 'b' } })).toBe('laptop');
  expect(await ok('replaceKeyByBody', '/auth/namespaces/builds/keys', { json: { key_name: 'laptop', key: 'c' } })).toBe(
    'laptop',
  );
  expect(await ok('replaceKey', '/auth/namespaces/builds/keys/laptop', { json: { key: 'd' } })).toBe('laptop');
  expect(await ok('listKeys', '/auth/namespaces/builds/keys')).toEqual(['ci', 'laptop']);
  expect(await ok('deleteKey', '/auth/namespaces/builds/keys/laptop')).toBeNull();
  expect(await ok('addTrust', '/auth/namespaces/builds/trust', { json: { external_namespace: 'bare' } })).toMatchObject(
    { trust: { full: ['system', 'bare'] } },
  );
  expect(await ok('removeTrust', '/auth/namespaces/builds/trust/bare')).toMatchObject({ trust: { full: ['system'] } });
  expect(await ok('removeTrust', '/auth/namespaces/builds/trust/system')).toMatchObject({
    trust: { full: ['system'] },
  });
  expect(await ok('getNamespace', '/auth/namespaces/builds')).toMatchObject({ name: 'builds', keys: ['ci'] });
  expect(await ok('deleteNamespace', '/auth/namespaces/bare')).toBeNull();
});

test('all artifacts of a namespace go on confirmation', async () => {
  const name = await world.addNamespace('crowded');
  const made = [
    await world.push('a', Buffer.from('a'), { as: name }),
    await world.push('b', Buffer.from('b'), { as: name }),
  ];
  const deleted = await ok<string[]>('deleteArtifacts', '/artifacts', { as: name, json: { confirm: true } });
  expect([...deleted].sort()).toEqual(made.map(({ uuid }) => uuid).sort());
  expect(await ok('deleteArtifacts', '/artifacts', { json: { confirm: true, namespace: name } })).toEqual([]);
});

test('an artifact that is fetched has a number from the start', async () => {
  const fetched = await ok<ArtifactView>('fetchArtifact', '/artifacts', {
    json: { url: 'http://127.0.0.1:1/images/debian.qcow2', shared: false, namespace: null },
  });
  expect(fetched).toMatchObject({
    name: 'debian.qcow2',
    state: 'initial',
    index: 0,
    blobs: {},
    source_url: 'http://127.0.0.1:1/images/debian.qcow2',
  });
  expect(fetched).not.toHaveProperty('blob_uuid');
});

test('an empty file is an artifact', async () => {
  const { index, blobs } = await world.push('empty', Buffer.alloc(0));
  expect({ index, size: blobs['1']!.size }).toEqual({ index: 1, size: 0 });
  const data = await world.ask('GET', '/artifacts/empty/data');
  expect({ status: data.status, length: data.bytes.length }).toEqual({ status: 200, length: 0 });
});
