import { methods } from '../../http/openapi.ts';

/** The OpenAPI description prepared for the documentation page: references resolved, in source order. */

export interface ApiDescription {
  readonly title: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly {
    readonly name: string;
    readonly description: string;
    readonly operations: readonly ApiOperation[];
  }[];
  readonly schemas: readonly ApiSchema[];
}

export interface ApiOperation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly open: boolean;
  /** Accepted security schemes; empty if the document's default applies. */
  readonly schemes: readonly string[];
  readonly parameters: readonly ApiParameter[];
  readonly body: (ApiSchema & { readonly raw: boolean }) | undefined;
  readonly responses: readonly { readonly status: string; readonly description: string; readonly example: unknown }[];
}

export interface ApiParameter {
  readonly name: string;
  readonly in: string;
  readonly type: string;
  readonly required: boolean;
  readonly description: string;
  /** As written in a path or header. */
  readonly example: string | undefined;
}

export interface ApiSchema {
  readonly name: string;
  readonly type: string;
  readonly description: string;
  readonly properties: readonly {
    readonly name: string;
    readonly type: string;
    readonly required: boolean;
    readonly description: string;
  }[];
  readonly example: unknown;
}

type Node = Readonly<Record<string, unknown>>;

export function readDescription(content: unknown): ApiDescription {
  return new Reader(content as Node).openapi();
}

class Reader {
  readonly #root: Node;

  constructor(root: Node) {
    this.#root = root;
  }

  openapi(): ApiDescription {
    const info = node(this.#root['info']);
    const operations = Object.entries(node(this.#root['paths'])).flatMap(([path, item]) =>
      this.#operations(path, node(item)),
    );
    return {
      title: word(info['title']),
      summary: word(info['summary']),
      description: word(info['description']),
      tags: items(this.#root['tags']).map((tag) => ({
        name: word(tag['name']),
        description: word(tag['description']),
        operations: operations.filter(({ tags }) => tags.includes(word(tag['name']))).map(({ operation }) => operation),
      })),
      schemas: Object.entries(node(node(this.#root['components'])['schemas'])).map(([name, schema]) =>
        this.#schema(name, node(schema)),
      ),
    };
  }

  #operations(path: string, item: Node): { tags: readonly string[]; operation: ApiOperation }[] {
    return methods
      .filter((method) => item[method] !== undefined)
      .map((method) => {
        const raw = node(item[method]);
        const parameters = [...items(item['parameters']), ...items(raw['parameters'])].map((one) =>
          this.#parameter(this.#follow(one)),
        );
        const operation = {
          id: word(raw['operationId']),
          method,
          path,
          summary: word(raw['summary']),
          description: word(raw['description']),
          open: Array.isArray(raw['security']) && raw['security'].length === 0,
          schemes: items(raw['security']).flatMap((one) => Object.keys(one)),
          parameters,
          body: raw['requestBody'] === undefined ? undefined : this.#body(this.#follow(node(raw['requestBody']))),
          responses: Object.entries(node(raw['responses'])).map(([status, one]) =>
            this.#response(status, this.#follow(node(one))),
          ),
        };
        return { tags: (raw['tags'] as readonly string[] | undefined) ?? [], operation };
      });
  }

  #parameter(raw: Node): ApiParameter {
    return {
      name: word(raw['name']),
      in: word(raw['in']),
      required: raw['required'] === true,
      description: word(raw['description']),
      type: this.#type(node(raw['schema'])),
      example: raw['example'] === undefined ? undefined : word(raw['example']) || JSON.stringify(raw['example']),
    };
  }

  #body(raw: Node): ApiSchema & { raw: boolean } {
    const [[type, media] = ['', undefined]] = Object.entries(node(raw['content']));
    const schema = this.#schema('', this.#follow(node(node(media)['schema'])));
    return {
      ...schema,
      description: word(raw['description']),
      example: node(media)['example'],
      raw: type !== 'application/json',
    };
  }

  #response(status: string, raw: Node): ApiOperation['responses'][number] {
    const media = node(Object.values(node(raw['content']))[0]);
    const schema = this.#follow(node(media['schema']));
    const example = media['example'] ?? items(schema['examples'])[0];
    return {
      status,
      description: word(raw['description']),
      example: typeof example === 'string' ? undefined : example,
    };
  }

  #schema(name: string, raw: Node): ApiSchema {
    const required = (raw['required'] as readonly string[] | undefined) ?? [];
    return {
      name,
      type: this.#type(raw),
      description: word(raw['description']),
      example: (raw['examples'] as readonly unknown[] | undefined)?.[0],
      properties: Object.entries(node(raw['properties'])).map(([property, value]) => ({
        name: property,
        type: this.#type(node(value)),
        required: required.includes(property),
        description: word(node(value)['description']) || word(this.#follow(node(value))['description']),
      })),
    };
  }

  #type(raw: Node): string {
    if (typeof raw['$ref'] === 'string') return raw['$ref'].split('/').at(-1)!;
    if (raw['const'] !== undefined) return JSON.stringify(raw['const']);
    if (Array.isArray(raw['enum'])) return raw['enum'].join(' | ');
    if (Array.isArray(raw['oneOf']))
      return items(raw['oneOf'])
        .map((one) => this.#type(one))
        .join(' | ');
    if (raw['type'] === 'array') return `list of ${this.#type(node(raw['items']))}`;
    return Array.isArray(raw['type']) ? raw['type'].join(' | ') : word(raw['type']) || 'anything';
  }

  #follow(raw: Node): Node {
    const reference = raw['$ref'];
    if (typeof reference !== 'string') return raw;
    return reference
      .split('/')
      .slice(1)
      .reduce((here, segment) => node(here[segment]), this.#root);
  }
}

function node(value: unknown): Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Node) : {};
}

function items(value: unknown): Node[] {
  return Array.isArray(value) ? (value as Node[]) : [];
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
