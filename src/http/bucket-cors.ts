/** Rules for pages of other origins, as a bucket keeps them; two faces set them, each in its own words. */

export interface CorsRule {
  readonly id?: string;
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  /** Headers of answers that a page may read. */
  readonly exposed: readonly string[];
  /** Seconds for which a browser need not ask again. */
  readonly age?: number;
}

const known = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD'];

/** What is wrong with a rule; undefined where nothing is. */
export function faultOf({ origins, methods, headers, exposed, age }: CorsRule): string | undefined {
  const odd = methods.find((method) => !known.includes(method));
  if (odd !== undefined) return `Found unsupported HTTP method in CORS config. Unsupported method is ${odd}`;
  if (origins.length === 0 || methods.length === 0) return 'a rule needs origins and methods';
  if ([...origins, ...headers].some((text) => text.split('*').length > 2)) return 'An AllowedOrigin or AllowedHeader can not have more than one wildcard.';
  if ([...origins, ...headers, ...exposed].some((text) => /[\r\n]/.test(text))) return 'a rule has no line breaks';
  if (age !== undefined && !(Number.isSafeInteger(age) && age >= 0)) return 'the time must be a number of seconds';
  return undefined;
}
