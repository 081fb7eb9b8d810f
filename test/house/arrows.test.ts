/** Compares `.config/rooms.js` with the imports. The linter checks each file; this checks the whole. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';
import { mayImport } from '../../.config/rooms.js';

type Graph = ReadonlyMap<string, readonly string[]>;

const within = (path: string, room: string): boolean => path === room || path.startsWith(`${room}/`);
/** The innermost room that a file is in. */
const rooms = Object.keys(mayImport).toSorted((a, b) => b.length - a.length);
const roomOf = (file: string): string | undefined => rooms.find((room) => within(file, room));

/** Every source file, relative to `src`, with the source files that it imports, for values or for types. */
function readGraph(): Graph {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return new Map(
    files.map((file) => {
      const { importedFiles } = ts.preProcessFile(readFileSync(join('src', file), 'utf8'));
      const ours = importedFiles.map(({ fileName }) => fileName).filter((name) => name.startsWith('.'));
      return [file, ours.map((name) => relative('src', resolve('src', dirname(file), name)))];
    }),
  );
}

function forbiddenArrows(graph: Graph): string[] {
  return [...graph].flatMap(([file, imports]) => {
    const room = roomOf(file);
    if (room === undefined) return [`${file} is in no room`];
    const allowed = [room, ...mayImport[room]!];
    return imports
      .filter((to) => roomOf(to) !== room && !allowed.some((one) => within(to, one)))
      .map((to) => `${file} -> ${to}`);
  });
}

/** The circles of files that import each other, by Tarjan's algorithm. */
function circles(graph: Graph): string[][] {
  const found: string[][] = [];
  const indexes = new Map<string, number>();
  const lows = new Map<string, number>();
  const stack: string[] = [];
  const visit = (file: string): void => {
    indexes.set(file, indexes.size);
    lows.set(file, indexes.get(file)!);
    stack.push(file);
    for (const to of graph.get(file) ?? []) {
      if (!indexes.has(to)) visit(to);
      if (stack.includes(to)) lows.set(file, Math.min(lows.get(file)!, lows.get(to)!));
    }
    if (lows.get(file) !== indexes.get(file)) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) found.push(circle.toSorted());
  };
  for (const file of graph.keys()) if (!indexes.has(file)) visit(file);
  return found;
}

/** Files of `http` that a single face imports, and nothing else. */
function misplaced(graph: Graph): string[] {
  const importers = (file: string): string[] => [...graph].filter(([, to]) => to.includes(file)).map(([from]) => from);
  return [...graph.keys()].filter((file) => {
    const users = new Set(importers(file).map((from) => roomOf(from)));
    return within(file, 'http') && users.size === 1 && [...users][0]!.startsWith('faces/');
  });
}

const graph = readGraph();

test('every file is in a room, and imports only from rooms that the plan names', () => {
  expect(graph.size).toBeGreaterThan(200);
  expect(forbiddenArrows(graph)).toEqual([]);
});

test('no files import each other in a circle', () => {
  expect(circles(graph)).toEqual([]);
});

test('what only one face uses lies in that face, not in http', () => {
  expect(misplaced(graph)).toEqual([]);
});

test('sabotaged: a file of http that only one face uses is found', () => {
  const planted = new Map([
    ['http/forms.ts', []],
    ['http/shared.ts', []],
    ['faces/web/form.ts', ['http/forms.ts', 'http/shared.ts']],
    ['faces/web/index.ts', ['http/forms.ts']],
    ['faces/s3/post.ts', ['http/shared.ts']],
  ]);
  expect(misplaced(planted)).toEqual(['http/forms.ts']);
});

test.each([
  ['kit/planted.ts', 'core/refusal.ts'],
  ['core/bytes/planted.ts', 'http/routes.ts'],
  ['catalog/planted.ts', 'core/index.ts'],
  ['faces/s3/planted.ts', 'faces/web/index.ts'],
  ['faces/s3/planted.ts', 'catalog/index.ts'],
  ['client/planted.ts', 'cli/context.ts'],
  ['cli/commands/planted.ts', 'server/index.ts'],
  ['planted.ts', 'kit/ids.ts'],
])('sabotaged: the arrow from %s to %s is found', (from, to) => {
  expect(forbiddenArrows(new Map([[from, [to]]]))).toHaveLength(1);
});

test('sabotaged: a circle of three files is found', () => {
  const planted = new Map([
    ['a', ['b']],
    ['b', ['c']],
    ['c', ['a', 'd']],
    ['d', []],
  ]);
  expect(circles(planted)).toEqual([['a', 'b', 'c']]);
});
