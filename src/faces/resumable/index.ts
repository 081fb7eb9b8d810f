/** The resumable faces: tus 1.0, on the same uploads as every other face. */
import { Router } from 'express';
import type { Logger } from 'pino';
import type { Core } from '../../core/index.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import { refusing } from '../../http/refusing.ts';
import type { Tokens } from '../../http/tokens.ts';
import { wording } from './refusals.ts';
import { Tus } from './tus.ts';

export interface ResumableOptions {
  readonly lifetime: Lifetime;
  readonly log: Logger;
  readonly tokens: Tokens;
}

export interface Resumable {
  readonly router: Router;
  /** Ids of the book's operations that this face answers. */
  readonly mounted: readonly string[];
}

export function resumable(core: Core, { lifetime, log, tokens }: ResumableOptions): Resumable {
  const router = Router({ caseSensitive: true });
  const tus = new Tus({ core, lifetime, tokens });
  router.all('/tus', (req, res) => tus.serve(req, res, undefined));
  router.all('/tus/:id', (req, res) => tus.serve(req, res, req.params.id));
  router.use('/tus', refusing(wording, log));
  return { router, mounted: ['tusOptions', 'tusCreate', 'tusHead', 'tusAppend', 'tusTerminate'] };
}
