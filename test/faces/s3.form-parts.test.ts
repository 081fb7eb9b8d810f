import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import type { Body } from '../../src/core/bytes/ingest.ts';
import { Refusal } from '../../src/core/refusal.ts';
import { boundaryOf, FormParts } from '../../src/faces/s3/form-parts.ts';

const boundary = 'a-boundary';

/** A body that comes in these pieces. */
function bodyOf(pieces: readonly Uint8Array[], cut?: Error): Body {
  return {
    length: undefined,
    cut,
    stop: () => undefined,
    async *[Symbol.asyncIterator]() {
      for (const piece of pieces) yield piece;
    },
  };
}

function cutUp(bytes: Buffer, steps: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const step = steps[turn % steps.length]!;
    pieces.push(bytes.subarray(at, at + step));
    at += step;
  }
  return pieces;
}

interface Read {
  readonly name: string;
  readonly filename: string | undefined;
  readonly content: string;
}

async function readAll(body: Body): Promise<Read[]> {
  const form = new FormParts(body, boundary);
  const found: Read[] = [];
  for (let part = await form.next(); part; part = await form.next()) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of part.body) chunks.push(chunk);
    if (part.body.cut) throw part.body.cut;
    found.push({ name: part.name, filename: part.filename, content: Buffer.concat(chunks).toString('latin1') });
  }
  return found;
}

const head = (said: string): string => `--${boundary}\r\nContent-Disposition: form-data; ${said}\r\n\r\n`;
const end = `\r\n--${boundary}--\r\n`;
const parse = (text: string): Promise<Read[]> => readAll(bodyOf([Buffer.from(text, 'latin1')]));

describe('forms', () => {
  test('parts come back however the network cuts them, with content that looks almost like a boundary', async () => {
    const tricky = fc
      .array(
        fc.constantFrom(
          '\r\n',
          '--',
          `\r\n--${boundary}x`,
          `--${boundary}--`,
          '\r\n--a-bound',
          '\r',
          '\n',
          'text',
          '\u00ff',
        ),
        { maxLength: 8 },
      )
      .map((all) => all.join(''))
      .filter((content) => !/\r\n--a-boundary(?:--|\r\n)/.test(content));
    await fc.assert(
      fc.asyncProperty(
        fc.array(tricky, { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
        async (contents, steps) => {
          const whole = Buffer.from(
            contents.map((content, at) => `${at === 0 ? '' : '\r\n'}${head(`name="field${at}"`)}${content}`).join('') +
              end,
            'latin1',
          );
          const expected = contents.map((content, at) => ({ name: `field${at}`, filename: undefined, content }));
          expect(await readAll(bodyOf(cutUp(whole, steps)))).toEqual(expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a large part of random bytes is not changed', async () => {
    const content = randomBytes(300_000);
    const whole = Buffer.concat([Buffer.from(head('name="file"')), content, Buffer.from(end)]);
    const [part] = await readAll(bodyOf(cutUp(whole, [65_536, 1, 17])));
    expect(Buffer.from(part!.content, 'latin1').equals(content)).toBe(true);
  });

  test.each([
    ['name="a"; filename="b.txt"', 'a', 'b.txt'],
    ['name=a; filename=b.txt', 'a', 'b.txt'],
    ['name="a;b"; filename="c=\\"d\\".txt"', 'a;b', 'c="d".txt'],
    ['name="a"; filename="C:\\folder\\b.txt"', 'a', 'b.txt'],
    ['name="a"; filename="../../etc/passwd"', 'a', 'passwd'],
    ['name=""; filename=""', '', ''],
  ])('a part that says %s', async (said, name, filename) => {
    expect(await parse(`${head(said)}x${end}`)).toEqual([{ name, filename, content: 'x' }]);
  });

  test('a part whose reader stops is passed over', async () => {
    const form = new FormParts(
      bodyOf([Buffer.from(`${head('name="a"')}${'x'.repeat(1000)}\r\n${head('name="b"')}y${end}`)]),
      boundary,
    );
    const first = await form.next();
    first!.body.stop(new Error('enough'));
    expect({ 'first name': first!.name, 'next name': (await form.next())!.name, next: await form.next() }).toEqual({
      'first name': 'a',
      'next name': 'b',
      next: undefined,
    });
  });

  test('no form that breaks off is whole, and the part that it breaks off in says so', async () => {
    const whole = Buffer.from(`${head('name="a"')}first\r\n${head('name="file"; filename="f"')}content${end}`);
    for (let at = 0; at < whole.length - 2; at += 1) {
      await expect(readAll(bodyOf([whole.subarray(0, at)], new Refusal('interrupted', 'gone')))).rejects.toMatchObject({
        reason: 'interrupted',
      });
      await expect(readAll(bodyOf([whole.subarray(0, at)]))).rejects.toMatchObject({ reason: 'malformed' });
    }
  });

  test.each([
    ['no name', `--${boundary}\r\nContent-Disposition: form-data\r\n\r\nx${end}`],
    ['no disposition', `--${boundary}\r\nContent-Type: text/plain\r\n\r\nx${end}`],
    ['no headers', `--${boundary}\r\n\r\nx${end}`],
    ['another disposition', `--${boundary}\r\nContent-Disposition: attachment; name="a"\r\n\r\nx${end}`],
    ['two names', `${head('name="a"; name="b"')}x${end}`],
    [
      'two dispositions',
      `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"\r\n\r\nx${end}`,
    ],
    [
      'a transfer encoding',
      `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\nx${end}`,
    ],
    ['an open quote', `${head('name="a')}x${end}`],
    ['endless headers', `--${boundary}\r\n${'X: y\r\n'.repeat(5000)}`],
    ['another boundary', `--other\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--other--`],
    ['an endless beginning', 'x'.repeat(20_000)],
  ])('a form with %s is refused', async (_what, text) => {
    await expect(parse(text)).rejects.toMatchObject({ reason: 'malformed' });
  });

  test('nonsense is refused, and nothing else is thrown', async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '\r\n',
        `--${boundary}`,
        '--',
        'Content-Disposition: form-data; ',
        'name="a"',
        '; filename=',
        '"',
        '\\',
        ':',
        '\0',
      ),
      fc.string({ unit: 'binary', maxLength: 20 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 }),
        async (all, steps) => {
          await readAll(bodyOf(cutUp(Buffer.from(all.join(''), 'utf8'), steps))).catch((error: unknown) =>
            expect(error).toBeInstanceOf(Refusal),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data; charset=utf-8; boundary="a b:c"', 'a b:c'],
    ['multipart/form-data', undefined],
    ['multipart/form-data; boundary=', undefined],
    ['multipart/form-data; boundary="a "', undefined],
    [`multipart/form-data; boundary=${'x'.repeat(71)}`, undefined],
    ['multipart/mixed; boundary=abc', undefined],
    [undefined, undefined],
  ])('the boundary of %s is %s', (type, expected) => {
    if (expected === undefined) expect(() => boundaryOf(type)).toThrow(Refusal);
    else expect(boundaryOf(type)).toBe(expected);
  });
});
