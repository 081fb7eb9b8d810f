/** Each numbered check of the contracts is tested exactly once. */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const tests = fileURLToPath(new URL('..', import.meta.url));
const numbers = (letter: string, last: number): string[] =>
  Array.from({ length: last }, (_, at) => `${letter}${at + 1}`);

test('U1 to U38 and R1 to R20 each begin the name of one test, or of one group of them', async () => {
  const files = (await readdir(tests, { recursive: true })).filter((name) => name.endsWith('.test.ts'));
  const sources = await Promise.all(files.map((name) => readFile(`${tests}/${name}`, 'utf8')));
  const found = sources.flatMap((text) =>
    [...text.matchAll(/(?:test|describe)\(\s*['"]([UR]\d+): /g)].map(([, number]) => number!),
  );
  expect(found.toSorted()).toEqual([...numbers('U', 38), ...numbers('R', 20)].toSorted());
});
