import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { Refusal } from '../../src/core/refusal.ts';
import { booleanField, integerField } from '../../src/faces/resumable/fields.ts';
import { bodyDigests, digestsOf } from '../../src/http/digest-fields.ts';
import { parseBase64Digest, printDigestField, wantedDigest } from '../../src/kit/digest.ts';

const piece = fc.oneof(
  fc.constantFrom(
    'sha-256',
    'sha-512',
    'md5',
    '=',
    ':',
    ',',
    ' ',
    ';',
    'A',
    'AA==',
    '?1',
    '?0',
    '"',
    '*',
    '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
  ),
  fc.string({ unit: 'binary', maxLength: 10 }),
);
const field = fc.array(piece, { maxLength: 12 }).map((all) => all.join(''));
const requestOf = (headers: Record<string, string>): Pick<IncomingMessage, 'headers' | 'trailers'> => ({
  headers,
  trailers: headers,
});

/** Calls what may refuse; anything else that it throws fails the test. */
function refuses(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal);
  }
}

test('whatever a structured field says, it is read or refused', () => {
  fc.assert(
    fc.property(field, (text) => {
      refuses(() => digestsOf(text, 'Content-Digest'));
      refuses(() => bodyDigests(requestOf({ 'content-digest': text, 'content-md5': text })));
      refuses(() => bodyDigests(requestOf({ trailer: 'Content-Digest', 'content-digest': text })).late?.());
      refuses(() => booleanField(requestOf({ 'upload-complete': text }), 'upload-complete'));
      refuses(() => integerField(requestOf({ 'upload-length': text }), 'upload-length'));
      expect([undefined, 'sha256', 'sha512']).toContain(wantedDigest(text));
    }),
    { numRuns: 2000 },
  );
});

test('what is read as a digest has one spelling', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 70 }),
      fc.constantFrom('sha256' as const, 'sha512' as const, 'md5' as const, 'crc32' as const),
      (bytes, algorithm) => {
        const base64 = Buffer.from(bytes).toString('base64');
        const digest = parseBase64Digest(algorithm, base64);
        const length = { sha256: 32, sha512: 64, md5: 16, crc32: 4 }[algorithm];
        expect(digest?.hex).toBe(bytes.length === length ? Buffer.from(bytes).toString('hex') : undefined);
        expect(parseBase64Digest(algorithm, base64.replace(/=+$/, ''))).toEqual(
          base64.endsWith('=') ? undefined : digest,
        );
      },
    ),
  );
});

test.each([
  ['?1', true],
  ['?0', false],
  [' ?1 ', true],
  ['?1;a=b', true],
  ['?2', Refusal],
  ['1', Refusal],
  ['?1,?1', Refusal],
  ['', Refusal],
])('the boolean %j', (text, expected) => {
  const read = (): boolean | undefined => booleanField(requestOf({ x: text }), 'x');
  if (typeof expected === 'boolean') expect(read()).toBe(expected);
  else expect(read).toThrow(expected);
});

test.each([
  ['0', 0],
  ['15', 15],
  ['999999999999999', 999_999_999_999_999],
  ['9999999999999999', Refusal],
  ['-1', Refusal],
  ['1.0', Refusal],
  ['0x1', Refusal],
  ['', Refusal],
])('the integer %j', (text, expected) => {
  const read = (): number | undefined => integerField(requestOf({ x: text }), 'x');
  if (typeof expected === 'number') expect(read()).toBe(expected);
  else expect(read).toThrow(expected);
});

test('a digest is protected by one algorithm that is known, whatever stands beside it', () => {
  const known = {
    algorithm: 'sha256',
    hex: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  } as const;
  expect(digestsOf(`unixsum=:AAAA:, ${printDigestField(known)}`, 'Content-Digest')).toEqual([known]);
  expect(() => digestsOf('unixsum=:AAAA:', 'Content-Digest')).toThrow(Refusal);
});
