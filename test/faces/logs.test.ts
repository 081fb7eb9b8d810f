/** Logs never contain a secret, in whatever form a request carries it. */
import { pino } from 'pino';
import { maskedPath } from '../../src/http/masked-paths.ts';
import { RawConnection } from '../support/raw.ts';
import { openWorld } from '../support/world.ts';

const token = 'releasy_dl_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyMDEy';
const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl';
const opaque = 'q7Jx2LmPz9VtR4sKcY8nWb3HdF6gTa5EuMoQiXwZ';
const encoded = (text: string): string => Array.from(text, (one) => `%${one.charCodeAt(0).toString(16)}`).join('');

/** Request lines, each with a secret in it. */
const forms: readonly (readonly [method: string, target: string, secret: string])[] = [
  ...[token, opaque, 'short'].flatMap((secret) =>
    [
      `/v1/downloads/${secret}`,
      `/v1/downloads/${secret}/`,
      `/v1/downloads/${secret}/more`,
      `//v1//downloads//${secret}`,
      `/V1/Downloads/${secret}`,
      `/v1/%64ownloads/${secret}`,
      `/v1/downloads%2f${secret}`,
      `/v1/downloads/${encoded(secret)}`,
      `/v1/downloads/${encoded(encoded(secret))}`,
      `/v1/./downloads/${secret}`,
      `/v1/x/../downloads/${secret}`,
      `/v1\\downloads\\${secret}`,
      `http://test/v1/downloads/${secret}`,
      `HTTPS://user:${secret}@test/v1/downloads/${secret}`,
      `/v1/downloads/${secret}?x=1`,
      `/v1/downloads/${secret}%00`,
      `/v1/downloads/${secret}%ff`,
      `/api/v1/downloads/${secret}`,
      `/downloads/${secret}`,
    ].flatMap(
      (target) =>
        [
          ['GET', target, secret],
          ['POST', target, secret],
        ] as const,
    ),
  ),
  ...['GET', 'PATCH', 'BREW'].flatMap(
    (method) =>
      [
        [method, `/tus?capability=${jwt}`, jwt],
        [method, `/tus%3Fcapability=${jwt}`, jwt],
        [method, `/artifacts/${jwt}/data`, jwt],
        [method, `/v1/download/${token}`, token],
        [method, `/x/${opaque}`, opaque],
        [method, `/artifacts/a;capability=${opaque}`, opaque],
        [method, '/b/k%3FX-Amz-Credential=AKIDSECRET%26X-Amz-Signature=0123', 'AKIDSECRET'],
        [method, '/b/k&X-Amz-Signature=deadbeef', 'deadbeef'],
        [method, '/x/Authorization:%20Bearer%20hushhush', 'hushhush'],
      ] as const,
  ),
];

test.each([
  ['/artifacts/debian-12.qcow2/data', '/artifacts/debian-12.qcow2/data'],
  ['/upload/01890a5d-ac96-774b-bcce-b302099a8057', '/upload/01890a5d-ac96-774b-bcce-b302099a8057'],
  [`/blob_checksums/sha512/${'ab'.repeat(64)}`, `/blob_checksums/sha512/${'ab'.repeat(64)}`],
  ['/v1/downloads/token', '/v1/downloads/token'],
  ['/a%0ab', '/a?b'],
  ['*', '*'],
  ['/', '/'],
  [`/${'x y '.repeat(200)}`, `/${'x y '.repeat(200)}`.slice(0, 300) + '...'],
])('%s is shown as %s', (target, shown) => {
  expect(maskedPath(target)).toBe(shown);
});

test('no form of a request brings a secret into the log, on either port', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const world = await openWorld({ env: { STOWAGE_S3_PORT: '0' }, log });
  for (const url of [world.url, world.s3Url]) {
    for (const [method, target] of forms) {
      const line = await RawConnection.open(url);
      line.head(method, target, {
        Authorization: `Bearer ${jwt}`,
        Connection: 'close',
        'Content-Length': 0,
        'X-Amz-Security-Token': opaque,
      });
      await line.end();
    }
  }
  await world.close();
  const text = lines.join('');
  expect(lines.length).toBeGreaterThan(forms.length);
  for (const [, target, secret] of forms)
    expect({ target, 'text includes secret': text.includes(secret) }).toEqual({
      target,
      'text includes secret': false,
    });
});
