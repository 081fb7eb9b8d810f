import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IdempotentRequest, Outcome } from '../core/tenants/idempotency.ts';
import { Refusal } from '../core/refusal.ts';
import { newId } from '../kit/ids.ts';

/** Runs a request at most once. */
export interface IdempotencyStore {
  once<T>(asking: IdempotentRequest, work: (seed: string, again: boolean) => Promise<T>): Promise<Outcome<T>>;
}

const longest = 128;

/**
 * Runs a request; with an `Idempotency-Key`, at most once for the key.
 *
 * @param work returns a serializable result without secrets, which is stored; the caller adds what must not be stored.
 *   `again` is true if an earlier attempt may have started.
 * @throws Refusal `malformed` for an invalid key; refusals of `Idempotency.once`
 */
export async function once<T>(
  keeper: IdempotencyStore,
  { req, res }: { readonly req: IncomingMessage; readonly res: ServerResponse },
  asking: Omit<IdempotentRequest, 'word'>,
  work: (seed: string, again: boolean) => Promise<T>,
): Promise<T> {
  const word = wordOf(req);
  if (word === undefined) return work(newId(), false);
  const { value, replayed } = await keeper.once({ ...asking, word }, work);
  if (replayed) res.setHeader('Idempotency-Replayed', 'true');
  return value;
}

/** @throws Refusal `malformed` if the header is present, because the response contains a secret that is not stored */
export function refuseKey(req: IncomingMessage, sentence: string): void {
  if (req.headers['idempotency-key'] !== undefined) throw new Refusal('malformed', sentence);
}

function wordOf(req: IncomingMessage): string | undefined {
  const field = req.headers['idempotency-key'];
  if (field === undefined) return undefined;
  const word = String(field).trim();
  if (word === '') throw new Refusal('malformed', 'idempotency-key must not be empty');
  if (word.length > longest) throw new Refusal('malformed', 'idempotency-key is too long');
  if (!/^[\x20-\x7e]+$/.test(word)) throw new Refusal('malformed', 'idempotency-key must be valid ASCII');
  return word;
}
