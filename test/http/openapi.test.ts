import { readFile } from 'node:fs/promises';
import { OpenApi } from '../../src/http/openapi.ts';
import { Refusal } from '../../src/core/refusal.ts';
import { openWorld, type World } from '../support/world.ts';

const text = await readFile(new URL('../../openapi.yaml', import.meta.url), 'utf8');
const openapi = new OpenApi(text);

type Node = Readonly<Record<string, unknown>>;

/** Every node of the OpenAPI description with its pointer. */
function* walk(node: unknown, pointer: string): Generator<[string, Node]> {
  if (typeof node !== 'object' || node === null) return;
  yield [pointer, node as Node];
  for (const [key, value] of Object.entries(node))
    yield* walk(value, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
}

describe('the OpenAPI description', () => {
  let world: World;
  beforeAll(async () => void (world = await openWorld({ env: { RELEASY_ADMIN_API_KEY: 'secret' } })));
  afterAll(() => world.close());

  test('every operation is answered, and nothing is answered that it does not have', () => {
    expect([...world.server.mounted].sort()).toEqual(openapi.operations.map((operation) => operation.id).sort());
  });

  test('every operation that somebody must be somebody for refuses nobody', async () => {
    const guarded = openapi.operations.filter((operation) => !operation.open);
    expect(guarded.length).toBeGreaterThan(50);
    for (const { method, path } of guarded) {
      const answer = await world.ask(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x'), { as: null });
      expect({ method, path, status: answer.status }).toEqual({ method, path, status: 401 });
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
  });

  test('a path that it has takes no other method', async () => {
    const answer = await world.ask('PATCH', '/upload');
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('GET, POST, HEAD');
    expect(answer.json()).toEqual({
      error: 'this path does not support that method',
      status: 405,
      code: 'method_not_allowed',
    });
    expect((await world.ask('GET', '/no/such/path')).json()).toEqual({
      error: 'no such path',
      status: 404,
      code: 'not_found',
    });
  });
});

describe('the OpenAPI description itself', () => {
  const nodes = [...walk(openapi.content, '')];

  test('every reference leads somewhere', () => {
    const known = new Set(nodes.map(([pointer]) => pointer));
    for (const [pointer, node] of nodes) {
      if (typeof node['$ref'] === 'string')
        expect({ pointer, 'has node $ref': known.has(node['$ref'].slice(1)) }).toEqual({
          pointer,
          'has node $ref': true,
        });
    }
  });

  test('everything that is made for reuse is used', () => {
    const used = new Set(
      nodes.flatMap(([, node]) => (typeof node['$ref'] === 'string' ? [node['$ref'].slice(1)] : [])),
    );
    const made = nodes
      .map(([pointer]) => pointer)
      .filter((pointer) => /^\/components\/(?!securitySchemes)\w+\/[^/]+$/.test(pointer));
    expect(made.filter((pointer) => !used.has(pointer))).toEqual([]);
  });

  test('every schema compiles, and every example is as its schema says', () => {
    let examples = 0;
    for (const [pointer, node] of nodes) {
      if (/\/schemas\/[^/]+$/.test(pointer) && pointer.startsWith('/components/')) {
        const check = openapi.schema(pointer);
        for (const example of (node['examples'] as unknown[] | undefined) ?? []) {
          check(example, pointer);
          examples += 1;
        }
        if (node['examples'] === undefined) expect(() => check({ nonsense: true }, pointer)).toThrow(Refusal);
      }
      if (node['schema'] !== undefined && 'example' in node) {
        openapi.schema(`${pointer}/schema`)(node['example'], pointer);
        examples += 1;
      }
    }
    expect(examples).toBeGreaterThan(40);
  });

  test('every operation says what it is, and what it answers', () => {
    for (const [pointer, node] of nodes) {
      if (!/^\/paths\/[^/]+\/(?:get|head|post|put|patch|delete|options)$/.test(pointer)) continue;
      expect({
        pointer,
        'type of summary': typeof node['summary'],
        tags: Array.isArray(node['tags']),
      }).toEqual({ pointer, 'type of summary': 'string', tags: true });
      expect({ pointer, responses: Object.keys(node['responses'] as Node) }).toEqual({
        pointer,
        responses: expect.arrayContaining([expect.stringMatching(/^20[014]$/)]),
      });
    }
  });
});

describe('what a request that is not as the OpenAPI description has it is told', () => {
  const login = openapi.operation('login').body;
  const events = openapi.operation('listArtifactEvents').body;
  const conversion = openapi.operation('convertUpload').body;
  const say = (rule: typeof login, value: unknown): string => {
    if (rule.kind !== 'json') throw new Error('not JSON');
    try {
      rule.check(value, 'the request body');
    } catch (error) {
      if (error instanceof Refusal && (error.reason === 'malformed' || error.reason === 'bad_text'))
        return error.message;
      throw error;
    }
    return 'fine';
  };

  test.each([
    [login, {}, 'missing namespace'],
    [login, { namespace: 'a' }, 'missing key'],
    [login, { namespace: 'a', key: 1 }, 'key must be a string'],
    [login, { namespace: 'a', key: 'b', more: 1 }, 'unknown key "more"'],
    [login, JSON.parse('{"namespace": "a", "key": "b", "__proto__": {}}'), 'unknown key "__proto__"'],
    [login, [], 'the request body must be an object'],
    [login, null, 'the request body must be an object'],
    [login, { namespace: 'a', key: 'b'.repeat(2000) }, 'key must have at most 1024 characters'],
    [conversion, { size: 1.5 }, 'size must be an integer'],
    [conversion, { size: -1 }, 'size must be at least 0'],
    [conversion, { size: JSON.parse('1e400') as number }, 'size must be at most 9007199254740991'],
    [conversion, { shared: 'true' }, 'shared must be true or false'],
    [conversion, { namespace: 7 }, 'namespace must be a string or null'],
    [events, { limit: '1' }, 'fine'],
    [events, { limit: 1 }, 'fine'],
    [events, { limit: 0 }, 'limit must be at least 1'],
    [events, { limit: 'many' }, 'limit is invalid'],
    [
      events,
      { event_type: 'nonsense' },
      'event_type must be one of audit, mutate, status, usage, resources, prune, historic',
    ],
  ])('%#', (rule, value, expected) => {
    expect(say(rule, value)).toBe(expected);
  });
});
