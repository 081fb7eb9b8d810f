/** Refusals with their statuses and messages. */
import { newId } from '../../src/kit/ids.ts';
import { openWorld, type Asked, type World } from '../support/world.ts';

let world: World;
let upload: string;
let artifact: string;

beforeAll(async () => {
  world = await openWorld({ env: { STOWAGE_MAX_UPLOAD_SIZE: '100MiB' } });
  await world.addNamespace('builds');
  upload = await world.upload(Buffer.from('12345'), 'builds');
  artifact = (await world.push('thing', Buffer.from('bytes'), { as: 'builds' })).uuid;
});
afterAll(() => world.close());

const nobody = newId();
const as = 'builds';
type Row = readonly [
  method: string,
  path: () => string,
  asked: Asked,
  status: number,
  code: string,
  error: string | RegExp,
];

const rows: readonly Row[] = [
  ['POST', () => '/auth', { as: null, json: {} }, 400, 'malformed', 'missing namespace'],
  ['POST', () => '/auth', { as: null, json: { namespace: 'x' } }, 400, 'malformed', 'missing key'],
  ['POST', () => '/auth', { as: null, json: { namespace: 'x', key: 1 } }, 400, 'malformed', 'key must be a string'],
  [
    'POST',
    () => '/auth',
    { as: null, json: { namespace: 'no-such', key: 'x' } },
    404,
    'not_found',
    'namespace not found',
  ],
  [
    'POST',
    () => '/auth',
    { as: null, json: { namespace: 'system', key: 'wrong' } },
    401,
    'unauthenticated',
    'unauthorized',
  ],
  ['POST', () => '/auth', { as: null, body: 'not json' }, 400, 'malformed', 'the request body is not JSON'],
  [
    'POST',
    () => '/auth',
    { as: null, body: Buffer.from([0xff, 0xfe]) },
    400,
    'malformed',
    'the request body is not JSON',
  ],
  ['POST', () => '/auth', { as: null, body: '['.repeat(90_000) }, 400, 'malformed', 'the request body is not JSON'],
  [
    'POST',
    () => '/auth',
    { as: null, body: JSON.stringify({ namespace: 'x'.repeat(110_000) }) },
    413,
    'too_large',
    'a JSON body has at most 102400 bytes',
  ],
  [
    'POST',
    () => '/auth',
    { as: null, json: {}, headers: { 'Content-Encoding': 'gzip' } },
    400,
    'malformed',
    'the request body must not be compressed',
  ],

  ['GET', () => '/blobs', { as }, 401, 'unauthenticated', 'unauthorized'],
  ['POST', () => '/auth/namespaces', { as, json: { namespace: 'more' } }, 401, 'unauthenticated', 'unauthorized'],
  ['DELETE', () => '/auth/namespaces/builds', { as }, 401, 'unauthenticated', 'unauthorized'],
  ['POST', () => '/auth/namespaces', { json: { namespace: 'builds' } }, 403, 'forbidden', 'namespace exists'],
  ['POST', () => '/auth/namespaces', { json: { namespace: '../x' } }, 400, 'malformed', /^a namespace name is/],
  [
    'POST',
    () => '/auth/namespaces',
    { json: { namespace: 'half', key: 'x' } },
    400,
    'malformed',
    'give key_name and key together',
  ],
  ['DELETE', () => '/auth/namespaces/system', {}, 403, 'forbidden', 'you cannot delete the system namespace'],
  ['DELETE', () => '/auth/namespaces/no-such', {}, 404, 'not_found', 'namespace not found'],
  [
    'POST',
    () => '/auth/namespaces/builds/keys',
    { as, json: { key_name: '_service_key_1', key: 'x' } },
    403,
    'forbidden',
    /_service_key/,
  ],
  ['DELETE', () => '/auth/namespaces/builds/keys/none', { as }, 404, 'not_found', 'key not found'],
  [
    'POST',
    () => '/auth/namespaces/builds/trust',
    { as, json: { external_namespace: 'no-such' } },
    404,
    'not_found',
    'external namespace not found',
  ],
  ['POST', () => '/auth/namespaces/builds/trust', { as, json: {} }, 400, 'malformed', 'missing external_namespace'],

  ['POST', () => `/upload/${nobody}`, { as, body: 'x' }, 404, 'not_found', 'upload not found'],
  ['POST', () => '/upload/not-a-uuid', { as, body: 'x' }, 404, 'not_found', 'upload not found'],
  ['POST', () => '/upload/..%2f..%2fetc%2fpasswd', { as, body: 'x' }, 404, 'not_found', 'upload not found'],
  ['POST', () => '/upload/%00', { as, body: 'x' }, 400, 'malformed', 'the path has the control character U+0000'],
  ['POST', () => '/upload/%ff', { as, body: 'x' }, 400, 'malformed', 'the request is malformed'],
  [
    'POST',
    () => '/upload',
    { as, headers: { 'Upload-Length': '-1' } },
    400,
    'malformed',
    'Upload-Length must be at least 0',
  ],
  [
    'POST',
    () => '/upload',
    { as, headers: { 'Upload-Length': '1e3' } },
    400,
    'malformed',
    'Upload-Length must be an integer',
  ],
  [
    'POST',
    () => '/upload',
    { as, headers: { 'Upload-Length': '9007199254740993' } },
    400,
    'malformed',
    'Upload-Length must be an integer',
  ],
  [
    'POST',
    () => '/upload',
    { as, headers: { 'Upload-Length': '1000000000000000' } },
    413,
    'too_large',
    /^an upload may have at most/,
  ],
  [
    'POST',
    () => `/upload/${upload}`,
    { as, body: 'x', headers: { 'Upload-Offset': 'x' } },
    400,
    'malformed',
    'Upload-Offset must be an integer',
  ],
  [
    'POST',
    () => `/upload/${upload}`,
    { as, body: 'x', headers: { 'Content-Digest': 'sha-512=nonsense' } },
    400,
    'malformed',
    /^Content-Digest is not/,
  ],
  [
    'POST',
    () => `/upload/${upload}`,
    { as, body: 'x', headers: { 'Content-Digest': 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:' } },
    400,
    'digest_mismatch',
    /sha256/,
  ],
  [
    'POST',
    () => `/upload/${upload}/truncate/6`,
    { as },
    400,
    'malformed',
    'the offset is beyond the end of the upload',
  ],
  ['POST', () => `/upload/${upload}/truncate/-1`, { as }, 400, 'malformed', 'offset must be at least 0'],
  ['POST', () => `/upload/${upload}/truncate/many`, { as }, 400, 'malformed', 'offset must be an integer'],
  ['POST', () => `/upload/${nobody}/truncate/0`, { as }, 404, 'not_found', 'upload not found'],

  [
    'POST',
    () => '/artifacts/upload/x',
    { as, json: {} },
    400,
    'malformed',
    'give exactly one of upload_uuid and blob_uuid',
  ],
  [
    'POST',
    () => '/artifacts/upload/x',
    { as, json: { upload_uuid: nobody, blob_uuid: nobody } },
    400,
    'malformed',
    'give exactly one of upload_uuid and blob_uuid',
  ],
  ['POST', () => '/artifacts/upload/x', { as, json: { upload_uuid: nobody } }, 404, 'not_found', 'upload not found'],
  ['POST', () => '/artifacts/upload/x', { as, json: { blob_uuid: nobody } }, 404, 'not_found', 'blob not found'],
  [
    'POST',
    () => '/artifacts/upload/x',
    { as, json: { upload_uuid: '@upload', namespace: 'no-such' } },
    404,
    'not_found',
    'namespace not found',
  ],
  [
    'POST',
    () => '/artifacts/upload/x',
    { as, json: { upload_uuid: '@upload', namespace: 'system' } },
    404,
    'not_found',
    'namespace not found',
  ],
  [
    'POST',
    () => '/artifacts/upload/x',
    { as, json: { upload_uuid: '@upload', shared: true } },
    403,
    'forbidden',
    'only the system namespace can create shared artifacts',
  ],
  [
    'POST',
    () => '/artifacts/upload/x',
    { as, json: { upload_uuid: '@upload', artifact_type: 'label' } },
    403,
    'forbidden',
    /^only artifacts of type/,
  ],
  [
    'POST',
    () => '/artifacts/upload/x',
    { as, json: { upload_uuid: '@upload', size: 6 } },
    409,
    'conflict',
    'there are 5 bytes, not the 6 expected',
  ],
  [
    'POST',
    () => '/artifacts/upload/x',
    {
      as,
      json: { upload_uuid: '@upload' },
      headers: { 'Repr-Digest': 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:' },
    },
    400,
    'digest_mismatch',
    /sha256/,
  ],
  [
    'POST',
    () => '/artifacts/upload/x%00y',
    { as, json: { upload_uuid: '@upload' } },
    400,
    'malformed',
    /^the path has the control/,
  ],
  [
    'POST',
    () => `/artifacts/upload/${nobody}`,
    { as, json: { upload_uuid: '@upload' } },
    400,
    'malformed',
    /^a uuid cannot be/,
  ],
  [
    'POST',
    () => `/artifacts/upload/${'n'.repeat(1025)}`,
    { as, json: { upload_uuid: '@upload' } },
    400,
    'malformed',
    'name must have at most 1024 characters',
  ],

  ['GET', () => '/artifacts/none', { as }, 404, 'not_found', 'artifact not found'],
  ['GET', () => `/artifacts/${nobody}`, { as }, 404, 'not_found', 'artifact not found'],
  ['DELETE', () => '/artifacts/none', { as }, 404, 'not_found', 'artifact not found'],
  ['GET', () => '/artifacts/none/versions', { as }, 404, 'not_found', 'artifact not found'],
  [
    'POST',
    () => `/artifacts/${artifact}/versions`,
    { as, json: { max_versions: 'x' } },
    400,
    'malformed',
    'max_versions must be an integer',
  ],
  [
    'POST',
    () => `/artifacts/${artifact}/versions`,
    { as, json: { max_versions: -1 } },
    400,
    'malformed',
    'max_versions must be at least 0',
  ],
  ['DELETE', () => `/artifacts/${artifact}/versions/x`, { as }, 400, 'malformed', 'index must be an integer'],
  ['DELETE', () => `/artifacts/${artifact}/versions/99`, { as }, 404, 'not_found', 'artifact index not found'],
  [
    'POST',
    () => `/artifacts/${artifact}/share`,
    { as },
    403,
    'forbidden',
    'only artifacts in the system namespace can be shared',
  ],
  ['POST', () => `/artifacts/${artifact}/unshare`, { as }, 403, 'forbidden', 'artifact not shared'],
  ['DELETE', () => '/artifacts', { as, json: {} }, 400, 'malformed', 'missing confirm'],
  ['DELETE', () => '/artifacts', { as, json: { confirm: 'true' } }, 400, 'malformed', 'confirm must be true'],
  ['DELETE', () => '/artifacts', { json: { confirm: true } }, 400, 'malformed', 'system user must specify a namespace'],
  [
    'DELETE',
    () => '/artifacts',
    { as, json: { confirm: true, namespace: 'system' } },
    401,
    'unauthenticated',
    'unauthorized',
  ],
  [
    'DELETE',
    () => '/artifacts',
    { json: { confirm: true, namespace: 'no-such' } },
    404,
    'not_found',
    'namespace not found',
  ],
  [
    'POST',
    () => '/artifacts',
    { as, json: { url: 'file:///etc/passwd' } },
    400,
    'malformed',
    'only http and https URLs are fetched',
  ],
  [
    'POST',
    () => '/artifacts',
    { as, json: { url: 'http://example.org/x', shared: true } },
    403,
    'forbidden',
    /^only the system namespace/,
  ],
  [
    'GET',
    () => '/artifacts?type=nonsense',
    { as },
    400,
    'malformed',
    'type must be one of image, snapshot, label, other',
  ],
  ['GET', () => '/artifacts?limit=0', { as }, 400, 'malformed', 'limit must be at least 1'],
  ['GET', () => '/artifacts?limit=1e9', { as }, 400, 'malformed', 'limit must be an integer'],
  ['GET', () => '/artifacts?limit=1&limit=2', { as }, 400, 'malformed', 'the query names "limit" more than once'],
  ['GET', () => '/artifacts?limt=1', { as }, 400, 'malformed', 'unknown query parameter "limt"'],

  ['GET', () => `/blobs/${nobody}`, { as }, 404, 'not_found', 'blob not found'],
  ['GET', () => `/blobs/${nobody}/data`, { as }, 404, 'not_found', 'blob not found'],
  ['GET', () => `/artifacts/${artifact}/data?offset=-1`, { as }, 400, 'malformed', 'offset must be at least 0'],
  ['GET', () => `/artifacts/${artifact}/versions/9/data`, { as }, 404, 'not_found', 'artifact index not found'],
  ['GET', () => '/blob_checksums/crc32/00', { as }, 400, 'malformed', 'unknown hash algorithm'],
  ['GET', () => `/blobs/${nobody}/checksum/crc32`, { as }, 400, 'malformed', 'unknown hash algorithm'],
  ['POST', () => '/label/x', { as, json: { blob_uuid: nobody } }, 404, 'not_found', 'blob not found'],
  ['POST', () => '/label/x', { as, json: {} }, 400, 'malformed', 'missing blob_uuid'],
  ['GET', () => '/label/x', { as }, 404, 'not_found', 'label not found'],

  [
    'POST',
    () => `/artifacts/${artifact}/metadata`,
    { as, json: { key: '', value: 'x' } },
    400,
    'malformed',
    'key and value must not be empty',
  ],
  [
    'POST',
    () => `/artifacts/${artifact}/metadata`,
    { as, json: { key: 'x', value: '' } },
    400,
    'malformed',
    'key and value must not be empty',
  ],
  [
    'POST',
    () => `/artifacts/${artifact}/metadata`,
    { as, json: { key: 'x', value: ['y'] } },
    400,
    'malformed',
    'value must be a string',
  ],
  ['PUT', () => `/artifacts/${artifact}/metadata/x`, { as, json: {} }, 400, 'malformed', 'missing value'],
  ['GET', () => `/instances/${nobody}/metadata`, { as }, 404, 'not_found', 'blob not found'],
];

test.each(rows.map((row, at) => [at, row[0], row[1]().slice(0, 60), row] as const))(
  '%i: %s %s',
  async (_at, _method, _path, [method, path, asked, status, code, error]) => {
    // The upload's uuid is known only now.
    const json: unknown = JSON.parse(JSON.stringify(asked.json ?? null).replaceAll('@upload', upload));
    const answer = await world.ask(method, path(), asked.json === undefined ? asked : { ...asked, json });
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const said = answer.json<{ error: string; status: number; code: string }>();
    expect({ 'answer status': answer.status, 'said status': said.status, code: said.code }).toEqual({
      'answer status': status,
      'said status': status,
      code,
    });
    expect(said.error).toEqual(typeof error === 'string' ? error : expect.stringMatching(error));
  },
);

test('an offset that is not where the upload ends is told where it does', async () => {
  const answer = await world.ask('POST', `/upload/${upload}`, { as, body: 'x', headers: { 'Upload-Offset': '3' } });
  expect(answer.status).toBe(409);
  expect(answer.json()).toEqual({
    error: 'the upload ends at 5, not at 3',
    status: 409,
    code: 'offset_mismatch',
    offset: 5,
  });
  expect(answer.headers.get('upload-offset')).toBe('5');
});

test('what is not there any more when it is sealed', async () => {
  const sealed = await world.upload(Buffer.from('sealed'), as);
  await world.get('POST', '/artifacts/upload/sealed', { as, json: { upload_uuid: sealed } });
  expect((await world.ask('POST', `/upload/${sealed}`, { as, body: 'more' })).json()).toMatchObject({
    status: 409,
    code: 'conflict',
  });
  expect((await world.ask('DELETE', `/upload/${sealed}`, { as })).json()).toMatchObject({
    status: 409,
    code: 'conflict',
  });
  expect(
    (await world.ask('POST', '/artifacts/upload/other', { as, json: { upload_uuid: sealed } })).json(),
  ).toMatchObject({ status: 409, code: 'conflict', artifact: expect.any(String) });
});

test('a name that several artifacts have', async () => {
  await world.push('twice', Buffer.from('a'), { as });
  await world.push('twice', Buffer.from('b'), { as, json: { artifact_type: 'other' } });
  expect((await world.ask('GET', '/artifacts/twice', { as })).json()).toMatchObject({ status: 400, code: 'malformed' });
});

test('an upload that is declared cannot grow beyond, nor end before', async () => {
  const { uuid } = await world.get<{ uuid: string }>('POST', '/upload', { as, headers: { 'Upload-Length': '3' } });
  expect((await world.ask('POST', `/upload/${uuid}`, { as, body: '1234' })).json()).toMatchObject({
    status: 413,
    code: 'too_large',
    room: 3,
  });
  expect(await world.get('POST', `/upload/${uuid}`, { as, body: '12' })).toBe(2);
  expect((await world.ask('POST', '/artifacts/upload/x', { as, json: { upload_uuid: uuid } })).json()).toMatchObject({
    status: 409,
    code: 'conflict',
    offset: 2,
  });
});

test('a fault of our own is hidden, and can be found by its id', async () => {
  const broken = await openWorld();
  try {
    const original = broken.core.events.events;
    broken.core.events.events = () => Promise.reject(new Error('SELECT secrets FROM /somewhere'));
    const { uuid } = await broken.push('x', Buffer.from('x'));
    const answer = await broken.ask('GET', `/artifacts/${uuid}/events`, { headers: { 'X-Request-ID': 'mine-1' } });
    expect(answer.json()).toEqual({ error: 'internal error', status: 500, code: 'internal', request_id: 'mine-1' });
    broken.core.events.events = original;
  } finally {
    await broken.close();
  }
});
