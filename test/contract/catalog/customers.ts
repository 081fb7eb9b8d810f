import { randomUUID } from 'node:crypto';
import type { TimePage } from '../../../src/core/engine.ts';
import type { Audit, Customer, CustomerKey, Entitlement } from '../../../src/catalog/model.ts';
import { eventOf, type Scene } from './scene.ts';

const all: TimePage = { behind: null, offset: 0, limit: 1000 };

export function customerContract(scene: () => Scene): void {
  const customers = () => scene().catalog.customers;
  const audits = () => scene().catalog.audits;
  const event = eventOf('customer', 'x');
  const customerOf = (more: Partial<Customer> = {}): Customer => ({
    id: randomUUID(),
    namespace: 'alpha',
    name: 'Acme',
    plan: null,
    createdAt: 1,
    suspendedAt: null,
    ...more,
  });
  const keyOf = (customer: string, more: Partial<CustomerKey> = {}): CustomerKey => ({
    id: randomUUID(),
    customer,
    name: null,
    type: 'ci',
    scopes: ['keys:read'],
    verifier: randomUUID(),
    expiresAt: null,
    createdAt: 1,
    revokedAt: null,
    lastUsedAt: null,
    ...more,
  });
  const entitlementOf = (customer: string, more: Partial<Entitlement> = {}): Entitlement => ({
    id: randomUUID(),
    customer,
    product: 'p',
    startsAt: 5,
    endsAt: 9,
    metadata: null,
    ...more,
  });

  describe('customers', () => {
    test('are made once under an id, in a namespace that there is, and go with it', async () => {
      const one = customerOf({ namespace: 'beta', name: 'Ünder %' });
      expect(await customers().create(one, event)).toEqual(one);
      expect(await customers().create({ ...one, name: 'again' }, event)).toEqual(one);
      await expect(customers().create(customerOf({ namespace: 'nobody' }), event)).rejects.toMatchObject({
        reason: 'not_found',
      });
      const key = keyOf(one.id);
      await customers().addKey('beta', key, event);
      await customers().entitle(entitlementOf(one.id), event);
      await scene().catalog.namespaces.remove('beta', event);
      expect({
        'get one.id': await customers().get(one.id),
        'key key.id': await customers().key(key.id),
        'entitled one.id 6': await customers().entitled(one.id, 6),
      }).toEqual({ 'get one.id': undefined, 'key key.id': undefined, 'entitled one.id 6': [] });
    });

    test('are listed newest first, those of one moment by id, from any place', async () => {
      const made = [1, 2, 2, 2, 3].map((createdAt) =>
        customerOf({ createdAt, name: `ÄÖ ${createdAt}`, plan: createdAt === 2 ? 'Gold' : null }),
      );
      for (const one of made) await customers().create(one, event);
      const sorted = made.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
      expect(await customers().list('alpha', {}, all)).toEqual(sorted);
      expect(await customers().list('beta', {}, all)).toEqual([]);
      for (const [index, { createdAt: at, id }] of sorted.entries()) {
        expect(await customers().list('alpha', {}, { behind: { at, id }, offset: 1, limit: 2 })).toEqual(
          sorted.slice(index + 2, index + 4),
        );
      }
      expect(await customers().list('alpha', { name: 'äö', plan: 'GOLD' }, all)).toEqual(
        sorted.filter(({ plan }) => plan === 'Gold'),
      );
      expect(await customers().list('alpha', { name: '%' }, all)).toEqual([]);
    });

    test('are changed one field at a time', async () => {
      const one = await customers().create(customerOf(), event);
      await Promise.all([
        customers().change(one.id, { name: 'B' }, event),
        customers().change(one.id, { plan: 'p' }, event),
        customers().change(one.id, { suspendedAt: 7 }, event),
      ]);
      expect(await customers().get(one.id)).toEqual({ ...one, name: 'B', plan: 'p', suspendedAt: 7 });
      expect(await customers().change('none', { name: 'B' }, event)).toBeUndefined();
    });

    test('may have what they are entitled to, from the first moment to the last', async () => {
      const { id } = await customers().create(customerOf(), event);
      const made = [
        entitlementOf(id),
        entitlementOf(id, { product: 'q', startsAt: 1, endsAt: null }),
        entitlementOf(id, { startsAt: 8, endsAt: null }),
      ];
      for (const one of made) expect(await customers().entitle(one, event)).toEqual(one);
      expect(await customers().entitle({ ...made[0]!, product: 'again' }, event)).toEqual(made[0]);
      expect(await customers().entitle(entitlementOf('none'), event)).toBeUndefined();
      expect(await Promise.all([0, 1, 4, 5, 9, 10].map((at) => customers().entitled(id, at)))).toEqual([
        [],
        ['q'],
        ['q'],
        ['p', 'q'],
        ['p', 'q'],
        ['p', 'q'],
      ]);
      expect((await customers().entitlements(id, undefined, all)).map(({ startsAt }) => startsAt)).toEqual([1, 5, 8]);
      expect(
        (await customers().entitlements(id, 'p', { behind: { at: 5, id: made[0]!.id }, offset: 0, limit: 5 })).map(
          ({ startsAt }) => startsAt,
        ),
      ).toEqual([8]);
    });

    test('have entitlements that never end before they start, whoever changes them at once', async () => {
      const { id } = await customers().create(customerOf(), event);
      const one = entitlementOf(id, { startsAt: 0, endsAt: 10 });
      await customers().entitle(one, event);
      const both = await Promise.allSettled([
        customers().changeEntitlement(id, one.id, { startsAt: 8 }, event),
        customers().changeEntitlement(id, one.id, { endsAt: 4 }, event),
      ]);
      expect(both.filter(({ status }) => status === 'rejected')).toMatchObject([
        { reason: { reason: 'ends_too_early' } },
      ]);
      expect(await customers().changeEntitlement('other', one.id, {}, event)).toBeUndefined();
      expect({
        'by another customer': await customers().dropEntitlement('other', one.id, event),
        dropped: await customers().dropEntitlement(id, one.id, event),
        again: await customers().dropEntitlement(id, one.id, event),
      }).toEqual({ 'by another customer': false, dropped: true, again: false });
    });

    test('have keys that are found by what proves them, and revoked once', async () => {
      const customer = await customers().create(customerOf(), event);
      const key = keyOf(customer.id, { scopes: ['keys:read', 'audit:read'], expiresAt: 9 });
      expect({
        'addKey beta key event': await customers().addKey('beta', key, event),
        'addKey alpha key event': await customers().addKey('alpha', key, event),
      }).toEqual({ 'addKey beta key event': false, 'addKey alpha key event': true });
      expect(await customers().proved(key.verifier)).toEqual({ key, customer });
      await customers().used([
        [key.id, 3],
        ['none', 4],
      ]);
      const revoked = await Promise.all([5, 6, 7].map((at) => customers().revokeKey(key.id, at, event)));
      expect(revoked.filter(Boolean)).toHaveLength(1);
      expect(await customers().key(key.id)).toMatchObject({ key: { lastUsedAt: 3, revokedAt: expect.any(Number) } });
      expect({
        'proved none': await customers().proved('none'),
        'key none': await customers().key('none'),
        'revokeKey none 1 event': await customers().revokeKey('none', 1, event),
      }).toEqual({ 'proved none': undefined, 'key none': undefined, 'revokeKey none 1 event': false });
    });
  });

  describe('audits', () => {
    const auditOf = (at: number, more: Partial<Audit> = {}): Audit => ({
      id: randomUUID(),
      namespace: 'alpha',
      customer: null,
      actor: 'api_key',
      event: 'api_key.auth',
      payload: { reason: 'ok', key: null },
      at,
      ...more,
    });

    test('are listed newest first, narrowed down, and forgotten by age', async () => {
      const made = [
        auditOf(1),
        auditOf(2, { customer: 'c' }),
        auditOf(2, { customer: 'c', actor: 'other' }),
        auditOf(3, { event: 'other' }),
        auditOf(4, { namespace: 'beta' }),
      ];
      await audits().record(made);
      const times = async (filter: Parameters<ReturnType<typeof audits>['list']>[1], page = all): Promise<number[]> =>
        (await audits().list('alpha', filter, page)).map(({ at }) => at);
      expect(await audits().list('alpha', { from: 3 }, all)).toEqual([made[3]]);
      expect({
        times: await times({}),
        'times customer c': await times({ customer: 'c' }),
        'times customer c actor api_key': await times({ customer: 'c', actor: 'api_key' }),
        'times event other': await times({ event: 'other' }),
        'times from 2 to 2': await times({ from: 2, to: 2 }),
      }).toEqual({
        times: [3, 2, 2, 1],
        'times customer c': [2, 2],
        'times customer c actor api_key': [2],
        'times event other': [3],
        'times from 2 to 2': [2, 2],
      });
      expect(await times({}, { behind: { at: 3, id: made[3]!.id }, offset: 0, limit: 2 })).toEqual([2, 2]);
      expect({ 'forget 3': await audits().forget(3), times: await times({}) }).toEqual({ 'forget 3': 3, times: [3] });
    });
  });
}
