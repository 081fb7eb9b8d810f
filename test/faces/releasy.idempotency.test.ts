/** Requests with an `Idempotency-Key` take effect once. */
import { randomUUID } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { Refusal } from '../../src/core/refusal.ts';
import { bodyOf } from '../support/body.ts';
import { eventually } from '../support/raw.ts';
import {
  adminKey,
  openReleasy,
  put,
  said,
  sha256Of,
  type Releasy,
  type ReleaseSeen,
  type SlotSeen,
} from '../support/releases.ts';

let releasy: Releasy;
beforeAll(async () => void (releasy = await openReleasy()));
afterAll(() => releasy.close());

const runs = Number(process.env['STOWAGE_TEST_RUNS'] ?? 1000);
const wish = (): { product: string; version: string } => ({ product: 'once', version: randomUUID() });

describe('a request with a word of its own', () => {
  test('happens once, and its repeats say that they are', async () => {
    const json = wish();
    const first = await releasy.once('w1', '/v1/releases', json);
    const second = await releasy.ask(
      'POST',
      '/v1/releases',
      { version: json.version, more: true, product: json.product },
      { 'x-releasy-admin-key': adminKey, 'idempotency-key': ' w1 ' },
    );
    expect({ 'first status': first.status, 'second status': second.status, body: second.json() }).toEqual({
      'first status': 200,
      'second status': 200,
      body: first.json(),
    });
    expect({
      'first idempotency-replayed': first.headers.get('idempotency-replayed'),
      'second idempotency-replayed': second.headers.get('idempotency-replayed'),
    }).toEqual({ 'first idempotency-replayed': null, 'second idempotency-replayed': 'true' });
    expect(
      (await releasy.get<{ releases: unknown[] }>('GET', `/v1/releases?product=once&version=${json.version}`)).releases,
    ).toHaveLength(1);
  });

  test('is that request, and no other', async () => {
    await releasy.once('w2', '/v1/releases', wish());
    expect(said(await releasy.once('w2', '/v1/releases', wish()))).toEqual({
      status: 409,
      code: 'idempotency_conflict',
      message: 'idempotency key already used',
    });
    expect((await releasy.once('w2', '/v1/admin/customers', { name: 'another route' })).status).toBe(200);
  });

  test('that was refused is tried anew, also with another wish', async () => {
    const taken = await releasy.release('once', 'taken');
    expect((await releasy.once('w3', '/v1/releases', { product: 'once', version: 'taken' })).status).toBe(409);
    await releasy.ask('DELETE', `/v1/releases/${taken.id}`);
    expect((await releasy.once('w3', '/v1/releases', { product: 'once', version: 'taken' })).status).toBe(200);
    expect((await releasy.once('w4', '/v1/releases', { product: '', version: '1' })).status).toBe(400);
    expect((await releasy.once('w4', '/v1/releases', wish())).status).toBe(200);
  });

  test('is remembered for a day, and then another', async () => {
    const json = wish();
    await releasy.once('w5', '/v1/releases', json);
    releasy.world.clock.move(86_399_000);
    expect((await releasy.once('w5', '/v1/releases', json)).headers.get('idempotency-replayed')).toBe('true');
    releasy.world.clock.move(2000);
    await releasy.world.core.sweep.run();
    expect((await releasy.once('w5', '/v1/releases', wish())).status).toBe(200);
    releasy.world.clock.move(-86_401_000);
  });

  test.each([
    ['', 'idempotency-key must not be empty'],
    ['x'.repeat(129), 'idempotency-key is too long'],
    ['ü', 'idempotency-key must be valid ASCII'],
  ])('cannot be called %j', async (word, message) => {
    expect(said(await releasy.once(word, '/v1/releases', wish()))).toEqual({
      status: 400,
      code: 'bad_request',
      message,
    });
  });

  test('may be called by any 128 characters', async () =>
    expect((await releasy.once('~'.repeat(128), '/v1/releases', wish())).status).toBe(200));

  test('is asked who sends it before the word is looked at, and makes no API key', async () => {
    expect((await releasy.ask('POST', '/v1/releases', wish(), { 'idempotency-key': 'w1' })).status).toBe(401);
    const { id } = await releasy.customer();
    expect(said(await releasy.once('w6', '/v1/admin/keys', { customer_id: id }))).toEqual({
      status: 400,
      code: 'bad_request',
      message: 'idempotency-key not supported for admin key creation',
    });
  });

  test('that nobody finished is gone on with once the server is there again, or whoever began is late', async () => {
    const { world } = releasy;
    const dying = (word: string): Promise<unknown> =>
      world.core.idempotency.once(
        { caller: 'admin key', operation: 'createRelease', word, wish: ['once', word] },
        () => new Promise(() => undefined),
      );
    for (const word of ['dead', 'late']) void dying(word).catch(() => undefined);
    const send = (word: string): ReturnType<typeof releasy.once> =>
      releasy.once(word, '/v1/releases', { product: 'once', version: word });
    await eventually(async () => said(await send('late')).code === 'idempotency_in_progress');
    await eventually(async () => said(await send('dead')).code === 'idempotency_in_progress');
    const busy = await send('late');
    expect({ busy: said(busy), 'retry-after': busy.headers.get('retry-after') }).toEqual({
      busy: { status: 409, code: 'idempotency_in_progress', message: 'idempotency key already in progress' },
      'retry-after': '1',
    });
    world.clock.move(61_000);
    expect((await send('late')).status).toBe(200);
    world.clock.move(-61_000);
    await world.restart();
    const finished = await send('dead');
    expect({ status: finished.status, 'idempotency-replayed': finished.headers.get('idempotency-replayed') }).toEqual({
      status: 200,
      'idempotency-replayed': null,
    });
  });

  test("of one customer is not in the way of another's", async () => {
    const { slot } = await releasy.published('for two');
    for (const { key } of [await releasy.customer(), await releasy.customer()]) {
      const answer = await releasy.ask(
        'POST',
        '/v1/downloads/token',
        { artifact_id: slot.artifact_id },
        { 'x-releasy-api-key': key, 'idempotency-key': 'mine' },
      );
      expect({ status: answer.status, 'idempotency-replayed': answer.headers.get('idempotency-replayed') }).toEqual({
        status: 200,
        'idempotency-replayed': null,
      });
    }
  });
});

describe('each request that may be repeated', () => {
  test('makes what it makes once', async () => {
    const { id } = await releasy.release();
    const customer = await releasy.once('c', '/v1/admin/customers', { name: 'c' });
    expect((await releasy.once('c', '/v1/admin/customers', { name: 'c' })).json()).toEqual(customer.json());
    const path = `/v1/admin/customers/${customer.json<{ id: string }>().id}/entitlements`;
    const entitlement = await releasy.once('e', path, { product: 'app', starts_at: 1 });
    expect((await releasy.once('e', path, { product: 'app', starts_at: 1 })).json()).toEqual(entitlement.json());
    const published = await releasy.once('p', `/v1/releases/${id}/publish`);
    const again = await releasy.once('p', `/v1/releases/${id}/publish`);
    expect({
      status: again.status,
      body: again.json(),
      'idempotency-replayed': again.headers.get('idempotency-replayed'),
    }).toEqual({ status: 200, body: published.json(), 'idempotency-replayed': 'true' });
  });

  test('gets fresh URLs and tokens, where the first would have ended, and nothing of them is kept', async () => {
    const { id } = await releasy.release();
    const path = `/v1/releases/${id}/artifacts/presign`;
    const first = (await releasy.once('s', path, { filename: 'a', platform: 'b' })).json<SlotSeen>();
    releasy.world.clock.move(3_600_000);
    expect(await put(first.upload_url, 'x')).toBe(403);
    const second = (await releasy.once('s', path, { filename: 'a', platform: 'b' })).json<SlotSeen>();
    expect({
      artifact_id: second.artifact_id,
      object_key: second.object_key,
      put: await put(second.upload_url, 'x'),
    }).toEqual({ artifact_id: first.artifact_id, object_key: first.object_key, put: 200 });
    const json = {
      artifact_id: first.artifact_id,
      object_key: first.object_key,
      checksum: sha256Of('x'),
      size: 1,
      platform: 'b',
    };
    const registered = await releasy.once('r', `/v1/releases/${id}/artifacts`, json);
    expect((await releasy.once('r', `/v1/releases/${id}/artifacts`, json)).json()).toEqual(registered.json());
    expect((await releasy.once('r2', `/v1/releases/${id}/artifacts`, json)).status).toBe(409);
    await releasy.get('POST', `/v1/releases/${id}/publish`);
    const { key } = await releasy.customer();
    const token = async (): Promise<string> =>
      (
        await releasy.ask(
          'POST',
          '/v1/downloads/token',
          { artifact_id: first.artifact_id },
          { 'x-releasy-api-key': key, 'idempotency-key': 't' },
        )
      ).json<{ download_url: string }>().download_url;
    const one = await token();
    releasy.world.clock.move(3_600_000);
    const other = await token();
    expect({
      'same URL': one === other,
      status: (await fetch(one)).status,
      text: await (await fetch(other)).text(),
    }).toEqual({ 'same URL': false, status: 404, text: 'x' });
    for (const name of await readdir(releasy.world.folder)) {
      const content = await readFile(`${releasy.world.folder}/${name}`).catch(() => Buffer.alloc(0));
      for (const secret of [
        one.split('/').at(-1)!,
        other.split('/').at(-1)!,
        'X-Amz-Signature',
        second.tus_url.split('=')[1]!,
      ])
        expect(content.includes(secret)).toBe(false);
    }
    await releasy.get('POST', `/v1/releases/${id}/unpublish`);
    expect(
      (
        await releasy.ask(
          'POST',
          '/v1/downloads/token',
          { artifact_id: first.artifact_id },
          { 'x-releasy-api-key': key, 'idempotency-key': 't' },
        )
      ).status,
    ).toBe(403);
    releasy.world.clock.move(-7_200_000);
  });

  test('by the console API, too', async () => {
    const { world } = releasy;
    const make = (name: string, word: string): ReturnType<typeof world.ask> =>
      world.ask('POST', '/api/storage/buckets', { json: { name }, headers: { 'Idempotency-Key': word } });
    const made = await make('made-once', 'b');
    const again = await make('made-once', 'b');
    expect({
      'made status': made.status,
      'again status': again.status,
      body: again.json(),
      'idempotency-replayed': again.headers.get('idempotency-replayed'),
    }).toEqual({ 'made status': 201, 'again status': 201, body: made.json(), 'idempotency-replayed': 'true' });
    expect({ body: (await make('made-twice', 'b')).json(), status: (await make('made-once', 'c')).status }).toEqual({
      body: { detail: 'idempotency key already used', code: 'idempotency_conflict' },
      status: 409,
    });
    const key = await world.ask('POST', '/api/storage/keys', {
      json: { name: 'k', permissions: { read: true } },
      headers: { 'Idempotency-Key': 'k' },
    });
    expect(key.status).toBe(422);
    const sign = (): ReturnType<typeof world.ask> =>
      world.ask('POST', '/api/storage/buckets/made-once/presign', {
        json: { key: 'k', operation: 'put' },
        headers: { 'Idempotency-Key': 'p' },
      });
    const [one, other] = [await sign(), await sign()];
    expect({
      'one status': one.status,
      'other status': other.status,
      'idempotency-replayed': other.headers.get('idempotency-replayed'),
      put: await put(other.json<{ url: string }>().url, 'x'),
    }).toEqual({ 'one status': 200, 'other status': 200, 'idempotency-replayed': 'true', put: 200 });
  });
});

describe('raced over the wire', () => {
  test('a release is made once and everybody else is told why not', async () => {
    for (let time = 0; time < 50; time += 1) {
      const json = wish();
      const answers = await Promise.all([
        ...Array.from({ length: 4 }, () => releasy.once(`race ${time}`, '/v1/releases', json)),
        releasy.ask('POST', '/v1/releases', json),
      ]);
      expect(
        new Set(answers.filter(({ status }) => status === 200).map((answer) => answer.json<ReleaseSeen>().id)).size,
      ).toBe(1);
      for (const answer of answers.filter(({ status }) => status !== 200)) {
        const { status, code } = said(answer);
        expect({
          status,
          'known code': ['idempotency_in_progress', 'conflict'].includes(code!),
        }).toEqual({ status: 409, 'known code': true });
        if (code === 'idempotency_in_progress') expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      }
    }
  });
});

describe(`raced ${runs} times, exactly one wins`, () => {
  const who = { namespace: 'releasy', credential: 'test' };
  const codeOf = (error: unknown): string => (error instanceof Refusal ? error.message : String(error));
  /** What those came to who tried at once. */
  const race = async <T>(many: number, attempt: () => Promise<T>): Promise<{ won: T[]; lost: string[] }> => {
    const settled = await Promise.allSettled(Array.from({ length: many }, attempt));
    return {
      won: settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
      lost: settled.flatMap((one) => (one.status === 'rejected' ? [codeOf(one.reason)] : [])),
    };
  };
  const everyRun = async (attempt: (time: number) => Promise<void>): Promise<void> => {
    for (let time = 0; time < runs; time += 1) await attempt(time);
  };

  test('to make a release, with and without a word', async () => {
    const { core } = releasy.world;
    await everyRun(async (time) => {
      const made = wish();
      const asking = { caller: 'racer', operation: 'create', word: `${time}`, wish: made };
      const { won, lost } = await race(3, () =>
        core.idempotency.once(asking, (seed) => core.releases.create(who, made, seed)),
      );
      expect({
        length: won.filter(({ replayed }) => !replayed).length,
        ids: new Set(won.map(({ value }) => value.id)).size,
        'messages of the others': new Set([...lost, 'idempotency key already in progress']).size,
      }).toEqual({ length: 1, ids: 1, 'messages of the others': 1 });
      const again = wish();
      const bare = await race(3, () => core.releases.create(who, again));
      expect({ length: bare.won.length, lost: bare.lost }).toEqual({
        length: 1,
        lost: ['release already exists', 'release already exists'],
      });
    });
  }, 120_000);

  test('raced, exactly one request publishes a release', async () => {
    const { core } = releasy.world;
    await everyRun(async () => {
      const { id } = await core.releases.create(who, wish());
      const { won, lost } = await race(3, () => core.releases.publish(who, id));
      expect({
        won: won.length,
        'others are refused': lost.every((message) =>
          /^release (?:already published|status changed, retry)$/.test(message),
        ),
      }).toEqual({ won: 1, 'others are refused': true });
    });
  }, 120_000);

  test('raced, exactly one request registers an artifact', async () => {
    const { core } = releasy.world;
    const release = await core.releases.create(who, wish());
    await everyRun(async (time) => {
      const bytes = `raced ${time}`;
      const slot = await core.releaseFiles.open(release, {
        fileName: 'f',
        platform: 'p',
        bucket: 'releases',
        outside: false,
      });
      const allowed = await core.buckets.allow(who, 'releases', 'write');
      const request = { key: slot.key, conditions: {} };
      const received = await core.objects.receive(allowed, request, bodyOf(Buffer.from(bytes)), []);
      await received.keep({ etag: 'e', about: '{}' });
      const file = { id: slot.id, key: slot.key, platform: 'p', sha256: sha256Of(bytes), size: bytes.length };
      const { won, lost } = await race(3, () => core.releaseFiles.register(who, release, file, randomUUID()));
      expect({ length: won.length, lost }).toEqual({
        length: 1,
        lost: ['artifact already exists', 'artifact already exists'],
      });
    });
  }, 120_000);
});
