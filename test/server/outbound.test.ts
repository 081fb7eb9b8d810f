import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openOutbound, type Outbound } from '../../src/server/outbound.ts';

const pace = { rate: 0, window: 1000 };
const careful = openOutbound({ anywhere: false, maxSize: 1_000_000, pace });
const careless = openOutbound({ anywhere: true, maxSize: 1_000_000, pace });
const never = new AbortController().signal;

describe('what is never fetched', () => {
  test.each([
    'file:///etc/passwd',
    'gopher://example.org/',
    'ftp://example.org/',
    'data:text/plain,x',
    'javascript:1',
    '//example.org',
    'nonsense',
    '',
    'http://user:secret@example.org/',
    'http://user@example.org/',
    'https://:secret@example.org/',
  ])('%j is malformed', (url) => {
    expect(() => careful.check(url)).toThrow(expect.objectContaining({ reason: 'malformed' }) as Error);
  });

  test.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://0x7f.1/',
    'http://127.0.0.1./',
    'http://0.0.0.0/',
    'http://0/',
    'http://10.1.2.3/',
    'http://172.16.0.1/',
    'http://172.31.255.255/',
    'http://192.168.1.1/',
    'http://169.254.169.254/latest/',
    'http://100.64.0.1/',
    'http://198.18.0.1/',
    'http://192.0.2.1/',
    'http://203.0.113.9/',
    'http://224.0.0.1/',
    'http://240.0.0.1/',
    'http://255.255.255.255/',
    'http://[::1]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[::127.0.0.1]/',
    'http://[fe80::1]/',
    'http://[fc00::1]/',
    'http://[fd12:3456::1]/',
    'http://[ff02::1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[64:ff9b:1::1]/',
    'http://[2002:7f00:1::]/',
    'http://[2001::1]/',
    'http://[2001:db8::1]/',
    'http://[fec0::1]/',
    'http://[100::1]/',
    'http://[::ffff:0:127.0.0.1]/',
    'http://①②⑦.⓪.⓪.①/',
    'http://127。0。0。1/',
  ])('%s leads inside', (url) => {
    expect(() => careful.check(url)).toThrow(expect.objectContaining({ reason: 'forbidden' }) as Error);
  });

  test('a name that leads inside is refused before anything is connected to', async () => {
    await expect(careful.open('http://localhost:1/', 0, undefined, never)).rejects.toMatchObject({
      reason: 'forbidden',
    });
  });

  test.each([
    'http://93.184.216.34/',
    'https://example.org/a?b#c',
    'http://[2606:2800:220:1:248:1893:25c8:1946]/',
    'http://xn--bcher-kva.example/',
  ])('%s may be', (url) => {
    careful.check(url);
  });
});

describe('fetching', () => {
  let server: Server;
  let url: string;
  let answer: (req: IncomingMessage, res: ServerResponse) => void;
  let seen: IncomingMessage[];

  beforeEach(async () => {
    seen = [];
    server = createServer((req, res) => {
      seen.push(req);
      answer(req, res);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function all(
    outbound: Outbound,
    ...args: [offset?: number, etag?: string]
  ): Promise<{
    text: string;
    cut: Error | undefined;
    restarted: boolean;
    etag: string | undefined;
    length: number | undefined;
  }> {
    const { body, restarted, etag, length } = await outbound.open(`${url}/start`, args[0] ?? 0, args[1], never);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return { text: Buffer.concat(chunks).toString(), cut: body.cut, restarted, etag, length };
  }

  test('takes what is there, and asks for it plainly', async () => {
    answer = (_req, res) => res.writeHead(200, { ETag: '"one"', 'Content-Length': 5 }).end('hello');
    expect(await all(careless)).toEqual({ text: 'hello', cut: undefined, restarted: true, etag: '"one"', length: 5 });
    expect(seen[0]!.headers).toMatchObject({ 'accept-encoding': 'identity', host: new URL(url).host });
    expect(seen[0]!.headers.authorization).toBeUndefined();
  });

  test('goes on where it was, if what lies there is still the same', async () => {
    answer = (req, res) => {
      expect(req.headers).toMatchObject({ range: 'bytes=2-', 'if-range': '"one"' });
      res.writeHead(206, { ETag: '"one"', 'Content-Range': 'bytes 2-4/5', 'Content-Length': 3 }).end('llo');
    };
    expect(await all(careless, 2, '"one"')).toMatchObject({ text: 'llo', restarted: false, length: 5 });
  });

  test('begins again when it is not, or when the part is another', async () => {
    answer = (_req, res) => res.writeHead(200, { ETag: '"two"', 'Content-Length': 5 }).end('HELLO');
    expect(await all(careless, 2, '"one"')).toMatchObject({ text: 'HELLO', restarted: true, etag: '"two"' });
    answer = (_req, res) => res.writeHead(206, { 'Content-Range': 'bytes 0-4/5', 'Content-Length': 5 }).end('HELLO');
    await expect(all(careless, 2, '"one"')).rejects.toMatchObject({ reason: 'unavailable' });
  });

  test('asks for no part of what it cannot recognise', async () => {
    answer = (req, res) => {
      expect(req.headers.range).toBeUndefined();
      res.writeHead(200, { ETag: 'W/"weak"' }).end('hello');
    };
    expect(await all(careless, 2, undefined)).toMatchObject({ restarted: true, etag: undefined });
  });

  test('notices a body that ends early', async () => {
    answer = (_req, res) => {
      res.writeHead(200, { 'Content-Length': 10 }).write('hello', () => res.destroy());
    };
    const { text, cut } = await all(careless);
    expect(text).toBe('hello');
    expect(cut).toHaveProperty('message');
  });

  test('follows a few redirects, looking at each', async () => {
    answer = (req, res) => (req.url === '/start' ? res.writeHead(302, { Location: '/end' }).end() : res.end('there'));
    expect(await all(careless)).toMatchObject({ text: 'there' });
    answer = (_req, res) => res.writeHead(302, { Location: '/start' }).end();
    await expect(all(careless)).rejects.toMatchObject({ reason: 'forbidden' });
    for (const Location of ['file:///etc/passwd', 'http://a:b@127.0.0.1/', 'http://%']) {
      answer = (_req, res) => res.writeHead(302, { Location }).end();
      await expect(all(careless)).rejects.toMatchObject({ reason: 'malformed' });
    }
  });

  test.each([
    [404, 'not_found'],
    [410, 'not_found'],
    [401, 'forbidden'],
    [403, 'forbidden'],
    [500, 'unavailable'],
    [204, 'unavailable'],
  ])('an answer of %i is %s', async (status, reason) => {
    answer = (_req, res) => res.writeHead(status).end();
    await expect(all(careless)).rejects.toMatchObject({ reason });
  });

  test('takes nothing that is too large, whether it says so or not', async () => {
    answer = (_req, res) => res.writeHead(200, { 'Content-Length': 2_000_000 }).end(Buffer.alloc(2_000_000));
    await expect(all(careless)).rejects.toMatchObject({ reason: 'too_large' });
    answer = (_req, res) => {
      res.write(Buffer.alloc(1_500_000));
      res.end(Buffer.alloc(500_000));
    };
    expect((await all(careless)).cut).toMatchObject({ reason: 'too_large' });
  });

  test('is given up when told to', async () => {
    const stop = new AbortController();
    answer = () => stop.abort();
    await expect(careless.open(url, 0, undefined, stop.signal)).rejects.toThrow();
  });
});
