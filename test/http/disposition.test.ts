import { validateHeaderValue } from 'node:http';
import fc from 'fast-check';
import { contentHeaders } from '../../src/http/disposition.ts';

describe('how stored bytes are shown', () => {
  test.each([
    'text/html',
    'text/html; charset=utf-7',
    'image/svg+xml',
    'application/pdf',
    'text/xml',
    'application/javascript',
    'TEXT/HTML',
    '',
    'text/plain\r\nX: y',
  ])('%j is for saving, whatever it says it is', (type) => {
    expect(contentHeaders(type, 'a').type).toBe('application/octet-stream');
    expect(contentHeaders(type, 'a').disposition).toMatch(/^attachment;/);
  });

  test('what can do no harm is shown', () => {
    expect(contentHeaders('image/png', 'a.png')).toEqual({
      type: 'image/png',
      disposition: 'inline; filename="a.png"',
    });
    expect(contentHeaders('text/plain', 'a.txt').type).toBe('text/plain; charset=utf-8');
  });

  test.each([
    ['a b.txt', 'filename="a b.txt"'],
    ['größe.iso', `filename="gr__e.iso"; filename*=UTF-8''gr%C3%B6%C3%9Fe.iso`],
    ['a"b;c.txt', `filename="a_b_c.txt"; filename*=UTF-8''a%22b%3Bc.txt`],
    ['../../etc/passwd', 'filename=".._.._etc_passwd"'],
    ['a\r\nSet-Cookie: x', 'filename="a__Set-Cookie: x"'],
    ['photo\u202egnp.exe', 'filename="photo_gnp.exe"'],
    ["it's (1)*.txt", `filename="it's (1)*.txt"`],
    ['', 'filename="data"'],
  ])('the name %j', (name, expected) => {
    expect(contentHeaders('application/octet-stream', name).disposition).toBe(`attachment; ${expected}`);
  });

  test('any name makes a header that can be sent, and adds no parameter', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const { disposition } = contentHeaders('application/octet-stream', name);
        validateHeaderValue('Content-Disposition', disposition);
        expect(disposition).toMatch(
          /^attachment; filename="[^"\\]*"(?:; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]*)?$/,
        );
      }),
    );
  });
});
