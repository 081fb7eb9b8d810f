/** CORS rules as buckets store them; the S3 and console faces set them. */
import { isFieldName } from './header-fields.ts';

export interface CorsRule {
  readonly id?: string;
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  /** Response headers that a page may read. */
  readonly exposed: readonly string[];
  /** Seconds that a browser may cache a preflight. */
  readonly age?: number;
}

const known = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD'];

/** Describes what is wrong with a rule; undefined if it is valid. */
export function faultOf({ origins, methods, headers, exposed, age }: CorsRule): string | undefined {
  const odd = methods.find((method) => !known.includes(method));
  if (odd !== undefined) return `Found unsupported HTTP method in CORS config. Unsupported method is ${odd}`;
  if (origins.length === 0 || methods.length === 0) return 'a rule needs origins and methods';
  if ([...origins, ...headers].some((text) => text.split('*').length > 2))
    return 'An AllowedOrigin or AllowedHeader can not have more than one wildcard.';
  if ([...origins, ...headers].some((text) => !/^[\u0020-\u007e]*$/.test(text)))
    return 'an AllowedOrigin or AllowedHeader has printable ASCII characters only';
  const unnamed = exposed.find((name) => !isFieldName(name));
  if (unnamed !== undefined) return `ExposeHeader "${unnamed}" contains invalid character.`;
  if (age !== undefined && !(Number.isSafeInteger(age) && age >= 0)) return 'MaxAgeSeconds must be a number of seconds';
  return undefined;
}
