/**
 * Every S3 operation, as a valid request, with every kind of insufficient credential. An operation of the server's
 * table without a row fails. The signer is independent of the server's code.
 */
import { allowIn } from '../../src/core/tenants/access.ts';
import { operationNames } from '../../src/faces/s3/operations.ts';
import { ask, hold, whileBroken, type Case } from '../support/matrix.ts';
import {
  callOf,
  groundOf,
  permissions,
  readSigned,
  refusedAs,
  rows,
  sendPlain,
  sendSigned,
  signedCall,
  takenAs,
  type Form,
  type Ground,
  type HandCall,
  type Permission,
} from '../support/s3-operations.ts';
import type { HandKey } from '../support/sigv4.ts';
import { patience } from '../support/torture.ts';
import { openWorld, type World } from '../support/world.ts';

/** A way to prove who asks, and what is answered to it. */
interface Credential {
  readonly name: string;
  readonly prove: (call: HandCall) => HandCall;
  readonly code: string;
  readonly status?: number;
  /** Whether it is refused, with that code, for this operation. */
  readonly isRefused?: (name: string) => boolean;
}

let world: World;
let ground: Ground;
let credentials: readonly Credential[];
const names = Object.keys(rows);
const forms: readonly Form[] = ['header', 'query'];
const anyOwner = new Set(['ListBuckets', 'CreateBucket', 'PostObject']);
/** Every set of permissions. */
const sets = Array.from({ length: 16 }, (_, bits) => permissions.filter((_one, at) => (bits & (1 << at)) !== 0));
const grant = (held: readonly Permission[]): Record<string, unknown> => ({
  permissions: Object.fromEntries(held.map((one) => [one, true])),
});

/** The credential that is refused unless the row needs no more than it holds. */
function lacking(name: string, key: HandKey, form: Form, held: readonly Permission[]): Credential {
  return {
    name,
    code: 'AccessDenied',
    prove: (call) => signedCall(world, key, call, { form }),
    isRefused: (operation) =>
      operation !== 'PostObject' && !rows[operation]!.needs.every((need) => held.includes(need)),
  };
}

/** The same, of a key for somewhere else. */
function elsewhere(name: string, key: HandKey, form: Form): Credential {
  return {
    name,
    code: 'AccessDenied',
    prove: (call) => signedCall(world, key, call, { form }),
    isRefused: (operation) => !anyOwner.has(operation),
  };
}

const other = (digit: string): string => (digit === '0' ? '1' : '0');

/** Changes the first digit of a signature. */
function spoilt({ target, headers = {}, ...call }: HandCall): HandCall {
  const { authorization } = headers;
  return {
    ...call,
    target: target.replace(/(?<=X-Amz-Signature=)./, other),
    headers: {
      ...headers,
      ...(authorization === undefined ? {} : { authorization: authorization.replace(/(?<=Signature=)./, other) }),
    },
  };
}

/** Signs another request, and sends what was signed with this one. */
function signedElse(change: (call: HandCall) => HandCall, key: HandKey, form: Form): (call: HandCall) => HandCall {
  return (call) => {
    const signed = signedCall(world, key, change(call), { form });
    const [path, query = ''] = call.target.split('?');
    const proof = new URLSearchParams(signed.target.split('?')[1] ?? '');
    const kept = [...proof]
      .filter(([name]) => /^x-amz-/i.test(name))
      .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    const words = [query, ...kept].filter(Boolean).join('&');
    return { ...call, target: words === '' ? path! : `${path}?${words}`, headers: signed.headers ?? {} };
  };
}

beforeAll(async () => {
  // The limit of wrong keys must not answer in place of the check of rights.
  world = await openWorld({ env: { STOWAGE_LOGIN_FAILURES: '1000000' } });
  for (const name of ['owner', 'stranger', 'friend']) await world.addNamespace(name);
  await world.get('POST', '/auth/namespaces/friend/trust', { as: 'friend', json: { external_namespace: 'owner' } });
  await world.get('POST', '/auth/namespaces/owner/trust', { as: 'owner', json: { external_namespace: 'friend' } });
  const owner = await world.accessKey('owner');
  ground = await groundOf(world, owner, 'b-matrix');
  await groundOf(world, owner, 'b-elsewhere');
  const revoked = await world.accessKey('owner');
  await world.ask('DELETE', `/api/storage/keys/${revoked.accessKeyId}`, { as: 'owner' });
  const stranger = await world.accessKey('stranger');
  const friend = await world.accessKey('friend');
  const narrow = await world.accessKey('owner', { buckets: ['b-elsewhere'] });
  const { capability } = (
    await world.ask('POST', '/capabilities', { as: 'owner', json: { artifact: 'granted', max_size: 10 } })
  ).json<{ capability: string }>();
  const token = await world.token('owner');
  const bare = (name: string, headers: Record<string, string>, code: string, status = 403): Credential => ({
    name,
    code,
    status,
    prove: (call) => ({ ...call, headers: { ...call.headers, ...headers } }),
    isRefused: (operation) => code !== 'AccessDenied' || operation !== 'ListBuckets',
  });
  const hour = 3_600_000;
  const late = (ms: number, form: Form, code: string, name: string): Credential => ({
    name: `${name}, ${form}`,
    code,
    prove: (call) => signedCall(world, owner, call, { form, at: Date.now() + ms }),
  });
  const method = (call: HandCall): HandCall => ({ ...call, method: call.method === 'GET' ? 'PUT' : 'GET' });
  const place = (call: HandCall): HandCall => ({
    ...call,
    target: call.target.replace(/^\/[^?]*/, '/b-elsewhere/other'),
  });
  const question = (call: HandCall): HandCall => ({
    ...call,
    target: `${call.target}${call.target.includes('?') ? '&' : '?'}x-other=1`,
  });
  credentials = [
    bare('nothing', {}, 'AccessDenied'),
    bare('a claimed name', { 'x-amz-user-agent': 'owner', 'x-forwarded-for': '127.0.0.1' }, 'AccessDenied'),
    bare('a token of the owner', { authorization: `Bearer ${token}` }, 'AuthorizationHeaderMalformed', 400),
    bare('a capability', { authorization: `Bearer ${capability}` }, 'AuthorizationHeaderMalformed', 400),
    bare(
      'the key and its secret',
      { authorization: `Basic ${Buffer.from(`${owner.accessKeyId}:${owner.secretAccessKey}`).toString('base64')}` },
      'AuthorizationHeaderMalformed',
      400,
    ),
    late(-2 * hour, 'header', 'RequestTimeTooSkewed', 'signed two hours ago'),
    late(2 * hour, 'header', 'RequestTimeTooSkewed', 'signed in two hours'),
    late(-2 * hour, 'query', 'AccessDenied', 'an expired URL'),
    late(2 * hour, 'query', 'RequestTimeTooSkewed', 'a URL of the future'),
    ...forms.flatMap((form): Credential[] => [
      {
        name: `a wrong signature, ${form}`,
        code: 'SignatureDoesNotMatch',
        prove: (call) => spoilt(signedCall(world, owner, call, { form })),
      },
      {
        name: `another's secret, ${form}`,
        code: 'SignatureDoesNotMatch',
        prove: (call) => signedCall(world, { ...owner, secretAccessKey: stranger.secretAccessKey }, call, { form }),
      },
      {
        name: `a revoked key, ${form}`,
        code: 'InvalidAccessKeyId',
        prove: (call) => signedCall(world, revoked, call, { form }),
      },
      {
        name: `a key that never was, ${form}`,
        code: 'InvalidAccessKeyId',
        prove: (call) => signedCall(world, { ...owner, accessKeyId: 'AKIDNEVERWAS' }, call, { form }),
      },
      {
        name: `signed for another method, ${form}`,
        code: 'SignatureDoesNotMatch',
        prove: signedElse(method, owner, form),
      },
      {
        name: `signed for another place, ${form}`,
        code: 'SignatureDoesNotMatch',
        prove: signedElse(place, owner, form),
      },
      {
        name: `signed for another query, ${form}`,
        code: 'SignatureDoesNotMatch',
        prove: signedElse(question, owner, form),
      },
      elsewhere(`a key for another bucket, ${form}`, narrow, form),
      elsewhere(`the key of a namespace of trust, ${form}`, friend, form),
    ]),
    ...(
      await Promise.all(
        sets.slice(1).map(async (held) => {
          const key = await world.accessKey('stranger', grant(held));
          const own = await world.accessKey('owner', grant(held));
          return forms.flatMap((form) => [
            elsewhere(`another namespace's key for ${held.join('+')}, ${form}`, key, form),
            lacking(`the owner's key for ${held.join('+')} alone, ${form}`, own, form, held),
          ]);
        }),
      )
    ).flat(),
  ];
}, 120_000);
afterAll(() => world.close());

function casesOf(which: readonly string[] = names): Case[] {
  return which.flatMap((name) =>
    credentials
      .filter(({ isRefused = () => true }) => isRefused(name))
      .map((credential): Case => ({
        name: `${name} with ${credential.name}`,
        wanted: refusedAs(name, credential.code, credential.status),
        ask: async () => {
          const call = await callOf(name, ground);
          // A form says by its own fields who sends it; here it says nothing.
          const plain =
            name === 'PostObject' && credential.code === 'AccessDenied'
              ? {
                  ...call,
                  body: String(call.body).replaceAll(
                    /--a-boundary\r\n[^\r]*name="(?:policy|x-amz-[^"]*)"\r\n\r\n[^\r]*\r\n/g,
                    '',
                  ),
                }
              : call;
          return sendPlain(world, credential.prove(plain));
        },
      })),
  );
}

/** What the owner is told by every operation that reads. */
async function state(): Promise<readonly string[]> {
  const reads = names.filter(
    (name) => rows[name]!.method === 'GET' && !['ListParts', 'ListMultipartUploads', 'ListBuckets'].includes(name),
  );
  const seen: string[] = [];
  for (const name of reads)
    seen.push(
      `${name} ${(await readSigned(world, ground.owner, await callOf(name, ground))).replaceAll(/<(RequestId|HostId)>[^<]*/g, '')}`,
    );
  return seen;
}

test('every operation of the table has a row, and no other', () => {
  expect(names.toSorted()).toEqual(operationNames.toSorted());
});

test('a caller without credentials is told of no bucket', async () => {
  expect(await (await fetch(`${world.s3Url}/`)).text()).not.toContain('<Name>');
});

describe('R7: every set of permissions may do what it is for, and nothing else', () => {
  test(
    'no operation lets in a credential that is not for it, and nothing is changed',
    async () => {
      const before = await state();
      const { wrong } = await hold('operations of S3', casesOf(), 200);
      expect(wrong).toEqual([]);
      expect(await state()).toEqual(before);
    },
    patience,
  );

  test(
    'the same requests are good ones: keys that are for them are taken',
    async () => {
      const cases = (
        await Promise.all(
          sets.map(async (held) => {
            const key = held.length === 0 ? undefined : await world.accessKey('owner', grant(held));
            return names
              .filter((name) => rows[name]!.needs.every((need) => held.includes(need)))
              .flatMap((name) =>
                forms.map((form): Case => ({
                  name: `${name} with ${held.join('+')}, ${form}`,
                  wanted: takenAs(name),
                  ask: async () =>
                    sendSigned(
                      world,
                      key ?? ground.owner,
                      await callOf(name, ground),
                      name === 'PostObject' ? 'header' : form,
                    ),
                })),
              );
          }),
        )
      ).flat();
      expect((await hold('operations of S3, taken', cases, 100)).wrong).toEqual([]);
    },
    patience,
  );
});

test('twin: a server that takes every right key for one of the owner is found', async () => {
  const { wrong } = await whileBroken(
    world.core.accessKeys,
    'open',
    (real) => async (id) => {
      const opened = await real(id);
      return opened && { ...opened, who: { ...opened.who, namespace: 'owner' } };
    },
    () => ask(casesOf(['GetObject', 'ListObjects', 'GetBucketAcl'])),
  );
  for (const name of ['GetObject', 'ListObjects', 'GetBucketAcl'])
    expect(wrong).toContainEqual(expect.stringContaining(`${name} with the key of a namespace of trust`));
  expect(wrong).not.toContainEqual(expect.stringContaining('a wrong signature'));
});

test('twin: a server that never forgets a revoked key is found', async () => {
  const found = await whileBroken(
    world.core.accessKeys,
    'open',
    (real) => async (id) => real((await real(id)) ? id : ground.owner.accessKeyId),
    () => ask(casesOf(['GetObject'])),
  );
  expect(found.wrong).toContainEqual(expect.stringContaining('GetObject with a revoked key'));
});

test('twin: a server whose clock stands still is found', async () => {
  const stands = world.clock.now();
  const held = await whileBroken(
    world.core.clock,
    'now',
    () => () => stands - 7_200_000,
    () => ask(casesOf(['GetObject'])),
  );
  expect(held.wrong).toContainEqual(expect.stringContaining('GetObject with an expired URL'));
});

test('twin: a server that deletes what it refuses to delete is found by the state of the owner', async () => {
  const before = await state();
  const { wrong } = await whileBroken(
    world.core.buckets,
    'peek',
    (real) => async (name) => {
      const bucket = await real(name);
      if (bucket && name === 'b-matrix')
        await world.core.objects.remove(allowIn({ namespace: 'owner', credential: 'twin' }, 'delete', bucket), 'k');
      return bucket;
    },
    () => ask(casesOf(['DeleteObject'])),
  );
  expect(wrong).toEqual([]);
  expect(await state()).not.toEqual(before);
});
