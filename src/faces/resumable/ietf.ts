import type { NextFunction, Request, Response } from 'express';
import type { Principal, Upload } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { json, sendAnswer } from '../../http/responses.ts';
import { bodyDigests, demandDigests, digestsOf } from '../../http/digest-fields.ts';
import { hasBody } from '../../http/incoming.ts';
import { plainAnswers } from '../../http/refusals.ts';
import { nameRoute } from '../../http/request-log.ts';
import { uploadFields, uploadLimit } from '../../http/upload-fields.ts';
import { isId } from '../../kit/ids.ts';
import { printDigestField, sha512Of } from '../../kit/digest.ts';
import type { About } from './about.ts';
import { begin, authenticate, urlFor, type ResumableCall } from './call.ts';
import type { Context } from './context.ts';
import { booleanField, integerField, printBoolean } from './fields.ts';
import { claim, finish, type Finished } from './finish.ts';
import { tellResumption } from './interim.ts';
import { Problem } from './problems.ts';

const partType = 'application/partial-upload';

type Headers = Record<string, string | number>;
/** Key in `res.locals` of the `Upload-Limit` for a refusal. */
const limitOf = 'uploadLimit';

/**
 * Adds to refusals what draft-ietf-httpbis-resumable-upload requires: `Upload-Complete: ?0` unless it is set, and
 * `Upload-Limit` if the upload is too large.
 */
export async function asUpload(res: Response, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!res.headersSent && !res.hasHeader('Upload-Complete')) res.setHeader('Upload-Complete', printBoolean(false));
    const limit: unknown = res.locals[limitOf];
    if (isTooLarge(error) && typeof limit === 'string') res.setHeader('Upload-Limit', limit);
    throw error;
  }
}

/** Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload), and plain uploads to an artifact's name. */
export class Ietf {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** The limits of uploads. */
  tell(req: Request, res: Response): void {
    sendAnswer(req, res, {
      status: 204,
      headers: { 'Upload-Limit': uploadLimit(this.#context.core), 'Accept-Patch': partType },
    });
  }

  /** Uploads a body to a name: the whole content, or with `Upload-Complete: ?0` its beginning. */
  async create(req: Request, res: Response, name: string): Promise<void> {
    nameRoute(res, '/artifacts/{ref}/data');
    const { core } = this.#context;
    res.locals[limitOf] = uploadLimit(core);
    const call = await authenticate(this.#context, req, res);
    res.locals[limitOf] = uploadLimit(core, undefined, call.capability?.maxSize);
    if (call.capability && call.capability.artifact !== name)
      throw new Refusal('forbidden', 'the capability is for another artifact');
    const complete = booleanField(req, 'upload-complete');
    // Invalid digests are refused before an upload is created.
    const promised = bodyDigests(req);
    if (!hasBody(req)) await demandDigests(promised, new Uint8Array());
    const about = {
      ...(call.capability ? { artifact: name } : await this.#named(call.who, name)),
      digests: digestsOf(req.get('Repr-Digest'), 'Repr-Digest'),
    };
    const whole = complete ?? true;
    const length = declaredLength(req, 0, whole);
    const claimed = call.capability ? undefined : await claim(core, call.who, about, length);
    if (claimed) return this.#tellFinished(call, claimed, { status: 201 });
    const expects = sha512Of(about.digests) ?? null;
    const begun = await begin(core, call, { length: length ?? null, expects }, about, req.headers['content-type']);
    const place = {
      Location: urlFor(`/upload/${begun.id}`, call),
      'Upload-Limit': uploadLimit(core, begun, call.capability?.maxSize),
    };
    if (complete !== undefined) this.#tellInterim(req, res, 0, place);
    // Set even for a refusal: what arrived is kept and can be resumed.
    res.setHeader('Location', place.Location);
    const upload = hasBody(req) ? await this.#take(call, begun.id, 0) : begun;
    await this.#answer(call, upload, whole, { ...place, status: 201 });
  }

  async append(req: Request, res: Response, id: string): Promise<void> {
    nameRoute(res, '/upload/{uuid}');
    const { core } = this.#context;
    const call = await authenticate(this.#context, req, res, id);
    const most = call.capability?.maxSize;
    res.locals[limitOf] = uploadLimit(core, undefined, most);
    if (req.headers['content-type']?.split(';')[0]?.trim().toLowerCase() !== partType) {
      throw Problem.wrongType(partType);
    }
    const at = integerField(req, 'upload-offset');
    const complete = booleanField(req, 'upload-complete');
    if (at === undefined || complete === undefined)
      throw new Refusal('malformed', 'Upload-Offset and Upload-Complete are needed');
    const before = await core.uploads.look(call.who, id);
    const again = before.state === 'sealed' && at === before.offset && complete && !hasBody(req);
    const length = declaredLength(req, at, complete);
    if (length !== undefined && before.length !== null && length !== before.length) throw Problem.inconsistentLength();
    if (!again) this.#tellInterim(req, res, 0, { 'Upload-Limit': uploadLimit(core, before, most) });
    const upload = again ? before : await this.#take(call, id, at, length);
    await this.#answer(call, upload, complete, { status: 200, 'Upload-Limit': uploadLimit(core, upload, most) });
  }

  /** The state of an upload for the holder of its capability; the Shaken Fist face serves other callers. */
  async look(req: Request, res: Response, next: NextFunction, id: string): Promise<void> {
    if (req.query['capability'] === undefined) return next();
    nameRoute(res, '/upload/{uuid}');
    const { who, capability } = await authenticate(this.#context, req, res, id);
    const { core } = this.#context;
    const upload = await (req.method === 'HEAD' ? core.uploads.fence(who, id) : core.uploads.look(who, id));
    sendAnswer(req, res, { status: 204, headers: uploadFields(core, upload, capability?.maxSize) });
  }

  /** Drops the upload, with its capability. */
  async drop(req: Request, res: Response, next: NextFunction, id: string): Promise<void> {
    if (req.query['capability'] === undefined) return next();
    nameRoute(res, '/upload/{uuid}');
    const { who } = await authenticate(this.#context, req, res, id);
    await this.#context.core.uploads.drop(who, id);
    sendAnswer(req, res, { status: 204 });
  }

  /** The artifact in the path: by uuid, or by a name of the caller that may not exist yet. */
  async #named(who: Principal, ref: string): Promise<About> {
    const { artifacts } = this.#context.core;
    try {
      const { name, namespace, type } = isId(ref) ? await artifacts.getOwn(who, ref) : await artifacts.get(who, ref);
      if (isId(ref) || namespace === who.namespace) return { artifact: name, namespace, type };
    } catch (error) {
      if (isId(ref) || !(error instanceof Refusal) || error.reason !== 'not_found') throw error;
    }
    return { artifact: ref };
  }

  async #take({ req, res, who, capability }: ResumableCall, id: string, at: number, length?: number): Promise<Upload> {
    const { core, lifetime } = this.#context;
    const kept = (offset: number): void => this.#tellInterim(req, res, offset - at, { 'Upload-Offset': offset });
    const request = { at, ...bodyDigests(req), length, kept, most: capability?.maxSize };
    try {
      return (await core.uploads.append(who, id, lifetime.body(req, res), request)).upload;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.reason === 'offset_mismatch') throw Problem.mismatchingOffset(Number(error.details['offset']), at);
      // More bytes than declared: it is unknown which of them were meant.
      if (error.reason === 'too_large' && (await core.uploads.look(who, id)).length !== null) {
        await core.uploads.drop(who, id);
        throw Problem.inconsistentLength(413);
      }
      throw error;
    }
  }

  async #answer(
    call: ResumableCall,
    upload: Upload,
    complete: boolean,
    { status, ...place }: Headers & { status: number },
  ): Promise<void> {
    const { req, res } = call;
    const headers: Headers = { ...place, 'Upload-Offset': upload.offset };
    if (!complete) {
      const running = req.headers['want-repr-digest'] === undefined ? {} : await this.#digest(upload);
      return sendAnswer(req, res, {
        status: status === 201 ? 201 : 204,
        headers: { ...headers, ...running, 'Upload-Complete': printBoolean(false) },
      });
    }
    const finished = await this.#finish(call, upload.length === null ? { ...upload, length: upload.offset } : upload);
    if (!finished)
      return sendAnswer(req, res, {
        status: 204,
        headers: { ...headers, ...(await this.#digest(upload)), 'Upload-Complete': printBoolean(true) },
      });
    await this.#tellFinished(call, finished, { status, ...headers });
  }

  /** Completes an upload. `Upload-Complete: ?1` on a refusal tells the client that sending more would not help. */
  async #finish({ who, res }: ResumableCall, upload: Upload): Promise<Finished | undefined> {
    try {
      return await finish(this.#context, who, upload);
    } catch (error) {
      if (error instanceof Refusal && plainAnswers[error.reason][0] < 500)
        res.setHeader('Upload-Complete', printBoolean(true));
      throw error;
    }
  }

  /** Reports the version that the upload became. */
  async #tellFinished(
    { req, res, who }: ResumableCall,
    { artifact, index, blob }: Finished,
    { status, ...headers }: Headers & { status: number },
  ): Promise<void> {
    const { sha512, size } = await this.#context.core.blobs.get(who, blob);
    const digest = printDigestField({ algorithm: 'sha512', hex: sha512 });
    const view = { artifact_uuid: artifact, index, blob_uuid: blob, sha512, size };
    json(req, res, status, view, { ...headers, 'Upload-Complete': printBoolean(true), 'Repr-Digest': digest });
  }

  /** The digest of the bytes so far. */
  async #digest(upload: Upload): Promise<Headers> {
    return { 'Repr-Digest': printDigestField(await this.#context.core.uploads.digest(upload)) };
  }

  #tellInterim(req: Request, res: Response, kept: number, headers: Headers): void {
    if (this.#context.interim) tellResumption(req, res, kept, headers);
  }
}

function isTooLarge(error: unknown): boolean {
  return (
    (error instanceof Refusal && error.reason === 'too_large') || (error instanceof Problem && error.status === 413)
  );
}

/** The size of the whole upload, if the request declares it. Its declarations must agree. */
function declaredLength(req: Request, at: number, complete: boolean): number | undefined {
  const said = integerField(req, 'upload-length');
  const content = req.headers['content-length'];
  const counted = !complete ? undefined : content !== undefined ? at + Number(content) : hasBody(req) ? undefined : at;
  if (said !== undefined && counted !== undefined && said !== counted) throw Problem.inconsistentLength();
  return said ?? counted;
}
