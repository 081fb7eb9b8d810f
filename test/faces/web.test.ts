/** Pages, the upload form, health checks and metrics. */
import { createHash, randomBytes } from 'node:crypto';
import { capabilities } from '../../src/faces/shakenfist/index.ts';
import { html, prose } from '../../src/faces/web/html.ts';
import { eventually, RawConnection } from '../support/raw.ts';
import { openWorld, type Answered, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => void (world = await openWorld()));
afterAll(() => world.close());

const page = (path: string): Promise<Answered> => world.ask('GET', path, { as: null });

describe('pages', () => {
  test.each([
    ['GET', '/healthz?x=1'],
    ['GET', '/livez?x=1'],
    ['GET', '/openapi.yaml?x=1'],
    ['POST', '/auth?x=1'],
  ])('%s %s has a parameter that is not known, and is refused', async (method, path) => {
    const answer = await world.ask(method, path, {
      as: null,
      ...(method === 'POST' ? { json: { namespace: 'a', key: 'b' } } : {}),
    });
    expect({ status: answer.status, text: answer.bytes.toString() }).toEqual({
      status: 400,
      text: expect.stringMatching(/unknown query parameter/i),
    });
  });

  test.each(['/', '/docs', '/docs/guarantees', '/?utm=x'])('%s is HTML on which nothing can run', async (path) => {
    const answer = await page(path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = answer.headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    const text = answer.bytes.toString();
    expect(text).not.toMatch(/<script|\son\w+=|\sstyle=|<style|javascript:/i);
    // Nothing is fetched from anywhere else.
    expect(
      [...text.matchAll(/(?:src|href)="([^"]*)"/g)]
        .map(([, url]) => url!)
        .filter((url) => !/^(?:\/[^/]|\/$|#|data:)/.test(url)),
    ).toEqual([]);
  });

  test('the front page has every capability word but the one that harms', async () => {
    const text = (await page('/')).bytes.toString();
    for (const word of capabilities) expect(text).toContain(word);
    for (const word of [
      'blob-search-by-hash',
      'artifact-metadata',
      'blob-metadata',
      'events-by-type',
      'artifact-upload-types',
    ])
      expect(text).toContain(word);
    expect(text).not.toContain('blob-data-limit');
  });

  test('commands name the address that was asked, and nothing that was slipped in', async () => {
    expect((await page('/')).bytes.toString()).toContain(`stowage login ${world.url}`);
    const connection = await RawConnection.open(world.url);
    connection.head('GET', '/', { Host: 'x"><script>alert(1)</script>' });
    const answer = await connection.answer();
    expect(answer.status).toBe(200);
    expect(answer.body).not.toContain('alert(1)');
    connection.close();
  });

  test('the OpenAPI description can be read as a page, and as it was written', async () => {
    const docs = (await page('/docs')).bytes.toString();
    for (const operation of world.server.openapi.operations) expect(docs).toContain(`<details id="${operation.id}">`);
    const commandOf = (id: string): string =>
      /<pre><code>(.*?)<\/code>/s
        .exec(docs.slice(docs.indexOf(`<details id="${id}">`)))![1]!
        .replaceAll('&quot;', '"')
        .replaceAll('&#39;', "'");
    expect(commandOf('beginUpload')).toContain('-H "Authorization: Bearer $token"');
    expect(commandOf('introspectCustomerKey')).toContain('-H "x-releasy-api-key: $key"');
    expect(commandOf('createCustomer')).toMatch(
      /-H "x-releasy-admin-key: \$key" \\\n {2}-H 'Content-Type: application\/json' \\\n {2}-d '\{/,
    );
    const openapi = await page('/openapi.yaml');
    expect(openapi.headers.get('content-type')).toBe('application/yaml; charset=utf-8');
    expect(openapi.bytes.toString()).toBe(world.server.openapi.text);
    expect((await page('/style.css')).headers.get('content-type')).toBe('text/css; charset=utf-8');
  });

  test('every page of the documentation is served, and every link on it leads to a page', async () => {
    const seen = new Set<string>();
    const waiting = [...(await page('/docs')).bytes.toString().matchAll(/href="(\/docs\/[^"#]+)/g)].map(
      ([, path]) => path!,
    );
    expect(waiting).toContain('/docs/guarantees');
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      const answer = await page(path);
      expect({ path, status: answer.status }).toEqual({ path, status: 200 });
      for (const [, link] of answer.bytes.toString().matchAll(/href="([^"#]+)/g)) {
        if (link!.startsWith('/docs/')) waiting.push(link!);
        else
          expect({ path, link }).toEqual({
            path,
            link: expect.stringMatching(/^(?:https:\/\/|data:|\/$|\/docs$|\/style.css$|\/openapi.yaml$)/),
          });
      }
    }
    expect([...seen].filter((path) => path.startsWith('/docs/decisions/')).length).toBeGreaterThan(20);
    expect((await page('/docs/nothing')).status).toBe(404);
  });

  test('nothing gets into HTML unescaped', () => {
    expect(html`<p title="${`"'<&>`}">${['<a>', html`<b>`, undefined, 7]}</p>`.text).toBe(
      '<p title="&quot;&#39;&lt;&amp;&gt;">&lt;a&gt;<b>7</p>',
    );
    expect(html`${prose('a `<b>` **c**\n\nd')}`.text).toBe(
      '<p>a <code>&lt;b&gt;</code> <strong>c</strong></p>\n<p>d</p>\n',
    );
  });
});

describe('the form', () => {
  const bytes = randomBytes(3_000_000);

  function form(fields: Record<string, string>, file?: { name: string; bytes: Uint8Array }): FormData {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.append(name, value);
    if (file) data.append('file', new Blob([Buffer.from(file.bytes)]), file.name);
    return data;
  }

  const good = { namespace: 'system', key: 'the-key-of-the-test-world', name: '' };
  const push = (data: FormData): Promise<Answered> => world.ask('POST', '/form', { as: null, body: data });

  test('pushes a file, and says what it became', async () => {
    const answer = await push(form({ ...good, name: 'from <a> browser' }, { name: 'x.bin', bytes }));
    expect(answer.status).toBe(200);
    const text = answer.bytes.toString();
    expect(text).toContain('from &lt;a&gt; browser');
    expect(text).toContain(createHash('sha512').update(bytes).digest('hex'));
    expect(text).toContain('3000000 bytes');
    expect(
      (await world.ask('GET', `/artifacts/${encodeURIComponent('from <a> browser')}/data`)).bytes.equals(bytes),
    ).toBe(true);
    const [, link] = /<a href="([^"]+)">http/.exec(text)!;
    expect((await world.ask('GET', link!)).bytes.equals(bytes)).toBe(true);
  });

  test("takes the file's name when none is given, and a second file of that name is a second version", async () => {
    for (const version of [1, 2]) {
      const answer = await push(form(good, { name: 'größe.iso', bytes: Buffer.from(`v${version}`) }));
      expect(answer.bytes.toString()).toContain(`<dt>Version</dt><dd>${version}</dd>`);
    }
    expect(await world.get('GET', `/artifacts/${encodeURIComponent('größe.iso')}`)).toMatchObject({ index: 2 });
  });

  test.each([
    [
      'a wrong key',
      401,
      form({ ...good, key: 'wrong' }, { name: 'x', bytes }),
      'The key is wrong, or the namespace does not exist',
    ],
    ['an unknown namespace', 404, form({ ...good, namespace: 'none' }, { name: 'x', bytes }), 'Namespace not found'],
    ['no key', 400, form({ namespace: 'system' }, { name: 'x', bytes }), 'Namespace and key are required'],
    ['no file', 400, form(good), 'Choose a file first'],
    [
      'a uuid as name',
      400,
      form({ ...good, name: '00000000-0000-4000-8000-000000000000' }, { name: 'x', bytes }),
      'uuid cannot be an artifact name',
    ],
    [
      'far too many fields',
      400,
      form(Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`f${at}`, 'x'])), { name: 'x', bytes }),
      'The form cannot be read',
    ],
    ['nested fields', 400, form({ ...good, 'a[b][c]': 'x' }, { name: 'x', bytes }), 'The form cannot be read'],
    [
      'a field as long as a book',
      400,
      form({ ...good, name: 'x'.repeat(10_000) }, { name: 'x', bytes }),
      'The form cannot be read',
    ],
  ])('%s is told so, and nothing stays behind', async (_title, status, data, sentence) => {
    const answer = await push(data);
    expect({ status: answer.status, 'content-type': answer.headers.get('content-type') }).toEqual({
      status,
      'content-type': 'text/html; charset=utf-8',
    });
    expect(answer.bytes.toString()).toContain(sentence);
    expect(await world.get('GET', '/upload')).toEqual([]);
  });

  test('what is no form at all', async () => {
    expect(
      (await world.ask('POST', '/form', { as: null, body: 'x', headers: { 'Content-Type': 'text/plain' } })).status,
    ).toBe(400);
    expect(
      (await world.ask('POST', '/form', { as: null, body: 'x', headers: { 'Content-Type': 'multipart/form-data' } }))
        .status,
    ).toBe(400);
    expect(
      (
        await world.ask('POST', '/form', {
          as: null,
          body: 'x',
          headers: { 'Content-Type': 'multipart/form-data; boundary=y' },
        })
      ).status,
    ).toBe(400);
  });

  test('a browser that goes away in the middle leaves nothing behind', async () => {
    const field = (name: string, value: string): string =>
      `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const connection = await RawConnection.open(world.url);
    connection.head('POST', '/form', {
      'Content-Type': 'multipart/form-data; boundary=b',
      'Content-Length': 10_000_000,
    });
    connection.send(
      `${field('namespace', 'system')}${field('key', good.key)}--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n`,
    );
    connection.send(Buffer.alloc(500_000));
    await eventually(async () => (await world.get<unknown[]>('GET', '/upload')).length === 1);
    connection.reset();
    await eventually(async () => (await world.get<unknown[]>('GET', '/upload')).length === 0);
    expect((await world.ask('GET', '/artifacts/x')).status).toBe(404);
  });
});

describe('health', () => {
  test('a healthy server reports that it is', async () => {
    for (const [path, text] of [
      ['/livez', 'ok\n'],
      ['/readyz', 'ready\n'],
      ['/healthz', 'ok\n'],
    ]) {
      const answer = await page(path!);
      expect({ status: answer.status, text: answer.bytes.toString() }).toEqual({ status: 200, text });
    }
  });

  test('a disk that is nearly full makes it not ready, and not dead', async () => {
    const full = await openWorld({ env: { STOWAGE_HEADROOM: '1000TiB' } });
    try {
      expect((await full.ask('GET', '/livez', { as: null })).status).toBe(200);
      const answer = await full.ask('GET', '/readyz', { as: null });
      expect({ status: answer.status, text: answer.bytes.toString() }).toEqual({
        status: 503,
        text: 'not ready: the disk is nearly full\n',
      });
      const { uuid } = await full.get<{ uuid: string }>('POST', '/upload');
      const refused = await full.ask('POST', `/upload/${uuid}`, { body: Buffer.alloc(100_000) });
      expect(refused.json()).toMatchObject({ status: 507, code: 'full' });
      expect(refused.headers.get('retry-after')).toBe('60');
    } finally {
      await full.close();
    }
  });

  test('the numbers add up, and name nobody', async () => {
    await world.addNamespace('counted');
    await world.push('secret-name', Buffer.from('counted bytes'), { as: 'counted' });
    await world.push('secret-copy', Buffer.from('counted bytes'), { as: 'counted' });
    await world.ask('GET', '/artifacts/secret-name/data', { as: 'counted' });
    await world.server.upkeep.sweep();
    await world.server.upkeep.scrub();
    const text = (await world.ask('GET', '/metrics')).bytes.toString();
    const value = (name: string): number =>
      Number(new RegExp(`^${name.replaceAll(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1]);
    expect(value('stowage_received_bytes_total')).toBeGreaterThan(26);
    expect(value('stowage_sent_bytes_total')).toBeGreaterThanOrEqual(13);
    expect(value('stowage_dedup_saved_bytes')).toBeGreaterThanOrEqual(13);
    expect(value('stowage_open_uploads')).toBe(0);
    expect(value('stowage_writable')).toBe(1);
    expect(value('stowage_requests_total{method="GET",route="/artifacts/{ref}/data",status="200"}')).toBeGreaterThan(0);
    expect(value('stowage_scrubbed_blobs_total{result="good"}')).toBeGreaterThanOrEqual(0);
    expect(value('stowage_swept_total{kind="uploads"}')).toBe(0);
    expect(value('stowage_event_loop_lag_seconds')).toBeGreaterThanOrEqual(0);
    expect(text).not.toMatch(/counted|secret-/);
  });
});
