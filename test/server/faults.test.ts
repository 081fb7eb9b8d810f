/** Faults outside of requests: the process continues, or ends at once with an exit code. */
import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DatabaseSync } from '@photostructure/sqlite';
import { join } from 'node:path';
import { pino } from 'pino';
import { fatalExit, Faults } from '../../src/server/faults.ts';
import { openWorld, type ArtifactView, type World } from '../support/world.ts';

const silent = pino({ level: 'silent' });

describe('last resorts', () => {
  function guarded(): { readonly process: EventEmitter; readonly faults: Faults; readonly exits: number[] } {
    const [process, exits] = [new EventEmitter(), [] as number[]];
    const faults = new Faults(silent, (code) => exits.push(code));
    faults.guard(process);
    return { process, faults, exits };
  }

  test('an unhandled rejection is counted, and the process goes on', () => {
    const { process, faults, exits } = guarded();
    process.emit('unhandledRejection', new Error('nobody waits'));
    expect([...faults.counts]).toEqual([['unhandled_rejection', 1]]);
    expect(exits).toEqual([]);
  });

  test('an uncaught exception ends the process with an exit code of its own', () => {
    const { process, faults, exits } = guarded();
    process.emit('uncaughtException', new TypeError('undefined is not a function'));
    expect([...faults.counts]).toEqual([['uncaught_exception', 1]]);
    expect(exits).toEqual([fatalExit]);
  });

  test.each(['ECONNRESET', 'EPIPE'])(
    'a connection that broke where nothing listened concerns itself alone: %s',
    (code) => {
      const { process, faults, exits } = guarded();
      process.emit('uncaughtException', Object.assign(new Error('broken'), { code }));
      expect([...faults.counts]).toEqual([['uncaught_exception', 1]]);
      expect(exits).toEqual([]);
    },
  );
});

describe('fetches that fail', () => {
  let world: World;
  let source: Server;
  let sourceUrl: string;
  const open: (() => void)[] = [];

  beforeAll(async () => {
    world = await openWorld();
    source = createServer((req, res) => {
      if (req.url === '/broken') return void req.socket.destroy();
      if (req.url === '/short') {
        res.writeHead(200, { 'Content-Length': 1000 });
        res.write('short');
        return void setImmediate(() => req.socket.destroy());
      }
      if (req.url === '/waits') return void open.push(() => res.end('late'));
      res.end('0123456789');
    });
    source.listen(0, '127.0.0.1');
    await once(source, 'listening');
    sourceUrl = `http://127.0.0.1:${(source.address() as AddressInfo).port}`;
  });

  afterAll(async () => {
    await world.close();
    source.closeAllConnections();
    source.close();
  });

  const fetchAs = (as: string, path: string): Promise<ArtifactView> =>
    world.get<ArtifactView>('POST', '/artifacts', { as, json: { url: `${sourceUrl}${path}` } });

  const alive = async (): Promise<void> => expect((await world.ask('GET', '/artifacts')).status).toBe(200);

  test('a tenant whose quota is taken: the fetch fails, also after a restart', async () => {
    await world.addNamespace('poor');
    await world.ask('PATCH', '/api/storage/quotas/poor', { json: { quota_bytes: 100 } });
    const upload = await world.get<{ uuid: string }>('POST', '/upload', { as: 'poor' });
    await world.ask('POST', `/upload/${upload.uuid}`, { as: 'poor', body: Buffer.alloc(100) });
    await world.ask('PATCH', '/api/storage/quotas/poor', { json: { quota_bytes: 10 } });
    const fetched = await fetchAs('poor', '/ok');
    await world.core.fetching.idle();
    const shown = await world.get<ArtifactView>('GET', `/artifacts/${fetched.uuid}`, { as: 'poor' });
    expect(shown.state).toBe('error');
    expect([...world.server.faults.counts]).toEqual([]);
    await world.restart();
    await world.core.fetching.idle();
    await alive();
  });

  test('a namespace deleted while its fetches wait: they end, and a new one of its name gets nothing', async () => {
    await world.addNamespace('gone');
    for (let at = 0; at < 8; at += 1) await fetchAs('gone', at < 4 ? '/waits' : `/ok?${at}`);
    expect((await world.ask('DELETE', '/auth/namespaces/gone')).status).toBe(200);
    await world.addNamespace('gone');
    for (const answer of open.splice(0)) answer();
    const serving = setInterval(() => open.splice(0).forEach((answer) => answer()), 5);
    await world.core.fetching.idle();
    clearInterval(serving);
    expect(
      await world.core.artifacts.list({ namespace: 'gone', credential: 'test' }, {}, { after: null, limit: 10 }),
    ).toEqual([]);
    expect([...world.server.faults.counts]).toEqual([]);
    await alive();
  });

  test('rows of the queue that make no sense: the server starts, and they fail', async () => {
    const { uuid } = await fetchAs('system', '/ok?row');
    await world.core.fetching.idle();
    await world.server.close();
    const database = new DatabaseSync(join(world.folder, 'catalog.sqlite'));
    database.prepare("update artifacts set state = 'initial', source_url = 'no url at all' where uuid = ?").run(uuid);
    database.close();
    await world.start();
    await world.core.fetching.idle();
    expect((await world.get<ArtifactView>('GET', `/artifacts/${uuid}`)).state).toBe('error');
    expect([...world.server.faults.counts]).toEqual([]);
    await alive();
  });
});
