/** The pages of `docs/` and the top-level documents, rendered from Markdown. */
import { readdir, readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { Marked } from 'marked';
import { Refusal } from '../../core/refusal.ts';
import type { ANSWERED, RouteCall } from '../../http/routes.ts';
import { Html, html } from './html.ts';
import { page, sendPage } from './page.ts';
import type { Context, Guide } from './context.ts';

/** Top-level documents that are served with the pages of `docs/`. */
const topDocuments = ['ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'];

/**
 * Reads every page.
 *
 * @param root the project's folder, which contains `docs/`
 */
export async function readGuides(root: URL): Promise<ReadonlyMap<string, Guide>> {
  const inDocs = (await readdir(new URL('docs/', root), { recursive: true })).filter((name) => name.endsWith('.md'));
  const files = [...topDocuments, ...inDocs.map((name) => `docs/${name}`)].sort();
  const guides = await Promise.all(
    files.map(async (file) => guideOf(file, await readFile(new URL(file, root), 'utf8'))),
  );
  return new Map(guides.map((guide) => [guide.path, guide]));
}

/** The path under which a file of the project is served; undefined if it is not. */
function pathOf(file: string): string | undefined {
  if (topDocuments.includes(file)) return file.replace('.md', '').toLowerCase();
  return /^docs\/(.+?)(?:\/README)?\.md$/.exec(file)?.[1];
}

function guideOf(file: string, text: string): Guide {
  return { path: pathOf(file)!, title: /^# (.+)$/m.exec(text)?.[1] ?? file, content: () => render(file, text) };
}

/** The documents are the project's own, so their HTML is trusted. */
function render(file: string, text: string): Html {
  const marked = new Marked({
    walkTokens: (token) => {
      if (token.type === 'link') token.href = linkFrom(file, String(token.href));
    },
  });
  return new Html(marked.parse(text, { async: false }));
}

/** Links between documents become links between served pages; all others stay unchanged. */
function linkFrom(file: string, href: string): string {
  if (/^[a-z]+:|^[#/]/i.test(href)) return href;
  const [target, fragment] = href.split('#');
  const path = pathOf(posix.join(posix.dirname(file), target!));
  return path === undefined ? href : `/docs/${path}${fragment === undefined ? '' : `#${fragment}`}`;
}

/** Mounts the pages. */
export function guides({ routes, guides: pages }: Context): void {
  const answer = (path: string, call: RouteCall): typeof ANSWERED => {
    const guide = pages.get(path);
    if (!guide) throw new Refusal('not_found', `there is no page ${path}`);
    return sendPage(call, 200, page(guide.title, html`<main class="guide">${guide.content()}</main>`, 'wide'));
  };
  routes
    .open('guide', (call) => answer(call.params.text('page'), call))
    .open('guideInFolder', (call) => answer(`${call.params.text('folder')}/${call.params.text('page')}`, call));
}
