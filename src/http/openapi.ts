import type { IncomingMessage } from 'node:http';
import { parse } from 'yaml';
import { checkShape, newAjv, withOneLine, type ShapeCheck } from './schema-checks.ts';
import { Parameters, type Parameter } from './parameters.ts';

export const methods = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const;
export type Method = (typeof methods)[number];

/** The request body of an operation: none, JSON with a schema, or raw bytes. */
export type BodyRule =
  { readonly kind: 'none' } | { readonly kind: 'raw' } | { readonly kind: 'json'; readonly check: ShapeCheck };

/** An operation of the OpenAPI description. */
export interface Operation {
  readonly id: string;
  readonly method: Method;
  /** The template in the description: `/upload/{uuid}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  /** Whether the operation needs no authentication. */
  readonly open: boolean;
  readonly body: BodyRule;
  /** @throws Refusal `malformed` if a parameter is missing, repeated, unknown or invalid */
  parametersOf(
    req: IncomingMessage & { readonly params: unknown; readonly query: unknown },
    lenient?: boolean,
  ): Parameters;
}

interface RawOperation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly unknown[];
  readonly parameters?: readonly unknown[];
  readonly responses?: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
  readonly requestBody?: { readonly $ref?: string; readonly content?: Readonly<Record<string, unknown>> };
}

type RawPath = { readonly [method in Method]?: RawOperation } & { readonly parameters?: readonly unknown[] };

interface RawDocument {
  readonly openapi: string;
  readonly security?: readonly unknown[];
  readonly paths: Readonly<Record<string, RawPath>>;
}

/** The OpenAPI description. It documents all requests and responses, and requests are validated against it. */
export class OpenApi {
  /** The source text. */
  readonly text: string;
  readonly operations: readonly Operation[];
  /** The parsed document. */
  readonly content: unknown;
  readonly #ajv = newAjv();
  readonly #byId: ReadonlyMap<string, Operation>;

  constructor(text: string) {
    this.text = text;
    const content = parse(text) as RawDocument;
    this.content = content;
    this.#ajv.addSchema(withOneLine(content) as RawDocument, 'book', undefined, false);
    this.operations = Object.entries(content.paths).flatMap(([path, item]) =>
      methods.filter((method) => item[method]).map((method) => this.#operation(content, path, method)),
    );
    this.#byId = new Map(this.operations.map((operation) => [operation.id, operation]));
    if (this.#byId.size !== this.operations.length)
      throw new Error('two operations of the OpenAPI description have the same id');
  }

  /** @throws Error if the OpenAPI description lacks the operation: undocumented routes must not be served */
  operation(id: string): Operation {
    const found = this.#byId.get(id);
    if (!found) throw new Error(`the OpenAPI description has no operation ${id}`);
    return found;
  }

  /** Methods that the description has for a request path. */
  methodsAt(path: string): string[] {
    const found = this.operations
      .filter((operation) => patternOf(operation.path).test(path))
      .map((operation) => operation.method.toUpperCase());
    return [...new Set(found.includes('GET') ? [...found, 'HEAD'] : found)];
  }

  /** A validator for the schema at a JSON pointer such as `/components/schemas/Upload`. */
  schema(pointer: string): ShapeCheck {
    return checkShape(this.#ajv, `book#${pointer.split('/').map(encodeURIComponent).join('/')}`);
  }

  #operation(content: RawDocument, path: string, method: Method): Operation {
    const item = content.paths[path]!;
    const raw = item[method]!;
    const id = raw.operationId;
    if (!id) throw new Error(`${method} ${path} has no operationId in the OpenAPI description`);
    // Links to a page may carry query parameters of other sites.
    const page = method === 'get' && raw.responses?.['200']?.content?.['text/html'] !== undefined;
    const open = (raw.security ?? content.security ?? []).length === 0;
    const parameters = [
      ...this.#parameters(content, item.parameters, `/paths/${escape(path)}/parameters`),
      ...this.#parameters(content, raw.parameters, `/paths/${escape(path)}/${method}/parameters`),
    ];
    return {
      id,
      method,
      path,
      open,
      tag: raw.tags?.[0] ?? '',
      summary: raw.summary ?? '',
      body: this.#body(content, raw, `/paths/${escape(path)}/${method}/requestBody`),
      parametersOf: (req, lenient = page) => Parameters.read(req, parameters, { lenient }),
    };
  }

  #parameters(content: RawDocument, list: readonly unknown[] | undefined, at: string): Parameter[] {
    return (list ?? []).map((entry, index) => {
      const pointer = refOf(entry) ?? `${at}/${index}`;
      const raw = follow(content, pointer) as {
        name: string;
        in: Parameter['in'];
        required?: boolean;
        schema: { type?: string };
      };
      const integer = raw.schema.type === 'integer';
      return {
        name: raw.name,
        in: raw.in,
        required: raw.required ?? false,
        integer,
        check: this.schema(`${pointer}/schema`),
      };
    });
  }

  #body(content: RawDocument, raw: RawOperation, at: string): BodyRule {
    if (!raw.requestBody) return { kind: 'none' };
    const pointer = raw.requestBody.$ref?.slice(1) ?? at;
    const { content: types = {} } = follow(content, pointer) as { content?: Record<string, unknown> };
    if (!types['application/json']) return { kind: 'raw' };
    return { kind: 'json', check: this.schema(`${pointer}/content/${escape('application/json')}/schema`) };
  }
}

function refOf(entry: unknown): string | undefined {
  return typeof entry === 'object' && entry !== null && '$ref' in entry ? String(entry.$ref).slice(1) : undefined;
}

/** Escapes a path as one segment of a JSON pointer. */
function escape(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1');
}

function follow(content: unknown, pointer: string): unknown {
  let here = content;
  for (const segment of pointer.split('/').slice(1)) {
    here = (here as Record<string, unknown>)[segment.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return here;
}

function patternOf(path: string): RegExp {
  const source = path
    .split('/')
    .map((segment) => (segment.startsWith('{') ? '[^/]+' : segment.replaceAll('.', '\\.')))
    .join('/');
  return new RegExp(`^${source}/?$`);
}
