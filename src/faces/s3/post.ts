/** POST Object: a browser form with a signed policy. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { keeping, type Body } from '../../core/bytes/ingest.ts';
import { ANYBODY, type Principal } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { sendAnswer } from '../../http/responses.ts';
import { clientAddressOf } from '../../http/client-address.ts';
import { boundaryOf, FormParts, type FormPart } from './form-parts.ts';
import { isStorable, utf8 } from '../../kit/text.ts';
import { printAbout } from './about.ts';
import { demandKey, headerOf, type S3Call } from './call.ts';
import {
  algorithmNamed,
  checksumsIn,
  demandFullObject,
  demandKnownChecksums,
  etagOf,
  DeclaredDigests,
  usualChecksum,
} from './checksums.ts';
import { isWrongKey, S3Error } from './errors.ts';
import { body as ofBody, demandListed, newObjectHeaders as ofObject } from './header-names.ts';
import { newObject } from './new-object.ts';
import { checkConditions, readFormPolicy, type FormPolicy } from './post-policy.ts';
import { readAs } from './schema.ts';
import { hmac, sameSignature, signingKeyOf } from './signing/verify.ts';
import { tagging as taggingDocument } from './documents.ts';
import { objectTags } from './tags.ts';
import { document } from './xml.ts';

type Fields = ReadonlyMap<string, string>;

/** Maximum bytes of a field; a policy is the longest. */
const longestField = 20 * 1024;
const longestName = 256;
const mostFields = 60;
/** Fields of the signature, in which `${filename}` is not replaced. */
const proofs = [
  'policy',
  'signature',
  'awsaccesskeyid',
  'x-amz-signature',
  'x-amz-credential',
  'x-amz-algorithm',
  'x-amz-date',
];

/** Fields with a meaning as S3 headers that are read. */
const understood = [
  ...ofObject,
  ...ofBody,
  'x-amz-sdk-checksum-algorithm',
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-signature',
];

interface Posted {
  readonly key: string;
  readonly etag: string;
  readonly fields: Fields;
}

export async function postObject(call: S3Call): Promise<void> {
  const { req, res, lifetime, bucket } = call;
  const boundary = formBoundary(call);
  if (!(await call.buckets.get(bucket))) throw new S3Error('NoSuchBucket');
  const form = new FormParts(lifetime.body(req, res), boundary);
  // Browsers show a response only after sending everything, and a reused connection must be empty.
  const posted = await post(call, form).finally(() => form.drain());
  tell(call, posted);
}

/** @throws S3Error unless it is a form; also for a checksum header, which would cover the form and not the file */
function formBoundary({ req }: S3Call): string {
  const ofForm = (name: string): string | undefined =>
    Array.isArray(req.headers[name]) ? undefined : req.headers[name];
  if (ofForm('content-md5') !== undefined || ofForm('content-digest') !== undefined || checksumsIn(ofForm).length > 0) {
    throw new S3Error('InvalidRequest', 'The checksum of a posted file must be a field of the form.');
  }
  try {
    return boundaryOf(req.headers['content-type']);
  } catch {
    throw unreadable();
  }
}

function unreadable(): S3Error {
  return new S3Error('MalformedPOSTRequest', 'The body of your POST request is not well-formed multipart/form-data.');
}

/** The next part of a form. */
async function nextPart(form: FormParts): Promise<FormPart | undefined> {
  try {
    return await form.next();
  } catch (error) {
    throw error instanceof Refusal && error.reason === 'malformed' ? unreadable() : error;
  }
}

/** Reads the fields, then the file. Parts after the file are ignored. */
async function post(call: S3Call, form: FormParts): Promise<Posted> {
  const fields = new Map<string, string>();
  for (let part = await nextPart(form); part; part = await nextPart(form)) {
    const name = part.name.toLowerCase();
    if (name === 'file') return push(call, filledIn(fields, part.filename ?? ''), part.body);
    if (fields.has(name)) throw new S3Error('InvalidArgument', `The form has more than one field ${name}.`);
    if (fields.size >= mostFields || Buffer.byteLength(name) > longestName) throw unreadable();
    fields.set(name, await read(part));
  }
  // Without a file, errors in the fields are reported first.
  await authorise(call, fields);
  throw new S3Error('InvalidArgument', 'POST requires exactly one file upload per request.');
}

async function read({ body }: FormPart): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > longestField) throw new S3Error('MalformedPOSTRequest', 'A field of the form is too long.');
    chunks.push(chunk);
  }
  if (body.cut) throw body.cut instanceof Refusal && body.cut.reason === 'malformed' ? unreadable() : body.cut;
  const text = utf8(Buffer.concat(chunks));
  if (text === undefined || !isStorable(text))
    throw new S3Error('InvalidArgument', 'A field of the form is not UTF-8.');
  return text;
}

/** Replaces `${filename}` in the fields. */
function filledIn(fields: Fields, filename: string): Fields {
  return new Map(
    [...fields].map(([name, value]) => [
      name,
      proofs.includes(name) ? value : value.replaceAll('${filename}', () => filename),
    ]),
  );
}

async function push(before: S3Call, fields: Fields, file: Body): Promise<Posted> {
  const key = fields.get('key') ?? '';
  if (key === '') throw new S3Error('InvalidArgument', "Bucket POST must contain a field named 'key'.");
  demandKey(key);
  const { who, policy } = await authorise(before, fields);
  demandListed(fields.keys(), understood);
  const call: S3Call = { ...before, key, fields, who };
  demandKnownChecksums([...fields.keys()].filter((name) => name.startsWith('x-amz-checksum-')));
  demandFullObject(fields.get('x-amz-checksum-type'));
  // S3 documents `acl` for forms; clients also send the header's name.
  if (fields.has('acl') && fields.has('x-amz-acl')) {
    throw new S3Error('InvalidArgument', 'The form has both acl and x-amz-acl.');
  }
  const tagging = fields.get('tagging');
  const { allowed, about, lock } = await newObject(
    call,
    tagging === undefined ? undefined : objectTags(readAs(taggingDocument, tagging).TagSet),
    (name) => (name === 'x-amz-acl' ? fields.get('acl') : undefined) ?? headerOf(call, name),
  );
  const keep = algorithmNamed(fields.get('x-amz-checksum-algorithm')) ?? usualChecksum;
  const promised = new DeclaredDigests((name) => headerOf(call, name), undefined, keep);
  const request = { key, conditions: {} };
  const received = await call.core.objects.receive(allowed, request, new Bounded(file, policy), promised.measure);
  const { measured } = received;
  return keeping(received, async () => {
    const kept = printAbout({ ...about, checksums: promised.verify(measured, new Map()) });
    const { etag } = await received.keep({ etag: etagOf(measured), about: kept, lock });
    return { key, etag, fields };
  });
}

/** Enforces the size limits of the policy. */
class Bounded implements Body {
  readonly length = undefined;
  readonly #body: Body;
  readonly #policy: FormPolicy | undefined;

  constructor(body: Body, policy: FormPolicy | undefined) {
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
    const { least, most } = this.#policy ?? { least: 0, most: Infinity };
    let size = 0;
    for await (const chunk of this.#body) {
      size += chunk.byteLength;
      if (size > most) throw new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size');
      yield chunk;
    }
    if (!this.#body.cut && size < least)
      throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
  }
}

/** Authenticates the form by its policy's signature and checks the policy; a form without one is anonymous. */
async function authorise(call: S3Call, fields: Fields): Promise<{ who: Principal; policy: FormPolicy | undefined }> {
  const encoded = fields.get('policy');
  const [signature, old] = [fields.get('x-amz-signature'), fields.get('signature')];
  if (encoded === undefined && signature === undefined && old === undefined) return { who: ANYBODY, policy: undefined };
  if (encoded === undefined) throw new S3Error('InvalidArgument', "Bucket POST must contain a field named 'policy'.");
  const proof = (): Promise<Principal> =>
    signature === undefined ? signerOfOld(call, fields, encoded, old) : signer(call, fields, encoded, signature);
  const subject = fields.get('x-amz-credential') ?? fields.get('awsaccesskeyid') ?? '';
  const who = await call.core.loginAttempts.prove(
    { from: clientAddressOf(call.req), subject, guessable: false },
    proof,
    isWrongKey,
  );
  const policy = readFormPolicy(encoded, call.core.clock.now());
  if (fields.has('bucket') && fields.get('bucket') !== call.bucket)
    throw new S3Error('AccessDenied', 'The form is for another bucket.');
  // The bucket counts as a field even if only the URL names it.
  checkConditions(policy, new Map([...fields, ['bucket', call.bucket]]));
  return { who, policy };
}

async function signer({ core }: S3Call, fields: Fields, policy: string, signature: string): Promise<Principal> {
  if (fields.get('x-amz-algorithm') !== 'AWS4-HMAC-SHA256')
    throw new S3Error('InvalidArgument', 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"');
  const match = /^(.+)\/(\d{8})\/([^/]+)\/s3\/aws4_request$/.exec(fields.get('x-amz-credential') ?? '');
  if (!match || !fields.get('x-amz-date')?.startsWith(match[2]!))
    throw new S3Error('InvalidArgument', 'The x-amz-credential or the x-amz-date is malformed.');
  const opened = await core.accessKeys.open(match[1]!);
  if (!opened) throw noSuchKey();
  if (!sameSignature(hmac(signingKeyOf(opened.secret, { date: match[2]!, region: match[3]! }), policy), signature))
    throw mismatch();
  return opened.who;
}

/** Signature Version 2, which some clients still use for forms. */
async function signerOfOld(
  { core }: S3Call,
  fields: Fields,
  policy: string,
  signature: string | undefined,
): Promise<Principal> {
  const id = fields.get('awsaccesskeyid');
  if (id === undefined || signature === undefined)
    throw new S3Error('InvalidArgument', "Bucket POST must contain fields named 'AWSAccessKeyId' and 'signature'.");
  const opened = await core.accessKeys.open(id);
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
  return new S3Error(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided.',
  );
}

function tell({ req, res, bucket }: S3Call, { key, etag, fields }: Posted): void {
  const headers = { ETag: `"${etag}"` };
  const redirect = fields.get('success_action_redirect') ?? fields.get('redirect');
  if (redirect !== undefined && URL.canParse(redirect) && /^https?:/i.test(redirect)) {
    const url = new URL(redirect);
    const query = `bucket=${encodeURIComponent(bucket)}&key=${encodeURIComponent(key)}&etag=%22${etag}%22`;
    url.search = url.search === '' ? query : `${url.search.slice(1)}&${query}`;
    sendAnswer(req, res, { status: 303, headers: { ...headers, Location: url.href } });
    return;
  }
  const status = fields.get('success_action_status');
  const place = `http://${req.headers.host ?? ''}/${bucket}/${encodeURIComponent(key)}`;
  if (status === '201') {
    sendAnswer(req, res, {
      status: 201,
      headers: { ...headers, Location: place },
      type: 'application/xml',
      text: document('PostResponse', { Location: place, Bucket: bucket, Key: key, ETag: `"${etag}"` }, false),
    });
    return;
  }
  sendAnswer(req, res, { status: status === '200' ? 200 : 204, headers: { ...headers, Location: place } });
}
