import { text } from '../../http/routes.ts';
import { html } from './html.ts';
import { baseOf, page, sendPage } from './page.ts';
import { style } from './style.ts';
import type { Context } from './context.ts';

/** The front page: an introduction, the upload form, and example commands. */
export function home(context: Context): void {
  context.routes
    .open('home', (call) => sendPage(call, 200, front(context, baseOf(call))))
    .open('style', (call) => text(call, 200, style, 'text/css; charset=utf-8', { 'Cache-Control': 'max-age=3600' }));
}

function front({ node, capabilities }: Context, base: string): ReturnType<typeof page> {
  return page(
    'Stowage',
    html`
<main>
<h1>Resumable uploads for large files</h1>
<p class="lead">This server stores identical content once, under names with numbered versions. Downloads can start at any byte.</p>

<h2>From this page</h2>
<form method="post" action="/form" enctype="multipart/form-data">
<label>Namespace <input name="namespace" required autocomplete="username" value="system"></label>
<label>Key <input name="key" type="password" required autocomplete="current-password"></label>
<label class="all">Name of the artifact <input name="name" placeholder="as the file is called" maxlength="1024"></label>
<label class="all">File <input name="file" type="file" required></label>
<button>Push</button>
</form>

<h2>From a terminal</h2>
<p>With Stowage's own command, which goes on where it was when anything breaks, even after a restart:</p>
<pre><code>stowage login ${base}
stowage push big.iso
stowage pull big.iso</code></pre>

<p>With nothing but curl:</p>
<pre><code>token=$(curl -s ${base}/auth -d '{"namespace": "system", "key": "YOUR-KEY"}' | cut -d '"' -f 4)
upload=$(curl -s -X POST ${base}/upload -H "Authorization: Bearer $token" | grep -oE '[0-9a-f-]{36}' | head -n 1)

curl -X POST -T big.iso ${base}/upload/$upload -H "Authorization: Bearer $token" -H "Upload-Offset: 0"
curl ${base}/artifacts/upload/big.iso -H "Authorization: Bearer $token" -d "{\\"upload_uuid\\": \\"$upload\\"}"</code></pre>

<p>If the connection broke, ask where to go on, and go on:</p>
<pre><code>offset=$(curl -sI ${base}/upload/$upload -H "Authorization: Bearer $token" | tr -d '\\r' | sed -n 's/^upload-offset: //ip')
tail -c +$((offset + 1)) big.iso |
  curl -X POST -T - ${base}/upload/$upload -H "Authorization: Bearer $token" -H "Upload-Offset: $offset"</code></pre>

<p>And back again, from where a download ended:</p>
<pre><code>curl -C - -o big.iso ${base}/artifacts/big.iso/data -H "Authorization: Bearer $token"</code></pre>

<p>The <a href="/docs">API documentation</a> has everything else. Shaken Fist's client works too; point it at <code>${base}</code>.</p>
</main>
<footer>${node} can: ${capabilities.join(' ')}</footer>`,
  );
}
