/**
 * An HTTP proxy that injects faults which depend on the request, unlike the TCP proxy in `cut.ts`.
 *
 * Each client connection has its own server connection, so that both end together.
 */
import { Agent, createServer, request, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { whole } from './requests.ts';

/** The fault of a request. */
export type Meddling =
  /** The client gets this status; the server gets nothing, half of the body as a whole one, or all of it. */
  | { readonly kind: 'answer'; readonly status: number; readonly server: 'nothing' | 'half' | 'whole' }
  /** The connection ends once the server has the request, before or after it responds. */
  | { readonly kind: 'drop'; readonly when: 'before' | 'after' }
  /** The connection ends after this many bytes of the response body. */
  | { readonly kind: 'cut'; readonly after: number };

export interface Rule {
  readonly method: string;
  readonly path: RegExp;
  /** Which of the matching requests are affected, from 1; default: the first. */
  readonly which?: readonly number[];
  readonly meddling: Meddling;
}

/** A request as received. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface Meddler {
  readonly url: string;
  /** All requests so far. */
  readonly seen: readonly Seen[];
  /** Number of faults applied. */
  readonly struck: number;
  /** Activates rules; the first match applies. */
  script(...rules: Rule[]): void;
  close(): Promise<void>;
}

/** A chunk of an upload. */
export const chunks = /^\/upload\/[^/]+$/;

/** Opens the proxy on loopback in front of the server at `target`. */
export async function openMeddler(target: string): Promise<Meddler> {
  const rules: { rule: Rule; fits: number }[] = [];
  const seen: Seen[] = [];
  let struck = 0;
  const agents = new Map<Socket, Agent>();
  const choose = (method: string, path: string): Meddling | undefined => {
    for (const entry of rules) {
      if (entry.rule.method !== method || !entry.rule.path.test(path)) continue;
      entry.fits += 1;
      if (!(entry.rule.which ?? [1]).includes(entry.fits)) continue;
      struck += 1;
      return entry.rule.meddling;
    }
    return undefined;
  };
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const body = await whole(incoming);
    const { method = 'GET', url: path = '/', headers } = incoming;
    seen.push({ method, path, headers, body });
    const upstream = new URL(path, target);
    const agent = agents.get(incoming.socket);
    const send = (bytes: Buffer): ClientRequest => {
      const length = headers['content-length'] === undefined ? {} : { 'content-length': String(bytes.length) };
      const call = request(upstream, {
        method,
        headers: { ...headers, ...length, host: upstream.host },
        ...(agent && { agent }),
      });
      call.on('error', () => incoming.socket.destroy());
      return call.end(bytes);
    };
    await meddle(choose(method, path), send, body, outgoing);
  };
  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  server.on('connection', (socket) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agents.set(socket, agent);
    socket.once('close', () => {
      agents.delete(socket);
      agent.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    get struck() {
      return struck;
    },
    script: (...more) => void rules.push(...more.map((rule) => ({ rule, fits: 0 }))),
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
    },
  };
}

async function meddle(
  meddling: Meddling | undefined,
  send: (body: Buffer) => ClientRequest,
  body: Buffer,
  outgoing: ServerResponse,
): Promise<void> {
  if (meddling?.kind === 'answer') {
    const share = { nothing: undefined, half: body.subarray(0, body.length >> 1), whole: body }[meddling.server];
    if (share !== undefined) (await answered(send(share))).resume();
    const text = JSON.stringify({ error: 'meddled with', status: meddling.status });
    outgoing
      .writeHead(meddling.status, { 'Content-Type': 'application/json', 'Content-Length': text.length })
      .end(text);
  } else if (meddling?.kind === 'drop') {
    const call = send(body);
    if (meddling.when === 'before') await new Promise((resolve) => call.once('finish', resolve));
    else await answered(call);
    call.destroy();
    outgoing.socket?.destroy();
  } else {
    relay(await answered(send(body)), outgoing, meddling?.after);
  }
}

function answered(call: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => call.once('response', resolve).once('error', reject));
}

/** Forwards a response, whole or up to a number of bytes. */
function relay(answer: IncomingMessage, outgoing: ServerResponse, after = Infinity): void {
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  outgoing.flushHeaders();
  let left = after;
  answer.on('data', (chunk: Buffer) => {
    const piece = chunk.subarray(0, left);
    left -= piece.length;
    const room = outgoing.write(piece, () => {
      if (left > 0) return;
      answer.destroy();
      outgoing.socket?.destroy();
    });
    if (room) return;
    answer.pause();
    outgoing.once('drain', () => answer.resume());
  });
  answer.on('end', () => left > 0 && outgoing.end()).on('error', () => outgoing.destroy());
  // Stop fetching when the client has disconnected.
  outgoing.on('close', () => answer.destroy());
}
