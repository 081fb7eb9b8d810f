import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** For each connection, what to forget of the answer before once a newer request shows that it arrived. */
const watched = new WeakMap<Socket, () => void>();

/**
 * Tells whether an answer reached its client, as far as the connection can tell: it did when the system took it all
 * and the connection did not break before the next request on it.
 *
 * @param keepsOpen whether this client is known never to close a connection between two requests. For any other an
 *   orderly end after the answer says nothing.
 */
export function watchDelivery(res: ServerResponse, keepsOpen: boolean, settle: (arrived: boolean) => void): void {
  const { socket } = res;
  if (!socket || socket.destroyed) {
    settle(false);
    return;
  }
  const broke = (): void => settle(false);
  const forget = (): void => {
    socket.off('error', broke);
    socket.off('end', broke);
    socket.off('close', forget);
    watched.delete(socket);
  };
  res.once('finish', () => {
    settle(true);
    socket.once('error', broke);
    if (keepsOpen) socket.once('end', broke);
    socket.once('close', forget);
    watched.set(socket, forget);
  });
  res.once('close', () => {
    if (!res.writableFinished) settle(false);
  });
}

/** To be told of every request: it proves that the answer before it on the same connection arrived. */
export function noteNextRequest(req: IncomingMessage): void {
  watched.get(req.socket)?.();
}
