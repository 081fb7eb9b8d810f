import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  nodePlatform,
  type PullProgress,
  type StowageClient,
  type StowageError,
  type Transport,
} from '../../src/client/node.ts';
import { resetAnswerAfter } from '../support/cut.ts';
import { noise, openGround, sha512, type Ground } from './ground.ts';

const MiB = 1024 * 1024;
const content = noise(12 * MiB + 5, 1);
const older = noise(2 * MiB, 2);

let ground: Ground;

beforeAll(async () => {
  ground = await openGround();
  await ground.world.push('big', older);
  await ground.world.push('big', content);
  await ground.world.push('empty', Buffer.alloc(0));
});

afterAll(async () => ground.close());

/** Pulls until `enough` bytes have arrived, then stops. */
async function pullSome(path: string, enough: number): Promise<void> {
  const stop = new AbortController();
  const onProgress = ({ phase, done }: PullProgress): void => {
    if (phase === 'receiving' && done >= enough) stop.abort();
  };
  await expect(ground.client().pull('big', path, { signal: stop.signal, onProgress })).rejects.toMatchObject({
    code: 'aborted',
  });
}

/** Files of this name, and what belongs to them. */
async function litter(path: string): Promise<string[]> {
  return (await readdir(dirname(path))).filter((name) => name.startsWith(basename(path))).sort();
}

/** A client whose line changes the answers' bytes. */
function forgedBy(change: (bytes: Uint8Array, turn: number) => Uint8Array): StowageClient {
  const platform = nodePlatform({ stateFolder: join(ground.folder, 'state') });
  let turn = 0;
  const transport: Transport = async (request) => {
    const answer = await platform.transport(request);
    if (request.method !== 'GET' || !request.url.includes('/data')) return answer;
    const now = turn;
    turn += 1;
    return {
      ...answer,
      body: (async function* () {
        for await (const bytes of answer.body) yield change(bytes, now);
      })(),
    };
  };
  return ground.client({ platform: { ...platform, transport } });
}

describe('where it goes', () => {
  test('a pull writes a file', async () => {
    const path = await ground.file('plain');
    const pulled = await ground.client().pull('big', path);
    expect(pulled).toMatchObject({
      size: content.length,
      sha512: sha512(content),
      verified: true,
      resumedFrom: 0,
      received: content.length,
    });
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(await litter(path)).toEqual(['plain']);
  });

  test('a file that is there is replaced', async () => {
    const path = await ground.file('replaced', Buffer.from('old'));
    await ground.client().pull('big', path, { version: 1 });
    expect((await readFile(path)).equals(older)).toBe(true);
  });

  test('a pull of no bytes writes an empty file', async () => {
    const path = await ground.file('nothing');
    expect(await ground.client().pull('empty', path)).toMatchObject({ size: 0, verified: true });
    expect((await stat(path)).size).toBe(0);
  });

  test('a pull without a target returns the bytes', async () => {
    const blob = await ground.client().read('big', { version: 1 });
    expect(Buffer.from(await blob.arrayBuffer()).equals(older)).toBe(true);
  });

  test('a pull writes to a stream, and leaves it open', async () => {
    const parts: Uint8Array[] = [];
    const stream = new WritableStream<Uint8Array>({ write: (bytes) => void parts.push(bytes) });
    await ground.client().pull('big', stream);
    expect(Buffer.concat(parts).equals(content)).toBe(true);
    await stream.close();
  });

  test('a pull writes to a device', async () => {
    expect(await ground.client().pull('big', '/dev/null')).toMatchObject({ verified: true });
  });

  test('a pull to a folder is refused', async () => {
    await expect(ground.client().pull('big', ground.folder)).rejects.toMatchObject({ code: 'malformed' });
  });
});

describe('what is pulled', () => {
  test('an artifact is named by its uuid, by a blob, or by a version', async () => {
    const artifact = await ground.client().artifacts.get('big');
    const client = ground.client();
    expect((await client.pull(artifact.uuid, await ground.file('by-uuid'))).sha512).toBe(sha512(content));
    expect((await client.pull(artifact.blob_uuid!, await ground.file('by-blob'))).sha512).toBe(sha512(content));
    expect((await client.pull('big', await ground.file('by-version'), { version: 1 })).sha512).toBe(sha512(older));
    await expect(client.pull('big', await ground.file('none'), { version: 9 })).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(client.pull('nobody', await ground.file('none'))).rejects.toMatchObject({ code: 'not_found' });
    expect(await litter(await ground.file('none'))).toEqual([]);
  });

  test('a pull from an offset is not verified', async () => {
    const path = await ground.file('tail');
    const pulled = await ground.client().pull('big', path, { offset: content.length - 1000 });
    expect(pulled).toMatchObject({ verified: false, received: 1000, size: content.length });
    expect((await readFile(path)).equals(content.subarray(-1000))).toBe(true);
    expect(await ground.client().pull('big', path, { offset: content.length })).toMatchObject({ received: 0 });
    await expect(ground.client().pull('big', path, { offset: content.length + 1 })).rejects.toMatchObject({
      code: 'out_of_range',
    });
  });
});

describe('a pull that was stopped', () => {
  test('a pull that was stopped goes on where it was', async () => {
    const path = await ground.file('resumed');
    await pullSome(path, 4 * MiB);
    expect(await litter(path)).toEqual(['resumed.part', 'resumed.part.json']);
    const there = (await stat(`${path}.part`)).size;
    expect(there).toBeGreaterThanOrEqual(4 * MiB);
    const pulled = await ground.client().pull('big', path);
    expect(pulled).toMatchObject({ resumedFrom: there, received: content.length - there, verified: true });
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(await litter(path)).toEqual(['resumed']);
  });

  test('a pull goes on from what the file holds', async () => {
    const path = await ground.file('shorter');
    await pullSome(path, 4 * MiB);
    await truncate(`${path}.part`, 1_234_567);
    expect(await ground.client().pull('big', path)).toMatchObject({ resumedFrom: 1_234_567 });
    expect((await readFile(path)).equals(content)).toBe(true);
  });

  test('a pull that had all bytes only verifies them', async () => {
    const path = await ground.file('unchecked');
    await pullSome(path, MiB);
    await writeFile(`${path}.part`, content);
    expect(await ground.client().pull('big', path)).toMatchObject({
      resumedFrom: content.length,
      received: 0,
      verified: true,
    });
    expect((await readFile(path)).equals(content)).toBe(true);
  });

  test('starts from the beginning for another version', async () => {
    const path = await ground.file('other-version');
    await pullSome(path, 4 * MiB);
    expect(await ground.client().pull('big', path, { version: 1 })).toMatchObject({
      resumedFrom: 0,
      sha512: sha512(older),
    });
    expect((await readFile(path)).equals(older)).toBe(true);
  });

  test('starts from the beginning when what is there is wrong', async () => {
    const path = await ground.file('rotten');
    await pullSome(path, 4 * MiB);
    const part = await readFile(`${path}.part`);
    part.fill(0, 1000, 5000);
    await writeFile(`${path}.part`, part);
    const pulled = await ground.client().pull('big', path);
    expect(pulled).toMatchObject({ resumedFrom: 0, verified: true });
    expect((await readFile(path)).equals(content)).toBe(true);
  });

  test('with an offset goes on with that offset only', async () => {
    const path = await ground.file('tail-resumed');
    await pullSome(path, 4 * MiB);
    expect(await ground.client().pull('big', path, { offset: MiB })).toMatchObject({ resumedFrom: 0 });
    expect((await readFile(path)).equals(content.subarray(MiB))).toBe(true);
  });
});

describe('a bad line', () => {
  test('a line that breaks costs no byte twice that was written', async () => {
    const proxy = await ground.proxy();
    // The first connection logs in and asks what there is; those after it bring bytes.
    proxy.script(...[900, 600, 3 * MiB, 100_000, 1_000_003, 2 * MiB].map(resetAnswerAfter));
    const path = await ground.file('cut');
    const codes: string[] = [];
    const pulled = await ground
      .client({ url: proxy.url })
      .pull('big', path, { onTrouble: ({ code }: StowageError) => codes.push(code) });
    expect(pulled).toMatchObject({ verified: true, received: content.length });
    expect(new Set(codes)).toEqual(new Set(['network']));
    expect((await readFile(path)).equals(content)).toBe(true);
  });

  test('a byte that the line changed is noticed, and no file gets the name', async () => {
    const path = await ground.file('forged', Buffer.from('what was there'));
    const client = forgedBy((bytes) => Buffer.from(bytes).fill(bytes[0]! ^ 1, 0, 1));
    await expect(client.pull('big', path)).rejects.toMatchObject({ code: 'digest_mismatch' });
    expect(await litter(path)).toEqual(['forged']);
    expect(await readFile(path, 'utf8')).toBe('what was there');
  });

  test('that does not know ranges is read from the start, and only what lacks is taken', async () => {
    const path = await ground.file('rangeless');
    await pullSome(path, 4 * MiB);
    const platform = nodePlatform({ stateFolder: join(ground.folder, 'state') });
    const transport: Transport = async (request) => {
      const { range: _range, ...headers } = request.headers;
      return await platform.transport({ ...request, headers });
    };
    const pulled = await ground.client({ platform: { ...platform, transport } }).pull('big', path);
    expect(pulled.received).toBe(content.length);
    expect((await readFile(path)).equals(content)).toBe(true);
  });

  test('whose answers end too early, in good order, is asked for the rest', async () => {
    const path = await ground.file('early');
    let seen = 0;
    const client = forgedBy((bytes, turn) => {
      seen += bytes.length;
      return turn === 0 && seen > 5 * MiB ? new Uint8Array() : bytes;
    });
    const codes: string[] = [];
    await client.pull('big', path, { onTrouble: ({ code }: StowageError) => codes.push(code) });
    expect(codes).toEqual(['network']);
    expect((await readFile(path)).equals(content)).toBe(true);
  });
});

test('two pulls to one file: the second is told', async () => {
  const path = await ground.file('contested');
  const results = await Promise.allSettled([ground.client().pull('big', path), ground.client().pull('big', path)]);
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(results.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'occupied' } });
  expect((await readFile(path)).equals(content)).toBe(true);
});
