/** Idle connections are cut, and no address can hold all of them. */
import { connect, type Socket } from 'node:net';
import { ConnectionCap } from '../../src/http/connection-cap.ts';
import { sourceOfAddress, within } from '../../src/http/client-address.ts';
import { listen, type Listener } from '../../src/http/listener.ts';
import { eventually, RawConnection } from '../support/raw.ts';
import { openWorld, type World } from '../support/world.ts';

/** A connection from an address of its own. */
class Held {
  readonly #socket: Socket;
  #text = '';
  #ended = false;

  constructor(url: string, from: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect({ host: hostname, port: Number(port), localAddress: from });
    this.#socket.on('data', (data) => (this.#text += data.toString()));
    this.#socket.on('close', () => (this.#ended = true)).on('error', () => undefined);
    this.#socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  }

  /** Whether a request over it was answered, or it was closed. */
  async taken(): Promise<boolean> {
    await eventually(() => this.#ended || this.#text.startsWith('HTTP/1.1 200'));
    return !this.#ended;
  }

  close(): void {
    this.#socket.destroy();
  }
}

describe('the share of one address', () => {
  const most = 8;
  let listener: Listener;
  let held: Held[];
  const start = async (options: ConstructorParameters<typeof ConnectionCap>[1]): Promise<void> => {
    held = [];
    listener = await listen({
      host: '127.0.0.1',
      port: 0,
      connections: new ConnectionCap(most, options),
      handle: (_req, res) => void res.end('ok'),
    });
  };
  const open = async (count: number, from: string): Promise<number> => {
    const more = Array.from({ length: count }, () => new Held(listener.urls[0]!, from));
    held.push(...more);
    const taken = await Promise.all(more.map((one) => one.taken()));
    return taken.filter(Boolean).length;
  };
  afterEach(async () => {
    for (const one of held) one.close();
    await listener.close(0);
  });

  test('is held by idle connections of one address, and the others are left to everyone else', async () => {
    await start({ share: 75 });
    expect(await open(20, '127.0.0.2')).toBe(6);
    expect(await open(1, '127.0.0.3')).toBe(1);
    expect(await open(5, '127.0.0.4')).toBe(1);
  });

  test('without it, one address keeps everyone else out (sabotaged)', async () => {
    await start({ share: 100 });
    expect(await open(20, '127.0.0.2')).toBe(most);
    expect(await open(1, '127.0.0.3')).toBe(0);
  });

  test('comes back when connections close', async () => {
    await start({ share: 75 });
    expect(await open(6, '127.0.0.2')).toBe(6);
    for (const one of held) one.close();
    await eventually(async () => (await open(1, '127.0.0.2')) === 1);
  });

  test('does not bind a trusted proxy', async () => {
    await start({ share: 75, proxies: ['127.0.1.0/24'] });
    expect(await open(20, '127.0.1.9')).toBe(most);
  });

  test('is at least one connection', async () => {
    await start({ share: 1 });
    expect(await open(2, '127.0.0.2')).toBe(1);
  });
});

test('addresses of networks are told, those of IPv4 in IPv6 too', () => {
  const isProxy = within(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32']);
  for (const one of ['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.7', '2001:db8:1::1'])
    expect({ one, isProxy: isProxy(one) }).toEqual({ one, isProxy: true });
  for (const one of ['11.0.0.1', '192.0.2.8', '2001:db9::1', '', 'x'])
    expect({ one, isProxy: isProxy(one) }).toEqual({ one, isProxy: false });
  expect(sourceOfAddress('2001:db8:1:2::5')).toBe(sourceOfAddress('2001:db8:1:2:ffff::1'));
  expect(sourceOfAddress('::ffff:10.1.2.3')).toBe('10.1.2.3');
});

describe('slow clients', () => {
  const crowd = 20;
  /** Room for one crowd and few others, so that a crowd which stays keeps the next one out. */
  const room = { STOWAGE_MAX_CONNECTIONS: String(crowd + 6), STOWAGE_CONNECTION_SHARE: '100' };
  let world: World;
  const start = async (env: Readonly<Record<string, string>>): Promise<void> => {
    world = await openWorld({ env: { ...room, ...env } });
    await world.push('large', Buffer.alloc(32 * 1024 * 1024, 7));
  };
  afterEach(() => world.close());

  const opened = (): Promise<RawConnection[]> =>
    Promise.all(Array.from({ length: crowd }, () => RawConnection.open(world.url)));

  /** Whether as many new connections are served. */
  async function admitsAll(): Promise<boolean> {
    const connections = await opened();
    const served = connections.map((one) =>
      one
        .head('GET', '/livez')
        .answer()
        .then(
          ({ status }) => status === 200,
          () => false,
        ),
    );
    const all = (await Promise.all(served)).every(Boolean);
    for (const one of connections) one.close();
    return all;
  }

  /** A crowd that asks for bytes and takes none. */
  async function readersThatTakeNothing(): Promise<RawConnection[]> {
    const headers = { Authorization: `Bearer ${await world.token()}` };
    const connections = await opened();
    for (const one of connections) one.head('GET', '/artifacts/large/data', headers).socket.pause();
    return connections;
  }

  test('bodies that stop coming are cut, whatever reads them', async () => {
    await start({ STOWAGE_MIN_RATE: '1kB', STOWAGE_RATE_WINDOW: '300ms' });
    const token = await world.token();
    const upload = await world.upload(Buffer.alloc(0));
    for (const path of ['/auth', '/auth/namespaces', `/upload/${upload}`]) {
      const connections = await opened();
      const headers = {
        Authorization: `Bearer ${token}`,
        'Content-Type': 'application/json',
        'Content-Length': 60_000,
      };
      for (const one of connections) one.head('POST', path, headers).send('{');
      await eventually(() => connections.every(({ ended }) => ended));
      expect(await admitsAll()).toBe(true);
    }
  });

  test('readers that take nothing are cut', async () => {
    await start({ STOWAGE_STALL: '300ms' });
    const connections = await readersThatTakeNothing();
    await eventually(admitsAll);
    for (const one of connections) one.close();
  });

  test('readers that may take nothing for long keep others out (sabotaged)', async () => {
    await start({ STOWAGE_STALL: '60s' });
    const connections = await readersThatTakeNothing();
    expect(await admitsAll()).toBe(false);
    for (const one of connections) one.close();
  });
});
