/** Validates request targets: percent-encoded UTF-8 without control characters. */
import type { Request, Response, NextFunction } from 'express';
import { Refusal } from '../core/refusal.ts';
import { textFault } from '../kit/text.ts';

/**
 * @throws Refusal `bad_text` if the path or query is not percent-encoded UTF-8, or has a control character.
 */
export function demandText(target: string): void {
  if (/[^\x21-\x7e]/.test(target)) throw refusal('the URL has a character that must be percent-encoded');
  const cut = target.indexOf('?');
  check('path', cut < 0 ? target : target.slice(0, cut));
  if (cut >= 0) check('query', target.slice(cut + 1));
}

/** Refuses an invalid target before a face sees the request. */
export function textGate(req: Request, _res: Response, next: NextFunction): void {
  demandText(req.originalUrl);
  next();
}

function check(what: string, encoded: string): void {
  let text: string;
  try {
    text = decodeURIComponent(encoded);
  } catch {
    throw refusal('the request is malformed');
  }
  const fault = textFault(text);
  if (fault !== undefined) throw refusal(`the ${what} has ${fault}`);
}

function refusal(sentence: string): Refusal {
  return new Refusal('bad_text', sentence);
}
