import type { Request, Response } from 'express';
import type { Core } from '../../core/index.ts';
import type { Principal, Upload } from '../../core/model.ts';
import { Refusal } from '../../core/refusal.ts';
import { send } from '../../http/answering.ts';
import { hasBody } from '../../http/incoming.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import { nameCaller, nameRoute } from '../../http/requests.ts';
import type { Tokens } from '../../http/tokens.ts';
import { aboutOf, printAbout, type About } from './about.ts';
import { checksums, checksumsOf } from './checksums.ts';
import { finish, type Finished } from './finish.ts';
import { parseMetadata } from './metadata.ts';

const version = '1.0.0';
const chunkType = 'application/offset+octet-stream';
const extensions = 'creation,creation-with-upload,creation-defer-length,expiration,checksum,checksum-trailer,termination,concatenation';

type Headers = Record<string, string | number>;

export interface TusParts {
  readonly core: Core;
  readonly lifetime: Lifetime;
  readonly tokens: Tokens;
}

/** tus 1.0 with its extensions (tus.io/protocols/resumable-upload). */
export class Tus {
  readonly #core: Core;
  readonly #lifetime: Lifetime;
  readonly #tokens: Tokens;

  constructor({ core, lifetime, tokens }: TusParts) {
    this.#core = core;
    this.#lifetime = lifetime;
    this.#tokens = tokens;
  }

  async serve(req: Request, res: Response, id: string | undefined): Promise<void> {
    nameRoute(res, id === undefined ? '/tus' : '/tus/{uuid}');
    res.setHeader('Tus-Resumable', version);
    const method = methodOf(req);
    if (method === 'OPTIONS') return this.#tell(req, res);
    const who = await this.#tokens.principal(req);
    nameCaller(res, who.namespace);
    if (req.headers['tus-resumable'] !== version) {
      res.setHeader('Tus-Version', version);
      throw new Refusal('precondition', `this server speaks tus ${version}; Tus-Resumable says another version, or nothing`);
    }
    const call = { req, res, who };
    if (id === undefined && method === 'POST') return this.#create(call);
    if (id !== undefined && method === 'HEAD') return this.#look(call, id);
    if (id !== undefined && method === 'PATCH') return this.#append(call, id);
    if (id !== undefined && method === 'DELETE') return this.#terminate(call, id);
    send(req, res, { status: 405, headers: { Allow: id === undefined ? 'OPTIONS, POST' : 'OPTIONS, HEAD, PATCH, DELETE' } });
  }

  #tell(req: Request, res: Response): void {
    const headers = {
      'Tus-Version': version, 'Tus-Extension': extensions, 'Tus-Max-Size': this.#core.uploads.limits.maxSize, 'Tus-Checksum-Algorithm': checksums.join(','),
    };
    send(req, res, { status: 204, headers });
  }

  async #create({ req, res, who }: Call): Promise<void> {
    const about = readAbout(req);
    const withBody = hasBody(req);
    if (withBody && !isChunk(req)) return refuseType(req, res);
    if (about.concat?.startsWith('final')) return this.#concatenate({ req, res, who }, about);
    const begun = await this.#core.uploads.begin(who, lengthOf(req), printAbout(about));
    const location = `/tus/${begun.id}`;
    if (!withBody && begun.length !== 0) {
      send(req, res, { status: 201, headers: { Location: location, ...this.#standing(begun) } });
      return;
    }
    // A refusal says where the upload is, too: what arrived before it may have been kept.
    res.setHeader('Location', location);
    const offset = withBody ? await this.#take({ req, res, who }, begun.id, { at: 0, length: undefined }) : 0;
    const upload = { ...begun, offset };
    const finished = await finish(this.#core, who, upload);
    send(req, res, { status: 201, headers: { ...this.#standing(upload, finished), 'Upload-Offset': offset } });
  }

  /** The parts' bytes are copied: they stay parts, and may be used again. */
  async #concatenate({ req, res, who }: Call, about: About): Promise<void> {
    if (req.headers['upload-length'] !== undefined) throw new Refusal('malformed', 'the length of a final upload is that of its parts');
    const ids = partsOf(about.concat!);
    const parts = await Promise.all(ids.map((id) => this.#core.uploads.look(who, id)));
    for (const part of parts) {
      if (aboutOf(part).concat !== 'partial') throw new Refusal('malformed', `${part.id} is no partial upload`);
      if (part.length !== part.offset) throw new Refusal('malformed', `${part.id} is not finished`);
    }
    const upload = await this.#core.uploads.join(who, parts, printAbout(about));
    const finished = await finish(this.#core, who, upload);
    send(req, res, { status: 201, headers: { Location: `/tus/${upload.id}`, ...this.#standing(upload, finished) } });
  }

  async #look({ req, res, who }: Call, id: string): Promise<void> {
    const upload = await this.#core.uploads.fence(who, id);
    // What was whole when its server died is made what it was to be before anybody is told that it is whole.
    const finished = await finish(this.#core, who, upload);
    const { metadata, concat } = aboutOf(upload);
    send(req, res, {
      status: 200,
      headers: {
        ...this.#standing(upload, finished), 'Upload-Offset': upload.offset,
        ...(upload.length === null ? { 'Upload-Defer-Length': 1 } : { 'Upload-Length': upload.length }),
        ...(metadata === undefined ? {} : { 'Upload-Metadata': metadata }), ...(concat === undefined ? {} : { 'Upload-Concat': concat }),
      },
    });
  }

  async #append({ req, res, who }: Call, id: string): Promise<void> {
    if (!isChunk(req)) return refuseType(req, res);
    const at = whole(req, 'upload-offset');
    if (at === undefined) throw new Refusal('malformed', 'Upload-Offset is missing');
    const before = await this.#core.uploads.look(who, id);
    if (aboutOf(before).concat?.startsWith('final')) throw new Refusal('forbidden', 'a final upload takes no bytes of its own');
    const again = before.state === 'sealed' && at === before.offset && !hasBody(req);
    const offset = again ? at : await this.#take({ req, res, who }, id, { at, length: whole(req, 'upload-length') });
    const upload = { ...(await this.#core.uploads.look(who, id)), offset };
    const finished = await finish(this.#core, who, upload);
    send(req, res, { status: 204, headers: { ...this.#standing(upload, finished), 'Upload-Offset': offset } });
  }

  async #terminate({ req, res, who }: Call, id: string): Promise<void> {
    await this.#core.uploads.drop(who, id);
    send(req, res, { status: 204 });
  }

  /** Appends the request's body; answers where the upload then ends. */
  async #take({ req, res, who }: Call, id: string, where: { at: number; length: number | undefined }): Promise<number> {
    const appended = await this.#core.uploads.append(who, id, this.#lifetime.body(req, res), { ...where, ...checksumsOf(req) });
    appended.settle(true);
    return appended.offset;
  }

  #standing(upload: Upload, finished?: Finished): Headers {
    const until = finished ? null : this.#core.uploads.expiresAt(upload);
    return {
      'Cache-Control': 'no-store',
      ...(until === null ? {} : { 'Upload-Expires': new Date(until).toUTCString() }),
      ...(finished ? { 'X-Artifact-UUID': finished.artifact, 'X-Artifact-Version': finished.index, 'X-Blob-UUID': finished.blob } : {}),
    };
  }
}

interface Call {
  readonly req: Request;
  readonly res: Response;
  readonly who: Principal;
}

/** Some clients and proxies know only GET and POST. */
function methodOf(req: Request): string {
  const override = req.headers['x-http-method-override'];
  return (typeof override === 'string' && override !== '' ? override : req.method).toUpperCase();
}

function isChunk(req: Request): boolean {
  return req.headers['content-type']?.split(';')[0]?.trim().toLowerCase() === chunkType;
}

function refuseType(req: Request, res: Response): void {
  send(req, res, { status: 415, type: 'text/plain; charset=utf-8', text: `bytes of an upload come as ${chunkType}\n` });
}

/** A header that is a whole number. @throws Refusal `malformed` for anything else. */
function whole(req: Request, name: string): number | undefined {
  const field = req.headers[name];
  if (field === undefined) return undefined;
  const value = typeof field === 'string' && /^\d{1,16}$/.test(field) ? Number(field) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new Refusal('malformed', `${name} must be a whole number`);
  return value;
}

/** The declared length; null when it will come later. */
function lengthOf(req: Request): number | null {
  const length = whole(req, 'upload-length');
  const defer = req.headers['upload-defer-length'];
  if (defer !== undefined && defer !== '1') throw new Refusal('malformed', 'Upload-Defer-Length can only be 1');
  if ((length === undefined) === (defer === undefined)) throw new Refusal('malformed', 'an upload needs Upload-Length or Upload-Defer-Length, and not both');
  return length ?? null;
}

function readAbout(req: Request): About {
  const metadata = req.headers['upload-metadata'];
  const concat = req.headers['upload-concat'];
  if (typeof metadata === 'string') parseMetadata(metadata);
  if (typeof concat === 'string' && concat !== 'partial' && !/^final;\s*\S/.test(concat)) throw new Refusal('malformed', 'Upload-Concat is partial, or final; and the parts');
  return { ...(typeof metadata === 'string' ? { metadata } : {}), ...(typeof concat === 'string' ? { concat } : {}) };
}

/** The ids of the parts of a final upload, in order. */
function partsOf(concat: string): string[] {
  return concat.slice('final;'.length).trim().split(/\s+/).map((url) => {
    const [, id] = /\/tus\/([0-9a-f-]{36})\/?$/.exec(url) ?? [];
    if (id === undefined) throw new Refusal('malformed', 'Upload-Concat names what is no upload of this server');
    return id;
  });
}
