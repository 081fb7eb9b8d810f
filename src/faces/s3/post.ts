/** POST object: a form from a browser, with a policy that somebody with a key signed. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import multer, { type File, type StorageEngine } from 'multer';
import type { Body } from '../../core/ingest.ts';
import { ANYBODY, type Principal } from '../../core/model.ts';
import { send } from '../../http/answering.ts';
import { feed, PartBody } from '../../http/forms.ts';
import { isStorable } from '../../kit/text.ts';
import { printAbout } from './about.ts';
import { headerOf, type Call } from './call.ts';
import { etagOf, Promised } from './checksums.ts';
import { S3Error } from './errors.ts';
import { newObject } from './new-object.ts';
import { checkConditions, readFormPolicy, type FormPolicy } from './post-policy.ts';
import { hmac, sameSignature, signingKeyOf } from './signing/verify.ts';
import { readAs, tagging as taggingDocument } from './documents.ts';
import { objectTags } from './tags.ts';
import { document } from './xml.ts';

type Fields = ReadonlyMap<string, string>;

/** Bytes that a field may have; a policy is the longest. */
const longestField = 20 * 1024;
const limits = { files: 60, fields: 60, parts: 60, fieldNameSize: 256, fieldSize: longestField, fieldNestingDepth: 0, headerPairs: 50 };

interface Posted {
  readonly key: string;
  readonly etag: string;
  readonly fields: Fields;
}

export async function postObject(call: Call): Promise<void> {
  const { req, res, lifetime, bucket } = call;
  if (!/^multipart\/form-data/i.test(req.headers['content-type'] ?? '')) throw new S3Error('MalformedPOSTRequest', 'The body of your POST request is not well-formed multipart/form-data.');
  if (!(await call.known.bucket(bucket))) throw new S3Error('NoSuchBucket');
  const door = new Door(call);
  await new Promise<void>((resolve, reject) => {
    const read = multer({ storage: door, limits, defParamCharset: 'utf8', streamHandler: (_req, parser) => {
      feed(lifetime.body(req, res), parser).catch((error: Error) => parser.destroy(error));
    } }).any();
    read(req, res, (error?: unknown) => (error ? reject(new S3Error('MalformedPOSTRequest', 'The body of your POST request is not well-formed multipart/form-data.')) : resolve()));
  }).catch(async (error: unknown) => {
    // Whatever was wrong with the file says more than that the form was not read to its end.
    await door.outcome;
    throw error;
  });
  tell(call, await door.posted(req.body as Readonly<Record<string, unknown>> | undefined));
}

/** Where multer puts what it finds: fields into memory, whatever they look like, and the file into an upload. */
class Door implements StorageEngine {
  readonly #call: Call;
  readonly #fields = new Map<string, string>();
  readonly #reading: Promise<void>[] = [];
  /** What becomes of the file, once it was seen. */
  outcome: Promise<Posted> | undefined;

  constructor(call: Call) {
    this.#call = call;
  }

  /** @throws S3Error where there was no file, or nothing could become of it. */
  async posted(body: Readonly<Record<string, unknown>> | undefined): Promise<Posted> {
    if (this.outcome) return this.outcome;
    // Without a file there may still be more to say about the fields.
    await Promise.all(this.#reading);
    this.#take(body);
    await authorise(this.#call, this.#fields);
    throw new S3Error('InvalidArgument', 'POST requires exactly one file upload per request.');
  }

  _handleFile(req: Call['req'], file: File, done: (error: Error | null) => void): void {
    // Some clients name a file for every field.
    if (file.fieldname.toLowerCase() !== 'file') {
      const read = this.#read(file).then(() => done(null), (error: unknown) => done(error instanceof Error ? error : new Error(String(error))));
      this.#reading.push(read);
      return;
    }
    this.outcome = this.#push(req.body as Readonly<Record<string, unknown>>, file);
    this.outcome.catch(() => file.stream.resume());
    this.outcome.then(() => done(null), () => done(null));
  }

  _removeFile(_req: unknown, _file: File, done: (error: Error | null) => void): void {
    done(null);
  }

  async #read({ fieldname, stream }: File): Promise<void> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.byteLength;
      if (size <= longestField) chunks.push(chunk);
    }
    if (size > longestField) throw new Error('a field is too long');
    this.#fields.set(fieldname.toLowerCase(), Buffer.concat(chunks).toString('utf8'));
  }

  #take(body: Readonly<Record<string, unknown>> | undefined): void {
    for (const [name, value] of Object.entries(body ?? {})) if (typeof value === 'string') this.#fields.set(name.toLowerCase(), value);
  }

  async #push(body: Readonly<Record<string, unknown>>, file: File): Promise<Posted> {
    await Promise.all(this.#reading);
    this.#take(body);
    const fields = this.#fields;
    const key = fields.get('key')?.replaceAll('${filename}', file.originalname) ?? '';
    if (key === '') throw new S3Error('InvalidArgument', 'Bucket POST must contain a field named \'key\'.');
    if (![key, ...fields.values()].every(isStorable)) throw new S3Error('InvalidArgument', 'A field of the form has U+0000.');
    const { who, policy } = await authorise(this.#call, new Map([...fields, ['key', key]]));
    const call: Call = { ...this.#call, key, fields, who };
    const tagging = fields.get('tagging');
    const { as, about, lock } = await newObject(call, tagging === undefined ? undefined : objectTags(readAs(taggingDocument, tagging).TagSet), (name) => (name === 'x-amz-acl' ? fields.get('acl') : undefined) ?? headerOf(call, name));
    const promised = new Promised((name) => headerOf(call, name), undefined);
    const put = await call.core.objects.put(as, { bucket: call.bucket, key, conditions: {} }, new Bounded(new PartBody(file.stream), policy), {
      measure: promised.measure,
      describe: (measured) => ({ etag: etagOf(measured), about: printAbout({ ...about, checksums: promised.verify(measured, new Map()) }), lock }),
    });
    return { key, etag: put.etag, fields };
  }
}

/** A file of the length that the policy allows. */
class Bounded implements Body {
  readonly length = undefined;
  readonly #body: PartBody;
  readonly #policy: FormPolicy | undefined;

  constructor(body: PartBody, policy: FormPolicy | undefined) {
    this.#body = body;
    this.#policy = policy;
  }

  get cut(): Error | undefined {
    return this.#body.cut;
  }

  stop(reason: Error): void {
    this.#body.stop(reason);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const { least = 0, most = Infinity } = this.#policy?.range ?? {};
    let size = 0;
    for await (const chunk of this.#body) {
      size += chunk.byteLength;
      if (size > most) throw new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size');
      yield chunk;
    }
    if (!this.#body.cut && size < least) throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
  }
}

/** Who signed the form's policy, if the form keeps to it; a form without one is anybody's. */
async function authorise(call: Call, fields: Fields): Promise<{ who: Principal; policy: FormPolicy | undefined }> {
  const encoded = fields.get('policy');
  const [signature, old] = [fields.get('x-amz-signature'), fields.get('signature')];
  if (encoded === undefined && signature === undefined && old === undefined) return { who: ANYBODY, policy: undefined };
  if (encoded === undefined) throw new S3Error('InvalidArgument', 'Bucket POST must contain a field named \'policy\'.');
  const who = signature === undefined ? await signerOfOld(call, fields, encoded, old) : await signer(call, fields, encoded, signature);
  const policy = readFormPolicy(encoded, call.core.clock.now());
  checkConditions(policy, new Map([...fields, ['bucket', call.bucket]]));
  return { who, policy };
}

async function signer({ core }: Call, fields: Fields, policy: string, signature: string): Promise<Principal> {
  if (fields.get('x-amz-algorithm') !== 'AWS4-HMAC-SHA256') throw new S3Error('InvalidArgument', 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"');
  const match = /^(.+)\/(\d{8})\/([^/]+)\/s3\/aws4_request$/.exec(fields.get('x-amz-credential') ?? '');
  if (!match || !fields.get('x-amz-date')?.startsWith(match[2]!)) throw new S3Error('InvalidArgument', 'The x-amz-credential or the x-amz-date is malformed.');
  const opened = await core.keys.open(match[1]!);
  if (!opened) throw noSuchKey();
  if (!sameSignature(hmac(signingKeyOf(opened.secret, { date: match[2]!, region: match[3]! }), policy), signature)) throw mismatch();
  return opened.who;
}

/** The form that came before Signature Version 4, which clients still send. */
async function signerOfOld({ core }: Call, fields: Fields, policy: string, signature: string | undefined): Promise<Principal> {
  const id = fields.get('awsaccesskeyid');
  if (id === undefined || signature === undefined) throw new S3Error('InvalidArgument', 'Bucket POST must contain fields named \'AWSAccessKeyId\' and \'signature\'.');
  const opened = await core.keys.open(id);
  if (!opened) throw noSuchKey();
  const expected = createHmac('sha1', opened.secret).update(policy).digest();
  const given = Buffer.from(signature, 'base64');
  if (given.byteLength !== expected.byteLength || !timingSafeEqual(given, expected)) throw mismatch();
  return opened.who;
}

function noSuchKey(): S3Error {
  return new S3Error('InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.');
}

function mismatch(): S3Error {
  return new S3Error('SignatureDoesNotMatch', 'The request signature we calculated does not match the signature you provided.');
}

function tell({ req, res, bucket }: Call, { key, etag, fields }: Posted): void {
  const headers = { ETag: `"${etag}"` };
  const redirect = fields.get('success_action_redirect') ?? fields.get('redirect');
  if (redirect !== undefined && URL.canParse(redirect) && /^https?:/i.test(redirect)) {
    const url = new URL(redirect);
    const query = `bucket=${encodeURIComponent(bucket)}&key=${encodeURIComponent(key)}&etag=%22${etag}%22`;
    url.search = url.search === '' ? query : `${url.search.slice(1)}&${query}`;
    send(req, res, { status: 303, headers: { ...headers, Location: url.href } });
    return;
  }
  const status = fields.get('success_action_status');
  if (status === '201') {
    const place = `http://${req.headers.host ?? ''}/${bucket}/${encodeURIComponent(key)}`;
    send(req, res, { status: 201, headers: { ...headers, Location: place }, type: 'application/xml', text: document('PostResponse', { Location: place, Bucket: bucket, Key: key, ETag: `"${etag}"` }, false) });
    return;
  }
  send(req, res, { status: status === '200' ? 200 : 204, headers });
}
