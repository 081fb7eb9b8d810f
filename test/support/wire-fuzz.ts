/** Fuzzing of a real server: valid requests with random changes, and checks of the responses. */
import { connect } from 'node:net';
import type { Mutator } from './fuzz.ts';
import { signHeaders, type HandKey } from './sigv4.ts';

export interface Template {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** Signs an S3 request after its changes. */
  readonly key?: HandKey;
}

/** A request as sent. */
export interface Wired {
  readonly bytes: Buffer;
  readonly method: string;
  /** Whether head and framing are valid HTTP, so that a response is required. */
  readonly whole: boolean;
}

/** Milliseconds that a response may take on a busy machine. */
const longest = 5000;
/** Milliseconds without a byte after which a response counts as missing. */
const silence = 15_000;

/** Builds a request from a template with random changes. */
export function wired(url: string, { method, target, headers, body, key }: Template, mutator: Mutator): Wired {
  const changes = new Set<'target' | 'headers' | 'body' | 'framing' | 'head'>();
  for (let count = mutator.pick([0, 0, 0, 1, 1, 1, 1, 1, 2, 3]); count > 0; count -= 1) {
    changes.add(
      mutator.pick(['target', 'target', 'headers', 'headers', 'headers', 'body', 'body', 'body', 'framing', 'head']),
    );
  }
  const oddly = mutator.below(12) === 0;
  const path = changes.has('target') ? legalTarget(mutator.next([target])) : target;
  const chosen = changes.has('headers') ? mutator.below(headers.length + 1) : -1;
  const changed = headers.map(
    ([name, value], index) => [name, index === chosen ? oneLine(mutator.next([value]), oddly) : value] as const,
  );
  const content = Buffer.from(changes.has('body') ? mutator.next([body]) : body);
  const signed = key ? signedBy(key, method, new URL(url), path, changed) : changed;
  const length = String(content.byteLength);
  const framing = changes.has('framing')
    ? mutator.pick([
        [`Content-Length: ${oneLine(mutator.next([length]), oddly)}`],
        ['Transfer-Encoding: chunked'],
        [],
        ['Content-Length: 5', 'Transfer-Encoding: chunked'],
      ])
    : method === 'GET' && content.byteLength === 0
      ? []
      : [`Content-Length: ${length}`];
  const lines = [
    `Host: ${new URL(url).host}`,
    ...signed.map(([name, value]) => `${name}: ${value}`),
    ...framing,
    'Connection: close',
  ];
  const head = `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  const sent = Buffer.from(changes.has('head') && oddly ? mutator.next([head]) : head, 'latin1');
  return {
    bytes: Buffer.concat([sent, content]),
    method,
    whole: !changes.has('framing') && !changes.has('head') && !oddly,
  };
}

/** Requests that cannot be signed are sent unsigned. */
function signedBy(
  key: HandKey,
  method: string,
  { origin }: URL,
  path: string,
  headers: Template['headers'],
): Template['headers'] {
  try {
    return Object.entries(signHeaders({ key, method, url: new URL(`${origin}${path}`) }, Object.fromEntries(headers)));
  } catch {
    return headers;
  }
}

/** Removes characters that Node's parser refuses. */
function oneLine(text: string, oddly: boolean): string {
  return oddly ? text : text.replaceAll(/[^\t\u0020-\u007e\u0080-\u00ff]/g, ' ').trim();
}

function legalTarget(text: string): string {
  const encoded = text
    .toWellFormed()
    .replaceAll(/[^\u0021-\u007e]/gu, (one) => encodeURIComponent(one))
    .replaceAll('#', '%23');
  return encoded.startsWith('/') ? encoded : `/${encoded}`;
}

/** Sends requests, each on its own connection, and counts the statuses. */
export class WireFuzz {
  /** By group and status. */
  readonly statuses: Record<string, Record<string, number>> = {};
  #connections = 0;

  /** @returns the faults of a response */
  async send(group: string, url: string, request: Wired): Promise<string[]> {
    // Repeats slow requests, because a busy machine is slow at random.
    for (let attempt = 1; ; attempt += 1) {
      const { status, text, ms } = await this.#exchange(url, request);
      const unanswered = status === 'none' && request.whole;
      const fault = unanswered ? 'no answer' : ms > longest && request.whole ? 'slow' : undefined;
      if (fault !== undefined && attempt < 3) continue;
      const counts = (this.statuses[group] ??= {});
      counts[status] = (counts[status] ?? 0) + 1;
      const own = status.startsWith('5') && status !== '501' ? text.slice(0, 300) : fault;
      return own === undefined ? [] : [`${own}: ${JSON.stringify(request.bytes.toString('latin1').slice(0, 1500))}`];
    }
  }

  /** The share of a group's requests that passed the parsers. */
  share(group: string): number {
    const counts = Object.entries(this.statuses[group] ?? {});
    const sum = (list: typeof counts): number => list.reduce((total, [, count]) => total + count, 0);
    return sum(counts.filter(([status]) => /^[23]|^4(?:04|06|09|12|16|60)$/.test(status))) / sum(counts);
  }

  #exchange(url: string, { bytes, whole }: Wired): Promise<{ status: string; text: string; ms: number }> {
    const { port } = new URL(url);
    this.#connections += 1;
    // A closed connection keeps its port for a minute, so requests use many source addresses.
    const localAddress = `127.0.0.${2 + (this.#connections % 200)}`;
    const began = performance.now();
    return new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: Number(port), localAddress, noDelay: true });
      let text = '';
      let ended = false;
      const end = (): void => {
        if (ended) return;
        ended = true;
        socket.destroy();
        const status = /^(?:HTTP\/1\.1 1\d\d[^]*?\r\n\r\n)*HTTP\/1\.1 ([2-5]\d\d)/.exec(text)?.[1] ?? 'none';
        resolve({ status, text, ms: performance.now() - began });
      };
      socket
        .setTimeout(silence, end)
        .on('data', (chunk) => (text += chunk.toString('latin1')))
        .on('close', end)
        .on('error', end);
      socket.write(bytes);
      // A request with wrong framing only ends with its connection.
      if (!whole) setTimeout(() => socket.end(), 100).unref();
    });
  }
}

type Schema = Readonly<Record<string, unknown>>;

/** Generates values that fit a schema of the OpenAPI description, or nearly. */
export class Examples {
  readonly #openapi: unknown;
  readonly #mutator: Mutator;
  readonly #known: Readonly<Record<string, unknown>>;

  /** @param known values of members and parameters, by name */
  constructor(openapi: unknown, mutator: Mutator, known: Readonly<Record<string, unknown>>) {
    this.#openapi = openapi;
    this.#mutator = mutator;
    this.#known = known;
  }

  /** @param name of the member or parameter */
  of(schema: unknown, name = ''): unknown {
    const { mutator, known } = { mutator: this.#mutator, known: this.#known };
    const it = this.resolved(schema) as Schema;
    const options = (it['oneOf'] ?? it['anyOf']) as unknown[] | undefined;
    if (options) return this.of(mutator.pick(options), name);
    if (it['allOf'])
      return Object.assign({}, ...(it['allOf'] as unknown[]).map((part) => this.of(part, name))) as unknown;
    if (Object.hasOwn(known, name)) return known[name];
    if ('const' in it) return it['const'];
    if (it['enum']) return mutator.pick(it['enum'] as unknown[]);
    switch ([it['type']].flat()[0]) {
      case 'object': {
        const required = (it['required'] ?? []) as readonly string[];
        const members = Object.entries((it['properties'] ?? {}) as Record<string, unknown>).filter(
          ([member]) => required.includes(member) || mutator.below(3) === 0,
        );
        return Object.fromEntries(members.map(([member, of]) => [member, this.of(of, member)]));
      }
      case 'array':
        return [this.of(it['items'] ?? {}, name)];
      case 'integer':
      case 'number':
        return it['minimum'] ?? 1;
      case 'boolean':
        return mutator.below(2) === 0;
      case 'null':
        return null;
      default:
        return mutator.pick(['a', 'thing', 'x'.repeat(20)]);
    }
  }

  /** Resolves a reference. */
  resolved(node: unknown): unknown {
    if (typeof node !== 'object' || node === null || !('$ref' in node)) return node;
    const steps = String(node.$ref)
      .slice(2)
      .split('/')
      .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    return this.resolved(steps.reduce<unknown>((here, step) => (here as Record<string, unknown>)[step], this.#openapi));
  }
}
