/** One upload, several protocols: each can begin, inspect, continue and finish it. */
import { createHash } from 'node:crypto';
import { openWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => void (world = await openWorld()));
afterAll(() => world.close());

const tus = { 'Tus-Resumable': '1.0.0' };
const text = (value: string): string => Buffer.from(value).toString('base64');

interface Protocol {
  /** Begins an upload of `length` bytes for `name`; answers its uuid. */
  begin(name: string, length: number): Promise<string>;
  offset(id: string): Promise<number>;
  append(id: string, at: number, body: string): Promise<void>;
  /** Brings the last bytes, and makes the whole a version of `name`. */
  finish(id: string, at: number, body: string, name: string): Promise<void>;
}

const lastSegment = (path: string | null): string => path!.split('/').at(-1)!;

const protocols: Record<'shaken fist' | 'tus' | 'ietf', Protocol> = {
  'shaken fist': {
    begin: async (_name, length) =>
      (await world.get<{ uuid: string }>('POST', '/upload', { headers: { 'Upload-Length': String(length) } })).uuid,
    offset: async (id) => (await world.get<{ size: number }>('GET', `/upload/${id}`)).size,
    append: async (id, at, body) =>
      void (await world.get('POST', `/upload/${id}`, { body, headers: { 'Upload-Offset': String(at) } })),
    finish: async (id, at, body, name) => {
      await protocols['shaken fist'].append(id, at, body);
      await world.get('POST', `/artifacts/upload/${name}`, { json: { upload_uuid: id, artifact_type: 'other' } });
    },
  },
  tus: {
    begin: async (name, length) =>
      lastSegment(
        (
          await world.ask('POST', '/tus', {
            headers: { ...tus, 'Upload-Length': String(length), 'Upload-Metadata': `filename ${text(name)}` },
          })
        ).headers.get('location'),
      ),
    offset: async (id) =>
      Number((await world.ask('HEAD', `/tus/${id}`, { headers: tus })).headers.get('upload-offset')),
    append: async (id, at, body) => {
      const { status } = await world.ask('PATCH', `/tus/${id}`, {
        headers: { ...tus, 'Content-Type': 'application/offset+octet-stream', 'Upload-Offset': String(at) },
        body,
      });
      expect(status).toBe(204);
    },
    finish: async (id, at, body) => protocols.tus.append(id, at, body),
  },
  ietf: {
    begin: async (name, length) =>
      lastSegment(
        (
          await world.ask('POST', `/artifacts/${name}/data`, {
            headers: { 'Upload-Complete': '?0', 'Upload-Length': String(length) },
          })
        ).headers.get('location'),
      ),
    offset: async (id) => Number((await world.ask('HEAD', `/upload/${id}`)).headers.get('upload-offset')),
    append: async (id, at, body) => {
      const headers = {
        'Content-Type': 'application/partial-upload',
        'Upload-Offset': String(at),
        'Upload-Complete': '?0',
      };
      expect((await world.ask('PATCH', `/upload/${id}`, { headers, body })).status).toBe(204);
    },
    finish: async (id, at, body) => {
      const headers = {
        'Content-Type': 'application/partial-upload',
        'Upload-Offset': String(at),
        'Upload-Complete': '?1',
      };
      expect((await world.ask('PATCH', `/upload/${id}`, { headers, body })).status).toBeLessThan(300);
    },
  },
};

const names = Object.keys(protocols) as (keyof typeof protocols)[];
const ways = names.flatMap((begins) =>
  names.flatMap((goesOn) => names.map((finishes) => [begins, goesOn, finishes] as const)),
);

test.each(ways)('%s begins, %s goes on, %s finishes', async (begins, goesOn, finishes) => {
  const name = [begins, goesOn, finishes].join('-').replaceAll(' ', '');
  const id = await protocols[begins].begin(name, 9);
  await protocols[begins].append(id, 0, 'abc');
  for (const looks of names) expect(await protocols[looks].offset(id)).toBe(3);
  await protocols[goesOn].append(id, 3, 'def');
  for (const looks of names) expect(await protocols[looks].offset(id)).toBe(6);
  await protocols[finishes].finish(id, 6, 'ghi', name);
  // Only an upload that was begun for a name becomes something by itself; any other is converted by whoever wants it.
  if (begins === 'shaken fist' && finishes !== 'shaken fist')
    await world.get('POST', `/artifacts/upload/${name}`, { json: { upload_uuid: id, artifact_type: 'other' } });
  expect((await world.ask('GET', `/artifacts/${name}/data`)).bytes.toString()).toBe('abcdefghi');
  expect((await world.get<{ state: string }>('GET', `/upload/${id}`)).state).toBe('sealed');
});

describe('an upload of promised bytes', () => {
  const content = 'promised';
  const sha512 = createHash('sha512').update(content).digest('hex');
  const digest = `sha-512=:${Buffer.from(sha512, 'hex').toString('base64')}:`;

  test('is found by its owner, whoever began it, with its offset', async () => {
    const begun = [
      (await world.get<{ uuid: string }>('POST', '/upload', { headers: { 'Repr-Digest': digest } })).uuid,
      lastSegment(
        (
          await world.ask('POST', '/tus', {
            headers: {
              ...tus,
              'Upload-Length': '8',
              'Upload-Metadata': `filename ${text('p')},sha512 ${text(sha512)}`,
            },
          })
        ).headers.get('location'),
      ),
      lastSegment(
        (
          await world.ask('POST', '/artifacts/p/data', { headers: { 'Upload-Complete': '?0', 'Repr-Digest': digest } })
        ).headers.get('location'),
      ),
    ];
    await protocols.tus.append(begun[1]!, 0, 'prom');
    const found = await world.get<{ uuid: string; size: number }[]>('GET', `/upload?sha512=${sha512}`);
    expect(found.map(({ uuid }) => uuid).toSorted()).toEqual(begun.toSorted());
    expect(found.find(({ uuid }) => uuid === begun[1])!.size).toBe(4);
    expect(await world.get('GET', `/upload?sha512=${'0'.repeat(128)}`)).toEqual([]);
    await world.addNamespace('onlooker');
    expect(await world.get('GET', `/upload?sha512=${sha512}`, { as: 'onlooker' })).toEqual([]);
    expect((await world.ask('GET', '/upload?sha512=short')).status).toBe(400);
  });

  test('becomes nothing else', async () => {
    const { uuid } = await world.get<{ uuid: string }>('POST', '/upload', { headers: { 'Repr-Digest': digest } });
    await world.get('POST', `/upload/${uuid}`, { body: 'something' });
    expect((await world.ask('POST', '/artifacts/upload/broken-promise', { json: { upload_uuid: uuid } })).status).toBe(
      400,
    );
    await world.get('POST', `/upload/${uuid}/truncate/0`);
    await world.get('POST', `/upload/${uuid}`, { body: content });
    await world.get('POST', '/artifacts/upload/kept-promise', { json: { upload_uuid: uuid } });
  });
});
