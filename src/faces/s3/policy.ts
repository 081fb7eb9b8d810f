/** Bucket policies: statements that allow or deny, held against a request. */
import { BlockList, isIP } from 'node:net';
import { S3Error } from './errors.ts';

type Text = string | readonly string[];

interface Statement {
  readonly Sid?: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Principal?: '*' | { readonly AWS?: Text };
  readonly NotPrincipal?: '*' | { readonly AWS?: Text };
  readonly Action?: Text;
  readonly NotAction?: Text;
  readonly Resource?: Text;
  readonly NotResource?: Text;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, Text | boolean | number>>>>;
}

export interface Policy {
  readonly Version?: string;
  readonly Statement: readonly Statement[];
}

/** What a policy is asked about. */
export interface Question {
  /** `s3:GetObject` */
  readonly action: string;
  /** `arn:aws:s3:::bucket/key` */
  readonly resource: string;
  /** Who asks; empty for anybody. */
  readonly namespace: string;
  /** Values of condition keys, by lower-case name; a function, as few are ever asked for. */
  readonly value: (key: string) => readonly string[] | undefined;
}

/** Bytes that a policy may have. */
const longest = 20 * 1024;

/** @throws S3Error `MalformedPolicy` */
export function parsePolicy(text: string, bucket: string): Policy {
  let policy: unknown;
  try {
    policy = JSON.parse(text);
  } catch {
    throw malformed('Policies must be valid JSON and the first byte must be \'{\'');
  }
  if (Buffer.byteLength(text) > longest || !isRecord(policy)) throw malformed('The policy is no policy, or too long.');
  const statements = (Array.isArray(policy['Statement']) ? policy['Statement'] : [policy['Statement']]) as unknown[];
  if (statements.length === 0) throw malformed('A policy needs a Statement.');
  for (const statement of statements) demandStatement(statement, bucket);
  return { ...policy, Statement: statements as Statement[] };
}

function demandStatement(statement: unknown, bucket: string): void {
  if (!isRecord(statement)) throw malformed('A statement is no statement.');
  const { Effect: effect, Principal: principal, NotPrincipal: notPrincipal, Condition: condition } = statement;
  if (effect !== 'Allow' && effect !== 'Deny') throw malformed('Effect must be Allow or Deny.');
  if ((principal === undefined) === (notPrincipal === undefined)) throw malformed('A statement needs a Principal.');
  if (effect === 'Allow' && notPrincipal !== undefined) throw malformed('Allow with NotPrincipal is not allowed.');
  const actions = texts(statement['Action'] ?? statement['NotAction']);
  const resources = texts(statement['Resource'] ?? statement['NotResource']);
  if (actions.length === 0 || actions.some((action) => action !== '*' && !/^s3:/i.test(action))) throw malformed('Policy has invalid action');
  if (resources.length === 0) throw malformed('Missing required field Resource');
  const own = `arn:aws:s3:::${bucket}`;
  if (resources.some((resource) => resource !== '*' && resource !== own && !resource.startsWith(`${own}/`) && !/^arn:aws:s3:::[^/]*[*?]/.test(resource))) {
    throw malformed('Policy has invalid resource');
  }
  if (condition !== undefined && (!isRecord(condition) || Object.keys(condition).some((name) => !operatorOf(name)))) throw malformed('Policy has an invalid condition');
}

/** Deny wins; undefined where no statement is of the question. */
export function judge({ Statement: statements }: Policy, question: Question): 'allow' | 'deny' | undefined {
  let verdict: 'allow' | undefined;
  for (const statement of statements) {
    if (!applies(statement, question)) continue;
    if (statement.Effect === 'Deny') return 'deny';
    verdict = 'allow';
  }
  return verdict;
}

/** Whether it lets people in that nobody named. */
export function isPublicPolicy({ Statement: statements }: Policy): boolean {
  return statements.some((statement) => statement.Effect === 'Allow' && principals(statement.Principal).includes('*') && !isNarrow(statement));
}

/** Whether a statement is for some addresses or networks only. */
function isNarrow({ Condition: condition = {} }: Statement): boolean {
  const narrowing = new Set(['aws:sourceip', 'aws:sourcearn', 'aws:sourcevpc', 'aws:sourcevpce', 'aws:sourceaccount', 'aws:userid', 's3:dataaccesspointarn']);
  return Object.entries(condition).some(([operator, keys]) =>
    !operator.startsWith('Not') && Object.entries(keys).some(([key, wanted]) => narrowing.has(key.toLowerCase()) && !texts(wanted).some((text) => ['*', '0.0.0.0/0', '::/0'].includes(text))));
}

function applies(statement: Statement, question: Question): boolean {
  const { Principal: principal, NotPrincipal: notPrincipal, Action: action, NotAction: notAction, Resource: resource, NotResource: notResource } = statement;
  const isNamed = (list: readonly string[]): boolean => list.some((one) => one === '*' || (question.namespace !== '' && namespaceOf(one) === question.namespace));
  if (principal !== undefined ? !isNamed(principals(principal)) : isNamed(principals(notPrincipal))) return false;
  const acts = (list: Text): boolean => texts(list).some((pattern) => like(pattern.toLowerCase(), question.action.toLowerCase()));
  if (action !== undefined ? !acts(action) : acts(notAction ?? [])) return false;
  const lies = (list: Text): boolean => texts(list).some((pattern) => like(pattern, question.resource));
  if (resource !== undefined ? !lies(resource) : lies(notResource ?? [])) return false;
  return Object.entries(statement.Condition ?? {}).every(([operator, keys]) => Object.entries(keys).every(([key, wanted]) => operatorOf(operator)!(question.value(key.toLowerCase()), texts(wanted))));
}

function principals(principal: Statement['Principal']): readonly string[] {
  return principal === undefined ? [] : principal === '*' ? ['*'] : texts(principal.AWS);
}

/** `arn:aws:iam::NAMESPACE:root`, `arn:aws:iam:::user/NAMESPACE`, or the bare name. */
function namespaceOf(principal: string): string {
  const match = /^arn:aws:iam::([^:]*):(?:root|user\/(.+))$/.exec(principal);
  return match ? (match[2] ?? match[1]!) : principal;
}

type Operator = (actual: readonly string[] | undefined, wanted: readonly string[]) => boolean;

const some = (test: (actual: string, wanted: string) => boolean): Operator => (actual, wanted) => actual !== undefined && actual.some((one) => wanted.some((other) => test(one, other)));
const none = (test: (actual: string, wanted: string) => boolean): Operator => (actual, wanted) => actual === undefined || !actual.some((one) => wanted.some((other) => test(one, other)));
const numbers = (test: (a: number, b: number) => boolean): Operator => some((actual, wanted) => actual !== '' && test(Number(actual), Number(wanted)));

const operators: Readonly<Record<string, Operator>> = {
  StringEquals: some((actual, wanted) => actual === wanted),
  StringNotEquals: none((actual, wanted) => actual === wanted),
  StringEqualsIgnoreCase: some((actual, wanted) => actual.toLowerCase() === wanted.toLowerCase()),
  StringNotEqualsIgnoreCase: none((actual, wanted) => actual.toLowerCase() === wanted.toLowerCase()),
  StringLike: some((actual, wanted) => like(wanted, actual)),
  StringNotLike: none((actual, wanted) => like(wanted, actual)),
  ArnEquals: some((actual, wanted) => like(wanted, actual)),
  ArnLike: some((actual, wanted) => like(wanted, actual)),
  NumericEquals: numbers((a, b) => a === b),
  NumericNotEquals: numbers((a, b) => a !== b),
  NumericLessThan: numbers((a, b) => a < b),
  NumericLessThanEquals: numbers((a, b) => a <= b),
  NumericGreaterThan: numbers((a, b) => a > b),
  NumericGreaterThanEquals: numbers((a, b) => a >= b),
  Bool: some((actual, wanted) => actual.toLowerCase() === wanted.toLowerCase()),
  IpAddress: some(inNetwork),
  NotIpAddress: none(inNetwork),
  Null: (actual, wanted) => wanted.some((text) => (text.toLowerCase() === 'true') === (actual === undefined)),
};

function operatorOf(name: string): Operator | undefined {
  const [, bare = name] = /^(?:ForAnyValue:|ForAllValues:)?(.+?)(?:IfExists)?$/.exec(name) ?? [];
  const operator = Object.hasOwn(operators, bare) ? operators[bare] : undefined;
  if (!operator) return undefined;
  return name.endsWith('IfExists') ? (actual, wanted) => actual === undefined || operator(actual, wanted) : operator;
}

function inNetwork(address: string, network: string): boolean {
  const [base = '', bits] = network.split('/');
  const family = isIP(base);
  if (family === 0 || isIP(address) === 0) return false;
  const list = new BlockList();
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  const most = family === 4 ? 32 : 128;
  const prefix = bits === undefined ? most : Number(bits);
  if (!(prefix >= 0 && prefix <= most)) return false;
  list.addSubnet(base, prefix, kind);
  return list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

/** Whether a text fits a pattern with stars and question marks; linear in both. */
export function like(pattern: string, text: string): boolean {
  let [p, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    if (p < pattern.length && (pattern[p] === '?' || (pattern[p] === text[t] && pattern[p] !== '*'))) {
      p += 1;
      t += 1;
    } else if (p < pattern.length && pattern[p] === '*') {
      star = p;
      mark = t;
      p += 1;
    } else if (star >= 0) {
      p = star + 1;
      mark += 1;
      t = mark;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}

function texts(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  return (Array.isArray(value) ? value : [value]).map(String);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(message: string): S3Error {
  return new S3Error('MalformedPolicy', message);
}
