/** Selects the operation of a request and checks that it accepts all parameters and headers. */
import { invalidArgument, notImplemented, S3Error } from './errors.ts';
import { demandListed } from './header-names.ts';
import { operationTable, type S3Operation, type Place, type Row } from './operation-table.ts';

/** Headers of every request: signing, framing, tracing, and conditions checked for every operation. */
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
  // Of presigned URLs.
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
];

/** Headers that caches add to reads; ignoring them only returns a full response. */
const harmless = ['if-none-match', 'if-modified-since', 'if-range', 'range'];

/** Names of the implemented operations. */
export const operationNames: readonly string[] = operationTable.filter(({ run }) => run).map(({ name }) => name);

/** Parameters that select a sub-resource. */
const subresources: ReadonlySet<string> = new Set(
  operationTable.flatMap(({ marks }) => marks.slice(0, 1)).filter((mark) => /^[^+=]+$/.test(mark)),
);
const parameters: ReadonlySet<string> = new Set(
  operationTable.flatMap(({ marks, takes }) => [...marks.map((mark) => mark.split('=')[0]!), ...takes]),
);

/** The parts of a request that identify its operation. */
export interface OperationQuestion {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  /** Every parameter, in order. */
  readonly query: readonly (readonly [name: string, value: string])[];
  /** Lower-case names of the headers, including those in the query of a presigned URL. */
  readonly headers: readonly string[];
  /** Whether the query contains the signature. */
  readonly presigned: boolean;
}

/**
 * The operation of a request.
 *
 * @throws S3Error `NotImplemented` for an unsupported operation; `InvalidArgument` for parameters that conflict or do
 *   not belong to the operation; `MethodNotAllowed`
 */
export function operationOf(question: OperationQuestion): S3Operation {
  const query = parametersOf(question);
  const found = rowOf(question, query);
  const claimed = query.get('x-id');
  const meant = found.name === 'HeadObject' && claimed === 'GetObject' ? 'HeadObject' : claimed;
  if (meant !== undefined && meant !== found.name) throw notImplemented({ Operation: meant });
  if (!found.run) throw notImplemented({ Operation: found.name });
  demandHeaders(found, question);
  return { name: found.name, run: found.run };
}

/** The parameters without those of the signature, and without `x-` ones, which S3 reserves for clients' logs. */
function parametersOf({ query, presigned }: OperationQuestion): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of query) {
    const ofSigning = presigned && /^x-amz-/i.test(name);
    if (ofSigning || (/^x-/i.test(name) && !/^x-(?:amz-|id$)/i.test(name))) continue;
    if (found.has(name)) throw invalidArgument(`The parameter ${name} must not be repeated.`, name, value);
    found.set(name, value);
  }
  return found;
}

function rowOf({ method, bucket, key, headers }: OperationQuestion, query: ReadonlyMap<string, string>): Row {
  const place: Place = bucket === '' ? 'service' : key === '' ? 'bucket' : 'object';
  const marked = (mark: string): boolean => {
    if (mark.startsWith('+')) return headers.includes(mark.slice(1));
    const [name = '', value] = mark.split('=');
    return value === undefined ? query.has(name) : query.get(name) === value;
  };
  // HEAD is allowed where GET of a sub-resource is.
  const asked = (one: Row): boolean =>
    one.method === method || (method === 'HEAD' && one.method === 'GET' && one.marks.length > 0);
  const here = operationTable.filter((one) => one.place === place && asked(one));
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

/** @param strangers parameters that the best matching operation does not accept */
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

/** @throws S3Error `NotImplemented` for a header that would change the operation */
function demandHeaders({ method, headers }: Row, question: OperationQuestion): void {
  const read = method === 'GET' || method === 'HEAD';
  demandListed(question.headers, [...everywhere, ...(read ? harmless : []), ...headers]);
}
