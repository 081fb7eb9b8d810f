/** Parses the signature in the `Authorization` header or the query. */
import { S3Error, type S3Code } from '../errors.ts';
import { algorithm, queryOf, valuesOf, type RawRequest } from './canonical.ts';

export interface CredentialScope {
  /** `YYYYMMDD` */
  readonly date: string;
  readonly region: string;
}

export interface SignatureClaim {
  readonly form: 'header' | 'query';
  readonly keyId: string;
  readonly scope: CredentialScope;
  /** Sorted lower-case names. */
  readonly signed: readonly string[];
  /** Hex. */
  readonly signature: string;
  /** Time of signing: `YYYYMMDDTHHMMSSZ`. */
  readonly date: string;
  /** The same in milliseconds since the epoch. */
  readonly at: number;
  /** Validity in seconds; null for the header form, which uses a window around now. */
  readonly expires: number | null;
  /** Hash of the body in hex, or its placeholder. */
  readonly payload: string;
}

/** Maximum validity of a presigned URL in seconds: a week. */
const longest = 604_800;

/**
 * @returns undefined for an unsigned request
 * @throws S3Error for a malformed signature
 */
export function readClaim(request: RawRequest): SignatureClaim | undefined {
  const query = queryOf(request.target);
  const inQuery = query.some(([name]) => /^X-Amz-(?:Signature|Credential|Algorithm)$/i.test(name));
  // Browser code may add an Authorization header to a presigned URL; the URL takes precedence.
  if (inQuery) return fromQuery(request, query);
  if (query.some(([name]) => name === 'AWSAccessKeyId' || name === 'Signature')) throw ofVersion2();
  const [authorization, second] = valuesOf(request.headers, 'authorization');
  if (authorization === undefined) return undefined;
  if (second !== undefined) throw new S3Error('InvalidArgument', 'There is more than one Authorization header.');
  return fromHeader(request, authorization);
}

/** Signature Version 2, which S3 has retired. The message says what to change. */
function ofVersion2(): S3Error {
  return new S3Error(
    'InvalidRequest',
    `The authorization mechanism you have provided is not supported. Please use ${algorithm}. In boto3: Config(signature_version='s3v4').`,
  );
}

function fromHeader(request: RawRequest, authorization: string): SignatureClaim {
  const malformed = 'AuthorizationHeaderMalformed';
  if (/^AWS\s/i.test(authorization)) throw ofVersion2();
  if (!authorization.startsWith(`${algorithm} `))
    throw new S3Error(malformed, `Only ${algorithm} signatures are accepted.`);
  const pieces = authorization.slice(algorithm.length).split(',');
  const parts = new Map(
    pieces.map((part) => {
      const [name = '', ...value] = part.trim().split('=');
      return [name, value.join('=')] as const;
    }),
  );
  const [credential, signed, signature] = ['Credential', 'SignedHeaders', 'Signature'].map(
    (name) => parts.get(name) ?? '',
  );
  // Exactly these three, because parsers could differ on which duplicate counts.
  if (pieces.length !== 3 || !credential || !signed || !/^[0-9a-f]{64}$/.test(signature!))
    throw new S3Error(malformed, 'The Authorization header lacks Credential, SignedHeaders or a Signature.');
  const date = dateOf(request);
  const { keyId, scope } = readCredential(credential, date, malformed);
  const payload = valuesOf(request.headers, 'x-amz-content-sha256')[0];
  if (payload === undefined) throw new S3Error('InvalidRequest', 'The header x-amz-content-sha256 is missing.');
  return {
    form: 'header',
    keyId,
    scope,
    signed: readSigned(signed, malformed),
    signature: signature!,
    date,
    at: timeOf(date),
    expires: null,
    payload,
  };
}

/** `x-amz-date`, or else `Date` in the canonical form. */
function dateOf(request: RawRequest): string {
  const [amz] = valuesOf(request.headers, 'x-amz-date');
  if (amz !== undefined) {
    if (Number.isNaN(timeOf(amz))) throw new S3Error('AccessDenied', 'x-amz-date is not a date like 20260131T120000Z.');
    return amz;
  }
  const [plain] = valuesOf(request.headers, 'date');
  const at = Date.parse(plain ?? '');
  if (Number.isNaN(at)) throw new S3Error('AccessDenied', 'A signed request needs a valid Date or x-amz-date header.');
  return new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '');
}

function fromQuery(request: RawRequest, query: ReturnType<typeof queryOf>): SignatureClaim {
  const code = 'AuthorizationQueryParametersError';
  const one = (name: string): string => {
    const found = query.filter(([other]) => other === name);
    if (found.length !== 1 || found[0]![1] === '') throw new S3Error(code, `The query needs one ${name}.`);
    return found[0]![1];
  };
  if (one('X-Amz-Algorithm') !== algorithm) throw new S3Error(code, `X-Amz-Algorithm must be ${algorithm}.`);
  const date = one('X-Amz-Date');
  if (Number.isNaN(timeOf(date))) throw new S3Error(code, 'X-Amz-Date is not a date like 20260131T120000Z.');
  const { keyId, scope } = readCredential(one('X-Amz-Credential'), date, code);
  const signature = one('X-Amz-Signature');
  const asked = one('X-Amz-Expires');
  const expires = /^-?\d{1,15}$/.test(asked) ? Number(asked) : Number.NaN;
  if (Number.isNaN(expires)) throw new S3Error(code, 'X-Amz-Expires must be a number of seconds.');
  if (expires < 0 || expires > longest)
    throw new S3Error('AccessDenied', `X-Amz-Expires must be between 0 and ${longest} seconds.`);
  const payload =
    query.find(([name]) => name === 'X-Amz-Content-Sha256')?.[1] ??
    valuesOf(request.headers, 'x-amz-content-sha256')[0] ??
    'UNSIGNED-PAYLOAD';
  return {
    form: 'query',
    keyId,
    scope,
    signed: readSigned(one('X-Amz-SignedHeaders'), code),
    signature,
    date,
    at: timeOf(date),
    expires,
    payload,
  };
}

function readCredential(credential: string, date: string, code: S3Code): { keyId: string; scope: CredentialScope } {
  // The key id may contain slashes; the rest does not.
  const match = /^(.+)\/(\d{8})\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(credential);
  if (!match) throw new S3Error(code, 'The credential is not KEY/DATE/REGION/s3/aws4_request.');
  const [, keyId = '', day = '', region = '', service, terminal] = match;
  if (service !== 's3' || terminal !== 'aws4_request')
    throw new S3Error(code, 'The credential must be for s3 and end in aws4_request.');
  if (!date.startsWith(day)) throw new S3Error(code, 'The credential and the request have different dates.');
  return { keyId, scope: { date: day, region } };
}

function readSigned(field: string, code: S3Code): string[] {
  const names = field.split(';');
  const ordered = names.every(
    (name, at) => /^[!#$%&'*+.^`|~a-z0-9_-]+$/.test(name) && (at === 0 || names[at - 1]! < name),
  );
  if (!ordered) throw new S3Error(code, 'SignedHeaders must be lower-case names in order, each once.');
  if (!names.includes('host')) throw new S3Error(code, 'The host must be signed.');
  return names;
}

/** Milliseconds since the epoch; NaN if invalid. */
function timeOf(date: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date);
  return match ? Date.parse(`${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}Z`) : Number.NaN;
}
