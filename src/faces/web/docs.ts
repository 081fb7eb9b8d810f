import { text } from '../../http/routes.ts';
import { html, inline, prose, type Html, type HtmlPart } from './html.ts';
import { baseOf, page, sendPage } from './page.ts';
import { readDescription, type ApiOperation, type ApiSchema, type ApiDescription } from './openapi-reader.ts';
import type { Context, Guide } from './context.ts';

/** The OpenAPI description as YAML and as a page. */
export function docs({ openapi, routes, guides }: Context): void {
  const readable = readDescription(openapi.content);
  routes
    .open('book', (call) => text(call, 200, openapi.text, 'application/yaml; charset=utf-8'))
    .open('docs', (call) =>
      sendPage(
        call,
        200,
        render(
          readable,
          [...guides.values()].filter(({ path }) => !path.includes('/')),
          baseOf(call),
        ),
      ),
    );
}

function render(openapi: ApiDescription, guides: readonly Guide[], base: string): Html {
  return page(
    `${openapi.title} API`,
    html`
<main>
<h1>${openapi.title} API</h1>
<p class="lead">${openapi.summary}</p>
${prose(openapi.description)}
<h2>Guides</h2>
<ul class="contents">
${guides.map((guide) => html`<li><a href="/docs/${guide.path}">${guide.title}</a></li>\n`)}</ul>
<h2>Contents</h2>
<ul class="contents">
${openapi.tags.map((tag) => html`<li><a href="#${anchor(tag.name)}">${tag.name}</a></li>\n`)}<li><a href="#records">Records</a></li>
</ul>
${openapi.tags.map(
  (tag) => html`
<h2 id="${anchor(tag.name)}">${tag.name}</h2>
${prose(tag.description)}
${tag.operations.map((operation) => renderOperation(operation, base))}`,
)}
<h2 id="records">Records</h2>
${openapi.schemas.map(renderSchema)}
</main>`,
    'wide',
  );
}

function renderOperation(operation: ApiOperation, base: string): Html {
  const { id, method, path, summary, description, parameters, body, responses, open } = operation;
  return html`
<details id="${id}">
<summary><span class="method ${method}">${method.toUpperCase()}</span><span class="path">${path}</span><span class="what">${summary}</span></summary>
<div>
${prose(description)}
${
  parameters.length === 0
    ? undefined
    : html`<h3>Parameters</h3><table>${parameters.map(
        (parameter) => html`
<tr><th><code>${parameter.name}</code></th><td>${parameter.in}, ${parameter.type}${parameter.required ? ', needed' : ''}</td><td>${inline(parameter.description)}</td></tr>`,
      )}
</table>`
}
${body?.properties.length ? html`<h3>Body</h3>${renderProperties(body.properties)}` : undefined}
<h3>Example</h3>
<pre><code>${curl(operation, base)}</code></pre>
<h3>Answers</h3>
<table>${responses.map(
    (response) => html`
<tr><th>${response.status}</th><td>${prose(response.description)}${response.example === undefined ? undefined : html`<pre><code>${JSON.stringify(response.example, null, 2)}</code></pre>`}</td></tr>`,
  )}
</table>
${open ? html`<p>No token is needed.</p>` : undefined}
</div>
</details>`;
}

function renderSchema(schema: ApiSchema): Html {
  return html`
<details id="record-${schema.name}">
<summary><span class="path">${schema.name}</span></summary>
<div>${prose(schema.description)}${schema.properties.length ? renderProperties(schema.properties) : html`<p><code>${schema.type}</code></p>`}
${schema.example === undefined ? undefined : html`<h3>Example</h3><pre><code>${JSON.stringify(schema.example, null, 2)}</code></pre>`}</div>
</details>`;
}

function renderProperties(properties: ApiSchema['properties']): HtmlPart {
  return html`<table>${properties.map(
    (property) => html`
<tr><th><code>${property.name}</code></th><td>${property.type}${property.required ? '' : ', optional'}</td><td>${inline(property.description)}</td></tr>`,
  )}
</table>`;
}

/** Authentication headers by security scheme. */
const proofs: Readonly<Record<string, string>> = {
  token: 'Authorization: Bearer $token',
  operator: 'x-releasy-admin-key: $key',
  customerKey: 'x-releasy-api-key: $key',
};

/** A curl command for the operation. */
function curl({ method, path, parameters, body, open, schemes }: ApiOperation, base: string): string {
  const filled = path.replaceAll(/\{(\w+)\}/g, (whole, name: string) => {
    const example = parameters.find((parameter) => parameter.name === name)?.example;
    return example === undefined ? whole : encodeURIComponent(example);
  });
  const lines = [`curl ${base}${filled}`];
  const implied = body && !body.raw ? 'post' : 'get';
  if (method === 'head') lines[0] = `curl -I ${base}${filled}`;
  else if (method !== implied) lines[0] = `curl -X ${method.toUpperCase()} ${base}${filled}`;
  if (!open) lines.push(`-H "${proofs[schemes[0] ?? 'token'] ?? proofs['token']!}"`);
  for (const parameter of parameters) {
    if (parameter.in === 'header' && parameter.example !== undefined)
      lines.push(`-H "${parameter.name}: ${parameter.example}"`);
  }
  return [...lines, ...bodyLines(body, schemes)].join(' \\\n  ');
}

function bodyLines(body: ApiOperation['body'], schemes: ApiOperation['schemes']): string[] {
  if (body?.raw) return ['-T piece'];
  if (body?.example === undefined) return [];
  const type = schemes.length === 0 ? [] : [`-H 'Content-Type: application/json'`];
  return [...type, `-d '${JSON.stringify(body.example)}'`];
}

function anchor(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z]+/g, '-');
}
