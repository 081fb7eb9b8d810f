/**
 * The exact requests of Releasy's own clients: shell scripts (bash and curl) that publish a release and add a customer,
 * and its Rust client. Recorded from the wire.
 */
import { randomUUID } from 'node:crypto';
import { RawConnection, type RawAnswer } from '../support/raw.ts';
import { adminKey, openReleasy, sha256Of, type Releasy } from '../support/releases.ts';

let releasy: Releasy;
beforeAll(async () => void (releasy = await openReleasy()));
afterAll(() => releasy.close());

interface Sent {
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string | Buffer;
  /** Whether the body waits for leave, as curl's does above 1 MiB. */
  readonly waits?: boolean;
}

/** One request on a connection of its own, written by hand. */
async function send(method: string, url: string, { headers = {}, body, waits = false }: Sent = {}): Promise<RawAnswer> {
  const { host, pathname, search } = new URL(url);
  const connection = await RawConnection.open(url);
  const length: Record<string, number> = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
  connection.head(method, `${pathname}${search}`, {
    Host: host,
    'User-Agent': 'curl/8.5.0',
    Accept: '*/*',
    ...headers,
    ...length,
    ...(waits ? { Expect: '100-continue' } : {}),
  });
  if (waits) {
    const leave = await connection.answer();
    if (leave.status !== 100) return leave;
  }
  if (body !== undefined) connection.send(typeof body === 'string' ? Buffer.from(body) : body);
  const answer = await connection.answer(method);
  connection.close();
  return answer;
}

const key = { 'x-releasy-admin-key': adminKey };
const typed = { ...key, 'Content-Type': 'application/json' };
const word = (): Record<string, string> => ({ 'Idempotency-Key': randomUUID() });
const post = (
  path: string,
  json: unknown,
  headers: Record<string, string> = { ...typed, ...word() },
): Promise<RawAnswer> => send('POST', `${releasy.world.url}${path}`, { headers, body: JSON.stringify(json) });
const jsonOf = <T>(answer: RawAnswer): T => JSON.parse(answer.body) as T;

/** The script that publishes; answers the release's id. */
async function publish(product: string, version: string, bytes: Buffer, platform = 'linux-x86_64'): Promise<string> {
  const created = await post('/v1/releases', { product, version });
  let id: string;
  if (created.status === 409) {
    const listed = await send(
      'GET',
      `${releasy.world.url}/v1/releases?product=${product}&version=${version}&limit=1&offset=0`,
      { headers: key },
    );
    id = jsonOf<{ releases: { id: string }[] }>(listed).releases[0]!.id;
  } else {
    expect(created.status).toBe(200);
    id = jsonOf<{ id: string }>(created).id;
  }
  const slot = jsonOf<{ artifact_id: string; object_key: string; upload_url: string }>(
    await post(`/v1/releases/${id}/artifacts/presign`, { filename: 'tool.tar.gz', platform }),
  );
  const sent = await send('PUT', slot.upload_url, {
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: bytes,
    waits: bytes.length > 1024 * 1024,
  });
  expect(sent.status).toBe(200);
  const registered = await post(`/v1/releases/${id}/artifacts`, {
    artifact_id: slot.artifact_id,
    object_key: slot.object_key,
    checksum: sha256Of(bytes),
    size: bytes.length,
    platform,
  });
  expect([200, 409]).toContain(registered.status);
  const published = await send('POST', `${releasy.world.url}/v1/releases/${id}/publish`, { headers: key });
  const already =
    published.status === 400 &&
    jsonOf<{ error: { message: string } }>(published).error.message === 'release already published';
  expect(published.status === 200 || already).toBe(true);
  return id;
}

/** The script that adds a customer; answers their API key. */
async function onboard(product: string): Promise<string> {
  const { id } = jsonOf<{ id: string }>(await post('/v1/admin/customers', { name: 'Acme', plan: 'enterprise' }));
  const { api_key: apiKey } = jsonOf<{ api_key: string }>(
    await post('/v1/admin/keys', { customer_id: id, name: 'bootstrap', key_type: 'human' }, typed),
  );
  const entitled = await post(`/v1/admin/customers/${id}/entitlements`, {
    product,
    starts_at: Math.floor(Date.now() / 1000),
  });
  expect(entitled.status).toBe(200);
  return apiKey;
}

test.each([
  ['small', 1000],
  ['so large that curl asks for leave first', 3 * 1024 * 1024],
])('the scripts publish a file that is %s, and a customer fetches it', async (_, size) => {
  const bytes = Buffer.alloc(size, 'releasy');
  const product = `tool-${size}`;
  await publish(product, '1.0.0', bytes);
  const headers = { 'x-releasy-api-key': await onboard(product) };
  const { releases } = jsonOf<{ releases: { artifacts: { id: string; checksum: string }[] }[] }>(
    await send('GET', `${releasy.world.url}/v1/releases?include_artifacts=true&limit=50&offset=0`, {
      headers: { ...headers, Accept: 'application/json' },
    }),
  );
  expect(releases).toHaveLength(1);
  const [artifact] = releases[0]!.artifacts;
  const token = await send('POST', `${releasy.world.url}/v1/downloads/token`, {
    headers: { ...headers, 'Content-Type': 'application/json' },
    body: JSON.stringify({ artifact_id: artifact!.id }),
  });
  const resolved = await send('GET', jsonOf<{ download_url: string }>(token).download_url);
  expect({ status: resolved.status, 'cache-control': resolved.headers['cache-control'] }).toEqual({
    status: 302,
    'cache-control': 'no-store',
  });
  const got = await send('GET', resolved.headers['location']!);
  expect(sha256Of(Buffer.from(got.body, 'latin1'))).toBe(artifact!.checksum);
});

test('run again for the same version, they find the draft or the release, and add to it', async () => {
  const draft = jsonOf<{ id: string }>(await post('/v1/releases', { product: 'again', version: '1' })).id;
  const ids = [
    await publish('again', '1', Buffer.from('one')),
    await publish('again', '1', Buffer.from('two'), 'darwin'),
  ];
  expect(ids).toEqual([draft, draft]);
  const { artifacts } = jsonOf<{ artifacts: { platform: string }[] }>(
    await send('GET', `${releasy.world.url}/v1/releases/${draft}`, { headers: key }),
  );
  expect(artifacts.map(({ platform }) => platform)).toEqual(['linux-x86_64', 'darwin']);
});

test('a publish that lost a race is tried once more, and then it is done', async () => {
  const { id } = jsonOf<{ id: string }>(await post('/v1/releases', { product: 'lost', version: '1' }));
  const both = await Promise.all(
    [0, 1].map(() => send('POST', `${releasy.world.url}/v1/releases/${id}/publish`, { headers: key })),
  );
  const retried = await Promise.all(
    both.map((answer) =>
      answer.status === 409
        ? send('POST', `${releasy.world.url}/v1/releases/${id}/publish`, { headers: key })
        : Promise.resolve(answer),
    ),
  );
  for (const answer of retried)
    expect(
      answer.status === 200 ||
        jsonOf<{ error: { message: string } }>(answer).error.message === 'release already published',
    ).toBe(true);
});

test('what did not arrive is no reason to carry on: a script that takes 409 for success is told 400', async () => {
  const { id } = jsonOf<{ id: string }>(await post('/v1/releases', { product: 'cut', version: '1' }));
  const slot = jsonOf<{ artifact_id: string; object_key: string; upload_url: string }>(
    await post(`/v1/releases/${id}/artifacts/presign`, { filename: 'f', platform: 'p' }),
  );
  const wish = {
    artifact_id: slot.artifact_id,
    object_key: slot.object_key,
    checksum: sha256Of('whole'),
    size: 5,
    platform: 'p',
  };
  const registered = async (): Promise<unknown[]> => {
    const answer = await post(`/v1/releases/${id}/artifacts`, wish);
    return [answer.status, jsonOf<{ error?: { code: string } }>(answer).error?.code];
  };
  expect(await registered()).toEqual([400, 'object_missing']);
  await send('PUT', slot.upload_url, { body: 'who' });
  expect(await registered()).toEqual([400, 'size_mismatch']);
  await send('PUT', slot.upload_url, { body: 'WHOLE' });
  expect(await registered()).toEqual([400, 'checksum_mismatch']);
  await send('PUT', slot.upload_url, { body: 'whole' });
  expect(await registered()).toEqual([200, undefined]);
});

test('the Rust client says no type for the file, and no body for a publication', async () => {
  const headers = { 'User-Agent': 'ureq/2.12.1', Accept: 'application/json', authorization: `Bearer ${adminKey}` };
  const created = await send('POST', `${releasy.world.url}/v1/releases`, {
    headers: { ...headers, 'Content-Type': 'application/json' },
    body: '{"product":"rust","version":"0.1.1"}',
  });
  const { id } = jsonOf<{ id: string }>(created);
  const presigned = await send('POST', `${releasy.world.url}/v1/releases/${id}/artifacts/presign`, {
    headers: { ...headers, 'Content-Type': 'application/json' },
    body: '{"filename":"f","platform":"p"}',
  });
  const slot = jsonOf<{ artifact_id: string; object_key: string; upload_url: string }>(presigned);
  expect((await send('PUT', slot.upload_url, { headers: { 'User-Agent': 'ureq/2.12.1' }, body: 'bytes' })).status).toBe(
    200,
  );
  const json = JSON.stringify({
    artifact_id: slot.artifact_id,
    object_key: slot.object_key,
    checksum: sha256Of('bytes'),
    size: 5,
    platform: 'p',
  });
  expect(
    (
      await send('POST', `${releasy.world.url}/v1/releases/${id}/artifacts`, {
        headers: { ...headers, 'Content-Type': 'application/json' },
        body: json,
      })
    ).status,
  ).toBe(200);
  const published = await send('POST', `${releasy.world.url}/v1/releases/${id}/publish`, { headers, body: '' });
  expect({ status: published.status, release: jsonOf<{ status: string }>(published).status }).toEqual({
    status: 200,
    release: 'published',
  });
  const deleted = await send('DELETE', `${releasy.world.url}/v1/releases/${id}`, { headers });
  expect({ status: deleted.status, body: deleted.body }).toEqual({ status: 204, body: '' });
});
