/** Races of requests on objects in buckets; see `test/support/races.ts`. */
import { request } from 'node:http';
import { runLifecycle } from '../../src/faces/s3/lifecycle.ts';
import {
  acknowledged,
  askerOf,
  before,
  bodyOf,
  day,
  done,
  given,
  hold,
  itself,
  lockBucket,
  passGate,
  plainBucket,
  put,
  remove,
  runRaces,
  system,
  together,
  type Ground,
} from '../support/races.ts';
import { whole } from '../support/requests.ts';
import type { Cut } from '../support/sabotage.ts';
import { signHeaders } from '../support/sigv4.ts';

/** No version that object lock protects ends. */
const lockRules: readonly Cut[] = [{ file: 'catalog/object-locks.js', rule: 'throw locked();', instead: 'return;' }];
/** The conditions of a request are asked of the object as it is in the transaction. */
const conditionRules: readonly Cut[] = [
  {
    file: 'catalog/objects.js',
    rule: 'return unmet(conditions, await findObject(db, bucket.name, key));',
    instead: 'return undefined;',
  },
];
/** A version that names a blob takes it back from the sweep, and the sweep removes none that has a name. */
const sweepRules: readonly Cut[] = [
  { file: 'catalog/publish.js', rule: 'if (blob.released)', instead: 'if (false)' },
  {
    file: 'catalog/blobs.js',
    rule: "eb.not(eb.exists(eb.selectFrom('versions').select('idx').whereRef('versions.blob', '=', 'blobs.uuid')))",
    instead: 'eb.lit(true)',
  },
];

/** Puts a body in two halves, and waits at the gate between them. */
function putSlowly(ground: Ground, name: string, body: string): Promise<{ status: number; text: string }> {
  const { world, key, bucket } = ground;
  const url = new URL(`${world.s3Url}/${bucket}/${name}`);
  const headers = {
    ...signHeaders({ key, method: 'PUT', url, at: world.clock.now() }, {}),
    'content-length': String(body.length),
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'PUT', headers }, (answer) => {
      whole(answer).then((text) => resolve({ status: answer.statusCode ?? 0, text: text.toString() }), reject);
    });
    sent.on('error', reject);
    const half = body.length / 2;
    sent.write(body.slice(0, half), () => void passGate(0).then(() => sent.end(body.slice(half)), reject));
  });
}

runRaces('objects', [
  {
    name: 'hold beside tagging',
    prepare: lockBucket,
    round: async (ground, n) => {
      const key = `k${n}`;
      await given(ground, key);
      const tags = { body: '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>' };
      const [held, tagged] = await together(
        ground,
        () => hold(ground, key),
        () => ground.s3('PUT', `/${ground.bucket}/${key}?tagging`, tags),
      );
      if (!held || !tagged) ground.faults.push('one was refused');
      const answers = ['legal-hold', 'tagging'].map((what) => ground.s3('GET', `/${ground.bucket}/${key}?${what}`));
      const [status, set] = (await Promise.all(answers)).map(({ text }) => text);
      if (!status!.includes('<Status>ON</Status>')) ground.faults.push('the hold was lost');
      if (!set!.includes('<Key>a</Key>')) ground.faults.push('the tags were lost');
    },
    // The twin writes back the hold as the request read it, beside the tags.
    rules: [
      {
        file: 'catalog/buckets.js',
        rule: 'return this.#changeVersion(version, { about:',
        instead: 'return this.#changeVersion(version, { held: version.content.held ? 1 : null, about:',
      },
    ],
    late: [{ which: 1, stop: ({ objects }) => before(objects, 'describe') }],
  },
  {
    name: 'hold beside delete',
    prepare: lockBucket,
    round: async (ground, n) => {
      const key = `k${n}`;
      const version = await given(ground, key);
      const [held, deleted] = await together(
        ground,
        () => hold(ground, key, version),
        () => remove(ground, key, version),
      );
      if (held === deleted) ground.faults.push(held ? 'both were acknowledged' : 'both were refused');
      if (held && (await bodyOf(ground, key, version)) !== key) ground.faults.push('a held version is gone');
    },
    rules: lockRules,
    late: [{ which: 1, stop: ({ objects }) => before(objects, 'removeVersion') }],
  },
  {
    name: 'retention beside delete',
    prepare: lockBucket,
    round: async (ground, n) => {
      const key = `k${n}`;
      const version = await given(ground, key);
      const until = new Date(ground.world.clock.now() + day).toISOString();
      const body = `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`;
      const [retained, deleted] = await together(
        ground,
        () => ground.s3('PUT', `/${ground.bucket}/${key}?retention&versionId=${version}`, { body }),
        () => remove(ground, key, version),
      );
      if (retained === deleted) ground.faults.push(retained ? 'both were acknowledged' : 'both were refused');
      if (retained && (await bodyOf(ground, key, version)) !== key) ground.faults.push('a retained version is gone');
    },
    rules: lockRules,
    late: [{ which: 1, stop: ({ objects }) => before(objects, 'removeVersion') }],
  },
  {
    name: 'If-None-Match PUT beside PUT',
    prepare: plainBucket,
    round: async (ground, n) => {
      const key = `k${n}`;
      const create = (body: string) => put(ground, key, body, { 'if-none-match': '*' });
      const [one, other] = await together(
        ground,
        () => create('one'),
        () => create('other'),
      );
      if (one === other) ground.faults.push(one ? 'both created it' : 'nobody created it');
      if ((await bodyOf(ground, key)) !== (one ? 'one' : 'other')) ground.faults.push('it is not what was created');
    },
    rules: conditionRules,
    late: [
      { which: 1, stop: ({ objects }) => before(objects, 'receive') },
      { which: 0, stop: ({ objects }) => before(objects, 'receive') },
    ],
  },
  {
    name: 'If-Match PUT beside overwrite',
    prepare: plainBucket,
    round: async (ground, n) => {
      const key = `k${n}`;
      const etag = (await done(put(ground, key))).headers.get('etag')!;
      const [, overwritten] = await together(
        ground,
        () => put(ground, key, 'matched', { 'if-match': etag }),
        () => put(ground, key, 'overwritten'),
      );
      if (!overwritten) ground.faults.push('the overwrite was refused');
      // What matches the first one comes before the overwrite, or not at all.
      if ((await bodyOf(ground, key)) !== 'overwritten') ground.faults.push('the overwrite was overwritten');
    },
    rules: conditionRules,
    late: [{ which: 0, stop: ({ objects }) => before(objects, 'receive') }],
  },
  {
    name: 'copy beside delete',
    prepare: plainBucket,
    round: async (ground, n) => {
      const { bucket, s3, world } = ground;
      const [key, copy] = [`k${n}`, `copy${n}`];
      await given(ground, key);
      const [copied, deleted] = await together(
        ground,
        () => s3('PUT', `/${bucket}/${copy}`, { headers: { 'x-amz-copy-source': `${bucket}/${key}` } }),
        () => remove(ground, key),
      );
      if (!deleted) ground.faults.push('the deletion was refused');
      await acknowledged(ground, world.core.sweep.run());
      if ((await bodyOf(ground, copy)) !== (copied ? key : undefined))
        ground.faults.push('the copy is not what was acknowledged');
      await remove(ground, copy);
    },
    rules: sweepRules,
    late: [{ which: 0, stop: ({ objects }) => before(objects, 'copy') }],
  },
  {
    name: 'publish beside sweep',
    prepare: plainBucket,
    round: async (ground, n) => {
      const { world } = ground;
      const [key, body] = [`k${n}`, 'x'.repeat(50_000 + n)];
      await given(ground, key, body);
      await remove(ground, key);
      const [published, swept] = await together(
        ground,
        () => putSlowly(ground, key, body),
        () => world.core.sweep.run(),
      );
      await acknowledged(ground, world.core.sweep.run());
      if (!published || !swept) ground.faults.push('one was refused');
      if ((await bodyOf(ground, key)) !== body) ground.faults.push('the bytes that were published are gone');
      await remove(ground, key);
    },
    rules: sweepRules,
    late: [
      // The sweep has begun, and takes blobs away when the bytes of one have a name again.
      { which: 1, stop: ({ releaseFiles }) => before(releaseFiles, 'sweep') },
      // Half of the body is here when the sweep takes away what is known of its bytes.
      { which: 0, stop: () => itself },
    ],
  },
  {
    name: 'quota beside parallel PUTs',
    prepare: async ({ world }) => {
      await world.addNamespace('limited');
      await done(askerOf(world, await world.accessKey('limited'))('PUT', '/limited'));
    },
    round: async (ground, n) => {
      const { world, s3 } = ground;
      const stored = async (): Promise<number> => (await world.core.usage.get(system, 'limited')).stored;
      const limit = (quota: number | null) => world.core.usage.setLimits(system, 'limited', { quota });
      const putInto = (key: string) => s3('PUT', `/limited/${n}-${key}`, { body: '0123456789' });
      const quota = (await stored()) + 35;
      await limit(quota);
      const puts = Array.from({ length: 8 }, (_, k) => acknowledged(ground, putInto(String(k))));
      const made = (await Promise.all(puts)).filter(Boolean).length;
      if (made !== 3 || (await stored()) > quota) ground.faults.push(`${made} fitted`);
      for (let k = 0; k < 8; k += 1) await s3('DELETE', `/limited/${n}-${k}`);
    },
    rules: [{ file: 'catalog/quota.js', rule: 'const taken = bytes + more;', instead: 'const taken = 0;' }],
    // Any three of eight have their way.
    unordered: true,
  },
  {
    name: 'hold beside lifecycle and overwrite',
    prepare: async (ground) => {
      await lockBucket(ground);
      const rule =
        '<Status>Enabled</Status><Filter><Prefix></Prefix></Filter><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>';
      const body = `<LifecycleConfiguration><Rule>${rule}</Rule></LifecycleConfiguration>`;
      await done(ground.s3('PUT', `/${ground.bucket}?lifecycle`, { body }));
    },
    round: async (ground, n) => {
      const { world } = ground;
      const key = `k${n}`;
      const version = await given(ground, key);
      const newer = await given(ground, key, 'newer');
      world.clock.move(2 * day);
      const [held] = await together(
        ground,
        () => hold(ground, key, version),
        () => runLifecycle(world.core, { day }),
      );
      world.clock.move(-2 * day);
      if (held && (await bodyOf(ground, key, version)) !== key) ground.faults.push('a held version is gone');
      if ((await bodyOf(ground, key)) !== 'newer') ground.faults.push('the newest version is gone');
      // The next lifecycle has no more to look at than this one.
      if (held) await hold(ground, key, version, 'OFF');
      for (const one of [version, newer]) await remove(ground, key, one);
    },
    rules: lockRules,
    late: [{ which: 1, stop: ({ objects }) => before(objects, 'removeVersion') }],
  },
]);
