/** A scripted connection to one upload in memory, for failures that no real connection makes on demand. */
import { StowageError } from '../../src/client/error.ts';
import { Session } from '../../src/client/session.ts';
import type { TransportAnswer, Outgoing, Transport } from '../../src/client/transport.ts';

/** What happens to one append. */
export type Trouble =
  | { readonly kind: 'fine' }
  /** Only a share of the body arrives, then the line is cut. */
  | { readonly kind: 'cut'; readonly share: number }
  /** Everything arrives, the answer does not. */
  | { readonly kind: 'lost answer' }
  /** Nothing arrives. */
  | { readonly kind: 'refused'; readonly status: number };

export interface Line {
  readonly session: Session;
  /** What the server has. */
  readonly stored: () => Buffer;
  /** Bytes that arrived, wanted or not. */
  readonly carried: () => number;
  readonly requests: { readonly method: string; readonly url: string; readonly size: number }[];
}

export const patience = { attempts: 5, first: 0, most: 0 };

export function openLine(script: readonly Trouble[]): Line {
  const parts: Buffer[] = [];
  const requests: Line['requests'][number][] = [];
  let size = 0;
  let carried = 0;
  let turn = 0;
  const append = async (request: Outgoing): Promise<TransportAnswer> => {
    const offset = Number(request.headers['upload-offset']);
    const body = typeof request.body === 'object' ? request.body : undefined;
    if (offset !== size) return answer(409, { error: 'no', code: 'offset_mismatch', offset: size });
    const trouble = script[turn++] ?? { kind: 'fine' };
    if (trouble.kind === 'refused') return answer(trouble.status, {});
    const room = trouble.kind === 'cut' ? Math.floor((body?.size ?? 0) * trouble.share) : Infinity;
    let taken = 0;
    for await (const piece of body?.pieces() ?? []) {
      const part = Buffer.from(piece.subarray(0, room - taken));
      parts.push(part);
      taken += part.byteLength;
      request.onSent?.(taken);
      if (taken >= room) break;
    }
    size += taken;
    carried += taken;
    if (trouble.kind !== 'fine') throw new StowageError('network', 'the line was cut');
    return answer(200, size);
  };
  const transport: Transport = async (request) => {
    const path = new URL(request.url).pathname;
    requests.push({
      method: request.method,
      url: path,
      size: typeof request.body === 'object' ? request.body.size : 0,
    });
    if (request.method === 'HEAD') return answer(200, undefined, { 'upload-offset': String(size) });
    return await append(request);
  };
  const session = new Session({
    url: 'http://line',
    credentials: { token: 't' },
    transport,
    clock: { now: () => 0 },
    patience,
  });
  return { session, stored: () => Buffer.concat(parts), carried: () => carried, requests };
}

/** An answer with a JSON body. */
export function answer(status: number, json: unknown, headers: Readonly<Record<string, string>> = {}): TransportAnswer {
  return {
    status,
    header: (name) => headers[name],
    body: (async function* () {
      if (json !== undefined) yield Buffer.from(JSON.stringify(json));
    })(),
    discard: () => {},
  };
}
