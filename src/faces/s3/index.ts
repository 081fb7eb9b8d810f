/** The S3 face: path-style and virtual-hosted requests on their own port. */
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { ANYBODY } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { sendAnswer } from '../../http/responses.ts';
import { clientAddressOf } from '../../http/client-address.ts';
import { nameCaller, nameRoute, requestId } from '../../http/request-log.ts';
import { demandKey, headerNames, headerOf, requestHeaders, type S3Call, type Context } from './call.ts';
import { demandKnownChecksums } from './checksums.ts';
import { allowOrigin, preflight } from './cors.ts';
import { fromRefusal, invalidArgument, isWrongKey, S3Error } from './errors.ts';
import { RequestBuckets } from './request-buckets.ts';
import { operationOf } from './operations.ts';
import { decode, pathOf, queryOf } from './signing/canonical.ts';
import { readClaim } from './signing/claim.ts';
import { verify, type Signed } from './signing/verify.ts';
import { document } from './xml.ts';

export interface S3Options extends Context {
  readonly log: Logger;
  /** Domain for virtual-hosted buckets. */
  readonly domain: string | undefined;
  /** Milliseconds that the client's clock may differ. */
  readonly window: number;
}

export class S3 {
  readonly #options: S3Options;

  constructor(options: S3Options) {
    this.#options = options;
  }

  async serve(req: Request, res: Response): Promise<void> {
    res.setHeader('x-amz-request-id', requestId(res));
    try {
      await this.#serve(req, res);
    } catch (error) {
      this.#refuse(req, res, error);
    }
  }

  async #serve(req: Request, res: Response): Promise<void> {
    const { log: _, domain, window: __, ...context } = this.#options;
    const target = targetOf(req);
    const place = placeOf(target, req.headers.host, domain);
    const parameters = queryOf(target);
    const known = new RequestBuckets(context.core);
    if (req.method === 'OPTIONS') {
      nameRoute(res, 'S3 preflight');
      await preflight(known, place, req, res);
      return;
    }
    await allowOrigin(known, place.bucket, req, res);
    const signed = await this.#verify(req, target);
    const who = signed ? signed.who : ANYBODY;
    nameCaller(res, who.namespace);
    const presigned = signed?.signed.claim.form === 'query';
    const operation = operationOf({
      method: req.method,
      ...place,
      query: parameters,
      headers: requestHeaders(req, parameters, presigned),
      presigned,
    });
    nameRoute(res, `S3 ${operation.name}`);
    demandKey(place.key);
    const call: S3Call = {
      ...context,
      buckets: known,
      req,
      res,
      who,
      signed: signed?.signed,
      ...place,
      query: new Map(parameters),
    };
    demandKnownChecksums(headerNames(call, 'x-amz-checksum-'));
    await demandExpectations(call);
    await operation.run(call);
  }

  async #verify(req: Request, target: string): Promise<{ signed: Signed; who: S3Call['who'] } | undefined> {
    const { core, window } = this.#options;
    let who: S3Call['who'] | undefined;
    const request = { method: req.method, target, headers: req.rawHeaders };
    const proof = (): Promise<Signed | undefined> =>
      verify(request, {
        now: core.clock.now(),
        window,
        secret: async (id) => {
          const opened = await core.accessKeys.open(id);
          who = opened?.who;
          return opened?.secret;
        },
      });
    const claim = readClaim(request);
    const attempt = { from: clientAddressOf(req), subject: claim?.keyId ?? '', guessable: false };
    const signed = claim ? await core.loginAttempts.prove(attempt, proof, isWrongKey) : undefined;
    return signed && who && { signed, who };
  }

  #refuse(req: Request, res: Response, error: unknown): void {
    const said =
      error instanceof S3Error ? error : error instanceof Refusal ? fromRefusal(error) : new S3Error('InternalError');
    if (said.status >= 500 && said.code !== 'NotImplemented')
      this.#options.log.error({ request: requestId(res), err: error }, 'an S3 request failed');
    const text = document(
      'Error',
      {
        Code: said.code,
        Message: said.message,
        ...said.details,
        Resource: pathOf(req.url),
        RequestId: requestId(res),
        HostId: 'stowage',
      },
      false,
    );
    const bare = req.method === 'HEAD' || said.status === 304;
    const extra: Record<string, string> = said.code === 'ServiceUnavailable' ? { 'Retry-After': '5' } : {};
    sendAnswer(req, res, {
      status: said.status,
      headers: { ...said.headers, ...extra },
      ...(bare ? {} : { type: 'application/xml', text }),
    });
  }
}

/** Checks the expected bucket owner and request payer. @throws S3Error `AccessDenied`, `InvalidArgument` */
async function demandExpectations(call: S3Call): Promise<void> {
  const payer = headerOf(call, 'x-amz-request-payer');
  if (payer !== undefined && payer.toLowerCase() !== 'requester')
    throw invalidArgument('The request payer must be requester.', 'x-amz-request-payer', payer);
  const owner = headerOf(call, 'x-amz-expected-bucket-owner');
  if (owner === undefined) return;
  const bucket = await call.buckets.get(call.bucket);
  if (bucket?.namespace !== owner) throw new S3Error(bucket ? 'AccessDenied' : 'NoSuchBucket');
}

/** Path and query as sent; some clients send an absolute URL. */
function targetOf(req: Request): string {
  const target = req.originalUrl;
  return /^https?:\/\//i.test(target) ? target.replace(/^https?:\/\/[^/?]*/i, '') || '/' : target;
}

/** Bucket and key, from the path or the host. */
function placeOf(
  target: string,
  host: string | undefined,
  domain: string | undefined,
): { bucket: string; key: string } {
  const path = pathOf(target).replace(/^\//, '');
  const name = host?.replace(/:\d+$/, '').toLowerCase() ?? '';
  if (domain !== undefined && name.endsWith(`.${domain}`))
    return { bucket: name.slice(0, -domain.length - 1), key: decode(path) };
  const slash = path.indexOf('/');
  if (slash < 0) return { bucket: decode(path), key: '' };
  return { bucket: decode(path.slice(0, slash)), key: decode(path.slice(slash + 1)) };
}
