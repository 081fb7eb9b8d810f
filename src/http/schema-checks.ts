import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { Refusal } from '../core/refusal.ts';
import { textFault } from '../kit/text.ts';

/** @throws Refusal `malformed` if the value does not match its OpenAPI schema; `where` names the value */
export type ShapeCheck = (value: unknown, where: string) => void;

/** Keyword of a single-line string. */
const oneLine = 'oneLine';

/** The validator for the OpenAPI schemas. */
export function newAjv(): Ajv2020 {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: false });
  const validate = (_: unknown, text: string): boolean => textFault(text) === undefined;
  ajv.addKeyword({ keyword: oneLine, type: 'string', errors: false, validate });
  return ajv;
}

/**
 * Copies a schema so that every string must be a single line without control characters, unless it has `x-lines: true`.
 * Multi-line text is the exception and must be requested.
 */
export function withOneLine(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withOneLine);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, withOneLine(value)]));
  const { type } = schema as { type?: unknown };
  const ofText = type === 'string' || (Array.isArray(type) && type.includes('string'));
  return ofText && !('x-lines' in copy) ? { ...copy, [oneLine]: true } : copy;
}

/** A check for the schema at `reference`, compiled on first use. */
export function checkShape(ajv: Ajv2020, reference: string): ShapeCheck {
  let validate: ValidateFunction | undefined;
  return (value, where) => {
    validate ??= ajv.compile({ $ref: reference });
    if (validate(value)) return;
    const [error] = validate.errors ?? [];
    throw new Refusal(error?.keyword === oneLine ? 'bad_text' : 'malformed', sentence(error, where));
  };
}

const names: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  null: 'null',
};

/** A validation error as a sentence. */
function sentence(error: ErrorObject | undefined, whole: string): string {
  if (!error) return `${whole} is invalid`;
  const where = error.instancePath === '' ? whole : error.instancePath.slice(1).replaceAll('/', '.');
  const told = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'required':
      return `missing ${String(told['missingProperty'])}`;
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return `unknown key ${JSON.stringify(String(told['additionalProperty'] ?? told['unevaluatedProperty']).slice(0, 100))}`;
    case 'type':
      return `${where} must be ${kinds(told['type'])}`;
    case 'const':
      return `${where} must be ${JSON.stringify(told['allowedValue'])}`;
    case 'enum':
      return `${where} must be one of ${(told['allowedValues'] as unknown[]).map(String).join(', ')}`;
    case 'minimum':
    case 'maximum':
      return `${where} must be at ${error.keyword === 'minimum' ? 'least' : 'most'} ${String(told['limit'])}`;
    case 'minLength':
      return `${where} must not be empty`;
    case 'maxLength':
      return `${where} must have at most ${String(told['limit'])} characters`;
    case oneLine:
      return `${where} must have one line, without control characters`;
    default:
      return `${where} is invalid`;
  }
}

function kinds(type: unknown): string {
  return (Array.isArray(type) ? type : [type]).map((one) => names[String(one)] ?? String(one)).join(' or ');
}
