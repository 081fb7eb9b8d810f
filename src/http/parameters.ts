import type { IncomingMessage } from 'node:http';
import { Refusal } from '../core/refusal.ts';
import type { ShapeCheck } from './schema-checks.ts';

/** A parameter of the OpenAPI description. */
export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly integer: boolean;
  readonly check: ShapeCheck;
}

/** The validated parameters of a request. */
export class Parameters {
  readonly #values: ReadonlyMap<string, string | number>;

  private constructor(values: ReadonlyMap<string, string | number>) {
    this.#values = values;
  }

  /** @param options.lenient ignores unknown query parameters instead of refusing them */
  static read(
    req: IncomingMessage & { readonly params: unknown; readonly query: unknown },
    parameters: readonly Parameter[],
    options: { lenient: boolean },
  ): Parameters {
    const query = Object.entries(req.query as Record<string, unknown>);
    for (const [name, value] of query) {
      if (Array.isArray(value)) throw new Refusal('malformed', `the query names ${shown(name)} more than once`);
      if (!options.lenient && !parameters.some((parameter) => parameter.in === 'query' && parameter.name === name)) {
        throw new Refusal('malformed', `unknown query parameter ${shown(name)}`);
      }
    }
    const sources = { path: req.params, query: req.query, header: req.headers } as const;
    const values = new Map<string, string | number>();
    for (const parameter of parameters) {
      const source = sources[parameter.in] as Readonly<Record<string, unknown>>;
      const key = parameter.in === 'header' ? parameter.name.toLowerCase() : parameter.name;
      const raw = Object.hasOwn(source, key) ? source[key] : undefined;
      if (typeof raw !== 'string') {
        if (parameter.required) throw new Refusal('malformed', `missing ${parameter.name}`);
        continue;
      }
      const value = convert(parameter, raw);
      parameter.check(value, parameter.name);
      values.set(parameter.name, value);
    }
    return new Parameters(values);
  }

  text(name: string): string {
    return String(this.#values.get(name) ?? '');
  }

  maybeText(name: string): string | undefined {
    const value = this.#values.get(name);
    return value === undefined ? undefined : String(value);
  }

  integer(name: string, otherwise = 0): number {
    return this.maybeInteger(name) ?? otherwise;
  }

  maybeInteger(name: string): number | undefined {
    const value = this.#values.get(name);
    return typeof value === 'number' ? value : undefined;
  }
}

function convert(parameter: Parameter, raw: string): string | number {
  if (!parameter.integer) return raw;
  const number = /^-?\d{1,16}$/.test(raw) ? Number(raw) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new Refusal('malformed', `${parameter.name} must be an integer`);
  return number;
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}
