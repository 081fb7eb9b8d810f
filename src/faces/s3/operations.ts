/** Which operation a request asks for, and whether all that it brings belongs to it. */
import { invalidArgument, notImplemented, S3Error } from './errors.ts';
import { demandListed } from './header-names.ts';
import { table, type Operation, type Place, type Row } from './operation-table.ts';

/** What every request may carry: signing, framing, tracing, and conditions that are held for every operation. */
const everywhere = [
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-decoded-content-length',
  'x-amz-trailer',
  'x-amz-user-agent',
  'x-amz-te',
  'x-amz-api-version',
  'x-amz-cf-id',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-expected-bucket-owner',
  'x-amz-request-payer',
  // Of a presigned URL.
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
];

/** Those that a cache adds to a question, and that only ever save an answer, or a part of one. */
const harmless = ['if-none-match', 'if-modified-since', 'if-range', 'range'];

/** Names of all that can be asked. */
export const operationNames: readonly string[] = table.filter(({ run }) => run).map(({ name }) => name);

/** Parameters that name a part of a bucket or an object. */
const subresources: ReadonlySet<string> = new Set(
  table.flatMap(({ marks }) => marks.slice(0, 1)).filter((mark) => /^[^+=]+$/.test(mark)),
);
const parameters: ReadonlySet<string> = new Set(
  table.flatMap(({ marks, takes }) => [...marks.map((mark) => mark.split('=')[0]!), ...takes]),
);

/** A request, as far as it tells what is asked for. */
export interface Question {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  /** Every parameter, in order. */
  readonly query: readonly (readonly [name: string, value: string])[];
  /** Lower-case names of the headers, and of what stands for them in the query of a presigned URL. */
  readonly headers: readonly string[];
  /** Whether the query has the signature. */
  readonly presigned: boolean;
}

/**
 * What a request asks for.
 *
 * @throws S3Error `NotImplemented` for what this server does not have; `InvalidArgument` for parameters that do not
 * belong together, or to the operation; `MethodNotAllowed`.
 */
export function operationOf(question: Question): Operation {
  const query = parametersOf(question);
  const found = rowOf(question, query);
  const claimed = query.get('x-id');
  const meant = found.name === 'HeadObject' && claimed === 'GetObject' ? 'HeadObject' : claimed;
  if (meant !== undefined && meant !== found.name) throw notImplemented({ Operation: meant });
  if (!found.run) throw notImplemented({ Operation: found.name });
  demandHeaders(found, question);
  return { name: found.name, run: found.run };
}

/** All but those of a signature, and those that begin with `x-`, which S3 leaves to a client for its own logs. */
function parametersOf({ query, presigned }: Question): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of query) {
    const ofSigning = presigned && /^x-amz-/i.test(name);
    if (ofSigning || (/^x-/i.test(name) && !/^x-(?:amz-|id$)/i.test(name))) continue;
    if (found.has(name)) throw invalidArgument(`The parameter ${name} must not be repeated.`, name, value);
    found.set(name, value);
  }
  return found;
}

function rowOf({ method, bucket, key, headers }: Question, query: ReadonlyMap<string, string>): Row {
  const place: Place = bucket === '' ? 'service' : key === '' ? 'bucket' : 'object';
  const marked = (mark: string): boolean => {
    if (mark.startsWith('+')) return headers.includes(mark.slice(1));
    const [name = '', value] = mark.split('=');
    return value === undefined ? query.has(name) : query.get(name) === value;
  };
  // What a GET of a sub-resource would say can be asked about, too.
  const asked = (one: Row): boolean =>
    one.method === method || (method === 'HEAD' && one.method === 'GET' && one.marks.length > 0);
  const here = table.filter((one) => one.place === place && asked(one));
  const fitting = here.filter(({ marks }) => marks.every(marked)).toSorted((a, b) => b.marks.length - a.marks.length);
  const strangers = ({ marks, takes }: Row): string[] =>
    [...query.keys()].filter(
      (name) => name !== 'x-id' && !takes.includes(name) && !marks.some((mark) => mark.split('=')[0] === name),
    );
  const [best] = fitting;
  if (best && strangers(best).length === 0) return best;
  if (here.length === 0) throw new S3Error('MethodNotAllowed');
  throw refusalOf(query, best ? strangers(best) : []);
}

/** @param strangers parameters that the operation which fits best does not list. */
function refusalOf(query: ReadonlyMap<string, string>, strangers: readonly string[]): S3Error {
  const names = [...query.keys()];
  const unknown = names.find((name) => name !== 'x-id' && !parameters.has(name));
  if (unknown !== undefined) return notImplemented({ Parameter: unknown });
  const parts = names.filter((name) => subresources.has(name));
  if (parts.length > 1)
    return invalidArgument(`Conflicting query string parameters: ${parts.join(', ')}`, 'ResourceType', parts[0]!);
  const [part] = parts;
  const wrong = (name: string, message = `This operation does not accept ${name}.`): S3Error =>
    invalidArgument(message, name, query.get(name)!);
  if (part === 'uploadId' && strangers.includes(part))
    return wrong(part, 'This operation does not accept uploadId without partNumber');
  if (part !== undefined && !(strangers.length > 0 && !strangers.includes(part)))
    return notImplemented({ Parameter: part });
  if (strangers.includes('partNumber'))
    return wrong('partNumber', 'This operation does not accept partNumber without uploadId');
  if (strangers.includes('versionId')) return wrong('versionId', 'This operation does not accept a version-id.');
  if (strangers.includes('list-type')) return wrong('list-type', 'Invalid List Type specified in request');
  return strangers[0] === undefined ? new S3Error('MethodNotAllowed') : wrong(strangers[0]);
}

/** @throws S3Error `NotImplemented` for a header that would change what the operation does. */
function demandHeaders({ method, headers }: Row, question: Question): void {
  const read = method === 'GET' || method === 'HEAD';
  demandListed(question.headers, [...everywhere, ...(read ? harmless : []), ...headers]);
}
