/** The Releasy API: customers, entitlements, API keys and the audit log. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askByBook } from '../support/answers.ts';
import { adminKey, env, Pipeline, refusal, told, type CustomerView } from '../support/releasy.ts';
import { openWorld, type Answered, type World } from '../support/world.ts';

let world: World;
let releasy: Pipeline;
beforeAll(async () => {
  world = await openWorld({ env });
  releasy = new Pipeline(world);
});
afterAll(() => world.close());

const admin = { 'x-releasy-admin-key': adminKey };
const seconds = (): number => Math.floor(world.clock.now() / 1000);
const byBook = (operation: string, path: string, json?: unknown): Promise<Answered> =>
  askByBook(world, operation, path, { as: null, headers: admin, ...(json === undefined ? {} : { json }) });

describe('customers', () => {
  const customers = '/v1/admin/customers';

  test('are added, shown and changed, and null clears', async () => {
    const made = await byBook('createCustomer', customers, { name: '  Acme Corp ', plan: ' enterprise ', unknown: 1 });
    const customer = made.json<CustomerView>();
    expect({ status: made.status, customer }).toEqual({
      status: 200,
      customer: {
        id: expect.stringMatching(/^[\da-f-]{36}$/),
        name: 'Acme Corp',
        plan: 'enterprise',
        created_at: expect.any(Number),
      },
    });
    expect(Math.abs(customer.created_at - seconds())).toBeLessThan(5);
    const path = `${customers}/${customer.id}`;
    expect((await byBook('getCustomer', path)).json()).toEqual({ ...customer, suspended_at: null });
    expect((await byBook('changeCustomer', path, { name: 'Acme Inc', suspended: true })).json()).toMatchObject({
      name: 'Acme Inc',
      plan: 'enterprise',
      suspended_at: expect.any(Number),
    });
    expect((await byBook('changeCustomer', path, { plan: null })).json()).toMatchObject({
      plan: null,
      suspended_at: expect.any(Number),
    });
    expect((await byBook('changeCustomer', path, { plan: ' ', suspended: false })).json()).toMatchObject({
      plan: null,
      suspended_at: null,
    });
    expect((await byBook('changeCustomer', path, { plan: 'core', name: null })).json()).toMatchObject({
      plan: 'core',
      name: 'Acme Inc',
    });
  });

  test.each<[string, unknown, unknown]>([
    ['no name', { name: '  ' }, refusal(400, 'bad_request', 'name is required')],
    ['a missing name', {}, refusal(422, 'unprocessable_entity', 'missing name')],
    ['a name of another type', { name: 7 }, refusal(422, 'unprocessable_entity', 'name must be a string')],
    ['a list', [], refusal(422, 'unprocessable_entity', 'the request body must be an object')],
  ])('with %s are refused', async (_, json, expected) =>
    expect(told(await releasy.ask('POST', customers, json))).toEqual(expected),
  );

  test('that are not there', async () => {
    for (const id of ['00000000-0000-4000-8000-000000000000', 'x', '%20']) {
      expect(told(await releasy.ask('GET', `${customers}/${id}`))).toEqual(
        refusal(404, 'not_found', 'customer not found'),
      );
      expect(told(await releasy.ask('PATCH', `${customers}/${id}`, { name: 'x' }))).toEqual(
        refusal(404, 'not_found', 'customer not found'),
      );
      expect(told(await releasy.ask('GET', `${customers}/${id}/entitlements`))).toEqual(
        refusal(404, 'not_found', 'customer not found'),
      );
    }
  });

  test.each<[unknown, string]>([
    [{}, 'at least one field must be provided'],
    [{ name: null, suspended: null }, 'at least one field must be provided'],
    [{ name: ' ' }, 'name must not be empty'],
  ])('are not changed by %j', async (json, message) => {
    const { id } = await releasy.customer();
    expect(told(await releasy.ask('PATCH', `${customers}/${id}`, json))).toEqual(refusal(400, 'bad_request', message));
  });

  test('are found by id, part of the name, and plan, in capital letters or not', async () => {
    const { id } = await releasy.customer('ÄRGER 100%_\\ Ltd', 'Gold');
    world.clock.move(1);
    await releasy.customer('Ärgerlich', 'silver');
    const found = async (query: string): Promise<string[]> =>
      (await byBook('listCustomers', `${customers}?${query}`))
        .json<{ customers: CustomerView[] }>()
        .customers.map(({ name }) => name);
    expect(await found('name=ärger')).toEqual(['Ärgerlich', 'ÄRGER 100%_\\ Ltd']);
    expect(await found(`name=${encodeURIComponent('100%_\\')}`)).toEqual(['ÄRGER 100%_\\ Ltd']);
    expect(await found('name=%25')).toEqual(['ÄRGER 100%_\\ Ltd']);
    expect(await found('plan=GOLD')).toEqual(['ÄRGER 100%_\\ Ltd']);
    expect(await found(`customer_id=${id}&plan=gold`)).toEqual(['ÄRGER 100%_\\ Ltd']);
    expect(await found(`customer_id=${id}&plan=silver`)).toEqual([]);
    expect(await found('name=nobody&utm_source=x')).toEqual([]);
    for (const query of ['name=&plan=GOLD', 'name=%25&plan=%20', 'customer_id=&plan=GOLD'])
      expect(await found(query)).toEqual(['ÄRGER 100%_\\ Ltd']);
  });

  test.each([
    ['limit=0', 'limit must be positive'],
    ['limit=-1', 'limit must be positive'],
    ['limit=201', 'limit must be <= 200'],
    ['limit=ten', 'limit must be an integer'],
    ['offset=-1', 'offset must not be negative'],
    ['offset=1.5', 'offset must be an integer'],
    ['cursor=x', 'cursor is invalid'],
    ['limit=1&limit=2', 'the query names "limit" more than once'],
  ])('are not listed by %s', async (query, message) =>
    expect(told(await releasy.ask('GET', `${customers}?${query}`))).toEqual(refusal(400, 'bad_request', message)),
  );

  test('are listed in pages that neither skip nor repeat, though others are added meanwhile', async () => {
    for (let n = 0; n < 7; n += 1) {
      await releasy.customer(`paged ${n}`, 'paged');
      // Within one millisecond chance alone orders them.
      world.clock.move(1);
    }
    type Listed = { customers: CustomerView[]; limit: number; offset: number; next_cursor: string | null };
    const list = (query: string): Promise<Listed> => releasy.must('GET', `${customers}?plan=paged&${query}`);
    expect((await list('')).customers.map(({ name }) => name)).toEqual([6, 5, 4, 3, 2, 1, 0].map((n) => `paged ${n}`));
    expect(await list('limit=2&offset=5')).toMatchObject({
      customers: [{ name: 'paged 1' }, { name: 'paged 0' }],
      limit: 2,
      offset: 5,
      next_cursor: null,
    });
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Listed = await list(`limit=3${cursor && `&cursor=${cursor}`}`);
      seen.push(...page.customers.map(({ name }) => name));
      cursor = page.next_cursor;
      await releasy.customer('newcomer', 'paged');
    }
    expect(seen).toEqual([6, 5, 4, 3, 2, 1, 0].map((n) => `paged ${n}`));
  });
});

describe('entitlements', () => {
  let path: string;
  let customer: string;
  beforeAll(async () => {
    customer = (await releasy.customer()).id;
    path = `/v1/admin/customers/${customer}/entitlements`;
  });
  type View = { id: string; product: string; starts_at: number };

  test('are made, listed by their start, changed and deleted, and null clears', async () => {
    const made = await byBook('createEntitlement', path, {
      product: ' tool ',
      starts_at: 1_735_312_000,
      ends_at: 1_737_914_000,
      metadata: { tier: ['pro'] },
    });
    const { id } = made.json<View>();
    expect(told(made)).toEqual({
      status: 200,
      body: {
        id: expect.any(String),
        customer_id: customer,
        product: 'tool',
        starts_at: 1_735_312_000,
        ends_at: 1_737_914_000,
        metadata: { tier: ['pro'] },
      },
    });
    const always = (
      await byBook('createEntitlement', path, { product: 'other', starts_at: 0, ends_at: null, metadata: null })
    ).json<View>();
    expect(always).toMatchObject({ starts_at: 0, ends_at: null, metadata: null });
    const list = async (query = ''): Promise<string[]> =>
      (await byBook('listEntitlements', `${path}${query}`))
        .json<{ entitlements: View[] }>()
        .entitlements.map(({ product }) => product);
    expect({
      list: await list(),
      'list ?product=tool': await list('?product=tool'),
      'list ?limit=1&offset=1': await list('?limit=1&offset=1'),
      'list ?product=none': await list('?product=none'),
    }).toEqual({
      list: ['other', 'tool'],
      'list ?product=tool': ['tool'],
      'list ?limit=1&offset=1': ['tool'],
      'list ?product=none': [],
    });
    expect((await byBook('changeEntitlement', `${path}/${id}`, { ends_at: null })).json()).toMatchObject({
      product: 'tool',
      ends_at: null,
      metadata: { tier: ['pro'] },
    });
    expect(
      (await byBook('changeEntitlement', `${path}/${id}`, { metadata: null, product: 'renamed', starts_at: 5 })).json(),
    ).toMatchObject({ product: 'renamed', starts_at: 5, metadata: null });
    expect(
      (await byBook('changeEntitlement', `${path}/${id}`, { product: null, starts_at: null })).json(),
    ).toMatchObject({ product: 'renamed', starts_at: 5 });
    expect((await byBook('changeEntitlement', `${path}/${id}`, {})).status).toBe(200);
    const gone = await byBook('deleteEntitlement', `${path}/${id}`);
    expect({ status: gone.status, length: gone.bytes.length, list: await list() }).toEqual({
      status: 204,
      length: 0,
      list: ['other'],
    });
    for (const method of ['DELETE', 'PATCH']) {
      expect(told(await releasy.ask(method, `${path}/${id}`, method === 'PATCH' ? {} : undefined))).toEqual(
        refusal(404, 'not_found', 'entitlement not found'),
      );
    }
  });

  test.each<[unknown, number, string]>([
    [{ product: ' ', starts_at: 1 }, 400, 'product is required'],
    [{ product: 'p', starts_at: -1 }, 400, 'starts_at must be positive'],
    [{ product: 'p', starts_at: 2, ends_at: 1 }, 400, 'ends_at must be greater than or equal to starts_at'],
    [{ product: 'p' }, 422, 'missing starts_at'],
    [{ product: 'p', starts_at: 1.5 }, 422, 'starts_at must be an integer'],
    [{ product: 'p', starts_at: '1' }, 422, 'starts_at must be an integer'],
  ])('like %j are refused', async (json, status, message) => {
    const answer = await releasy.ask('POST', path, json);
    expect({ status: answer.status, message: answer.json<{ error: { message: string } }>().error.message }).toEqual({
      status,
      message,
    });
  });

  test('never end before they start, whatever is changed', async () => {
    const { id } = await releasy.must<View>('POST', path, { product: 'bounded', starts_at: 100, ends_at: 100 });
    for (const json of [{ ends_at: 99 }, { starts_at: 101 }, { starts_at: 300, ends_at: 200 }]) {
      expect(told(await releasy.ask('PATCH', `${path}/${id}`, json))).toEqual(
        refusal(400, 'bad_request', 'ends_at must be greater than or equal to starts_at'),
      );
    }
    expect(told(await releasy.ask('PATCH', `${path}/${id}`, { product: ' ' }))).toEqual(
      refusal(400, 'bad_request', 'product must not be empty'),
    );
    expect((await releasy.ask('PATCH', `${path}/${id}`, { starts_at: 200, ends_at: 300 })).status).toBe(200);
  });

  test("are not another customer's", async () => {
    const { id } = await releasy.must<View>('POST', path, { product: 'mine', starts_at: 1 });
    const other = await releasy.customer('other');
    expect((await releasy.ask('DELETE', `/v1/admin/customers/${other.id}/entitlements/${id}`)).status).toBe(404);
    expect(
      (await releasy.ask('PATCH', `/v1/admin/customers/${other.id}/entitlements/${id}`, { product: 'theirs' })).status,
    ).toBe(404);
  });

  test('hold from the first second to the last', async () => {
    const { id } = await releasy.customer('timed');
    const start = seconds() + 100;
    await releasy.must('POST', `/v1/admin/customers/${id}/entitlements`, {
      product: 'timed',
      starts_at: start,
      ends_at: start + 10,
    });
    const held = (): Promise<string[]> => world.core.customers.entitled(id);
    const moveTo = (ms: number): void => world.clock.move(ms - world.clock.now());
    for (const [at, expected] of [
      [start * 1000 - 500, []],
      [start * 1000 + 1, ['timed']],
      [(start + 10) * 1000 + 500, ['timed']],
      [(start + 11) * 1000 + 1, []],
    ] as const) {
      moveTo(at);
      expect(await held()).toEqual(expected);
    }
  });
});

describe('API keys', () => {
  let customer: string;
  beforeAll(async () => void (customer = (await releasy.customer()).id));
  const introspect = (headers: Record<string, string>): Promise<Answered> =>
    askByBook(world, 'introspectCustomerKey', '/v1/auth/introspect', { as: null, headers });
  const unauthorized = refusal(401, 'unauthorized', 'unauthorized');

  test('are shown once, and tell what they are for', async () => {
    const made = await byBook('createCustomerKey', '/v1/admin/keys', {
      customer_id: customer,
      name: 'CI',
      key_type: ' CI ',
      scopes: [' keys:read ', 'releases:read', '', 'keys:read'],
    });
    const { api_key: raw, ...about } = made.json<{ api_key: string }>();
    expect(raw).toMatch(/^releasy_[\w-]{43}$/);
    expect(about).toEqual({
      api_key_id: expect.any(String),
      customer_id: customer,
      key_type: 'ci',
      scopes: ['keys:read', 'releases:read'],
      expires_at: null,
    });
    expect(told(await introspect({ 'x-releasy-api-key': ` ${raw} ` }))).toEqual({
      status: 200,
      body: { active: true, ...about },
    });
    for (const name of await readdir(world.folder)) {
      const bytes = await readFile(join(world.folder, name)).catch(() => Buffer.alloc(0));
      expect({ name, 'bytes includes raw': bytes.includes(raw.slice(8)) }).toEqual({
        name,
        'bytes includes raw': false,
      });
    }
  });

  test('are for everything unless told', async () => {
    const { headers } = await releasy.key(customer);
    expect((await introspect(headers)).json()).toMatchObject({
      key_type: 'human',
      scopes: ['releases:read', 'downloads:read', 'downloads:token', 'keys:read', 'keys:write', 'audit:read'],
    });
  });

  test.each<[Record<string, unknown>, number, string]>([
    [{ customer_id: ' ' }, 400, 'customer_id is required'],
    [{ customer_id: 'nobody' }, 404, 'customer not found'],
    [{ scopes: [] }, 400, 'scopes must not be empty'],
    [{ scopes: [' '] }, 400, 'scopes must not be empty'],
    [{ scopes: ['releases:write'] }, 400, 'invalid scope'],
    [{ key_type: ' ' }, 400, 'key_type is required'],
    [{ key_type: 'robot' }, 400, 'invalid key_type'],
    [{ expires_at: 1 }, 400, 'expires_at must be in the future'],
    [{ expires_at: -1 }, 400, 'expires_at must be a unix timestamp in seconds'],
    [{ expires_at: Date.now() }, 400, 'expires_at must be a unix timestamp in seconds'],
    [{ scopes: 'all' }, 422, 'scopes must be a list or null'],
  ])('like %j are refused', async (wish, status, message) => {
    const answer = await releasy.ask('POST', '/v1/admin/keys', { customer_id: customer, ...wish });
    expect({ status: answer.status, message: answer.json<{ error: { message: string } }>().error.message }).toEqual({
      status,
      message,
    });
  });

  test('are never made twice by one request', async () => {
    const answer = await releasy.ask(
      'POST',
      '/v1/admin/keys',
      { customer_id: customer },
      { headers: { 'Idempotency-Key': 'once' } },
    );
    expect(told(answer)).toEqual(refusal(400, 'bad_request', 'idempotency-key not supported for admin key creation'));
  });

  test('open nothing once they are revoked, expired, or of a suspended customer', async () => {
    const revoked = await releasy.key(customer);
    expect((await introspect(revoked.headers)).status).toBe(200);
    expect(
      (await byBook('revokeCustomerKey', '/v1/admin/keys/revoke', { api_key_id: ` ${revoked.api_key_id} ` })).json(),
    ).toEqual({ api_key_id: revoked.api_key_id });
    expect(told(await introspect(revoked.headers))).toEqual(unauthorized);
    for (const id of [revoked.api_key_id, 'none']) {
      expect(told(await releasy.ask('POST', '/v1/admin/keys/revoke', { api_key_id: id }))).toEqual(
        refusal(404, 'not_found', 'api key not found or already revoked'),
      );
    }
    expect(told(await releasy.ask('POST', '/v1/admin/keys/revoke', { api_key_id: '' }))).toEqual(
      refusal(400, 'bad_request', 'api_key_id is required'),
    );

    const expiring = await releasy.key(customer, { expires_at: seconds() + 60 });
    expect((await introspect(expiring.headers)).status).toBe(200);
    world.clock.move(60_000);
    expect(told(await introspect(expiring.headers))).toEqual(unauthorized);

    const { id } = await releasy.customer('suspended');
    const held = await releasy.key(id);
    await releasy.must('PATCH', `/v1/admin/customers/${id}`, { suspended: true });
    expect(told(await introspect(held.headers))).toEqual(unauthorized);
    await releasy.must('PATCH', `/v1/admin/customers/${id}`, { suspended: false });
    expect((await introspect(held.headers)).status).toBe(200);
  });

  test('that are none, or not for that, are refused', async () => {
    const none = [
      {},
      { 'x-releasy-api-key': '' },
      { 'x-releasy-api-key': 'releasy_short' },
      { 'x-releasy-api-key': `releasy_${'A'.repeat(43)}` },
      admin,
    ];
    for (const headers of none) {
      const answer = await introspect(headers);
      expect({ 'www-authenticate': answer.headers.get('www-authenticate'), answer: told(answer) }).toEqual({
        'www-authenticate': 'Bearer',
        answer: unauthorized,
      });
    }
    const { headers } = await releasy.key(customer, { scopes: ['releases:read'] });
    expect(told(await introspect(headers))).toEqual(refusal(403, 'forbidden', 'missing scope'));
  });

  test('and their last use survive a restart', async () => {
    const { headers, api_key_id: id } = await releasy.key(customer);
    const before = world.clock.now();
    await introspect(headers);
    await world.restart();
    expect((await introspect(headers)).status).toBe(200);
    const held = await world.core.apiKeys.recall(id);
    expect(held!.key.lastUsedAt).toBeGreaterThanOrEqual(before);
  });
});

describe('the audit', () => {
  type Listed = {
    events: {
      id: string;
      customer_id: string | null;
      payload: { outcome: string; reason: string; api_key_id: string | null };
      created_at: number;
    }[];
    next_cursor: string | null;
  };
  const list = (query: string): Promise<Listed> => releasy.must('GET', `/v1/admin/audit-events?${query}`);
  const use = (headers: Record<string, string>): Promise<Answered> =>
    releasy.as(headers, 'POST', '/v1/auth/introspect');

  test('has every try, newest first, with its reason', async () => {
    const { id } = await releasy.customer('watched');
    const { headers, api_key_id: key } = await releasy.key(id, { expires_at: seconds() + 1000 });
    const step = (): void => world.clock.move(1000);
    await use(headers);
    step();
    await releasy.must('PATCH', `/v1/admin/customers/${id}`, { suspended: true });
    await use(headers);
    step();
    await releasy.must('PATCH', `/v1/admin/customers/${id}`, { suspended: false });
    world.clock.move(1_000_000);
    await use(headers);
    step();
    await releasy.must('POST', '/v1/admin/keys/revoke', { api_key_id: key });
    await use(headers);
    const { events } = (await byBook('listAudits', `/v1/admin/audit-events?customer_id=${id}`)).json<Listed>();
    expect(events.map(({ payload }) => payload)).toEqual(
      ['revoked', 'expired', 'suspended', 'ok'].map((reason) => ({
        outcome: reason === 'ok' ? 'accept' : 'reject',
        reason,
        api_key_id: key,
      })),
    );
    expect(events[0]).toMatchObject({ customer_id: id, actor: 'api_key', event: 'api_key.auth' });
    step();
    await use({});
    step();
    await use({ 'x-releasy-api-key': `releasy_${'B'.repeat(43)}` });
    expect((await list('limit=2')).events.map(({ customer_id: who, payload }) => [who, payload.reason])).toEqual([
      [null, 'not_found'],
      [null, 'missing_header'],
    ]);
  });

  test('is narrowed down by actor, event and time, and read in pages', async () => {
    const { id } = await releasy.customer('often');
    const { headers } = await releasy.key(id);
    const from = seconds();
    for (let n = 0; n < 5; n += 1) {
      await use(headers);
      world.clock.move(2000);
    }
    const count = async (query: string): Promise<number> => (await list(`customer_id=${id}&${query}`)).events.length;
    expect({
      'count actor=api_key': await count('actor=api_key'),
      'count actor=operator': await count('actor=operator'),
      'count event=api_key.auth': await count('event=api_key.auth'),
      'count event=other': await count('event=other'),
    }).toEqual({
      'count actor=api_key': 5,
      'count actor=operator': 0,
      'count event=api_key.auth': 5,
      'count event=other': 0,
    });
    expect({ 'count actor=': await count('actor='), 'count event=%20': await count('event=%20') }).toEqual({
      'count actor=': 5,
      'count event=%20': 5,
    });
    const times = (await list(`customer_id=${id}`)).events.map(({ created_at: at }) => at);
    expect({
      'since the first': await count(`created_from=${from}`),
      'since the second': await count(`created_from=${times[1]}`),
      'until the last but one': await count(`created_to=${times[3]}`),
      'of one moment': await count(`created_from=${times[2]}&created_to=${times[2]}`),
    }).toEqual({
      'since the first': 5,
      'since the second': 2,
      'until the last but one': 2,
      'of one moment': 1,
    });
    const first = await list(`customer_id=${id}&limit=3`);
    const second = await list(`customer_id=${id}&limit=3&cursor=${first.next_cursor}`);
    expect([...first.events, ...second.events].map(({ created_at: at }) => at)).toEqual(times);
    expect(second.next_cursor).toBeNull();
  });

  test.each([
    ['created_from=-1', 'created_from must be >= 0'],
    ['created_to=-1', 'created_to must be >= 0'],
    ['created_from=2&created_to=1', 'created_from must be <= created_to'],
    ['created_from=now', 'created_from must be an integer'],
  ])('is not read by %s', async (query, message) =>
    expect(told(await releasy.ask('GET', `/v1/admin/audit-events?${query}`))).toEqual(
      refusal(400, 'bad_request', message),
    ),
  );

  test('is swept with the events', async () => {
    expect((await list('')).events.length).toBeGreaterThan(0);
    world.clock.move(91 * 86_400_000);
    await world.core.sweep.run();
    expect((await list('')).events).toEqual([]);
  });
});
