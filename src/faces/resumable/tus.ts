import type { Request, Response } from 'express';
import type { Upload } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { sendAnswer } from '../../http/responses.ts';
import { hasBody } from '../../http/incoming.ts';
import { nameRoute } from '../../http/request-log.ts';
import { sha512Of } from '../../kit/digest.ts';
import { aboutOf, printAbout, type About } from './about.ts';
import { begin, authenticate, urlFor, type ResumableCall } from './call.ts';
import type { Context } from './context.ts';
import { checksums, checksumsOf, refuseChecksum } from './checksums.ts';
import { Concatenation } from './concatenation.ts';
import { claim, finish, promisesOf, type Finished } from './finish.ts';
import { parseMetadata } from './metadata.ts';

const version = '1.0.0';
const chunkType = 'application/offset+octet-stream';
const extensions =
  'creation,creation-with-upload,creation-defer-length,expiration,checksum,checksum-trailer,termination,concatenation,concatenation-unfinished';

type Headers = Record<string, string | number>;

/** tus 1.0 with extensions (tus.io/protocols/resumable-upload). */
export class Tus {
  readonly #context: Context;
  readonly #concatenation: Concatenation;

  constructor(context: Context) {
    this.#context = context;
    this.#concatenation = new Concatenation(context.core);
  }

  async serve(req: Request, res: Response, id: string | undefined): Promise<void> {
    nameRoute(res, id === undefined ? '/tus' : '/tus/{uuid}');
    res.setHeader('Tus-Resumable', version);
    const method = methodOf(req);
    if (method === 'OPTIONS') return this.#tell(req, res);
    const call = await authenticate(this.#context, req, res, id);
    if (req.headers['tus-resumable'] !== version) {
      res.setHeader('Tus-Version', version);
      throw new Refusal(
        'precondition',
        `this server supports tus ${version}; Tus-Resumable names another version, or is missing`,
      );
    }
    if (id === undefined && method === 'POST') return this.#create(call);
    if (id !== undefined && method === 'HEAD') return this.#look(call, id);
    if (id !== undefined && method === 'PATCH') return this.#append(call, id);
    if (id !== undefined && method === 'DELETE') return this.#terminate(call, id);
    sendAnswer(req, res, {
      status: 405,
      headers: { Allow: id === undefined ? 'OPTIONS, POST' : 'OPTIONS, HEAD, PATCH, DELETE' },
    });
  }

  #tell(req: Request, res: Response): void {
    const headers = {
      'Tus-Version': version,
      'Tus-Extension': extensions,
      'Tus-Max-Size': this.#context.core.uploads.limits.maxSize,
      'Tus-Checksum-Algorithm': checksums.join(','),
    };
    sendAnswer(req, res, { status: 204, headers });
  }

  async #create(call: ResumableCall): Promise<void> {
    const { req, res, who } = call;
    const { core } = this.#context;
    const about = readAbout(req);
    const withBody = hasBody(req);
    if (withBody && !isChunk(req)) return refuseType(req, res);
    // Invalid checksums are refused before an upload is created.
    if (withBody) checksumsOf(req);
    else refuseChecksum(req);
    if (about.concat?.startsWith('final')) return this.#concatenate(call, about);
    const length = lengthOf(req);
    const claimed = call.capability ? undefined : await claim(core, who, about, length ?? undefined);
    if (claimed) return this.#tellClaimed(call, about, claimed);
    const expects = sha512Of(promisesOf(about)) ?? null;
    const begun = await begin(
      core,
      call,
      { length, expects },
      about,
      parseMetadata(about.metadata ?? '').get('filetype'),
    );
    const location = urlFor(`/tus/${begun.id}`, call);
    if (!withBody && begun.length !== 0) {
      sendAnswer(req, res, { status: 201, headers: { Location: location, ...this.#standing(begun) } });
      return;
    }
    // Set even for a refusal: bytes that arrived before it may be kept.
    res.setHeader('Location', location);
    const upload = withBody ? await this.#take(call, begun.id, { at: 0, length: undefined }) : begun;
    const finished = await this.#finish(call, upload);
    sendAnswer(req, res, {
      status: 201,
      headers: { ...this.#standing(upload, finished), 'Upload-Offset': upload.offset },
    });
  }

  /** The content exists already: the upload is complete from the start. */
  async #tellClaimed(
    call: ResumableCall,
    about: About,
    { size, ...outcome }: Finished & { readonly size: number },
  ): Promise<void> {
    const { req, res, who } = call;
    const upload = await this.#context.core.uploads.beginWhole(who, size, outcome, { about: printAbout(about) });
    sendAnswer(req, res, {
      status: 201,
      headers: { Location: `/tus/${upload.id}`, ...this.#standing(upload, outcome), 'Upload-Offset': size },
    });
  }

  async #concatenate({ req, res, who, capability }: ResumableCall, about: About): Promise<void> {
    if (capability) throw new Refusal('forbidden', 'a capability cannot join uploads');
    if (req.headers['upload-length'] !== undefined)
      throw new Refusal('malformed', 'a final upload must not have Upload-Length');
    const begun = await this.#concatenation.begin(who, about);
    const upload = await this.#concatenation.join(who, begun);
    const finished = await finish(this.#context, who, upload);
    sendAnswer(req, res, {
      status: 201,
      headers: { Location: `/tus/${upload.id}`, ...this.#standing(upload, finished) },
    });
  }

  async #look(call: ResumableCall, id: string): Promise<void> {
    const { req, res, who } = call;
    const fenced = await this.#context.core.uploads.fence(who, id);
    const { metadata, concat } = aboutOf(fenced);
    const final = concat?.startsWith('final') === true;
    // An upload that was complete when the server stopped is finished before it is reported as complete.
    const upload = final ? await this.#concatenation.join(who, fenced) : fenced;
    const finished = await this.#finish(call, upload);
    const waiting = final && upload.length === null;
    sendAnswer(req, res, {
      status: 200,
      headers: {
        ...this.#standing(upload, finished),
        ...(waiting ? {} : { 'Upload-Offset': upload.offset }),
        ...(waiting ? {} : upload.length === null ? { 'Upload-Defer-Length': 1 } : { 'Upload-Length': upload.length }),
        ...(metadata === undefined ? {} : { 'Upload-Metadata': metadata }),
        ...(concat === undefined ? {} : { 'Upload-Concat': concat }),
      },
    });
  }

  async #append(call: ResumableCall, id: string): Promise<void> {
    const { req, res, who } = call;
    if (!isChunk(req)) return refuseType(req, res);
    const at = whole(req, 'upload-offset');
    if (at === undefined) throw new Refusal('malformed', 'Upload-Offset is missing');
    const before = await this.#context.core.uploads.look(who, id);
    if (aboutOf(before).concat?.startsWith('final')) throw new Refusal('forbidden', 'a final upload accepts no bytes');
    const again = before.state === 'sealed' && at === before.offset && !hasBody(req);
    const upload = again ? before : await this.#take(call, id, { at, length: whole(req, 'upload-length') });
    const finished = await this.#finish(call, upload);
    sendAnswer(req, res, {
      status: 204,
      headers: { ...this.#standing(upload, finished), 'Upload-Offset': upload.offset },
    });
  }

  async #terminate({ req, res, who }: ResumableCall, id: string): Promise<void> {
    await this.#context.core.uploads.drop(who, id);
    sendAnswer(req, res, { status: 204 });
  }

  /** Appends the request's body. @returns the upload afterwards */
  async #take(
    { req, res, who, capability }: ResumableCall,
    id: string,
    where: { at: number; length: number | undefined },
  ): Promise<Upload> {
    const { core, lifetime } = this.#context;
    const { upload } = await core.uploads.append(who, id, lifetime.body(req, res), {
      ...where,
      most: capability?.maxSize,
      ...checksumsOf(req),
    });
    return upload;
  }

  /** Finishes a complete upload. After the last part, finishes the final uploads that wait for it. */
  async #finish({ who }: ResumableCall, upload: Upload): Promise<Finished | undefined> {
    if (aboutOf(upload).concat === 'partial' && upload.offset === upload.length) {
      for (const final of await this.#concatenation.waitingFor(who, upload))
        await finish(this.#context, who, await this.#concatenation.join(who, final));
    }
    return finish(this.#context, who, upload);
  }

  #standing(upload: Upload, finished?: Finished): Headers {
    const until = finished ? null : this.#context.core.uploads.expiresAt(upload);
    return {
      'Cache-Control': 'no-store',
      ...(until === null ? {} : { 'Upload-Expires': new Date(until).toUTCString() }),
      ...(finished
        ? { 'X-Artifact-UUID': finished.artifact, 'X-Artifact-Version': finished.index, 'X-Blob-UUID': finished.blob }
        : {}),
    };
  }
}

/** `X-HTTP-Method-Override`, for clients and proxies that only support GET and POST. */
function methodOf(req: Request): string {
  const override = req.headers['x-http-method-override'];
  return (typeof override === 'string' && override !== '' ? override : req.method).toUpperCase();
}

function isChunk(req: Request): boolean {
  return req.headers['content-type']?.split(';')[0]?.trim().toLowerCase() === chunkType;
}

function refuseType(req: Request, res: Response): void {
  sendAnswer(req, res, {
    status: 415,
    type: 'text/plain; charset=utf-8',
    text: `the Content-Type must be ${chunkType}\n`,
  });
}

/** An integer header. @throws Refusal `malformed` */
function whole(req: Request, name: string): number | undefined {
  const field = req.headers[name];
  if (field === undefined) return undefined;
  const value = typeof field === 'string' && /^\d{1,16}$/.test(field) ? Number(field) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new Refusal('malformed', `${name} must be a whole number`);
  return value;
}

/** The declared length; null if it is deferred. */
function lengthOf(req: Request): number | null {
  const length = whole(req, 'upload-length');
  const defer = req.headers['upload-defer-length'];
  if (defer !== undefined && defer !== '1') throw new Refusal('malformed', 'Upload-Defer-Length must be 1');
  if ((length === undefined) === (defer === undefined))
    throw new Refusal('malformed', 'an upload needs either Upload-Length or Upload-Defer-Length');
  return length ?? null;
}

function readAbout(req: Request): About {
  const metadata = req.headers['upload-metadata'];
  const concat = req.headers['upload-concat'];
  if (typeof metadata === 'string') parseMetadata(metadata);
  if (typeof concat === 'string' && concat !== 'partial' && !/^final;\s*\S/.test(concat))
    throw new Refusal('malformed', 'Upload-Concat must be partial, or final; and the URLs of the parts');
  return { ...(typeof metadata === 'string' ? { metadata } : {}), ...(typeof concat === 'string' ? { concat } : {}) };
}
