/** Checks responses against the OpenAPI description. */
import { OpenApi } from '../../src/http/openapi.ts';
import type { Answered, Asked, World } from './world.ts';

type Node = Readonly<Record<string, unknown>>;

/** Calls an operation and checks that its response matches the OpenAPI description. */
export async function askByBook(world: World, operation: string, path: string, asked: Asked = {}): Promise<Answered> {
  const { openapi } = world.server;
  const { method, path: template } = openapi.operation(operation);
  const answer = await world.ask(method.toUpperCase(), path, asked);
  const item = (openapi.content as { paths: Record<string, Record<string, { responses: Node }>> }).paths[template]!;
  const written = item[method]!.responses[String(answer.status)] as Node | undefined;
  if (!written)
    throw new Error(
      `the OpenAPI description has no answer ${answer.status} for ${operation}: ${answer.bytes.toString().slice(0, 300)}`,
    );
  check(openapi, answer, operation, template, method, written);
  return answer;
}

function check(
  openapi: OpenApi,
  answer: Answered,
  operation: string,
  template: string,
  method: string,
  written: Node,
): void {
  const segment = template.replaceAll('~', '~0').replaceAll('/', '~1');
  const pointer =
    typeof written['$ref'] === 'string'
      ? written['$ref'].slice(1)
      : `/paths/${segment}/${method}/responses/${answer.status}`;
  const response = pointer
    .split('/')
    .slice(1)
    .reduce<unknown>(
      (node, key) => (node as Node)[key.replaceAll('~1', '/').replaceAll('~0', '~')],
      openapi.content,
    ) as Node;
  const content = response['content'] as Node | undefined;
  if (!content?.['application/json'] || method === 'head') return;
  const type = answer.headers.get('content-type');
  if (type !== 'application/json; charset=utf-8') throw new Error(`${operation} answers ${type ?? 'no type'}`);
  openapi.schema(`${pointer}/content/application~1json/schema`)(answer.json(), `the answer to ${operation}`);
}
