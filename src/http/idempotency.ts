import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Asking, Outcome } from '../core/tenants/idempotency.ts';
import { Refusal } from '../core/refusal.ts';
import { newId } from '../kit/ids.ts';

/** Sees to it that a request happens once. */
export interface KeyedAnswers {
  once<T>(asking: Asking, work: (seed: string, again: boolean) => Promise<T>): Promise<Outcome<T>>;
}

const longest = 128;

/**
 * Does what a request asks for; where it has an `Idempotency-Key`, once, however often it is sent.
 *
 * @param work makes something plain and without secrets, which is kept; what must not be kept is added to it by the caller.
 *   It is told whether somebody may have begun before.
 * @throws Refusal `malformed` for a key that is none; as `Idempotency.once` does.
 */
export async function once<T>(
  keeper: KeyedAnswers,
  { req, res }: { readonly req: IncomingMessage; readonly res: ServerResponse },
  asking: Omit<Asking, 'word'>,
  work: (seed: string, again: boolean) => Promise<T>,
): Promise<T> {
  const word = wordOf(req);
  if (word === undefined) return work(newId(), false);
  const { value, replayed } = await keeper.once({ ...asking, word }, work);
  if (replayed) res.setHeader('Idempotency-Replayed', 'true');
  return value;
}

/** @throws Refusal `malformed` where a request has the header, because its answer holds a secret that is not kept. */
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
