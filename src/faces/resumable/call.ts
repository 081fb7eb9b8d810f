/** An authenticated request. */
import type { Request, Response } from 'express';
import type { Core } from '../../core/index.ts';
import type { Beginning } from '../../core/bytes/uploads.ts';
import type { Principal, Upload } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { nameCaller } from '../../http/request-log.ts';
import type { Capability } from '../../http/tokens.ts';
import { printAbout, type About } from './about.ts';
import { targetOf } from './finish.ts';
import type { Context } from './context.ts';

export interface ResumableCall {
  readonly req: Request;
  readonly res: Response;
  readonly who: Principal;
  /** The capability, if the request is limited to one upload. */
  readonly capability: Capability | undefined;
}

/**
 * Authenticates the caller and checks that a capability is for this upload.
 *
 * @throws Refusal `unauthenticated`, `forbidden`
 */
export async function authenticate(
  { tokens }: Context,
  req: Request,
  res: Response,
  upload?: string,
): Promise<ResumableCall> {
  const { who, capability } = await tokens.holder(req);
  nameCaller(res, who.namespace);
  if (capability && upload !== undefined && upload !== capability.upload)
    throw new Refusal('forbidden', 'the capability is for another upload');
  return { req, res, who, capability };
}

/** The upload's URL for the caller, with its capability if it used one. */
export function urlFor(path: string, { req, capability }: ResumableCall): string {
  const token = req.query['capability'];
  return capability && typeof token === 'string' ? `${path}?capability=${token}` : path;
}

/**
 * Begins an upload. With a capability, repeated calls return the same upload.
 *
 * @param type media type of the request
 * @throws Refusal `conflict` if the capability was used up, and if the target is not allowed
 */
export async function begin(
  core: Core,
  { who, capability }: ResumableCall,
  facts: Omit<Beginning, 'id' | 'about'>,
  about: About,
  type: string | undefined,
): Promise<Upload> {
  const bound = capability ? { ...about, ...boundBy(capability) } : about;
  const target = targetOf(bound);
  if (target) await core.artifacts.demandTarget(who, target);
  if (!capability) return core.uploads.begin(who, { ...facts, about: printAbout(about) });
  if (!allows(capability.type, type)) throw new Refusal('forbidden', `the capability is for ${capability.type}`);
  if ((facts.length ?? 0) > capability.maxSize) {
    throw new Refusal('too_large', `this upload may have at most ${capability.maxSize} bytes`, {
      max: capability.maxSize,
    });
  }
  const there = await core.uploads.look(who, capability.upload).catch(unlessGone);
  if (there?.state === 'open') return there;
  return core.uploads.begin(who, { ...facts, id: capability.upload, about: printAbout(bound) });
}

/** The target in a capability, which overrides the request's. */
function boundBy({ artifact, namespace, object }: Capability): About {
  if (object) return { object };
  return { artifact, ...(namespace === null ? {} : { namespace }) };
}

function allows(pattern: string | null, type: string | undefined): boolean {
  if (pattern === null) return true;
  const named = type?.split(';')[0]?.trim().toLowerCase() ?? '';
  return pattern.endsWith('/*') ? named.startsWith(pattern.slice(0, -1)) : named === pattern;
}

function unlessGone(error: unknown): undefined {
  if (error instanceof Refusal && error.reason === 'not_found') return undefined;
  throw error;
}
