import fc from 'fast-check';
import type { Published } from '../../../src/core/engine.ts';
import { done, eventOf, everything, sha512Of } from './scene.ts';
import type { Scene } from './scene.ts';

/** A reference model of the catalog: arrays and counting. */
interface ModelArtifact {
  readonly uuid: string;
  readonly max: number;
  deleted: boolean;
  lastIndex: number;
  versions: { index: number; blob: string }[];
}

interface Model {
  readonly artifacts: ModelArtifact[];
  /** By uuid: the bytes, and when the last version ended. */
  readonly blobs: Map<string, { namespace: string; text: string; releasedAt: number | null }>;
  clock: number;
}

const namespaces = ['alpha', 'beta'];
const texts = ['', 'a', 'bb', 'ccc'];
const slot = { namespace: fc.constantFrom(...namespaces), name: fc.constantFrom('one', 'two') };

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('upload' as const),
      ...slot,
      text: fc.constantFrom(...texts),
      max: fc.constantFrom(0, 1, 2),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reuse' as const), ...slot, pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('removeVersion' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), pick: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('limit' as const), pick: fc.nat(), max: fc.constantFrom(0, 1, 2) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('sweep' as const),
      age: fc.constantFrom(0, 2),
      limit: fc.constantFrom(1, 100),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

export function modelContract(scene: () => Scene): void {
  test('agrees with a model over any run of publications, removals, trims and sweeps', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        run += 1;
        const walk = new Walk(scene(), `r${run}`);
        await walk.begin();
        for (const next of steps) await walk.take(next);
        await walk.end();
      }),
      { numRuns: 60, endOnFailure: true },
    );
  }, 60_000);
}

/** One run, with its own namespaces and bytes, besides those of earlier runs. */
class Walk {
  readonly #scene: Scene;
  readonly #mark: string;
  readonly #model: Model = { artifacts: [], blobs: new Map(), clock: 100 };
  readonly #limits = new Map<string, number>();

  constructor(scene: Scene, mark: string) {
    this.#scene = scene;
    this.#mark = mark;
  }

  async begin(): Promise<void> {
    for (const name of namespaces) await this.#scene.namespace(`${this.#mark}-${name}`);
  }

  async take(next: Step): Promise<void> {
    this.#model.clock += 1;
    switch (next.kind) {
      case 'upload':
        return this.#upload(next.namespace, next.name, next.text, next.max);
      case 'reuse':
        return this.#reuse(next.namespace, next.name, next.pick);
      case 'removeVersion':
        return this.#removeVersion(next.pick);
      case 'remove':
        return this.#remove(next.pick);
      case 'limit':
        return this.#limit(next.pick, next.max);
      case 'sweep':
        return this.#sweep(next.age, next.limit);
    }
  }

  /** Compares everything, then cleans up. */
  async end(): Promise<void> {
    const { catalog } = this.#scene;
    for (const artifact of this.#model.artifacts) {
      const versions = (await catalog.artifacts.versions([artifact.uuid]))[artifact.uuid]!;
      expect(versions.map(({ index, blob }) => ({ index, blob }))).toEqual(artifact.versions);
      for (const { blob, references } of versions)
        expect(references).toBe(artifact.deleted ? 0 : this.#references(blob));
      expect(await catalog.artifacts.get(artifact.uuid)).toMatchObject({
        state: artifact.deleted ? 'deleted' : 'created',
        lastIndex: artifact.lastIndex,
        maxVersions: this.#limits.get(artifact.uuid),
      });
    }
    const found = await catalog.blobs.list('everything', everything);
    expect(found.map(({ uuid }) => uuid)).toEqual([...this.#model.blobs.keys()].sort());
    for (const { uuid, references } of found) expect(references).toBe(this.#references(uuid));
    await this.#compareTotals();
    for (const artifact of this.#active())
      await catalog.artifacts.remove(artifact.uuid, 1, eventOf('artifact', artifact.uuid));
    await catalog.blobs.sweep(Number.MAX_SAFE_INTEGER, 1000);
    expect(await catalog.contents.totals()).toMatchObject({
      contents: 0,
      bytes: 0,
      blobs: 0,
      artifacts: 0,
      versions: 0,
      namedBytes: 0,
    });
  }

  async #compareTotals(): Promise<void> {
    const active = this.#active();
    const named = active.flatMap((artifact) =>
      artifact.versions.map(({ blob }) => this.#model.blobs.get(blob)!.text.length),
    );
    const contents = new Set([...this.#model.blobs.values()].map(({ text }) => text));
    const sum = (sizes: Iterable<number>) => [...sizes].reduce((all, size) => all + size, 0);
    expect(await this.#scene.catalog.contents.totals()).toEqual({
      contents: contents.size,
      bytes: sum([...contents].map((text) => text.length)),
      blobs: this.#model.blobs.size,
      artifacts: active.length,
      versions: named.length,
      namedBytes: sum(named),
      openUploads: 0,
    });
  }

  async #upload(namespace: string, name: string, text: string, max: number): Promise<void> {
    const marked = `${this.#mark}${text}`;
    const owner = `${this.#mark}-${namespace}`;
    const published = await this.#scene.version(owner, name, marked, { maxVersions: max, at: this.#model.clock });
    const known = [...this.#model.blobs].find(([, blob]) => blob.namespace === owner && blob.text === marked)?.[0];
    this.#expectVersion(owner, name, known, marked, max, published);
  }

  async #reuse(namespace: string, name: string, pick: number): Promise<void> {
    const blobs = [...this.#model.blobs.keys()].sort();
    const blob = blobs[pick % blobs.length];
    if (blob === undefined) return;
    const owner = `${this.#mark}-${namespace}`;
    const published = done(await this.#scene.publishBlob(owner, name, blob, { at: this.#model.clock }));
    this.#expectVersion(owner, name, blob, this.#model.blobs.get(blob)!.text, 0, published);
  }

  #expectVersion(
    owner: string,
    name: string,
    known: string | undefined,
    text: string,
    max: number,
    published: Published,
  ): void {
    const key = `${owner}/${name}`;
    let artifact = this.#active().find(({ uuid }) => this.#keys.get(uuid) === key);
    const newest = artifact?.versions.at(-1);
    if (artifact && newest && this.#model.blobs.get(newest.blob)!.text === text) {
      expect(published).toMatchObject({
        added: false,
        index: newest.index,
        blob: newest.blob,
        artifact: { uuid: artifact.uuid },
      });
      return;
    }
    if (!artifact) {
      artifact = { uuid: published.artifact.uuid, max, deleted: false, lastIndex: 0, versions: [] };
      expect(this.#keys.has(artifact.uuid)).toBe(false);
      this.#model.artifacts.push(artifact);
      this.#keys.set(artifact.uuid, key);
      this.#limits.set(artifact.uuid, max);
    }
    artifact.lastIndex += 1;
    expect(published).toMatchObject({ added: true, index: artifact.lastIndex, artifact: { uuid: artifact.uuid } });
    if (known !== undefined) expect(published.blob).toBe(known);
    else expect(this.#model.blobs.has(published.blob)).toBe(false);
    if (known === undefined) this.#model.blobs.set(published.blob, { namespace: owner, text, releasedAt: null });
    artifact.versions.push({ index: artifact.lastIndex, blob: published.blob });
    this.#trim(artifact);
    this.#settle();
  }

  async #removeVersion(pick: number): Promise<void> {
    const artifact = pickOf(this.#active(), pick);
    const version = artifact && pickOf(artifact.versions, pick >> 4);
    if (!artifact || !version) return;
    await this.#scene.catalog.artifacts.removeVersion(
      artifact.uuid,
      version.index,
      this.#model.clock,
      eventOf('artifact', artifact.uuid),
    );
    if (artifact.versions.length === 1) artifact.deleted = true;
    else artifact.versions = artifact.versions.filter((other) => other !== version);
    this.#settle();
  }

  async #remove(pick: number): Promise<void> {
    const artifact = pickOf(this.#active(), pick);
    if (!artifact) return;
    await this.#scene.catalog.artifacts.remove(artifact.uuid, this.#model.clock, eventOf('artifact', artifact.uuid));
    artifact.deleted = true;
    this.#settle();
  }

  async #limit(pick: number, max: number): Promise<void> {
    const artifact = pickOf(this.#active(), pick);
    if (!artifact) return;
    await this.#scene.catalog.artifacts.setMaxVersions(
      artifact.uuid,
      max,
      this.#model.clock,
      eventOf('artifact', artifact.uuid),
    );
    this.#limits.set(artifact.uuid, max);
    this.#trim(artifact);
    this.#settle();
  }

  async #sweep(age: number, limit: number): Promise<void> {
    const before = this.#model.clock - age;
    const due = [...this.#model.blobs].filter(([, blob]) => blob.releasedAt !== null && blob.releasedAt < before);
    const swept = await this.#scene.catalog.blobs.sweep(before, limit);
    const left = new Set((await this.#scene.catalog.blobs.many(due.map(([uuid]) => uuid))).map(({ uuid }) => uuid));
    const gone = due.filter(([uuid]) => !left.has(uuid));
    expect(gone).toHaveLength(Math.min(limit, due.length));
    expect(swept.blobs).toBe(gone.length);
    for (const [uuid] of gone) this.#model.blobs.delete(uuid);
    const still = new Set([...this.#model.blobs.values()].map(({ text }) => text));
    const lost = new Set(gone.map(([, { text }]) => text).filter((text) => !still.has(text)));
    expect(swept.contents.map(({ sha512 }) => sha512).sort()).toEqual([...lost].map(sha512Of).sort());
  }

  readonly #keys = new Map<string, string>();

  #active(): ModelArtifact[] {
    return this.#model.artifacts.filter(({ deleted }) => !deleted);
  }

  #references(blob: string): number {
    return this.#active()
      .flatMap(({ versions }) => versions)
      .filter((version) => version.blob === blob).length;
  }

  #trim(artifact: ModelArtifact): void {
    const max = this.#limits.get(artifact.uuid)!;
    if (max > 0) artifact.versions = artifact.versions.slice(-max);
  }

  /** Records which blobs have just lost or gained a version. */
  #settle(): void {
    for (const [uuid, blob] of this.#model.blobs) {
      if (this.#references(uuid) > 0) blob.releasedAt = null;
      else blob.releasedAt ??= this.#model.clock;
    }
  }
}

function pickOf<T>(from: readonly T[], pick: number): T | undefined {
  return from[pick % Math.max(1, from.length)];
}
