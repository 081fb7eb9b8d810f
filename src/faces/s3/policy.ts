/**
 * Bucket policies: parsing and evaluation.
 *
 * A policy is stored only if every part of it is understood, and evaluated as a whole.
 */
import { parseJson } from '../../kit/json.ts';
import { S3Error } from './errors.ts';
import { compileCondition, identityIn, type Condition, type Identities, type Reading } from './policy-conditions.ts';
import { isVariableKey, knownActions } from './policy-names.ts';
import { compilePattern, type Pattern, type ValueOf } from './policy-patterns.ts';

/** The request to evaluate. */
export interface PolicyQuestion {
  /** `s3:GetObject` */
  readonly action: string;
  /** `arn:aws:s3:::bucket/key` */
  readonly resource: string;
  /** The caller's namespace; empty if anonymous. */
  readonly namespace: string;
  /** The namespace with its generation, if it has one. */
  readonly identity?: string;
  /** Values of condition keys, computed on demand. */
  readonly value: ValueOf;
}

/** Namespaces by name, or everyone. */
type Principals = '*' | ReadonlySet<string>;

interface Statement {
  readonly effect: 'Allow' | 'Deny';
  readonly principals: Principals;
  readonly isOf: (question: PolicyQuestion) => boolean;
  readonly conditions: readonly Condition[];
}

export interface Policy {
  readonly statements: readonly Statement[];
}

/** Maximum bytes of a policy. */
const longest = 20 * 1024;
const versions: readonly unknown[] = ['2012-10-17', '2008-10-17'];
const policyMembers = new Set(['Version', 'Id', 'Statement']);
const statementMembers = new Set([
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
]);

/** @throws S3Error `MalformedPolicy` if any part is not understood */
export function parsePolicy(text: string, bucket: string, identities: Identities = {}): Policy {
  const { document, statements } = readDocument(text);
  demandMembers(document, policyMembers, 'policy');
  const { Version: version, Id: id } = document;
  if (version !== undefined && !versions.includes(version)) {
    throw malformed('Policies must have the Version 2012-10-17 or 2008-10-17');
  }
  if (id !== undefined && typeof id !== 'string') throw malformed('The Id of a policy is a string');
  return {
    statements: statements.map((statement) =>
      readStatement(statement, { bucket, variables: version === '2012-10-17', identities }),
    ),
  };
}

/**
 * Reads a stored policy, perhaps of an older version. If it would be refused today, its Allow statements are dropped,
 * and parts of a Deny that are not understood count as met.
 */
export function readKeptPolicy(text: string, bucket: string, identities: Identities = {}): Policy {
  try {
    return parsePolicy(text, bucket, identities);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return { statements: denialsOf(text, bucket, identities) };
  }
}

const everything: Statement = { effect: 'Deny', principals: '*', isOf: () => true, conditions: [] };

function denialsOf(text: string, bucket: string, identities: Identities): readonly Statement[] {
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch {
    return [everything];
  }
  if (!isRecord(policy)) return [everything];
  const variables = policy['Version'] === '2012-10-17';
  return [policy['Statement']].flat().flatMap((statement) => {
    if (!isRecord(statement)) return [everything];
    return statement['Effect'] === 'Allow' ? [] : [denialOf(statement, { bucket, variables, identities })];
  });
}

/** A Deny whose invalid parts count as met. */
function denialOf(statement: Record<string, unknown>, { bucket, variables, identities }: Context): Statement {
  const orElse = <T>(read: () => T, otherwise: T): T => {
    try {
      return read();
    } catch {
      return otherwise;
    }
  };
  const anything = (): boolean => true;
  const principals = orElse(() => readPrincipals(statement), { listed: '*' as const, negated: false });
  const isOfAction = orElse(() => readActions(statement), anything);
  const isOfResource = orElse(() => readResources(statement, bucket, variables), anything);
  const block = isRecord(statement['Condition']) ? statement['Condition'] : {};
  const conditions = Object.entries(block).flatMap(([operator, keys]) =>
    orElse(() => readConditions({ [operator]: keys }, { variables, effect: 'Deny', identities }), []),
  );
  const isOf: Check = (question) =>
    isDenied(principals, question, identities) && isOfAction(question) && isOfResource(question);
  return { effect: 'Deny', principals: '*', isOf, conditions };
}

/** Deny wins; undefined if no statement applies. */
export function evaluatePolicy({ statements }: Policy, question: PolicyQuestion): 'allow' | 'deny' | undefined {
  const { value, namespace, identity = namespace } = question;
  const caller = identity === '' ? 'anonymous' : identity;
  let verdict: 'allow' | undefined;
  for (const { effect, isOf, conditions } of statements) {
    if (!isOf(question) || !conditions.every(({ holds }) => holds(value, caller))) continue;
    if (effect === 'Deny') return 'deny';
    verdict = 'allow';
  }
  return verdict;
}

/** The share of all callers that a policy may allow without being public: sixteen networks of the maximum size. */
const mostOfAll = 1 / 16;

/** Whether the policy is public by S3's definition. */
export function isPublicPolicy({ statements }: Policy): boolean {
  const open = statements.filter(({ effect, principals }) => effect === 'Allow' && principals === '*');
  const share = open.reduce((sum, { conditions }) => sum + Math.min(1, ...conditions.map((one) => one.share)), 0);
  return share > mostOfAll;
}

function readDocument(text: string): { document: Record<string, unknown>; statements: readonly unknown[] } {
  if (Buffer.byteLength(text) > longest) throw malformed('Policies may have 20 KB at most');
  let document: unknown;
  try {
    document = parseJson(text);
  } catch {
    throw malformed("Policies must be valid JSON, without repeated members, and the first byte must be '{'");
  }
  if (!isRecord(document)) throw malformed("Policies must be valid JSON and the first byte must be '{'");
  const statements: readonly unknown[] = [document['Statement']].flat();
  const isMissing = document['Statement'] === undefined || statements.length === 0;
  if (isMissing) throw malformed('Missing required field Statement');
  return { document, statements };
}

/** Context for parsing statements. */
interface Context {
  readonly bucket: string;
  readonly variables: boolean;
  readonly identities: Identities;
}

function readStatement(statement: unknown, { bucket, variables, identities }: Context): Statement {
  if (!isRecord(statement)) throw malformed('A Statement must be an object');
  demandMembers(statement, statementMembers, 'statement');
  const { Sid: sid, Effect: effect } = statement;
  if (sid !== undefined && typeof sid !== 'string') throw malformed('The Sid of a statement is a string');
  if (effect !== 'Allow' && effect !== 'Deny') throw malformed('Invalid effect: it is Allow or Deny');
  const principals = readPrincipals(statement);
  if (effect === 'Allow' && principals.negated) throw malformed('Allow with NotPrincipal is not allowed');
  const isOfAction = readActions(statement);
  const isOfResource = readResources(statement, bucket, variables);
  const isOfPrincipal = effect === 'Deny' ? isDenied : isNamed;
  return {
    effect,
    principals: principals.listed,
    conditions: readConditions(statement['Condition'], { variables, effect, identities }),
    isOf: (question) =>
      isOfPrincipal(principals, question, identities) && isOfAction(question) && isOfResource(question),
  };
}

interface PrincipalElement {
  readonly listed: Principals;
  readonly negated: boolean;
}

/** Whether a statement names the caller. A namespace that was created later under the same name does not match. */
function isNamed(
  { listed }: PrincipalElement,
  { namespace, identity = namespace }: PolicyQuestion,
  identities: Identities,
): boolean {
  if (listed === '*') return true;
  if (namespace === '' || !listed.has(namespace)) return false;
  return identityIn(identities, namespace) === identity;
}

/** A Deny applies to every namespace of a listed name; `NotPrincipal` spares only the same namespaces. */
function isDenied(principals: PrincipalElement, question: PolicyQuestion, identities: Identities): boolean {
  if (principals.negated) return !isNamed(principals, question, identities);
  return principals.listed === '*' || (question.namespace !== '' && principals.listed.has(question.namespace));
}

/** The namespaces in a policy's principals and conditions. */
export function namesIn({ statements }: Policy): readonly string[] {
  const names = statements.flatMap(({ principals, conditions }) => [
    ...(principals === '*' ? [] : principals),
    ...conditions.flatMap((condition) => condition.names),
  ]);
  return [...new Set(names)];
}

/** Parses `"*"`, or lists by kind: accounts, which are namespaces here, and services, which match no caller. */
function readPrincipals(statement: Record<string, unknown>): PrincipalElement {
  const { value, negated } = oneOf(statement, 'Principal', 'NotPrincipal');
  if (value === '*') return { listed: '*', negated };
  if (!isRecord(value) || Object.keys(value).length === 0) throw malformed('Invalid principal in policy');
  const named = Object.entries(value).flatMap(([kind, list]) =>
    texts(list, 'principal').map((text) => namespaceOf(kind, text)),
  );
  return { listed: named.includes('*') ? '*' : new Set(named.filter((one) => one !== undefined)), negated };
}

const namespaceForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Parses `arn:aws:iam::NAMESPACE:root`, `arn:aws:iam:::user/NAMESPACE` or a plain name; undefined for a service. */
function namespaceOf(kind: string, text: string): string | undefined {
  if (kind === 'Service' && /^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.amazonaws\.com$/.test(text)) return undefined;
  if (kind === 'CanonicalUser' && namespaceForm.test(text)) return text;
  if (kind !== 'AWS') throw malformed('Invalid principal in policy');
  if (text === '*') return text;
  const [, account, user] = /^arn:aws:iam::([^:]*):(?:root|user\/(.+))$/.exec(text) ?? [, text];
  const name = user ?? account!;
  // Namespaces have no users.
  const isOther = user !== undefined && account !== '' && account !== user;
  if (isOther || !namespaceForm.test(name)) throw malformed('Invalid principal in policy');
  return name;
}

type Check = (question: PolicyQuestion) => boolean;

function readActions(statement: Record<string, unknown>): Check {
  const { value, negated } = oneOf(statement, 'Action', 'NotAction');
  const patterns = texts(value, 'action').map((text) => {
    const pattern = compilePattern(text, { wildcards: true, ignoreCase: true, isVariable: undefined })!;
    const isKnown = text === '*' || (/^s3:/i.test(text) && knownActions.some((action) => pattern(action, noValues)));
    if (!isKnown) throw malformed('Policy has invalid action');
    return pattern;
  });
  return ({ action, value: valueOf }) => patterns.some((fits) => fits(action, valueOf)) !== negated;
}

const noValues: ValueOf = () => undefined;
const arnStart = 'arn:aws:s3:::';

function readResources(statement: Record<string, unknown>, bucket: string, variables: boolean): Check {
  const { value, negated } = oneOf(statement, 'Resource', 'NotResource');
  const patterns = texts(value, 'resource').map((text) => {
    const pattern = resourcePattern(text, bucket, variables);
    if (!pattern) throw malformed('Policy has invalid resource');
    return pattern;
  });
  return ({ resource, value: valueOf }) => patterns.some((fits) => fits(resource, valueOf)) !== negated;
}

/** A resource of the policy's bucket; undefined for any other. */
function resourcePattern(text: string, bucket: string, variables: boolean): Pattern | undefined {
  if (text === '*') return () => true;
  if (!text.startsWith(arnStart)) return undefined;
  const [bucketPart] = text.slice(arnStart.length).split('/') as [string];
  const isOwn = compilePattern(bucketPart, { wildcards: true, isVariable: undefined })!(bucket, noValues);
  if (!isOwn) return undefined;
  return compilePattern(text, { wildcards: true, isVariable: variables ? isVariableKey : undefined });
}

function readConditions(block: unknown, reading: Reading): readonly Condition[] {
  if (block === undefined) return [];
  if (!isRecord(block)) throw malformed('Policy has an invalid condition');
  return Object.entries(block).flatMap(([operator, keys]) => {
    if (!isRecord(keys) || Object.keys(keys).length === 0) throw malformed('Policy has an invalid condition');
    return Object.entries(keys).map(([key, wanted]) => {
      const condition = compileCondition(operator, key, texts(wanted, 'condition', true), reading);
      if (!condition) throw malformed(`Policy has an invalid condition: ${operator} of ${key}`);
      return condition;
    });
  });
}

/** Exactly one of two members. */
function oneOf(
  statement: Record<string, unknown>,
  name: string,
  notName: string,
): { value: unknown; negated: boolean } {
  const [value, notValue] = [statement[name], statement[notName]];
  if ((value === undefined) === (notValue === undefined)) {
    throw malformed(`A statement needs one of ${name} and ${notName}`);
  }
  return { value: value ?? notValue, negated: value === undefined };
}

/** A string, or a list of strings. */
function texts(value: unknown, what: string, plain = false): readonly string[] {
  const list: readonly unknown[] = [value].flat();
  const kinds = plain ? ['string', 'number', 'boolean'] : ['string'];
  if (list.length === 0 || !list.every((one) => kinds.includes(typeof one)))
    throw malformed(`Policy has invalid ${what}`);
  return list.map(String);
}

function demandMembers(record: Record<string, unknown>, known: ReadonlySet<string>, what: string): void {
  const unknown = Object.keys(record).find((name) => !known.has(name));
  if (unknown !== undefined) throw malformed(`Unknown field ${unknown} in the ${what}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(message: string): S3Error {
  return new S3Error('MalformedPolicy', message);
}
