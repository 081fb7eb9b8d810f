/** Holds answers against the API book. */
import { Book } from '../../src/http/openapi.ts';
import type { Answered, Asked, World } from './world.ts';

type Node = Readonly<Record<string, unknown>>;

/** Asks for an operation of the book, and checks that the answer is one that the book has, in the form that it has. */
export async function askByBook(world: World, operation: string, path: string, asked: Asked = {}): Promise<Answered> {
  const { book } = world.server;
  const { method, path: template } = book.operation(operation);
  const answer = await world.ask(method.toUpperCase(), path, asked);
  const item = (book.content as { paths: Record<string, Record<string, { responses: Node }>> }).paths[template]!;
  const written = item[method]!.responses[String(answer.status)] as Node | undefined;
  if (!written) throw new Error(`the book has no answer ${answer.status} for ${operation}: ${answer.bytes.toString().slice(0, 300)}`);
  check(book, answer, operation, template, method, written);
  return answer;
}

function check(book: Book, answer: Answered, operation: string, template: string, method: string, written: Node): void {
  const segment = template.replaceAll('~', '~0').replaceAll('/', '~1');
  const pointer = typeof written['$ref'] === 'string' ? written['$ref'].slice(1) : `/paths/${segment}/${method}/responses/${answer.status}`;
  const response = pointer.split('/').slice(1).reduce<unknown>((node, key) => (node as Node)[key.replaceAll('~1', '/').replaceAll('~0', '~')], book.content) as Node;
  const content = response['content'] as Node | undefined;
  if (!content?.['application/json'] || method === 'head') return;
  const type = answer.headers.get('content-type');
  if (type !== 'application/json; charset=utf-8') throw new Error(`${operation} answers ${type ?? 'no type'}`);
  book.schema(`${pointer}/content/application~1json/schema`)(answer.json(), `the answer to ${operation}`);
}
