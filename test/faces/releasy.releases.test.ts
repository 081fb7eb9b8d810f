/** Releases: create, list, publish, unpublish, delete. */
import { DeleteBucketCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { openReleasy, said, type Releasy, type ReleaseSeen } from '../support/releases.ts';
import { refusal, s3Client } from '../support/s3.ts';

let releasy: Releasy;
beforeAll(async () => void (releasy = await openReleasy({ STOWAGE_BLOB_GRACE: '0s' })));
afterAll(() => releasy.close());

const nowhere = '8f2c1f5e-6c1e-4d0b-9a3c-0a1b2c3d4e5f';
const list = async (
  query = '',
  headers?: Record<string, string>,
): Promise<{ releases: ReleaseSeen[]; next_cursor: string | null }> =>
  releasy.get('GET', `/v1/releases?${query}`, undefined, headers);
const move = (id: string, verb: 'publish' | 'unpublish'): ReturnType<Releasy['ask']> =>
  releasy.ask('POST', `/v1/releases/${id}/${verb}`);

describe('a release', () => {
  test('is made as a draft, of trimmed words, once for each product and version as they are spelled', async () => {
    const made = await releasy.ask('POST', '/v1/releases', {
      product: '  My App ',
      version: ' 1.0.0+build.5 ',
      more: 'is passed over',
    });
    expect({ status: made.status, body: made.json() }).toEqual({
      status: 200,
      body: {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        product: 'My App',
        version: '1.0.0+build.5',
        status: 'draft',
        created_at: expect.any(Number) as number,
        published_at: null,
        artifacts: null,
      },
    });
    expect(said(await releasy.ask('POST', '/v1/releases', { product: 'My App', version: '1.0.0+build.5' }))).toEqual({
      status: 409,
      code: 'conflict',
      message: 'release already exists',
    });
    expect((await releasy.ask('POST', '/v1/releases', { product: 'my app', version: '1.0.0+build.5' })).status).toBe(
      200,
    );
  });

  test.each([
    [{ product: ' ', version: '1' }, 400, 'product is required'],
    [{ product: 'a', version: '' }, 400, 'version is required'],
    [{ product: 'a' }, 422, 'missing version'],
    [{ product: 1, version: '1' }, 422, 'product must be a string'],
  ])('of %j is refused', async (json, status, message) => {
    const refused = await releasy.ask('POST', '/v1/releases', json);
    expect({ status: refused.status, message: said(refused).message }).toEqual({ status, message: message });
  });

  test('is made by nobody who is not known, and nothing is stored', async () => {
    for (const headers of [{}, { 'x-releasy-admin-key': 'wrong' }, { authorization: 'Bearer wrong' }] as Record<
      string,
      string
    >[]) {
      expect(said(await releasy.ask('POST', '/v1/releases', { product: 'secretly', version: '1' }, headers))).toEqual({
        status: 401,
        code: 'unauthorized',
        message: 'unauthorized',
      });
    }
    expect((await list('product=secretly')).releases).toEqual([]);
  });

  test('is published, taken back and published anew', async () => {
    const { id } = await releasy.release();
    expect(said(await move(id, 'unpublish'))).toEqual({
      status: 400,
      code: 'bad_request',
      message: 'release already draft',
    });
    const published = (await move(id, 'publish')).json<ReleaseSeen>();
    expect(published).toMatchObject({ status: 'published', published_at: expect.any(Number) as number });
    expect(said(await move(id, 'publish'))).toEqual({
      status: 400,
      code: 'bad_request',
      message: 'release already published',
    });
    expect((await move(id, 'unpublish')).json()).toMatchObject({ status: 'draft', published_at: null });
    releasy.world.clock.move(5000);
    expect((await move(id, 'publish')).json<ReleaseSeen>().published_at).toBeGreaterThan(published.published_at!);
  });

  test('that is none is not found, by whatever it is called', async () => {
    for (const id of [nowhere, 'x', '..%2f']) {
      for (const [method, path] of [
        ['GET', ''],
        ['DELETE', ''],
        ['POST', '/publish'],
        ['POST', '/unpublish'],
        ['GET', '/SHA256SUMS'],
      ] as const) {
        expect(said(await releasy.ask(method, `/v1/releases/${id}${path}`))).toEqual({
          status: 404,
          code: 'not_found',
          message: 'release not found',
        });
      }
    }
  });

  test('raced to be published is published once', async () => {
    for (let time = 0; time < 20; time += 1) {
      const { id } = await releasy.release();
      const answers = await Promise.all(Array.from({ length: 8 }, () => move(id, 'publish')));
      const [won, ...lost] = answers.toSorted((a, b) => a.status - b.status);
      expect({
        status: won!.status,
        'others are refused': lost.every(({ status }) => status === 400 || status === 409),
      }).toEqual({ status: 200, 'others are refused': true });
    }
  });
});

describe('the list', () => {
  test('is filtered by what is exactly so, and shows drafts to operators', async () => {
    for (const version of ['1', '2', '1.0']) await releasy.release('filtered', version);
    const versions = async (query: string): Promise<string[]> =>
      (await list(`product=filtered&${query}`)).releases.map(({ version }) => version);
    expect({
      'versions empty': await versions(''),
      'versions version=1': await versions('version=1'),
      'versions status=published': await versions('status=published'),
    }).toEqual({ 'versions empty': ['1.0', '2', '1'], 'versions version=1': ['1'], 'versions status=published': [] });
    expect((await list('product=filtered&version=2&limit=1&offset=0')).releases[0]).toMatchObject({
      status: 'draft',
      artifacts: null,
    });
  });

  test.each([
    ['limit=0', 'limit must be positive'],
    ['limit=-1', 'limit must be positive'],
    ['limit=201', 'limit must be <= 200'],
    ['limit=x', 'limit must be an integer'],
    ['status=gone', 'invalid status'],
    ['include_artifacts=maybe', 'include_artifacts must be true or false'],
    ['cursor=%21', 'cursor is invalid'],
  ])('refuses %s', async (query, message) =>
    expect(said(await releasy.ask('GET', `/v1/releases?${query}`))).toEqual({
      status: 400,
      code: 'bad_request',
      message,
    }),
  );

  test('is paged so that nothing is skipped or shown twice, though all came in one moment and more come', async () => {
    const made = await Promise.all(Array.from({ length: 23 }, (_, index) => releasy.release('paged', `v${index}`)));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null && seen.length < 100;) {
      const page = await list(`product=paged&limit=5${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...page.releases.map(({ id }) => id));
      cursor = page.next_cursor;
      await releasy.release('paged');
    }
    expect(seen.toSorted()).toEqual(made.map(({ id }) => id).toSorted());
    const byOffset = await Promise.all([0, 10, 20].map((offset) => list(`product=paged&limit=10&offset=${offset}`)));
    expect(new Set(byOffset.flatMap(({ releases }) => releases.map(({ id }) => id))).size).toBe(
      byOffset.flatMap(({ releases }) => releases).length,
    );
  });

  test('groups artifacts by their release', async () => {
    const [one, other] = [await releasy.release('grouped'), await releasy.release('grouped')];
    for (const name of ['a', 'b']) await releasy.artifact(one.id, `${name} of one`, name);
    await releasy.artifact(other.id, 'of other', 'c');
    const named = (await list('product=grouped&include_artifacts=true')).releases.map(({ id, artifacts }) => [
      id,
      artifacts!.map(({ filename }) => filename),
    ]);
    expect(Object.fromEntries(named)).toEqual({ [one.id]: ['a', 'b'], [other.id]: ['c'] });
  });
});

describe('a customer', () => {
  const by = (key: string): Record<string, string> => ({ 'x-releasy-api-key': key });

  test('sees what is published of products that it may have now, and nothing else, whatever else it shows', async () => {
    const { release } = await releasy.published('for customers', 'sold');
    const draft = await releasy.release('sold');
    const other = await releasy.published('for others', 'unsold');
    const { key } = await releasy.customer('sold');
    const ids = async (query = '', headers = by(key)): Promise<string[]> =>
      (await list(query, headers)).releases.map(({ id }) => id);
    expect([
      await ids(),
      await ids('', { ...by(key), authorization: 'Bearer the-admin-key-of-the-test-world' }),
    ]).toEqual([[release.id], [release.id]]);
    expect(await ids('product=unsold')).toEqual([]);
    expect(said(await releasy.ask('GET', '/v1/releases?status=draft', undefined, by(key)))).toEqual({
      status: 400,
      code: 'bad_request',
      message: 'status must be published',
    });
    expect((await releasy.ask('GET', `/v1/releases/${release.id}`, undefined, by(key))).json()).toMatchObject({
      id: release.id,
      artifacts: [{ filename: 'app.tar.gz' }],
    });
    for (const hidden of [draft.id, other.release.id]) {
      for (const path of ['', '/SHA256SUMS'])
        expect(said(await releasy.ask('GET', `/v1/releases/${hidden}${path}`, undefined, by(key)))).toEqual({
          status: 404,
          code: 'not_found',
          message: 'release not found',
        });
    }
  });

  test('without the scope sees nothing, and before and after its time the same list with nothing in it', async () => {
    const { key } = await releasy.customer('sold', { scopes: ['downloads:token'] });
    expect(said(await releasy.ask('GET', '/v1/releases', undefined, by(key)))).toEqual({
      status: 403,
      code: 'forbidden',
      message: 'missing scope',
    });
    const now = Math.floor(releasy.world.clock.now() / 1000);
    const late = await releasy.customer('other');
    await releasy.get('POST', `/v1/admin/customers/${late.id}/entitlements`, {
      product: 'sold',
      starts_at: now + 100,
      ends_at: now + 200,
    });
    expect((await list('', by(late.key))).releases).toEqual([]);
    releasy.world.clock.move(101_000);
    expect((await list('', by(late.key))).releases).toHaveLength(1);
    releasy.world.clock.move(100_000);
    expect((await list('', by(late.key))).releases).toEqual([]);
    releasy.world.clock.move(-201_000);
  });
});

describe('deletion', () => {
  const stored = async (): Promise<number> => {
    await releasy.world.core.sweep.run();
    return (await releasy.world.core.totals()).bytes;
  };

  test('frees the bytes that nothing else refers to, and their objects', async () => {
    const before = await stored();
    const shared = Buffer.alloc(50_000, 'shared');
    const [one, other] = [await releasy.release('deleted'), await releasy.release('deleted')];
    const slot = await releasy.artifact(one.id, shared);
    await releasy.artifact(other.id, shared);
    await releasy.artifact(one.id, Buffer.alloc(20_000, 'alone'));
    expect((await stored()) - before).toBe(70_000);
    const unused = await releasy.slot(one.id);
    await fetch(unused.upload_url, { method: 'PUT', body: Buffer.alloc(9000, 'unregistered') });
    expect((await releasy.ask('DELETE', `/v1/releases/${one.id}`)).status).toBe(204);
    releasy.world.clock.move(1000);
    expect((await stored()) - before).toBe(50_000);
    const s3 = await s3Client(releasy.world);
    const keys = ((await s3.send(new ListObjectsV2Command({ Bucket: 'releases' }))).Contents ?? []).map(
      ({ Key }) => Key,
    );
    expect({
      'keys includes slot.object_key': keys.includes(slot.object_key),
      'keys includes unused.object_key': keys.includes(unused.object_key),
    }).toEqual({ 'keys includes slot.object_key': false, 'keys includes unused.object_key': false });
    expect(said(await releasy.ask('DELETE', `/v1/releases/${one.id}`))).toEqual({
      status: 404,
      code: 'not_found',
      message: 'release not found',
    });
    expect((await releasy.ask('DELETE', `/v1/releases/${other.id}`)).status).toBe(204);
    releasy.world.clock.move(1000);
    expect(await stored()).toBe(before);
  });

  test('is nothing for publishers to do to what holds a release', async () => {
    const { slot } = await releasy.published('held');
    const s3 = await s3Client(releasy.world);
    expect(await refusal(s3.send(new DeleteBucketCommand({ Bucket: 'releases' })))).toBe('BucketNotEmpty');
    const { world } = releasy;
    for (const [method, path] of [
      ['DELETE', `/artifacts/${slot.artifact_id}`],
      ['DELETE', `/artifacts/${slot.artifact_id}/versions/1`],
    ] as const) {
      expect({
        'refused with': (await world.ask(method, path)).status,
        'still there': (await world.ask('GET', `/artifacts/${slot.artifact_id}`)).status,
      }).toEqual({ 'refused with': 409, 'still there': 200 });
    }
    expect((await world.ask('DELETE', '/artifacts', { json: { confirm: true, namespace: 'releasy' } })).status).toBe(
      200,
    );
    const { key } = await releasy.customer();
    expect(await (await fetch(await releasy.downloadUrl(key, slot.artifact_id))).text()).toBe('held');
  });
});
