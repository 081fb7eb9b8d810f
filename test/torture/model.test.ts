/**
 * The upload state machine against a model: random sequences of client requests, cut connections, power cuts and
 * restarts. Acknowledged bytes are never lost, and no others appear.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { openCore, type Core } from '../../src/core/index.ts';
import { words } from '../../src/server/domain.ts';
import { SYSTEM } from '../../src/catalog/model.ts';
import { Refusal } from '../../src/core/refusal.ts';
import { collect } from '../contract/bytes.ts';
import { bodyOf } from '../support/body.ts';
import { powerOn, type Machine } from '../support/power.ts';
import { patience, rounds, seed as start } from '../support/torture.ts';

const who = { namespace: SYSTEM, credential: 'test' };
const limits = { maxSize: 64 * 1024 * 1024, headroom: 0, idle: 86_400_000 };
const ages = { multipart: 604_800_000, grace: 3_600_000, stray: 3_600_000, memory: 86_400_000, events: 86_400_000 };

interface Expected {
  readonly id: string;
  bytes: Buffer;
}

interface Real {
  readonly folder: string;
  readonly lying: boolean;
  machine: Machine;
  core: Core;
  names: number;
}

/** The model: what each open upload must hold, and what each artifact must give. */
interface Model {
  uploads: Expected[];
  artifacts: Map<string, Buffer>;
}

type Command = fc.AsyncCommand<Model, Real>;

/** Bytes that differ from seed to seed and cost little to shrink. */
function dataOf(seed: number, size: number): Buffer {
  const data = Buffer.alloc(size, seed & 0xff);
  for (let at = 0; at + 4 <= size; at += 997) data.writeUInt32LE((seed * 2654435761 + at) >>> 0, at);
  return data;
}

async function reasonOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof Refusal) return error.reason;
      throw error;
    },
  );
}

function command(label: string, needsUpload: boolean, run: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: (model) => !needsUpload || model.uploads.length > 0,
    run: async (model, real) => {
      await run(model, real);
      for (const upload of model.uploads)
        expect((await real.core.uploads.look(who, upload.id)).offset).toBe(upload.bytes.length);
    },
    toString: () => label,
  };
}

const pick = (model: Model, which: number): Expected => model.uploads[which % model.uploads.length]!;

async function open(folder: string, lying: boolean): Promise<Pick<Real, 'machine' | 'core'>> {
  const machine = await powerOn(folder, lying);
  const core = await openCore(machine.engine, {
    words,
    limits,
    ages,
    scrub: { every: 0, rate: 0 },
    source: undefined,
    systemKey: 'k',
    keys: { secret: Buffer.alloc(32), configured: undefined },
  });
  return { machine, core };
}

async function verify(model: Model, real: Real): Promise<void> {
  expect(real.core.recovered.damaged).toEqual([]);
  for (const [name, bytes] of model.artifacts) {
    const { blob } = await real.core.artifacts.resolve(who, name);
    expect(blob.sha512).toBe(createHash('sha512').update(bytes).digest('hex'));
    const reader = await real.core.blobs.open(blob);
    expect((await collect(reader.read(0, reader.size))).equals(bytes)).toBe(true);
    await reader.close();
  }
}

const size = fc.oneof(
  fc.integer({ min: 0, max: 5000 }),
  fc.constant(65536),
  fc.integer({ min: 200_000, max: 600_000 }),
);
const which = fc.nat(3);
const seed = fc.nat(1_000_000);

const commands: fc.Arbitrary<Command>[] = [
  fc.constant(
    command('begin', false, async (model, real) => {
      const upload = await real.core.uploads.begin(who);
      model.uploads.push({ id: upload.id, bytes: Buffer.alloc(0) });
    }),
  ),
  fc.record({ which, size, seed, answered: fc.boolean() }).map((one) =>
    command(`append ${JSON.stringify(one)}`, true, async (model, real) => {
      const upload = pick(model, one.which);
      const data = dataOf(one.seed, one.size);
      const appended = await real.core.uploads.append(who, upload.id, bodyOf(data), { at: undefined, digests: [] });
      if (!appended.replay) upload.bytes = Buffer.concat([upload.bytes, data]);
      else expect(upload.bytes.subarray(-data.length).equals(data)).toBe(true);
      appended.settle(one.answered);
      if (one.answered || data.length === 0) return;
      const again = await real.core.uploads.append(who, upload.id, bodyOf(data), { at: undefined, digests: [] });
      expect({ replay: again.replay, offset: again.upload.offset }).toEqual({
        replay: true,
        offset: upload.bytes.length,
      });
      again.settle(true);
    }),
  ),
  fc.record({ which, size, seed, cutAfter: fc.integer({ min: 0, max: 700_000 }) }).map((one) =>
    command(`append at ${JSON.stringify(one)}`, true, async (model, real) => {
      const upload = pick(model, one.which);
      const data = dataOf(one.seed, one.size);
      const reason = await reasonOf(
        real.core.uploads.append(who, upload.id, bodyOf(data, one), { at: upload.bytes.length, digests: [] }),
      );
      expect(reason).toBe(one.cutAfter < data.length ? 'interrupted' : undefined);
      upload.bytes = Buffer.concat([upload.bytes, data.subarray(0, one.cutAfter)]);
    }),
  ),
  fc.record({ which, size, seed, cutAfter: fc.nat(600_000) }).map((one) =>
    command(`cut append ${JSON.stringify(one)}`, true, async (model, real) => {
      const data = dataOf(one.seed, one.size + 1);
      const cutAfter = Math.min(one.cutAfter, data.length - 1);
      const { id } = pick(model, one.which);
      expect(
        await reasonOf(real.core.uploads.append(who, id, bodyOf(data, { cutAfter }), { at: undefined, digests: [] })),
      ).toBe('interrupted');
    }),
  ),
  fc.record({ which, size, seed, off: fc.integer({ min: 1, max: 9 }) }).map((one) =>
    command(`append elsewhere ${JSON.stringify(one)}`, true, async (model, real) => {
      const { id, bytes } = pick(model, one.which);
      expect(
        await reasonOf(
          real.core.uploads.append(who, id, bodyOf(dataOf(one.seed, one.size)), {
            at: bytes.length + one.off,
            digests: [],
          }),
        ),
      ).toBe('offset_mismatch');
    }),
  ),
  fc.record({ which, size, seed, right: fc.boolean() }).map((one) =>
    command(`append with digest ${JSON.stringify(one)}`, true, async (model, real) => {
      const upload = pick(model, one.which);
      const data = dataOf(one.seed, one.size + 1);
      const hex = createHash('sha512')
        .update(one.right ? data : 'x')
        .digest('hex');
      const reason = await reasonOf(
        real.core.uploads.append(who, upload.id, bodyOf(data), {
          at: upload.bytes.length,
          digests: [{ algorithm: 'sha512', hex }],
        }),
      );
      expect(reason).toBe(one.right ? undefined : 'digest_mismatch');
      if (one.right) upload.bytes = Buffer.concat([upload.bytes, data]);
    }),
  ),
  fc.record({ which, part: fc.double({ min: 0, max: 1, noNaN: true }) }).map((one) =>
    command(`truncate ${JSON.stringify(one)}`, true, async (model, real) => {
      const upload = pick(model, one.which);
      const to = Math.floor(upload.bytes.length * one.part);
      await real.core.uploads.truncate(who, upload.id, to);
      upload.bytes = upload.bytes.subarray(0, to);
    }),
  ),
  fc.record({ which }).map((one) =>
    command(`truncate beyond ${one.which}`, true, async (model, real) => {
      const { id, bytes } = pick(model, one.which);
      expect(await reasonOf(real.core.uploads.truncate(who, id, bytes.length + 1))).toBe('malformed');
    }),
  ),
  fc.record({ which, name: fc.nat(3), right: fc.boolean() }).map((one) =>
    command(`convert ${JSON.stringify(one)}`, true, async (model, real) => {
      const upload = pick(model, one.which);
      const name = `artifact-${one.name}`;
      const target = { name, type: 'image' as const, namespace: null, sourceUrl: null, shared: false, maxVersions: 0 };
      const hex = createHash('sha512')
        .update(upload.bytes)
        .update(one.right ? '' : 'x')
        .digest('hex');
      const convert = () =>
        real.core.artifacts.convert(who, upload.id, target, {
          size: upload.bytes.length,
          digests: [{ algorithm: 'sha512', hex }],
        });
      expect(await reasonOf(convert())).toBe(one.right ? undefined : 'digest_mismatch');
      if (!one.right) return;
      const again = await convert();
      expect((await real.core.uploads.look(who, upload.id)).outcome).toEqual({
        artifact: again.artifact.uuid,
        index: again.index,
        blob: again.blob,
      });
      model.uploads.splice(model.uploads.indexOf(upload), 1);
      model.artifacts.set(name, upload.bytes);
    }),
  ),
  fc.record({ which }).map((one) =>
    command(`drop ${one.which}`, true, async (model, real) => {
      const upload = pick(model, one.which);
      await real.core.uploads.drop(who, upload.id);
      model.uploads.splice(model.uploads.indexOf(upload), 1);
      expect(await reasonOf(real.core.uploads.look(who, upload.id))).toBe('not_found');
    }),
  ),
  fc.record({ luck: fc.double({ min: 0, max: 0.999, noNaN: true }) }).map((one) =>
    command(`power cut ${one.luck}`, false, async (model, real) => {
      await real.machine.cut(() => one.luck);
      Object.assign(real, await open(real.folder, real.lying));
      await verify(model, real);
    }),
  ),
  fc.constant(
    command('restart', false, async (model, real) => {
      await real.core.close();
      await real.machine.engine.close();
      Object.assign(real, await open(real.folder, real.lying));
      await verify(model, real);
    }),
  ),
];

async function run(sequence: Iterable<Command>, lying: boolean): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-model-'));
  const real: Real = { folder, lying, names: 0, ...(await open(folder, lying)) };
  try {
    const model: Model = { uploads: [], artifacts: new Map() };
    await fc.asyncModelRun(() => ({ model, real }), sequence);
    await verify(model, real);
  } finally {
    await real.core.close();
    await real.machine.engine.close().catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  }
}

test(
  'keeps every acknowledged byte, whatever happens in whatever order',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { size: '+1', maxCommands: 40 }), (sequence) => run(sequence, false)),
      { numRuns: rounds(5, 2000), seed: start },
    );
  },
  patience,
);

test('sabotaged: a disk that lies about syncing is found out', async () => {
  const result = await fc.check(
    fc.asyncProperty(fc.commands(commands, { size: '+1', maxCommands: 40 }), (sequence) => run(sequence, true)),
    { numRuns: 200, endOnFailure: true },
  );
  expect(result.failed).toBe(true);
}, 200_000);
