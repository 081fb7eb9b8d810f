import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ConnectionCap } from './connection-cap.ts';
import { noteNextRequest } from './delivery.ts';
import { noteExpectation } from './incoming.ts';

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Counts the connections of all ports that share it. */
  readonly connections: ConnectionCap;
  /** Milliseconds in which a request's head must have come. */
  readonly headTime?: number;
  /** Milliseconds for which a connection is kept that waits for a next request. */
  readonly idleTime?: number;
  readonly handle: RequestListener;
  /** Told when a connection cannot be taken, as when descriptors are used up. */
  readonly onFault?: (error: unknown) => void;
}

export interface Listener {
  /** Where it can be reached, without a slash at the end. */
  readonly urls: readonly string[];
  /** Takes no more connections, waits for what is under way, and at the deadline ends that too. */
  close(deadline: number): Promise<void>;
}

/** Node passes over header lines beyond a count without a word; we count ourselves and refuse. */
const mostHeaders = 200;

/** Opens the port. Heads have a time to come in; bodies have none in total, since a slow honest upload takes what it takes. */
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
  // Whether to let the body come is decided by whoever reads it, so that a refusal costs the client nothing.
  server.on('checkContinue', (req, res) => {
    noteExpectation(req);
    handle(req, res);
  });
  // Whatever else somebody expects: they will see what they get.
  server.on('checkExpectation', handle);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      // An error that nothing listens for ends the process.
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
  // Connections kept open for a next request are idle by turns; each turn takes those that are idle then.
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
