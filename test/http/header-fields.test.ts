import { ServerResponse, IncomingMessage, validateHeaderValue } from 'node:http';
import { Socket } from 'node:net';
import fc from 'fast-check';
import { Refusal } from '../../src/core/refusal.ts';
import { isFieldName, setFields, storedField } from '../../src/http/header-fields.ts';

/** What was stored, or undefined where it was refused. */
function stored(value: string, source: 'wire' | 'text'): string | undefined {
  try {
    return storedField(value, source, 'a field');
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal);
    return undefined;
  }
}

function answer(fields: Record<string, string | number>): ServerResponse {
  const res = new ServerResponse(new IncomingMessage(new Socket()));
  setFields(res, fields);
  return res;
}

describe('what is stored to be sent again', () => {
  test('text becomes the bytes that a header would have brought, and comes back as the same text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 50 }), (text) => {
        const value = stored(text, 'text');
        if (value === undefined) return expect(text).toMatch(/[^\P{Cc}\t]/u);
        validateHeaderValue('x-amz-meta-a', value);
        expect(Buffer.from(value, 'latin1').toString('utf8')).toBe(text.replaceAll(/^[ \t]+|[ \t]+$/g, ''));
        expect(stored(Buffer.from(text, 'utf8').toString('latin1'), 'wire')).toBe(value);
      }),
    );
  });

  test('whatever it is, a stored value can be sent as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('wire' as const, 'text' as const), (text, source) => {
        const value = stored(source === 'wire' ? text.replaceAll(/[^\u0000-\u00ff]/g, '?') : text, source);
        if (value === undefined) return;
        expect(answer({ 'x-amz-meta-a': value }).getHeader('x-amz-meta-a')).toBe(value);
      }),
      { numRuns: 500 },
    );
  });

  test.each(['a\r\nb', 'a\nb', '\0', '\u0001', '\u007f', '\u001b[0m', '\u0085', 'a\u0000'])(
    'the control character in %j is refused',
    (value) => {
      expect(stored(value, 'text')).toBeUndefined();
      expect(stored(Buffer.from(value).toString('latin1'), 'wire')).toBeUndefined();
    },
  );

  test('a tab and bytes of an older encoding are taken', () => {
    expect({
      'stored a	b wire': stored('a\tb', 'wire'),
      'stored café wire': stored('caf\u00e9', 'wire'),
      'stored quoted wire': stored('\u0093quoted\u0094', 'wire'),
    }).toEqual({
      'stored a	b wire': 'a\tb',
      'stored café wire': 'caf\u00e9',
      'stored quoted wire': '\u0093quoted\u0094',
    });
  });

  test('what an older version stored is sent all the same, and never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (name, value) => {
        const res = answer({ [name]: value, 'x-amz-meta-b': value });
        expect(res.hasHeader('x-amz-meta-b')).toBe(true);
        if (!isFieldName(name)) expect(res.getHeaderNames()).toEqual(['x-amz-meta-b']);
      }),
      { numRuns: 500 },
    );
    expect(answer({ a: 'x\r\nSet-Cookie: y' }).getHeader('a')).toBe('x  Set-Cookie: y');
    expect(answer({ a: '\u65e5' }).getHeader('a')).toBe('\u00e6\u0097\u00a5');
  });
});
