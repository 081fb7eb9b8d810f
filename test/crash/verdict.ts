/** Compares what a killed process acknowledged with its reopened store. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { openCore, type Core } from '../../src/core/index.ts';
import { words } from '../../src/server/domain.ts';
import type { Blob } from '../../src/catalog/model.ts';
import { openEngine } from '../../src/engines/index.ts';
import { collect } from '../contract/bytes.ts';
import { bodyOf } from '../support/body.ts';

const who = { namespace: 'system', credential: 'test' };
const day = 86_400_000;
const victim = fileURLToPath(new URL('./victim.js', import.meta.url));

/** One line that a victim prints. */
export interface Fact {
  readonly did: string;
  readonly key?: string;
  readonly id?: string;
  readonly offset?: number;
  readonly name?: string;
  readonly steps?: number;
}

/** Lets a victim run until its step `endAt`; answers what it acknowledged. On the file systems mounted at `powered` the power goes with it. */
export function run(folder: string, endAt: number, sabotage = '', powered: readonly string[] = []): Promise<Fact[]> {
  return runVictim(victim, [folder, String(endAt), sabotage, ...powered]);
}

/** Lets a program run until it ends or kills itself; answers the lines that it printed. */
export function runVictim<T>(program: string, args: readonly string[]): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('close', (code, signal) => {
      if (signal !== 'SIGKILL' && code !== 0) reject(new Error(`the victim ended by itself: ${err}`));
      else
        resolve(
          out
            .split('\n')
            .filter(Boolean)
            .map((line) => JSON.parse(line) as T),
        );
    });
  });
}

const pieces = [
  [1, 5000],
  [2, 400_000],
  [3, 70_000],
] as const;
const contents: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  first: pieces,
  second: pieces,
  third: [[9, 300_000]],
  'part 0': [pieces[0]],
  'part 1': [pieces[1]],
  'part 2': [pieces[2]],
  joined: pieces,
};
const piece = (seed: number, size: number): string =>
  createHash('sha512')
    .update(String(seed))
    .digest('hex')
    .repeat(Math.ceil(size / 128))
    .slice(0, size);

const whole = (key: string): Buffer =>
  Buffer.concat(contents[key]!.map(([seed, size]) => Buffer.from(piece(seed, size))));

/** What is wrong with the store, in words; nothing when all is as promised. */
export async function judge(folder: string, facts: readonly Fact[]): Promise<string[]> {
  const engine = await openEngine({ folder, strict: true, onFault: () => undefined });
  const core = await openCore(engine, {
    words,
    limits: { maxSize: 1e9, headroom: 0, idle: day },
    ages: { multipart: 604_800_000, grace: 1000, stray: 10 * day, memory: day, events: day },
    scrub: { every: 0, rate: 0 },
    source: undefined,
    systemKey: 'key',
    keys: { secret: Buffer.alloc(32), configured: undefined },
  });
  try {
    const wrong = core.recovered.damaged.map((one) => `damaged: ${JSON.stringify(one)}`);
    for (const { key, id } of facts.filter((fact) => fact.did === 'begin'))
      wrong.push(...(await judgeUpload(core, facts, key!, id!)));
    for (const { name, key } of facts.filter((fact) => fact.did === 'convert'))
      wrong.push(...(await judgeArtifact(core, facts, name!, key!)));
    wrong.push(...(await judgeMultipart(core, facts)));
    wrong.push(...(await judgePut(core, facts, 'small', 5000)), ...(await judgePut(core, facts, 'medium', 300_000)));
    const { rotten, missing } = await core.scrub.run();
    if (rotten + missing > 0) wrong.push(`${rotten} rotten, ${missing} missing`);
    return wrong;
  } catch (error) {
    return [`threw ${String(error)}`];
  } finally {
    await core.close();
    await engine.close();
  }
}

async function judgeUpload(core: Core, facts: readonly Fact[], key: string, id: string): Promise<string[]> {
  const upload = await core.uploads.look(who, id);
  if (upload.state === 'sealed') return [];
  const acknowledged = facts.findLast((fact) => fact.key === key && fact.offset !== undefined);
  if (upload.offset < (acknowledged?.offset ?? 0) && acknowledged?.did === 'append') {
    // A truncate may have been done and not yet acknowledged when the kill came.
    if (!(upload.offset === 405_000 && acknowledged.offset === 475_000))
      return [`${key}: ${upload.offset} of ${acknowledged.offset} acknowledged bytes`];
  }
  // Whoever comes back goes on from where the upload is, and ends with the right bytes.
  const rest = whole(key).subarray(upload.offset);
  await core.uploads.append(who, id, bodyOf(rest), { at: upload.offset, digests: [] });
  const target = {
    name: `again-${key}`,
    type: 'image' as const,
    namespace: null,
    sourceUrl: null,
    shared: false,
    maxVersions: 0,
  };
  await core.artifacts.convert(who, id, target, { size: undefined, digests: [] });
  return compare(core, target.name, key);
}

/** An object has the bytes of the last put that was acknowledged, or of the one under way. */
async function judgePut(core: Core, facts: readonly Fact[], key: string, size: number): Promise<string[]> {
  const put = facts.findLast((fact) => fact.did === `put ${key}`)?.offset;
  if (put === undefined) return [];
  const object = await core.objects.peek('bucket', key);
  if (!object) return [`the ${key} object is gone`];
  const reader = await core.blobs.open(await core.objects.blob(object));
  const text = (await collect(reader.read(0, reader.size))).toString();
  await reader.close();
  return [put, put + 1].some((seed) => text === piece(seed, size)) ? [] : [`the ${key} object is not of put ${put}`];
}

/** Parts that were acknowledged are there, and whoever ends the upload, first or again, gets the whole. */
async function judgeMultipart(core: Core, facts: readonly Fact[]): Promise<string[]> {
  const id = facts.find((fact) => fact.did === 'multipart')?.id;
  if (id === undefined) return [];
  const sent = facts.findLast((fact) => fact.did === 'part')?.offset ?? 0;
  const allowed = await core.buckets.allow(who, 'bucket', 'write');
  if ((await core.multipart.outcome(allowed, 'key', id)) === undefined) {
    if (facts.some((fact) => fact.did === 'complete')) return ['the multipart upload is open again'];
    const multipart = await core.multipart.get(allowed, 'key', id);
    const parts = await core.multipart.parts(multipart, 0, 10);
    if (parts.length < sent) return [`${parts.length} of ${sent} parts`];
    for (const [n, [seed, size]] of pieces.entries()) {
      if (n < parts.length) continue;
      const received = await core.multipart.receive(
        allowed,
        multipart,
        n + 1,
        bodyOf(Buffer.from(piece(seed, size))),
        [],
      );
      await received.keep({ etag: 'etag', about: '{}' });
    }
    const all = await core.multipart.parts(multipart, 0, 10);
    await core.multipart.complete(
      allowed,
      multipart,
      all,
      { key: 'key', conditions: {} },
      { etag: 'etag', about: '{}' },
      () => 'done',
    );
  }
  const object = await core.objects.peek('bucket', 'key');
  return object ? compareBlob(core, await core.objects.blob(object), 'the object', 'first') : ['the object is gone'];
}

async function judgeArtifact(core: Core, facts: readonly Fact[], name: string, key: string): Promise<string[]> {
  const gone = await core.artifacts.get(who, name).then(
    () => false,
    () => true,
  );
  if (gone)
    return facts.some((fact) => fact.did === 'asked to remove' && fact.name === name) ? [] : [`${name} is gone`];
  return facts.some((fact) => fact.did === 'remove' && fact.name === name)
    ? [`${name} came back`]
    : compare(core, name, key);
}

async function compare(core: Core, name: string, key: string): Promise<string[]> {
  return compareBlob(core, (await core.artifacts.resolve(who, name)).blob, name, key);
}

async function compareBlob(core: Core, blob: Blob, name: string, key: string): Promise<string[]> {
  const reader = await core.blobs.open(blob);
  const same = (await collect(reader.read(0, reader.size))).equals(whole(key));
  await reader.close();
  return same ? [] : [`${name} has other bytes`];
}
