import { openWorld, type World } from '../support/world.ts';
let world: World;
beforeAll(async () => { world = await openWorld(); });
afterAll(async () => world.close());
test('smoke', async () => {
  const a = await world.push('hello.txt', Buffer.from('hello'));
  console.log(a);
  const d = await world.ask('GET', `/artifacts/hello.txt/data`);
  console.log(d.status, Object.fromEntries(d.headers), d.bytes.toString());
  console.log((await world.ask('GET','/artifacts')).json());
  console.log((await world.ask('GET','/blobs')).json());
  console.log((await world.ask('GET','/metrics', {as: null})).bytes.toString());
});
