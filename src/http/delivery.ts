import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** For each connection, a callback that settles the previous response when a newer request arrives. */
const watched = new WeakMap<Socket, () => void>();

/**
 * Detects whether a response reached its client: the system accepted all of it, and the connection did not break before
 * the next request.
 *
 * @param keepsOpen whether this client never closes a connection between requests; for any other, an orderly close
 *   after the response proves nothing
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

/** Must be called for every request: it proves that the previous response on the connection arrived. */
export function noteNextRequest(req: IncomingMessage): void {
  watched.get(req.socket)?.();
}
