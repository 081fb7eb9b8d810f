/** Lists, complete and paged. */
import { openWorld, type ArtifactView, type World } from '../support/world.ts';

let world: World;
let all: string[];
const total = 1203;

beforeAll(async () => {
  world = await openWorld();
  await world.addNamespace('builds');
  const { blob_uuid: blob } = await world.push('first', Buffer.from('x'), { as: 'builds' });
  const made: ArtifactView[] = [];
  // A hundred at a time: the test is of lists, not of a thousand connections at once.
  for (let from = 0; from < total - 1; from += 100) {
    made.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(100, total - 1 - from) }, (_, at) =>
          world.get<ArtifactView>('POST', `/artifacts/upload/n${from + at}`, {
            as: 'builds',
            json: { blob_uuid: blob },
          }),
        ),
      )),
    );
  }
  all = [
    ...made.map(({ uuid }) => uuid),
    (await world.get<ArtifactView>('GET', '/artifacts/first', { as: 'builds' })).uuid,
  ].sort();
}, 60_000);
afterAll(() => world.close());

/** Follows the links from page to page. */
async function pages(path: string, as: string): Promise<{ uuid: string }[][]> {
  const found: { uuid: string }[][] = [];
  for (let next: string | undefined = path; next;) {
    const answer = await world.ask('GET', next, { as });
    expect(answer.status).toBe(200);
    found.push(answer.json());
    next = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
  }
  return found;
}

test('the bare list is everything, in one piece', async () => {
  const answer = await world.ask('GET', '/artifacts', { as: 'builds' });
  expect(answer.headers.get('link')).toBeNull();
  expect(answer.json<{ uuid: string }[]>().map(({ uuid }) => uuid)).toEqual(all);
  expect(answer.json<ArtifactView[]>().every(({ index, blobs }) => index === 1 && blobs['1']!.size === 1)).toBe(true);
});

test('the bare list of nothing is a list', async () => {
  await world.addNamespace('empty');
  expect((await world.ask('GET', '/artifacts', { as: 'empty' })).bytes.toString()).toBe('[]');
});

test('pages are of the size asked for, and together they are everything', async () => {
  const found = await pages('/artifacts?limit=400', 'builds');
  expect(found.map((page) => page.length)).toEqual([400, 400, 400, 3]);
  expect(found.flat().map(({ uuid }) => uuid)).toEqual(all);
  expect((await pages(`/artifacts?limit=${1000}`, 'builds')).map((page) => page.length)).toEqual([1000, 203]);
});

test('a last page that is full has no next one', async () => {
  const answer = await world.ask('GET', `/artifacts?limit=3&after=${all.at(-4)}`, { as: 'builds' });
  expect(answer.json()).toHaveLength(3);
  expect(answer.headers.get('link')).toBeNull();
  expect(await world.get('GET', `/artifacts?limit=3&after=${all.at(-1)}`, { as: 'builds' })).toEqual([]);
});

test('filters hold on every page', async () => {
  expect(
    (await world.get<ArtifactView[]>('GET', '/artifacts?name=n7', { as: 'builds' })).map(({ name }) => name),
  ).toEqual(['n7']);
  expect(await world.get('GET', '/artifacts?type=label', { as: 'builds' })).toEqual([]);
  expect(await world.get('GET', '/artifacts?namespace=system', { as: 'builds' })).toEqual([]);
  const found = await pages('/artifacts?namespace=builds&type=image&limit=700', 'system');
  expect(found.map((page) => page.length)).toEqual([700, 503]);
});

test('uploads, blobs and namespaces have pages too', async () => {
  const uploads = (await Promise.all(Array.from({ length: 5 }, () => world.upload(Buffer.alloc(0), 'builds')))).sort();
  expect((await pages('/upload?limit=2', 'builds')).flat().map(({ uuid }) => uuid)).toEqual(uploads);
  await world.push('another', Buffer.from('y'));
  const blobs = await pages('/blobs?limit=1', 'system');
  expect(blobs.length).toBe(2);
  expect(blobs.flat()).toEqual(await world.get('GET', '/blobs'));
  expect((await pages('/auth/namespaces?limit=1', 'system')).flat()).toEqual(
    await world.get('GET', '/auth/namespaces'),
  );
});

test('old clients send a body with the question', async () => {
  const { RawConnection } = await import('../support/raw.ts');
  const connection = await RawConnection.open(world.url);
  for (const body of ['{"node": null}', '{\n    "node": "x"\n}']) {
    connection
      .head('GET', '/artifacts?limit=1', {
        Authorization: `Bearer ${await world.token('builds')}`,
        'Content-Type': 'application/json',
        'Content-Length': body.length,
      })
      .send(body);
    expect((await connection.answer()).status).toBe(200);
  }
  connection
    .head('GET', `/artifacts/first/events`, {
      Authorization: `Bearer ${await world.token('builds')}`,
      'Content-Length': 14,
    })
    .send('{"limit": "1"}');
  expect(JSON.parse((await connection.answer()).body)).toHaveLength(1);
  connection.close();
});
