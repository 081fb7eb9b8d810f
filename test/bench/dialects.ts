/** The upload protocol of each server: begin, send, complete and download. */
import { presignByHand } from '../support/sigv4.ts';
import { fullBucket } from './full.ts';
import { text, Wire, type Answer, type Body, type Request } from './wire.ts';

/** Where an upload's bytes go; a dialect keeps here what it needs to go on. */
export interface Place {
  readonly name: string;
  readonly size: number;
  path: string;
}

export interface Digests {
  readonly sha256: string;
  readonly sha512: string;
}

export interface Dialect {
  /** Whether one upload can take more than one body; where not, each body becomes a file of its own. */
  readonly appends: boolean;
  /** What a reader has to send along. */
  readonly reader: Readonly<Record<string, string>>;
  begin(wire: Wire, name: string, size: number): Promise<Place>;
  /** The request that carries bytes `offset` to `offset + length`; the body is the caller's. */
  carry(place: Place, offset: number, length: number): Request;
  /** Takes the answer to a carried body: checks it, and learns where the next one goes. */
  carried(place: Place, answer: Pick<Answer, 'status' | 'headers'>, offset: number): void;
  /** Makes of the bytes what a reader can fetch; answers its path. */
  finish(wire: Wire, place: Place, digests: Digests | undefined): Promise<string>;
  /** A whole small upload in as few requests as the protocol has. */
  small?(wire: Wire, name: string, body: Body): Promise<void>;
  /** Objects that come in numbered parts. */
  readonly parts?: Parts;
  /** A page of keys behind one; answers how many it has. */
  list?(wire: Wire, after: string, page: number): Promise<number>;
}

export interface Parts {
  /** Answers its id. */
  begin(wire: Wire, name: string): Promise<string>;
  /** Sends a part; answers its tag. */
  send(
    wire: Wire,
    part: { readonly name: string; readonly id: string; readonly number: number },
    body: Body,
  ): Promise<string>;
  complete(wire: Wire, name: string, id: string, tags: readonly string[]): Promise<void>;
}

/** Sends a request that must succeed. */
export async function must(wire: Wire, request: Request, body?: Body): Promise<Answer> {
  const answer = await wire.send(request, body);
  succeeded(request, answer);
  return answer;
}

function succeeded(request: Request, answer: Pick<Answer, 'status'> & { body?: Buffer }): void {
  if (answer.status < 200 || answer.status > 299) {
    throw new Error(
      `${request.method} ${request.path}: ${answer.status} ${answer.body?.toString().slice(0, 300) ?? ''}`,
    );
  }
}

async function logIn(wire: Wire, key: string): Promise<Record<string, string>> {
  const login = await must(wire, { method: 'POST', path: '/auth', headers: json }, text({ namespace: 'system', key }));
  const { access_token: token } = JSON.parse(login.body.toString()) as { access_token: string };
  return { Authorization: `Bearer ${token}` };
}

/** Stowage's own face. */
async function stowage(wire: Wire, key: string): Promise<Dialect> {
  const bearer = await logIn(wire, key);
  return {
    appends: true,
    reader: bearer,
    async begin(wire, name, size) {
      const answer = await must(wire, {
        method: 'POST',
        path: '/upload',
        headers: { ...bearer, 'Upload-Length': String(size) },
      });
      const { uuid } = JSON.parse(answer.body.toString()) as { uuid: string };
      return { name, size, path: `/upload/${uuid}` };
    },
    carry: (place, offset) => ({
      method: 'POST',
      path: place.path,
      headers: { ...bearer, ...bytes, 'Upload-Offset': String(offset) },
    }),
    carried: (place, answer) => succeeded({ method: 'POST', path: place.path }, answer),
    async finish(wire, place, digests) {
      const upload = place.path.slice('/upload/'.length);
      const request = { method: 'POST', path: `/artifacts/upload/${place.name}`, headers: { ...bearer, ...json } };
      const answer = await must(wire, request, text({ upload_uuid: upload }));
      const artifact = JSON.parse(answer.body.toString()) as { blob_uuid: string; sha512?: string };
      if (digests && artifact.sha512 !== undefined && artifact.sha512 !== digests.sha512)
        throw new Error('the server stored other bytes');
      return `/blobs/${artifact.blob_uuid}/data`;
    },
  };
}

/** tus 1.0. */
function tus(endpoint: string, reader: Record<string, string>): Dialect {
  const common = { ...reader, 'Tus-Resumable': '1.0.0' };
  const chunk = { ...common, 'Content-Type': 'application/offset+octet-stream' };
  return {
    appends: true,
    reader,
    async begin(wire, name, size) {
      const headers = { ...common, 'Upload-Length': String(size) };
      const answer = await must(wire, { method: 'POST', path: endpoint, headers });
      return { name, size, path: new URL(answer.headers['location']!, 'http://x').pathname };
    },
    carry: (place, offset) => ({
      method: 'PATCH',
      path: place.path,
      headers: { ...chunk, 'Upload-Offset': String(offset) },
    }),
    carried: (place, answer) => succeeded({ method: 'PATCH', path: place.path }, answer),
    finish: (_wire, place) => Promise.resolve(place.path),
    async small(wire, _name, body) {
      await must(
        wire,
        { method: 'POST', path: endpoint, headers: { ...chunk, 'Upload-Length': String(body.length) } },
        body,
      );
    },
  };
}

/** A plain PUT of a file: nginx with its DAV module, and the bare server. */
const put: Dialect = {
  appends: false,
  reader: {},
  begin: (_wire, name, size) => Promise.resolve({ name, size, path: `/${name}` }),
  carry: (place, offset, length) => ({
    method: 'PUT',
    path: length < place.size ? `${place.path}-${offset}` : place.path,
    headers: bytes,
  }),
  carried: (place, answer) => succeeded({ method: 'PUT', path: place.path }, answer),
  finish: (_wire, place) => Promise.resolve(place.path),
  async small(wire, name, body) {
    await must(wire, { method: 'PUT', path: `/${name}`, headers: bytes }, body);
  },
};

/** The registry protocol of distribution: a session, PATCHes, and a PUT with the digest. */
const registry: Dialect = {
  appends: true,
  reader: {},
  async begin(wire, name, size) {
    const answer = await must(wire, { method: 'POST', path: '/v2/bench/blobs/uploads/' });
    return { name, size, path: located(answer) };
  },
  carry: (place, offset, length) => ({
    method: 'PATCH',
    path: place.path,
    headers: { ...bytes, 'Content-Range': `${offset}-${offset + length - 1}` },
  }),
  carried(place, answer) {
    succeeded({ method: 'PATCH', path: place.path }, answer);
    place.path = located(answer);
  },
  async finish(wire, place, digests) {
    if (!digests) throw new Error('a registry wants the digest');
    const digest = `sha256:${digests.sha256}`;
    await must(wire, { method: 'PUT', path: `${place.path}&digest=${digest}` });
    return `/v2/bench/blobs/${digest}`;
  },
};

/** The keys that S3 servers under test know. */
export const s3Key = { id: 'AKIDBENCH', secret: 'bench-secret-of-no-worth' };

/** S3, by presigned URLs: each request is signed, and no body is hashed by the client. */
async function s3(wire: Wire, port: number): Promise<Dialect> {
  const sign = (method: 'GET' | 'POST' | 'PUT', key: string, query: Readonly<Record<string, string>> = {}): string => {
    const url = new URL(
      `http://127.0.0.1:${port}/${fullBucket}${key === '' ? '' : `/${key}`}?${new URLSearchParams(query).toString()}`,
    );
    return presignByHand({ key: { accessKeyId: s3Key.id, secretAccessKey: s3Key.secret }, method, url }, 3600).slice(
      url.origin.length,
    );
  };
  // Whoever comes first makes it.
  await wire.send({ method: 'PUT', path: sign('PUT', '') });
  return {
    appends: false,
    reader: {},
    begin: (_wire, name, size) => Promise.resolve({ name, size, path: '' }),
    carry: (place, offset, length) => ({
      method: 'PUT',
      path: sign('PUT', length < place.size ? `${place.name}-${offset}` : place.name),
      headers: bytes,
    }),
    carried: (place, answer) => succeeded({ method: 'PUT', path: place.name }, answer),
    finish: (_wire, place) => Promise.resolve(sign('GET', place.name)),
    async small(wire, name, body) {
      await must(wire, { method: 'PUT', path: sign('PUT', name), headers: bytes }, body);
    },
    parts: {
      begin: async (wire, name) =>
        inXml(await must(wire, { method: 'POST', path: sign('POST', name, { uploads: '' }) }), 'UploadId'),
      async send(wire, { name, id, number }, body) {
        const answer = await must(
          wire,
          { method: 'PUT', path: sign('PUT', name, { partNumber: String(number), uploadId: id }), headers: bytes },
          body,
        );
        return answer.headers['etag']!;
      },
      async complete(wire, name, id, tags) {
        const named = tags
          .map((tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${tag}</ETag></Part>`)
          .join('');
        const content = Buffer.from(
          `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${named}</CompleteMultipartUpload>`,
        );
        const answer = await must(
          wire,
          {
            method: 'POST',
            path: sign('POST', name, { uploadId: id }),
            headers: { 'Content-Type': 'application/xml' },
          },
          { length: content.length, pieces: [content] },
        );
        // S3 may say no behind a 200.
        inXml(answer, 'ETag');
      },
    },
    async list(wire, after, page) {
      const answer = await must(wire, {
        method: 'GET',
        path: sign('GET', '', { 'list-type': '2', 'max-keys': String(page), 'start-after': after }),
      });
      return answer.body.toString().split('<Key>').length - 1;
    },
  };
}

/** The text of an element. */
function inXml({ body }: Answer, name: string): string {
  const found = new RegExp(`<${name}>([^<]+)</${name}>`).exec(body.toString())?.[1];
  if (found === undefined) throw new Error(`no ${name} in ${body.toString().slice(0, 300)}`);
  return found;
}

function located(answer: Pick<Answer, 'headers'>): string {
  const url = new URL(answer.headers['location']!, 'http://x');
  return url.pathname + url.search;
}

const json = { 'Content-Type': 'application/json' };
const bytes = { 'Content-Type': 'application/octet-stream' };

export type DialectName = 'stowage' | 'stowage-tus' | 'stowage-s3' | 's3' | 'tus' | 'put' | 'registry';

/** The dialect by name; `key` is for those that want to know who asks. */
export async function speak(name: DialectName, wire: Wire, key: string, port: number): Promise<Dialect> {
  switch (name) {
    case 'stowage':
      return stowage(wire, key);
    case 'stowage-tus':
      return tus('/tus', await logIn(wire, key));
    case 'stowage-s3':
    case 's3':
      return s3(wire, port);
    case 'tus':
      return tus('/files/', {});
    default:
      return { put, registry }[name];
  }
}
