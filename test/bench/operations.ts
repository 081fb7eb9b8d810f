/** The catalog operations that are measured one at a time. */
import { createHash, randomUUID } from 'node:crypto';
import { must, type Dialect } from './dialects.ts';
import { repeated, text, Wire } from './wire.ts';

interface Listed {
  readonly uuid: string;
  readonly name: string;
  readonly sha512?: string;
}

/** Times that each question is asked, of another artifact each. */
const times = 100;

/** Asks everything `times` times, in turns; answers the median milliseconds of each question. */
export async function askCatalog(wire: Wire, dialect: Dialect): Promise<Record<string, number>> {
  const get = async (path: string): Promise<unknown> =>
    JSON.parse((await must(wire, { method: 'GET', path, headers: dialect.reader })).body.toString());
  const post = (path: string, body: unknown): Promise<unknown> =>
    must(
      wire,
      { method: 'POST', path, headers: { ...dialect.reader, 'Content-Type': 'application/json' } },
      text(body),
    );
  const taken: Record<string, number[]> = {};
  const ask = async (question: string, work: () => Promise<unknown>): Promise<void> => {
    const started = performance.now();
    await work();
    (taken[question] ??= []).push(performance.now() - started);
  };
  for (let n = 0; n < times; n += 1) {
    // A place in the listing that nobody can have in mind.
    const after = randomUUID();
    let page: Listed[] = [];
    await ask(
      'a page of 100 artifacts',
      async () => (page = (await get(`/artifacts?limit=100&after=${after}`)) as Listed[]),
    );
    const [one] = page;
    if (!one) continue;
    await ask('an artifact by uuid', () => get(`/artifacts/${one.uuid}`));
    await ask('an artifact by name', () => get(`/artifacts?limit=2&name=${encodeURIComponent(one.name)}`));
    await ask('its versions', () => get(`/artifacts/${one.uuid}/versions`));
    await ask('a blob by sha512', () => get(`/blob_checksums/sha512/${one.sha512 ?? ''}`));
    const content = Buffer.from(randomUUID());
    const name = `asked-${after}`;
    const place = await dialect.begin(wire, name, content.length);
    await ask('an append of 36 bytes', async () => {
      dialect.carried(
        place,
        await wire.send(dialect.carry(place, 0, content.length), repeated(content, content.length)),
        0,
      );
    });
    const sha512 = createHash('sha512').update(content).digest('hex');
    await ask('a conversion', () => dialect.finish(wire, place, { sha256: '', sha512 }));
    const made = (await get(`/artifacts/${name}`)) as { uuid: string; blob_uuid: string };
    await ask('a label', () => post(`/label/label-${after}`, { blob_uuid: made.blob_uuid }));
    await ask('a deletion', () =>
      must(wire, { method: 'DELETE', path: `/artifacts/${made.uuid}`, headers: dialect.reader }),
    );
  }
  const middle = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
  return Object.fromEntries(Object.entries(taken).map(([question, values]) => [question, middle(values)]));
}
