/** Downloads with a customer's token, while the customer is entitled. */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { openReleasy, put, said, sha256Of, type Releasy } from '../support/releases.ts';
import { eventually, RawConnection } from '../support/raw.ts';

const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));

let releasy: Releasy;
let artifact: string;
let releaseId: string;
beforeAll(async () => {
  releasy = await openReleasy();
  const { release, slot } = await releasy.published(bytes);
  [artifact, releaseId] = [slot.artifact_id, release.id];
});
afterAll(() => releasy.close());

const resolve = async (url: string): Promise<{ status: number; location: string; cache: string | null }> => {
  const answer = await fetch(url, { redirect: 'manual' });
  await answer.arrayBuffer();
  return {
    status: answer.status,
    location: answer.headers.get('location') ?? '',
    cache: answer.headers.get('cache-control'),
  };
};
const message = async (url: string): Promise<{ status: number; message: string }> => {
  const answer = await fetch(url, { redirect: 'manual' });
  const { error } = (await answer.json()) as { error: { message: string } };
  return { status: answer.status, message: error.message };
};

describe('a token', () => {
  test('leads to a signed URL for the rest of its time, which nobody may keep', async () => {
    const { key } = await releasy.customer();
    const { download_url: url, expires_at: expires } = (await releasy.token(key, artifact, { purpose: 'test' })).json<{
      download_url: string;
      expires_at: number;
    }>();
    expect(url).toMatch(new RegExp(`^${releasy.world.url}/v1/downloads/releasy_dl_[\\w-]{43}$`));
    // The second may have turned since.
    expect([0, 1]).toContain(Math.floor((releasy.world.clock.now() + 600_000) / 1000) - expires);
    releasy.world.clock.move(400_000);
    const { status, location, cache } = await resolve(url);
    expect({ status, cache }).toEqual({ status: 302, cache: 'no-store' });
    expect(Number(new URL(location).searchParams.get('X-Amz-Expires'))).toBeLessThanOrEqual(200);
    const got = await fetch(location);
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true);
    expect({
      'content-disposition': got.headers.get('content-disposition'),
      'content-type': got.headers.get('content-type'),
    }).toEqual({
      'content-disposition': 'attachment; filename="app.tar.gz"',
      'content-type': 'application/octet-stream',
    });
    const head = await fetch(url, { method: 'HEAD' });
    expect({ status: head.status, 'content-length': head.headers.get('content-length') }).toEqual({
      status: 200,
      'content-length': String(bytes.length),
    });
    releasy.world.clock.move(201_000);
    expect(await message(url)).toEqual({ status: 404, message: 'download token expired' });
    expect((await fetch(location)).status).toBe(403);
    releasy.world.clock.move(-601_000);
  });

  test('goes on where an interrupted download ended, and is good for many', async () => {
    const { key } = await releasy.customer();
    const url = await releasy.downloadUrl(key, artifact);
    const { location } = await resolve(url);
    const { pathname, search, host } = new URL(location);
    const cut = await RawConnection.open(location);
    cut.head('GET', `${pathname}${search}`, { Host: host });
    await eventually(() => cut.received.length >= 50_000);
    const head = cut.received.indexOf('\r\n\r\n') + 4;
    const first = Buffer.from(cut.received.slice(head, 50_000), 'latin1');
    cut.reset();
    const rest = await fetch(url, { headers: { Range: `bytes=${first.length}-` } });
    expect({ status: rest.status, 'content-range': rest.headers.get('content-range') }).toEqual({
      status: 206,
      'content-range': `bytes ${first.length}-${bytes.length - 1}/${bytes.length}`,
    });
    expect(sha256Of(Buffer.concat([first, Buffer.from(await rest.arrayBuffer())]))).toBe(sha256Of(bytes));
  });

  test.each<[Record<string, unknown>, number, string]>([
    [{ artifact_id: '' }, 400, 'artifact_id is required'],
    [{ artifact_id: 'x' }, 400, 'artifact_id must be a valid UUID'],
    [{ artifact_id: randomUUID() }, 404, 'artifact not found'],
    [{ expires_in_seconds: 0 }, 400, 'expires_in_seconds must be positive'],
    [{ expires_in_seconds: -5 }, 400, 'expires_in_seconds must be positive'],
    [{ expires_in_seconds: 601 }, 400, 'expires_in_seconds must be <= 600'],
    [{ expires_in_seconds: 'soon' }, 422, 'expires_in_seconds must be an integer or null'],
  ])('for %j is refused', async (wish, status, sentence) => {
    const { key } = await releasy.customer();
    const refused = await releasy.token(key, artifact, wish);
    expect({ status: refused.status, message: said(refused).message }).toEqual({ status, message: sentence });
  });

  test('is for customers whose key is for that, of a product that they may have, once it is published', async () => {
    expect(said(await releasy.ask('POST', '/v1/downloads/token', { artifact_id: artifact }))).toEqual({
      status: 401,
      code: 'unauthorized',
      message: 'unauthorized',
    });
    const scoped = await releasy.customer('app', { scopes: ['releases:read'] });
    expect(said(await releasy.token(scoped.key, artifact))).toEqual({
      status: 403,
      code: 'forbidden',
      message: 'missing scope',
    });
    const other = await releasy.customer('another');
    expect(said(await releasy.token(other.key, artifact))).toEqual({
      status: 403,
      code: 'forbidden',
      message: 'entitlement required',
    });
    const draft = await releasy.release();
    const { artifact_id: hidden } = await releasy.artifact(draft.id, 'hidden');
    const { key } = await releasy.customer();
    expect(said(await releasy.token(key, hidden))).toEqual({
      status: 403,
      code: 'forbidden',
      message: 'release not published',
    });
  });

  test('that nobody made is not found', async () => {
    for (const token of ['x', `releasy_dl_${'A'.repeat(43)}`])
      expect(await message(`${releasy.world.url}/v1/downloads/${token}`)).toEqual({
        status: 404,
        message: 'download token not found',
      });
  });

  test('is kept by what proves it alone', async () => {
    const { key } = await releasy.customer();
    const token = (await releasy.downloadUrl(key, artifact)).split('/').at(-1)!;
    const { readFile, readdir } = await import('node:fs/promises');
    for (const name of await readdir(releasy.world.folder)) {
      const content = await readFile(`${releasy.world.folder}/${name}`).catch(() => Buffer.alloc(0));
      expect({
        'content includes token': content.includes(token),
        'content includes key': content.includes(key),
      }).toEqual({ 'content includes token': false, 'content includes key': false });
    }
  });
});

/** Statuses of the token's URL, and of the signed URL that it led to. */
interface Opened {
  readonly resolved: number;
  readonly stored: number;
}

describe('every door closes at once', () => {
  async function doors(): Promise<{
    url: string;
    location: string;
    customer: Awaited<ReturnType<Releasy['customer']>>;
    open: () => Promise<Opened>;
  }> {
    const customer = await releasy.customer();
    const url = await releasy.downloadUrl(customer.key, artifact);
    const { location } = await resolve(url);
    const open = async (): Promise<Opened> => ({
      resolved: (await resolve(url)).status,
      stored: (await fetch(location, { headers: { Range: 'bytes=0-9' } })).status,
    });
    expect(await open()).toEqual({ resolved: 302, stored: 206 });
    return { url, location, customer, open };
  }

  test('when the key is revoked', async () => {
    const { customer, open, url } = await doors();
    await releasy.get('POST', '/v1/admin/keys/revoke', { api_key_id: customer.keyId });
    expect({
      open: await open(),
      message: await message(url),
      status: (await releasy.token(customer.key, artifact)).status,
    }).toEqual({
      open: { resolved: 404, stored: 403 },
      message: { status: 404, message: 'download token not found' },
      status: 401,
    });
  });

  test('when the customer is suspended, and they open again', async () => {
    const { customer, open } = await doors();
    await releasy.get('PATCH', `/v1/admin/customers/${customer.id}`, { suspended: true });
    expect(await open()).toEqual({ resolved: 404, stored: 403 });
    await releasy.get('PATCH', `/v1/admin/customers/${customer.id}`, { suspended: false });
    expect(await open()).toEqual({ resolved: 302, stored: 206 });
  });

  test('when the entitlement ends', async () => {
    const { customer, open, url } = await doors();
    expect(
      (await releasy.ask('DELETE', `/v1/admin/customers/${customer.id}/entitlements/${customer.entitlement}`)).status,
    ).toBe(204);
    expect({ open: await open(), message: await message(url) }).toEqual({
      open: { resolved: 404, stored: 403 },
      message: { status: 404, message: 'release not available' },
    });
  });

  test('when the release is taken back, or deleted', async () => {
    const { open, url } = await doors();
    await releasy.get('POST', `/v1/releases/${releaseId}/unpublish`);
    expect({ open: await open(), message: await message(url) }).toEqual({
      open: { resolved: 404, stored: 403 },
      message: { status: 404, message: 'release not available' },
    });
    await releasy.get('POST', `/v1/releases/${releaseId}/publish`);
    expect(await open()).toEqual({ resolved: 302, stored: 206 });
    const { release, slot } = await releasy.published('doomed');
    const { key } = await releasy.customer();
    const doomed = await releasy.downloadUrl(key, slot.artifact_id);
    const { location } = await resolve(doomed);
    expect((await releasy.ask('DELETE', `/v1/releases/${release.id}`)).status).toBe(204);
    expect({
      resolved: (await resolve(doomed)).status,
      stored: (await fetch(location)).status,
    }).toEqual({ resolved: 404, stored: 403 });
  });
});

describe('a URL that was signed for a download', () => {
  test('is for that artifact, and for reading', async () => {
    const { key } = await releasy.customer();
    const { location } = await resolve(await releasy.downloadUrl(key, artifact));
    const other = await releasy.published('of another');
    for (const changed of [
      location.replace(artifact, other.slot.artifact_id),
      location.replace(/versionId=[^&]+&/, ''),
      location.replace('/app.tar.gz', '/other'),
    ])
      expect((await fetch(changed)).status).toBe(403);
    for (const method of ['PUT', 'DELETE'])
      expect((await fetch(location, { method, ...(method === 'PUT' ? { body: 'x' } : {}) })).status).toBe(403);
  });
});

describe('sent from here', () => {
  let direct: Releasy;
  let url: string;
  beforeAll(async () => {
    direct = await openReleasy({ STOWAGE_RELEASY_DOWNLOADS: 'direct' });
    const { slot } = await direct.published(bytes);
    url = await direct.downloadUrl((await direct.customer()).key, slot.artifact_id);
  });
  afterAll(() => direct.close());

  test('bytes come whole, or from where they are asked for', async () => {
    const whole = await fetch(url, { redirect: 'error' });
    expect({
      status: whole.status,
      'bytes are right': Buffer.from(await whole.arrayBuffer()).equals(bytes),
    }).toEqual({ status: 200, 'bytes are right': true });
    expect(
      Object.fromEntries(
        ['etag', 'content-length', 'content-disposition', 'accept-ranges'].map((name) => [
          name,
          whole.headers.get(name),
        ]),
      ),
    ).toEqual({
      etag: `"${sha256Of(bytes)}"`,
      'content-length': String(bytes.length),
      'content-disposition': 'attachment; filename="app.tar.gz"',
      'accept-ranges': 'bytes',
    });
    const part = await fetch(url, { headers: { Range: 'bytes=1000-1999', 'If-Range': whole.headers.get('etag')! } });
    expect({
      status: part.status,
      'bytes are right': Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(1000, 2000)),
    }).toEqual({ status: 206, 'bytes are right': true });
    const head = await fetch(url, { method: 'HEAD' });
    expect({ status: head.status, 'content-length': head.headers.get('content-length') }).toEqual({
      status: 200,
      'content-length': String(bytes.length),
    });
    const beyond = await fetch(url, { headers: { Range: `bytes=${bytes.length}-` } });
    expect({ status: beyond.status, body: await beyond.json() }).toEqual({
      status: 416,
      body: { error: { code: 'range_not_satisfiable', message: 'the range has no bytes' } },
    });
    expect((await fetch(url, { headers: { 'If-None-Match': `"${sha256Of(bytes)}"` } })).status).toBe(304);
  });
});

describe('a file is', () => {
  const fetched = async (filename: string, headers: Record<string, string>): Promise<Response> => {
    const release = await releasy.release();
    const slot = await releasy.slot(release.id, filename);
    expect(await put(slot.upload_url, 'plain', headers)).toBe(200);
    expect((await releasy.register(release.id, slot, 'plain')).status).toBe(200);
    await releasy.get('POST', `/v1/releases/${release.id}/publish`);
    return fetch(await releasy.downloadUrl((await releasy.customer()).key, slot.artifact_id));
  };

  test('its bytes, whatever its uploader said of them', async () => {
    const got = await fetched('a.txt', {
      'Content-Encoding': 'gzip',
      'Cache-Control': 'public, max-age=9',
      'Content-Language': 'de',
    });
    expect(await got.text()).toBe('plain');
    expect(['content-encoding', 'cache-control', 'content-language'].map((name) => got.headers.get(name))).toEqual([
      null,
      'no-store',
      null,
    ]);
  });

  test('saved by the name that SHA256SUMS has', async () => {
    const got = await fetched('\u00fcn\u00ef 100%.tar.gz', {});
    expect(got.headers.get('content-disposition')).toBe(
      `attachment; filename="_n_ 100_.tar.gz"; filename*=UTF-8''%C3%BCn%C3%AF%20100%25.tar.gz`,
    );
  });
});

test('no log has a token', async () => {
  const lines: string[] = [];
  const quiet = await openReleasy(
    {},
    { log: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }) },
  );
  try {
    const { slot } = await quiet.published(bytes);
    const url = await quiet.downloadUrl((await quiet.customer()).key, slot.artifact_id);
    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(`${url}x`)).status).toBe(404);
  } finally {
    await quiet.close();
  }
  expect(lines.filter((line) => line.includes('/v1/downloads/{token}')).length).toBeGreaterThanOrEqual(2);
  expect(lines.filter((line) => line.includes('releasy_dl_'))).toEqual([]);
});

test('two keys of a customer are two callers', async () => {
  const { id, key } = await releasy.customer();
  const { api_key: other } = await releasy.get<{ api_key: string }>('POST', '/v1/admin/keys', { customer_id: id });
  const ask = (as: string) =>
    releasy.ask(
      'POST',
      '/v1/downloads/token',
      { artifact_id: artifact },
      { 'x-releasy-api-key': as, 'idempotency-key': 'the same word' },
    );
  expect({ 'ask key status': (await ask(key)).status, 'ask other status': (await ask(other)).status }).toEqual({
    'ask key status': 200,
    'ask other status': 200,
  });
});
