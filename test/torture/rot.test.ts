/**
 * Stored files are corrupted, truncated, extended, swapped and deleted. No face completes a download of wrong bytes,
 * scrub and check find all of it, and uploading the right bytes repairs it through every face.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, rename, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { DatabaseSync } from '@photostructure/sqlite';
import { StowageClient } from '../../src/client/index.ts';
import { nodePlatform } from '../../src/client/node.ts';
import { Integrity } from '../../src/core/bytes/integrity.ts';
import { checkStore } from '../../src/server/index.ts';
import { openReleasy, put, type Releasy } from '../support/releases.ts';
import { s3Client } from '../support/s3.ts';
import { patience, randomFrom, report, rounds, seed } from '../support/torture.ts';
import { openWorld, type World } from '../support/world.ts';

const MiB = 1024 * 1024;
const sha512Of = (bytes: Uint8Array): string => createHash('sha512').update(bytes).digest('hex');
const text = (value: string): string => Buffer.from(value).toString('base64');

/** How its bytes are stored: in the catalog, in one file that is one block or several, or in a folder of hard links. */
type Kind = 'inline' | 'block' | 'file' | 'joined';
const sizes: Record<Kind, number> = { inline: 20_000, block: 100_000, file: 1_300_000, joined: 5 * MiB + 70_000 };
const kinds = Object.keys(sizes) as Kind[];

interface Item {
  readonly kind: Kind;
  readonly bytes: Buffer;
  readonly sha512: string;
  readonly name: string;
  /** Ways to read it whole. */
  readonly reads: Readonly<Record<string, () => Promise<Buffer>>>;
}

/** The disk beneath a running server, changed as no server would. */
class Rot {
  readonly #folder: string;
  readonly #random: () => number;

  constructor(folder: string, random: () => number) {
    this.#folder = folder;
    this.#random = random;
  }

  /** Changes what is stored of an item; answers whether its bytes are other ones by then. */
  async damage(item: Item, how: 'flip' | 'cut' | 'lengthen' | 'swap' | 'delete', other: Item): Promise<boolean> {
    const place = this.#place(item);
    if (place === undefined) return this.#damageInline(item, how, other);
    const path = (await stat(place)).isDirectory() ? join(place, this.#pick(await readdir(place))) : place;
    const { size } = await stat(path);
    switch (how) {
      case 'flip': {
        const file = await open(path, 'r+');
        const at = this.#below(size);
        const byte = Buffer.alloc(1);
        await file.read(byte, 0, 1, at);
        byte[0]! ^= 1 << this.#below(8);
        await file.write(byte, 0, 1, at);
        await file.close();
        return true;
      }
      case 'cut':
        await truncate(path, this.#below(size));
        return true;
      case 'lengthen': {
        const file = await open(path, 'a');
        await file.write(randomBytes(1 + this.#below(5000)));
        await file.close();
        // Bytes behind those that count of a piece are nobody's.
        return path === place;
      }
      case 'swap': {
        // A piece is named by where it begins.
        const from = path === place ? 0 : Number.parseInt(basename(path), 10);
        await writeFile(`${path}.new`, other.bytes.subarray(from, from + size));
        await rename(`${path}.new`, path);
        return true;
      }
      case 'delete':
        await (path === place && this.#random() < 0.5 ? rm(place, { recursive: true }) : unlink(path));
        return true;
    }
  }

  #damageInline({ sha512 }: Item, how: string, other: Item): boolean {
    this.#catalog((db) => {
      const row = db.prepare('select bytes from small_contents where sha512 = ?').get(sha512) as { bytes: Uint8Array };
      const bytes = Buffer.from(row.bytes);
      if (how === 'delete') return void db.prepare('delete from small_contents where sha512 = ?').run(sha512);
      if (how === 'flip') bytes[this.#below(bytes.length)]! ^= 1 << this.#below(8);
      const now =
        how === 'cut'
          ? bytes.subarray(0, this.#below(bytes.length))
          : how === 'lengthen'
            ? Buffer.concat([bytes, Buffer.from('x')])
            : how === 'swap'
              ? other.bytes
              : bytes;
      db.prepare('update small_contents set bytes = ? where sha512 = ?').run(now, sha512);
    });
    return true;
  }

  /** Where its file or folder is; undefined for what the catalog keeps. */
  #place({ sha512 }: Item): string | undefined {
    const { address } = this.#catalog(
      (db) => db.prepare('select address from contents where sha512 = ?').get(sha512) as { address: string },
    );
    return address.startsWith('catalog:') ? undefined : join(this.#folder, 'blobs', address.slice(0, 2), address);
  }

  #catalog<T>(work: (db: InstanceType<typeof DatabaseSync>) => T): T {
    const db = new DatabaseSync(join(this.#folder, 'catalog.sqlite'));
    try {
      db.exec('pragma busy_timeout = 5000');
      return work(db);
    } finally {
      db.close();
    }
  }

  #below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#below(choices.length)]!;
  }
}

/** Four of five are flips of one bit: 1,250 rounds make a thousand. */
const damages = [...Array.from({ length: 16 }, () => 'flip' as const), 'cut', 'lengthen', 'swap', 'delete'] as const;

/** How often each kind is damaged: a joined item costs as much reading as fifty others. */
const shares: Record<Kind, number> = { inline: 6, block: 6, file: 5, joined: 3 };
/** Faces by which an item is read again once it is healed; the random order makes them others each time. */
const readAgain = 2;

/** A server with all faces, what is stored in it, and every door through which bytes come. */
class Ground {
  readonly releasy: Releasy;
  readonly s3: S3Client;
  readonly scratch: string;
  readonly items: Item[] = [];
  #count = 0;

  static async open(): Promise<Ground> {
    const releasy = await openReleasy({ STOWAGE_RELEASY_DOWNLOADS: 'direct' });
    const s3 = await s3Client(releasy.world);
    await s3.send(new CreateBucketCommand({ Bucket: 'scratch' }));
    const ground = new Ground(releasy, s3, await mkdtemp(join(tmpdir(), 'stowage-rot-')));
    const { key } = await releasy.customer();
    for (const kind of kinds)
      for (const name of [`${kind}-one`, `${kind}-two`]) ground.items.push(await ground.#item(kind, name, key));
    return ground;
  }

  private constructor(releasy: Releasy, s3: S3Client, scratch: string) {
    this.releasy = releasy;
    this.s3 = s3;
    this.scratch = scratch;
  }

  get world(): World {
    return this.releasy.world;
  }

  async close(): Promise<void> {
    this.s3.destroy();
    await this.releasy.close();
    await rm(this.scratch, { recursive: true });
  }

  /** Everything that makes bytes of an item come again. */
  readonly doors: Readonly<Record<string, (item: Item) => Promise<unknown>>> = {
    'append and convert': ({ bytes }) => this.world.push(this.#fresh(), bytes),
    'PUT data': async ({ bytes }) =>
      this.#must(await this.world.ask('PUT', `/artifacts/${this.#fresh()}/data`, { body: Buffer.from(bytes) })),
    tus: ({ bytes }) => this.#tus(bytes, {}),
    'tus with a claim': ({ bytes, sha512 }) => this.#tus(bytes, { sha512 }),
    push: async ({ bytes }) => {
      const file = join(this.scratch, this.#fresh());
      await writeFile(file, bytes);
      const client = new StowageClient({
        url: this.world.url,
        namespace: 'system',
        key: this.world.key,
        platform: nodePlatform(),
      });
      await client.push(file, this.#fresh());
      await unlink(file);
    },
    'look up, then adopt': async ({ bytes, sha512 }) => {
      const found = await this.world.get<{ uuid: string } | null>('GET', `/blob_checksums/sha512/${sha512}`);
      const name = this.#fresh();
      if (!found) return this.world.push(name, bytes);
      const answer = await this.world.ask('POST', `/artifacts/upload/${name}`, { json: { blob_uuid: found.uuid } });
      return answer.status === 200 ? undefined : this.world.push(name, bytes);
    },
    'S3 PUT': ({ bytes }) => this.s3.send(new PutObjectCommand({ Bucket: 'scratch', Key: this.#fresh(), Body: bytes })),
    'S3 parts': ({ bytes }) => putParts(this.s3, 'scratch', this.#fresh(), bytes),
    release: async ({ bytes }) => this.releasy.artifact((await this.releasy.release('healed')).id, bytes),
  };

  #fresh(): string {
    this.#count += 1;
    return `again-${this.#count}`;
  }

  #must<T extends { readonly status: number; readonly bytes: Buffer }>(answer: T): T {
    if (answer.status >= 300) throw new Error(`${answer.status} ${answer.bytes.toString()}`);
    return answer;
  }

  async #tus(bytes: Buffer, said: Record<string, string>): Promise<void> {
    const metadata = Object.entries({ filename: this.#fresh(), ...said })
      .map(([name, value]) => `${name} ${text(value)}`)
      .join(',');
    const headers = { 'Tus-Resumable': '1.0.0' };
    const begun = this.#must(
      await this.world.ask('POST', '/tus', {
        headers: { ...headers, 'Upload-Length': String(bytes.length), 'Upload-Metadata': metadata },
      }),
    );
    const path = begun.headers.get('location')!;
    const head = await this.world.ask('HEAD', path, { headers });
    const offset = Number(head.headers.get('upload-offset'));
    if (offset === bytes.length) return;
    this.#must(
      await this.world.ask('PATCH', path, {
        headers: { ...headers, 'Upload-Offset': String(offset), 'Content-Type': 'application/offset+octet-stream' },
        body: Buffer.from(bytes.subarray(offset)),
      }),
    );
  }

  /** A released file, which every face can read. */
  async #item(kind: Kind, name: string, customer: string): Promise<Item> {
    const bytes = randomBytes(sizes[kind]);
    const release = await this.releasy.release();
    const slot = await this.releasy.slot(release.id, name);
    const bucket = new URL(slot.upload_url).pathname.split('/')[1]!;
    if (kind === 'joined') await putParts(this.s3, bucket, slot.object_key, bytes);
    else await put(slot.upload_url, bytes);
    this.#must(await this.releasy.register(release.id, slot, bytes));
    await this.releasy.get('POST', `/v1/releases/${release.id}/publish`);
    const sha512 = sha512Of(bytes);
    const { uuid: blob } = await this.world.get<{ uuid: string }>('GET', `/blob_checksums/sha512/${sha512}`);
    // Read as plain HTTP: what a client does with a broken body is tested elsewhere.
    const presigned = await getSignedUrl(this.s3, new GetObjectCommand({ Bucket: bucket, Key: slot.object_key }), {
      expiresIn: 86_400,
    });
    const token = await this.releasy.downloadUrl(customer, slot.artifact_id);
    const fetched = async (url: string, headers: Record<string, string> = {}): Promise<Buffer> => {
      const answer = await fetch(url, { headers, signal: AbortSignal.timeout(30_000) });
      const body = Buffer.from(await answer.arrayBuffer());
      if (answer.status !== 200 && answer.status !== 206) throw new Error(`${answer.status}`);
      return body;
    };
    const api = async (path: string, headers: Record<string, string> = {}): Promise<Buffer> =>
      fetched(`${this.world.url}${path}`, { Authorization: `Bearer ${await this.world.token()}`, ...headers });
    return {
      kind,
      bytes,
      sha512,
      name,
      reads: {
        blob: () => api(`/blobs/${blob}/data`),
        'blob, as a range': () => api(`/blobs/${blob}/data`, { Range: 'bytes=0-' }),
        artifact: () => api(`/artifacts/${slot.artifact_id}/data`),
        version: () => api(`/artifacts/${slot.artifact_id}/versions/1/data`),
        S3: () => fetched(presigned),
        release: () => fetched(token),
      },
    };
  }
}

/** An object in parts, which are joined. */
async function putParts(s3: S3Client, bucket: string, key: string, bytes: Buffer): Promise<void> {
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: key }));
  const Parts: { ETag: string | undefined; PartNumber: number }[] = [];
  for (let from = 0; from < bytes.length; from += 5 * MiB) {
    const part = { Bucket: bucket, Key: key, UploadId, PartNumber: Parts.length + 1 };
    const { ETag } = await s3.send(new UploadPartCommand({ ...part, Body: bytes.subarray(from, from + 5 * MiB) }));
    Parts.push({ ETag, PartNumber: part.PartNumber });
  }
  await s3.send(new CompleteMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId, MultipartUpload: { Parts } }));
}

interface Outcome {
  damaged: number;
  flips: number;
  /** Whole downloads that completed with other bytes. */
  wrong: number;
  /** Whole downloads of the right bytes, healed before, that did not complete. */
  unhealed: number;
  last?: string;
}

async function torment(ground: Ground, turns: number, random: () => number): Promise<Outcome> {
  const rot = new Rot(ground.world.folder, random);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
  const outcome: Outcome = { damaged: 0, flips: 0, wrong: 0, unhealed: 0 };
  const lots = kinds.flatMap((kind) => Array.from({ length: shares[kind] }, () => kind));
  for (let turn = 0; turn < turns; turn += 1) {
    const kind = pick(lots);
    const item = pick(ground.items.filter((one) => one.kind === kind));
    const other = ground.items.find((one) => one.kind === item.kind && one !== item)!;
    const how = pick(damages);
    const ruined = await rot.damage(item, how, other);
    outcome.damaged += 1;
    if (how === 'flip') outcome.flips += 1;
    const reads = Object.entries(item.reads).sort(() => random() - 0.5);
    // Now and then the right bytes come before anybody has seen the wrong ones.
    if (random() < 0.6) {
      for (const [, read] of reads) {
        const body = await read().catch(() => undefined);
        if (body && (!body.equals(item.bytes) || ruined)) outcome.wrong += 1;
      }
    }
    const door = pick(Object.keys(ground.doors));
    await ground.doors[door]!(item);
    for (const [read, get] of reads.slice(0, readAgain)) {
      const body = await get().catch((error: unknown) => String(error));
      if (body instanceof Buffer && body.equals(item.bytes)) continue;
      if (body instanceof Buffer) outcome.wrong += 1;
      outcome.unhealed += 1;
      outcome.last = `${how} of ${item.name}, then ${door}: ${read} ${String(body).slice(0, 80)}`;
    }
    // What is not healed cannot be damaged again.
    if (outcome.unhealed > 0) return outcome;
  }
  return outcome;
}

describe('stored bytes that change', () => {
  let ground: Ground;
  beforeEach(async () => void (ground = await Ground.open()), patience);
  afterEach(() => ground.close());

  test(
    'are never served whole by any face, and the right ones heal by every door',
    async () => {
      const outcome = await torment(ground, rounds(25, 1250), randomFrom(seed));
      report('rot', { ...outcome });
      expect({ ...outcome, seed }).toMatchObject({ wrong: 0, unhealed: 0 });
    },
    patience,
  );

  test(
    'the twin that does not hash downloads serves them',
    async () => {
      const open = Integrity.prototype.open;
      Integrity.prototype.open = async function (...args) {
        const reader = await open.apply(this, args);
        return {
          ...reader,
          async *read(from, to) {
            yield* reader.read(from, from + 1);
            yield* reader.read(from + 1, to);
          },
        };
      };
      try {
        expect((await torment(ground, 25, randomFrom(1))).wrong).toBeGreaterThan(0);
      } finally {
        Integrity.prototype.open = open;
      }
    },
    patience,
  );

  test(
    'the twin that takes what is on record for granted does not heal',
    async () => {
      const { verify } = Integrity.prototype;
      Integrity.prototype.verify = () => Promise.resolve('good');
      try {
        const { push } = ground.doors;
        const sabotaged = Object.assign(Object.create(ground) as Ground, { doors: { push } });
        expect((await torment(sabotaged, 10, randomFrom(2))).unhealed).toBeGreaterThan(0);
      } finally {
        Integrity.prototype.verify = verify;
      }
    },
    patience,
  );
});

const onTestFinished: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of onTestFinished.splice(0)) await end();
});

test(
  'scrub and check find all of it, and nothing else',
  async () => {
    const world = await openWorld();
    const turns = rounds(16, 1000);
    const random = randomFrom(seed);
    const rot = new Rot(world.folder, random);
    const s3 = await s3Client(world);
    onTestFinished.push(() => world.close());
    await s3.send(new CreateBucketCommand({ Bucket: 'rotten' }));
    const items: Item[] = [];
    const kindAt = (turn: number): Kind =>
      turn % 16 === 5 ? 'joined' : turn % 16 === 10 ? 'file' : turn % 2 === 0 ? 'inline' : 'block';
    for (let turn = 0; turn < turns + 16; turn += 1) {
      const kind = kindAt(turn);
      const bytes = randomBytes(sizes[kind]);
      if (kind === 'joined') await putParts(s3, 'rotten', String(turn), bytes);
      else await s3.send(new PutObjectCommand({ Bucket: 'rotten', Key: String(turn), Body: bytes }));
      items.push({ kind, bytes, sha512: sha512Of(bytes), name: String(turn), reads: {} });
    }
    const good = items.slice(turns);
    let ruined = 0;
    for (const [turn, item] of items.slice(0, turns).entries()) {
      const other = good.find(({ kind }) => kind === item.kind)!;
      if (await rot.damage(item, damages[(turn * 7) % damages.length]!, other)) ruined += 1;
    }
    await world.server.close();
    const checked = await checkStore(world.folder, { readData: true });
    await world.start();
    world.clock.move(31 * 86_400_000);
    const scrubbed = await world.core.scrub.run();
    const again = await world.core.scrub.run();
    report('rot: scrub and check', {
      damaged: turns,
      ruined,
      check: checked.faults.length,
      scrub: scrubbed.rotten + scrubbed.missing,
      again: again.checked,
    });
    expect({
      length: checked.faults.length,
      'found by the scrub': scrubbed.rotten + scrubbed.missing,
      'scrubbed checked': scrubbed.checked,
      'again checked': again.checked,
    }).toEqual({
      length: ruined,
      'found by the scrub': ruined,
      'scrubbed checked': turns + 16,
      'again checked': 0,
    });
    s3.destroy();
  },
  patience,
);
