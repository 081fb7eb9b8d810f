import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ConnectionCap } from './connection-cap.ts';
import { noteNextRequest } from './delivery.ts';
import { noteExpectation } from './incoming.ts';

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Limits the connections of all ports that share it. */
  readonly connections: ConnectionCap;
  /** Milliseconds within which a request's headers must arrive. */
  readonly headTime?: number;
  /** Milliseconds that an idle connection is kept open. */
  readonly idleTime?: number;
  readonly handle: RequestListener;
  /** Called when a connection cannot be accepted, for example without free descriptors. */
  readonly onFault?: (error: unknown) => void;
}

export interface Listener {
  /** URLs of the listener, without a trailing slash. */
  readonly urls: readonly string[];
  /** Accepts no more connections, waits for running requests, and closes them after `deadline` milliseconds. */
  close(deadline: number): Promise<void>;
}

/** Node silently drops headers beyond its limit, so the limit is checked here and the request refused. */
const mostHeaders = 200;

/** Opens the port. Headers have a time limit; bodies do not, because a slow upload is legitimate. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { headTime = 15_000, idleTime = 75_000 } = options;
  const server = createServer({
    headersTimeout: headTime,
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(2000, headTime / 2),
    keepAliveTimeout: idleTime,
    noDelay: true,
  });
  server.maxHeadersCount = 0;
  server.on('connection', (socket) => options.connections.admit(socket));
  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    noteNextRequest(req);
    if (req.rawHeaders.length > mostHeaders * 2) {
      res.writeHead(431, { Connection: 'close', 'Content-Length': 0 }).end();
      return;
    }
    options.handle(req, res);
  };
  server.on('request', handle);
  // The reader of the body sends `100 Continue`, so that a refused request costs the client no upload.
  server.on('checkContinue', (req, res) => {
    noteExpectation(req);
    handle(req, res);
  });
  // Other expectations are ignored.
  server.on('checkExpectation', handle);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      // An unhandled `error` event would end the process.
      server.on('error', (error) => options.onFault?.(error));
      resolve();
    });
  });
  return { urls: urlsOf(server, options.host), close: (deadline) => close(server, deadline) };
}

function urlsOf(server: Server, host: string): string[] {
  const { port, family, address } = server.address() as AddressInfo;
  const everywhere = address === '0.0.0.0' || address === '::';
  const name = everywhere ? 'localhost' : family === 'IPv6' ? `[${address}]` : host;
  return [`http://${name}:${port}`];
}

async function close(server: Server, deadline: number): Promise<void> {
  // Keep-alive connections become idle at different times, so close the idle ones repeatedly.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const end = setTimeout(() => server.closeAllConnections(), deadline);
  try {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    });
  } finally {
    clearInterval(idle);
    clearTimeout(end);
  }
}
