/** The resumable face: tus 1.0 and the IETF's resumable uploads, on the uploads that all faces share. */
import { Router, type ErrorRequestHandler, type Request } from 'express';
import type { Logger } from 'pino';
import { Refusal } from '../../core/refusal.ts';
import { sendAnswer } from '../../http/responses.ts';
import type { OpenApi } from '../../http/openapi.ts';
import { refusing } from '../../http/refusals.ts';
import { Routes } from '../../http/routes.ts';
import type { Context } from './context.ts';
import { capabilities } from './capabilities.ts';
import { asUpload, Ietf } from './ietf.ts';
import { Problem } from './problems.ts';
import { problemWording, wording } from './refusals.ts';
import { Tus } from './tus.ts';

export interface ResumableOptions extends Context {
  readonly openapi: OpenApi;
  readonly log: Logger;
}

export interface Resumable {
  readonly router: Router;
  /** Ids of the operations that this face mounts. */
  readonly mounted: readonly string[];
}

/**
 * Operations of the header-based protocols. They are mounted by hand, without checks against the OpenAPI description.
 */
const headerOperations = [
  'tusOptions',
  'tusCreate',
  'tusHead',
  'tusAppend',
  'tusTerminate',
  'artifactDataLimits',
  'postArtifactData',
  'putArtifactData',
  'uploadLimits',
  'patchUpload',
] as const;

export function resumable({ openapi, log, ...context }: ResumableOptions): Resumable {
  const router = Router({ caseSensitive: true });
  mountTus(router, new Tus(context), log);
  mountIetf(router, new Ietf(context));
  const routes = new Routes(openapi, {
    lifetime: context.lifetime,
    authenticate: (req) => context.tokens.principal(req),
  });
  capabilities(routes, context.core, context.tokens);
  router.use(routes.router, refuseOwn(log));
  return { router, mounted: [...headerOperations, ...routes.mounted] };
}

/** Whether a request uses the draft, and is not a plain upload to a name. */
function usesDraft(req: Request): boolean {
  return req.headers['upload-complete'] !== undefined || (req.method === 'PATCH' && req.path.startsWith('/upload/'));
}

/** Whether a request that reached no route uses the draft. */
export function isDraftRequest({ method, path, headers }: Pick<Request, 'method' | 'path' | 'headers'>): boolean {
  const named = ['upload-complete', 'upload-draft-interop-version'].some((name) => headers[name] !== undefined);
  return (
    named && ['PUT', 'POST', 'PATCH'].includes(method) && /^\/(?:artifacts\/[^/]+\/data|upload\/[^/]+)\/?$/.test(path)
  );
}

function mountTus(router: Router, tus: Tus, log: Logger): void {
  router.all('/tus', (req, res) => tus.serve(req, res, undefined));
  router.all('/tus/:id', (req, res) => tus.serve(req, res, req.params.id));
  router.use('/tus', refusing(wording, log));
}

function mountIetf(router: Router, ietf: Ietf): void {
  router
    .route('/artifacts/:name/data')
    .options((req, res) => ietf.tell(req, res))
    .post((req, res) => asUpload(res, ietf.create(req, res, req.params.name)))
    .put((req, res) => asUpload(res, ietf.create(req, res, req.params.name)));
  router
    .route('/upload/:uuid')
    .options((req, res) => ietf.tell(req, res))
    .patch((req, res) => asUpload(res, ietf.append(req, res, req.params.uuid)))
    .head((req, res, next) => ietf.look(req, res, next, req.params.uuid))
    .get((req, res, next) => ietf.look(req, res, next, req.params.uuid))
    .delete((req, res, next) => ietf.drop(req, res, next, req.params.uuid));
}

/** Formats refusals of the draft's requests. All other requests get the API's own format. */
function refuseOwn(log: Logger): ErrorRequestHandler {
  const draft = refusing(problemWording, log);
  return (error: unknown, req, res, next): unknown => {
    if (!usesDraft(req)) return next(error instanceof Problem ? error.plain() : error);
    if (error instanceof Problem)
      return sendAnswer(req, res, {
        status: error.status,
        headers: error.headers,
        type: 'application/problem+json',
        text: JSON.stringify(error.body),
      });
    return error instanceof Refusal ? draft(error, req, res, next) : next(error);
  };
}
