/** The documents: links resolve, sizes are bounded, and named paths exist. */
import { access, readdir, readFile } from 'node:fs/promises';
import { posix } from 'node:path';

const root = new URL('../../', import.meta.url);
const read = (file: string): Promise<string> => readFile(new URL(file, root), 'utf8');

async function documents(): Promise<string[]> {
  const tops = (await readdir(root)).filter((name) => name.endsWith('.md'));
  const pages = await readdir(new URL('docs/', root), { recursive: true });
  return [...tops, ...pages.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
}

test('every link between documents leads to a file', async () => {
  const broken: string[] = [];
  for (const file of await documents()) {
    for (const [, href] of (await read(file)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:|^#/.test(href!)) continue;
      const target = posix.join(posix.dirname(file), href!.split('#')[0]!);
      await access(new URL(target, root)).catch(() => broken.push(`${file}: ${href}`));
    }
  }
  expect(broken).toEqual([]);
});

test('README has at most 1,000 words', async () => {
  expect((await read('README.md')).split(/\s+/).length).toBeLessThanOrEqual(1000);
});

test('every decision states its date, context, decision and consequences', async () => {
  const names = (await readdir(new URL('docs/decisions/', root))).filter((name) => /^\d{4}-/.test(name));
  expect(names.length).toBeGreaterThan(20);
  const index = await read('docs/decisions/README.md');
  for (const name of names) {
    const text = await read(`docs/decisions/${name}`);
    expect(text).toMatch(
      /^# \d{4}\. .+\n\nDate: \d{4}-\d\d-\d\d\n\n## Context\n\n[^#]+## Decision\n\n[^#]+## Consequences\n\n[^#]+$/,
    );
    expect(index).toContain(`(${name})`);
  }
});
