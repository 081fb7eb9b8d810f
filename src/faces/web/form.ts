import type { Request } from 'express';
import type { Readable } from 'node:stream';
import multer, { type File, type StorageEngine } from 'multer';
import type { Core } from '../../core/index.ts';
import type { Artifact, Principal } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { clientAddressOf } from '../../http/client-address.ts';
import { feed, PartBody } from './form-body.ts';
import { ANSWERED, type RouteCall } from '../../http/routes.ts';
import { printBytes } from '../../kit/bytes.ts';
import { textFault } from '../../kit/text.ts';
import { html, type Html } from './html.ts';
import { baseOf, page, sendPage } from './page.ts';
import type { Context } from './context.ts';

/** The version that a pushed file became. */
interface Pushed {
  readonly artifact: Artifact;
  readonly index: number;
  readonly size: number;
  readonly sha512: string;
}

/** Fields are short and few; the file is the last part. */
const limits = {
  files: 1,
  fields: 8,
  parts: 10,
  fieldNameSize: 64,
  fieldSize: 4096,
  fieldNestingDepth: 0,
  headerPairs: 20,
};

/** The form of the front page: streams a file into an upload, then publishes it. */
export function form({ core, routes }: Context): void {
  routes.open('pushForm', async (call) => {
    const door = new UploadStorage(core);
    await receive(call, door);
    sendPage(call, 200, result(await door.pushed(), baseOf(call)));
    return ANSWERED;
  });
}

/** Parses the form with multer, which reads from this server's `Incoming`, so that its rate limits apply. */
function receive({ req, res, raw }: RouteCall, door: UploadStorage): Promise<void> {
  const read = multer({
    storage: door,
    limits,
    defParamCharset: 'utf8',
    streamHandler: (_req, parser) => {
      feed(raw(), parser).catch((error: Error) => parser.destroy(error));
    },
  }).single('file');
  return new Promise((resolve, reject) => {
    read(req, res, (error?: unknown) => {
      if (!error) resolve();
      else if (error instanceof Refusal) reject(error);
      else reject(new Refusal('malformed', 'the form cannot be read', {}, error));
    });
  });
}

/** A multer storage that writes the file into an upload, not into memory or a temporary file. */
class UploadStorage implements StorageEngine {
  readonly #core: Core;
  #outcome: Promise<Pushed> | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  /** @throws Refusal if the form has no file, or the file could not be stored */
  async pushed(): Promise<Pushed> {
    if (!this.#outcome) throw new Refusal('malformed', 'choose a file first');
    return this.#outcome;
  }

  _handleFile(req: Request, file: File, done: (error: Error | null) => void): void {
    this.#outcome = this.#push(req.body as Readonly<Record<string, unknown>>, file, clientAddressOf(req));
    // Browsers show a response only after they have sent everything, so a refused file is read to its end.
    this.#outcome.catch(() => file.stream.resume());
    this.#outcome.then(
      () => done(null),
      () => done(null),
    );
  }

  _removeFile(_req: Request, _file: File, done: (error: Error | null) => void): void {
    done(null);
  }

  async #push(fields: Readonly<Record<string, unknown>>, file: File, from: string): Promise<Pushed> {
    // Read before the file: fields after it must not count, although multer adds them to the same record.
    const [namespace, key, named] = [text(fields, 'namespace'), text(fields, 'key'), text(fields, 'name')];
    if (!namespace || !key)
      throw new Refusal('malformed', 'namespace and key are required, and must come before the file');
    const who = await this.#login(namespace, key, from);
    const name = named || demandPlain('file name', file.originalname);
    const upload = await this.#core.uploads.begin(who);
    try {
      return await this.#keep(who, upload.id, name, file.stream);
    } catch (error) {
      await this.#core.uploads.drop(who, upload.id).catch(() => undefined);
      throw error;
    }
  }

  async #login(namespace: string, key: string, from: string): Promise<Principal> {
    try {
      const { name } = await this.#core.namespaces.login(namespace, key, from);
      return { namespace, credential: name };
    } catch (error) {
      if (error instanceof Refusal && error.reason === 'wrong_secret')
        throw new Refusal('unauthenticated', 'the key is wrong, or the namespace does not exist');
      throw error;
    }
  }

  async #keep(who: Principal, upload: string, name: string, stream: Readable): Promise<Pushed> {
    const {
      upload: { offset },
    } = await this.#core.uploads.append(who, upload, new PartBody(stream), { at: undefined, digests: [] });
    const target = {
      name,
      type: 'image',
      namespace: null,
      sourceUrl: null,
      shared: false,
      maxVersions: undefined,
    } as const;
    const { artifact, index, blob } = await this.#core.artifacts.convert(who, upload, target, {
      size: offset,
      digests: [],
    });
    const { sha512 } = await this.#core.blobs.get(who, blob);
    return { artifact, index, size: offset, sha512 };
  }
}

function text(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name];
  return typeof value === 'string' ? demandPlain(name, value) : '';
}

/** The parser replaces invalid UTF-8 by U+FFFD; a name with it would not be the intended one. */
function demandPlain(what: string, text: string): string {
  const fault = text.includes('\ufffd') ? 'bytes that are not UTF-8' : textFault(text);
  if (fault !== undefined) throw new Refusal('malformed', `the ${what} has ${fault}`);
  return text;
}

function result({ artifact, index, size, sha512 }: Pushed, base: string): Html {
  const path = `/artifacts/${artifact.uuid}/versions/${index}/data`;
  return page(
    `Stowage: ${artifact.name}`,
    html`
<main>
<h1>Pushed</h1>
<div class="card"><dl>
<dt>Artifact</dt><dd>${artifact.name}</dd>
<dt>Uuid</dt><dd><code>${artifact.uuid}</code></dd>
<dt>Version</dt><dd>${index}</dd>
<dt>Size</dt><dd>${printBytes(size)} (${size} bytes)</dd>
<dt>sha512</dt><dd><code>${sha512}</code></dd>
<dt>Link</dt><dd><a href="${path}">${base}${path}</a></dd>
</dl></div>
<h2>To get it back</h2>
<p>The link needs a token, so a browser alone cannot follow it. With Stowage's command:</p>
<pre><code>stowage pull ${artifact.uuid} --version ${index}</code></pre>
<p>With curl:</p>
<pre><code>token=$(curl -s ${base}/auth -d '{"namespace": "${artifact.namespace}", "key": "YOUR-KEY"}' | cut -d '"' -f 4)
curl -OJ ${base}${path} -H "Authorization: Bearer $token"</code></pre>
<p><a href="/">Push another file</a></p>
</main>`,
  );
}
