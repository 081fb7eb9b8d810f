/** Slots and registration: registered files match the declaration, or are refused. */
import { randomUUID } from 'node:crypto';
import { request, type IncomingMessage } from 'node:http';
import { assert, property, string } from 'fast-check';
import { segment } from '../../src/core/releases/paths.ts';
import { eventually } from '../support/raw.ts';
import {
  openReleasy,
  put,
  said,
  sha256Of,
  type ArtifactSeen,
  type Releasy,
  type ReleaseSeen,
  type SlotSeen,
} from '../support/releases.ts';
import { whole } from '../support/requests.ts';

const who = { namespace: 'releasy', credential: 'test' };
let releasy: Releasy;
let release: ReleaseSeen;
beforeAll(async () => {
  releasy = await openReleasy();
  release = await releasy.release('My App', '1.0.0+build.5');
});
afterAll(() => releasy.close());

const bytes = 'the bytes of an artifact';
const presign = (json: unknown, id = release.id): ReturnType<Releasy['ask']> =>
  releasy.ask('POST', `/v1/releases/${id}/artifacts/presign`, json);
const artifacts = async (id = release.id): Promise<readonly ArtifactSeen[]> =>
  (await releasy.get<ReleaseSeen>('GET', `/v1/releases/${id}`)).artifacts!;

describe('a key', () => {
  test.each([
    ['My App', 'my_app'],
    [' 1.0.0+build.5 ', '1.0.0_build.5'],
    ['Linux x86/64', 'linux_x86_64'],
    ['ünïcode.tar.gz', '_n_code.tar.gz'],
    ['💾.zip', '_.zip'],
    ['..', '..'],
    ['a/../b', 'a_.._b'],
    ['-', '-'],
    ['_._', '_._'],
  ])('has %j as %j', async (text, expected) => {
    expect(segment('filename', text)).toBe(expected);
    const { object_key: key, artifact_id: id } = (await presign({ filename: text, platform: text })).json<SlotSeen>();
    expect(key).toBe(`releases/my_app/1.0.0_build.5/${expected}/${id}/${expected}`);
  });

  test.each([
    ['___', 'is invalid'],
    ['/', 'is invalid'],
    ['Ⅷ', 'is invalid'],
    ['', 'is required'],
    ['  ', 'is required'],
  ])('has no %j, which %s', async (text, fault) => {
    expect(said(await presign({ filename: text, platform: 'linux' }))).toEqual({
      status: 400,
      code: 'bad_request',
      message: `filename ${fault}`,
    });
    expect(said(await presign({ filename: 'a', platform: text }))).toEqual({
      status: 400,
      code: 'bad_request',
      message: `platform ${fault}`,
    });
  });

  test('is one segment for each part, whatever that is', () => {
    assert(
      property(string({ unit: 'binary', minLength: 1, maxLength: 40 }), (text) => {
        let made: string;
        try {
          made = segment('filename', text);
        } catch {
          return Array.from(text.trim()).every((character) => !/[A-Za-z0-9.-]/.test(character));
        }
        return (
          /^[a-z0-9._-]+$/.test(made) &&
          segment('filename', made) === made &&
          Array.from(text.trim()).length === made.length
        );
      }),
      { numRuns: 500 },
    );
  });

  test('is not longer than S3 has it', async () => {
    expect(said(await presign({ filename: 'x'.repeat(1000), platform: 'linux' }))).toEqual({
      status: 400,
      code: 'bad_request',
      message: 'object_key is too long',
    });
  });
});

describe('a slot', () => {
  test('is for a release that there is', async () => {
    expect(said(await presign({ filename: 'a', platform: 'b' }, randomUUID()))).toEqual({
      status: 404,
      code: 'not_found',
      message: 'release not found',
    });
    expect(said(await presign({ filename: 'a' }))).toEqual({
      status: 422,
      code: 'unprocessable_entity',
      message: 'missing platform',
    });
  });

  test("takes a form's type as it takes any, again and again, until its URL ends", async () => {
    const slot = await releasy.slot(release.id);
    // The second may have turned since.
    expect([0, 1]).toContain(Math.floor(releasy.world.clock.now() / 1000) + 900 - slot.expires_at);
    expect(await put(slot.upload_url, 'first', { 'content-type': 'application/x-www-form-urlencoded' })).toBe(200);
    expect(await put(slot.upload_url, 'second')).toBe(200);
    releasy.world.clock.move(901_000);
    expect(await put(slot.upload_url, 'third')).toBe(403);
    expect(said(await releasy.register(release.id, slot, 'second'))).toEqual({ status: 200 });
    releasy.world.clock.move(-901_000);
  });

  test('that nothing came of goes after a week, with what was put there; one that is being filled stays', async () => {
    const [empty, filled, resumed] = [
      await releasy.slot(release.id),
      await releasy.slot(release.id),
      await releasy.slot(release.id),
    ];
    await put(filled.upload_url, bytes);
    const week = 7 * 86_400_000;
    releasy.world.clock.move(week - 60_000);
    const path = new URL(resumed.tus_url);
    const begun = await fetch(path, { method: 'POST', headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': '10' } });
    expect(begun.status).toBe(201);
    releasy.world.clock.move(120_000);
    await releasy.world.core.sweep.run();
    for (const slot of [empty, filled])
      expect(said(await releasy.register(release.id, slot, bytes))).toEqual({
        status: 400,
        code: 'object_missing',
        message: 'there is no object at object_key',
      });
    expect(await releasy.world.core.objects.peek('releases', filled.object_key)).toBeUndefined();
    expect(
      await releasy.world.core.uploads.list({ namespace: 'releasy', credential: 'test' }, { after: null, limit: 10 }),
    ).toHaveLength(1);
    releasy.world.clock.move(2 * 86_400_000);
    await releasy.world.core.sweep.run();
    await releasy.world.core.sweep.run();
    expect(said(await releasy.register(release.id, resumed, bytes)).code).toBe('object_missing');
    releasy.world.clock.move(-week - 60_000 - 2 * 86_400_000);
  });

  test('that is closed while its bytes come takes no object', async () => {
    const gone = await releasy.release('Short-lived');
    const slot = await releasy.slot(gone.id);
    // Large enough that the upload is on record while its bytes come.
    const large = Buffer.alloc(33 * 1024 * 1024);
    const putting = request(slot.upload_url, { method: 'PUT', headers: { 'Content-Length': large.length } });
    const answered = new Promise<IncomingMessage>((resolve, reject) =>
      putting.on('error', reject).on('response', resolve),
    );
    putting.write(large.subarray(1));
    await eventually(async () => (await releasy.world.core.usage.get(who)).reserved >= large.length);
    expect((await releasy.ask('DELETE', `/v1/releases/${gone.id}`)).status).toBe(204);
    putting.end(large.subarray(0, 1));
    const answer = await answered;
    expect({ statusCode: answer.statusCode, body: (await whole(answer)).toString() }).toEqual({
      statusCode: 403,
      body: expect.stringContaining('<Code>AccessDenied</Code>'),
    });
    expect(await releasy.world.core.objects.peek('releases', slot.object_key)).toBeUndefined();
    expect((await releasy.world.core.usage.get(who)).reserved).toBeLessThan(large.length);
  });

  test('without a bucket is none', async () => {
    const bare = await openReleasy({ RELEASY_ARTIFACT_BUCKET: '' });
    const { id } = await bare.release();
    expect(
      said(await bare.ask('POST', `/v1/releases/${id}/artifacts/presign`, { filename: 'a', platform: 'b' })),
    ).toEqual({ status: 503, code: 'service_unavailable', message: 'artifact storage not configured' });
    await bare.close();
  });

  test('has the bucket and the time that are configured', async () => {
    const other = await openReleasy({
      RELEASY_ARTIFACT_BUCKET: 'releasy-artifacts',
      RELEASY_ARTIFACT_PRESIGN_EXPIRES_SECONDS: '60',
      RELEASY_PUBLIC_BASE_URL: 'http://localhost:1',
    });
    const { id } = await other.release();
    const slot = await other.slot(id);
    const url = new URL(slot.upload_url);
    expect({
      hostname: url.hostname,
      bucket: url.pathname.split('/')[1],
      'X-Amz-Expires': url.searchParams.get('X-Amz-Expires'),
      'tus_url startsWith http://localhost:1/tus?': slot.tus_url.startsWith('http://localhost:1/tus?'),
    }).toEqual({
      hostname: 'localhost',
      bucket: 'releasy-artifacts',
      'X-Amz-Expires': '60',
      'tus_url startsWith http://localhost:1/tus?': true,
    });
    await other.close();
  });
});

describe('registration', () => {
  const filled = async (): Promise<SlotSeen> => {
    const slot = await releasy.slot(release.id);
    await put(slot.upload_url, bytes);
    return slot;
  };

  test('answers what it took, and tells all that is known of it later', async () => {
    const slot = await filled();
    const registered = await releasy.register(release.id, slot, bytes, {
      checksum: sha256Of(bytes).toUpperCase(),
      artifact_id: slot.artifact_id.toUpperCase(),
    });
    expect({ status: registered.status, body: registered.json() }).toEqual({
      status: 200,
      body: {
        id: slot.artifact_id,
        release_id: release.id,
        object_key: slot.object_key,
        checksum: sha256Of(bytes),
        size: bytes.length,
        platform: 'linux-x86_64',
        created_at: expect.any(Number) as number,
      },
    });
    const seen = (await artifacts()).find(({ id }) => id === slot.artifact_id);
    expect(seen).toMatchObject({
      checksum: sha256Of(bytes),
      filename: 'app.tar.gz',
      sha512: expect.stringMatching(/^[0-9a-f]{128}$/) as string,
      md5: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    });
  });

  test.each<[string, Record<string, unknown>, string, string]>([
    ['another size', { size: 3 }, 'size_mismatch', `the object has ${bytes.length} bytes, not 3`],
    [
      'another checksum',
      { checksum: '0'.repeat(64) },
      'checksum_mismatch',
      `the object's sha256 is ${sha256Of(bytes)}`,
    ],
    ['no checksum', { checksum: 'abc' }, 'bad_request', 'checksum must be a 64 character hex string'],
    [
      'a checksum that is not one',
      { checksum: 'x'.repeat(64) },
      'bad_request',
      'checksum must be a 64 character hex string',
    ],
    ['no bytes', { size: 0 }, 'bad_request', 'size must be positive'],
    ['fewer than none', { size: -1 }, 'bad_request', 'size must be positive'],
    ['no id', { artifact_id: ' ' }, 'bad_request', 'artifact_id is required'],
    ['no UUID', { artifact_id: 'x' }, 'bad_request', 'artifact_id must be a valid UUID'],
    ['no key', { object_key: '' }, 'bad_request', 'object_key is required'],
    ['no platform', { platform: ' ' }, 'bad_request', 'platform is required'],
    ['another platform', { platform: 'macos' }, 'bad_request', 'object_key does not match release or platform'],
    ['another id', { artifact_id: randomUUID() }, 'bad_request', 'object_key does not match release or platform'],
  ])('with %s is refused, and may be tried again', async (_, wrong, code, message) => {
    const slot = await filled();
    expect(said(await releasy.register(release.id, slot, bytes, wrong))).toEqual({ status: 400, code, message });
    expect((await releasy.register(release.id, slot, bytes)).status).toBe(200);
  });

  test('is of the key that the slot has, to the last letter, and of its release', async () => {
    const slot = await filled();
    for (const key of [
      `${slot.object_key}x`,
      `${slot.object_key}/`,
      slot.object_key.replace('app.tar', 'other.tar'),
      slot.object_key.replace('releases/', 'releases//'),
    ]) {
      expect(said(await releasy.register(release.id, slot, bytes, { object_key: key }))).toEqual({
        status: 400,
        code: 'bad_request',
        message: 'object_key does not match release or platform',
      });
    }
    const other = await releasy.release();
    expect(said(await releasy.register(other.id, slot, bytes)).message).toBe(
      'object_key does not match release or platform',
    );
    expect(said(await releasy.register(randomUUID(), slot, bytes))).toEqual({
      status: 404,
      code: 'not_found',
      message: 'release not found',
    });
    // Two products may have the same keys; the slot tells whose it is.
    const twin = await releasy
      .release('my-app', '1.0.0+build.5')
      .then(() => releasy.release('MY APP', '1.0.0+build.5'));
    expect(said(await releasy.register(twin.id, slot, bytes)).message).toBe(
      'object_key does not match release or platform',
    );
  });

  test('of nothing, and of an artifact that nobody asked a place for, is refused', async () => {
    const slot = await releasy.slot(release.id);
    expect(said(await releasy.register(release.id, slot, bytes))).toEqual({
      status: 400,
      code: 'object_missing',
      message: 'there is no object at object_key',
    });
    const id = randomUUID();
    const invented = { ...slot, artifact_id: id, object_key: slot.object_key.replace(slot.artifact_id, id) };
    expect(said(await releasy.register(release.id, invented, bytes))).toEqual({
      status: 400,
      code: 'object_missing',
      message: 'there is no object at object_key',
    });
  });

  test('happens once; whatever is said the second time, it is there', async () => {
    const slot = await filled();
    expect((await releasy.register(release.id, slot, bytes)).status).toBe(200);
    for (const more of [{}, { checksum: '0'.repeat(64) }, { size: 1 }])
      expect(said(await releasy.register(release.id, slot, bytes, more))).toEqual({
        status: 409,
        code: 'conflict',
        message: 'artifact already exists',
      });
  });

  test('raced has one winner, and the others are told that it is there', async () => {
    for (let time = 0; time < 20; time += 1) {
      const slot = await filled();
      const statuses = (
        await Promise.all(Array.from({ length: 8 }, () => releasy.register(release.id, slot, bytes)))
      ).map(({ status }) => status);
      expect(statuses.toSorted()).toEqual([200, ...Array.from({ length: 7 }, () => 409)]);
    }
  });

  test('stores the same bytes of two releases once', async () => {
    const same = Buffer.alloc(100_000, 'same');
    const before = (await releasy.world.core.totals()).bytes;
    for (const { id } of [await releasy.release(), await releasy.release()]) await releasy.artifact(id, same);
    expect((await releasy.world.core.totals()).bytes - before).toBe(100_000);
  });

  test('is there after a restart', async () => {
    const { slot } = await releasy.published('kept over a restart');
    await releasy.world.restart();
    const { key } = await releasy.customer();
    expect(await (await fetch(await releasy.downloadUrl(key, slot.artifact_id))).text()).toBe('kept over a restart');
  });
});

describe('the sums', () => {
  test('are what sha256sum reads, and tell platforms apart that have the same name', async () => {
    const { id } = await releasy.release();
    const slots = [];
    for (const [filename, platform, content] of [
      ['My App.zip', 'linux', 'a'],
      ['twice', 'linux', 'e'],
      ['twice', 'linux', 'f'],
      ['tool', 'linux', 'b'],
      ['tool', 'Mac OS', 'c'],
      ['../etc/passwd', 'linux', 'd'],
    ] as const) {
      const slot = await releasy.slot(id, filename, platform);
      slots.push(slot.artifact_id);
      await put(slot.upload_url, content);
      expect((await releasy.register(id, slot, content, { platform })).status).toBe(200);
    }
    const sums = await releasy.ask('GET', `/v1/releases/${id}/SHA256SUMS`);
    const lines = [
      [sha256Of('a'), 'My App.zip'],
      [sha256Of('b'), 'linux/tool'],
      [sha256Of('c'), 'mac_os/tool'],
      [sha256Of('d'), '.._etc_passwd'],
      [sha256Of('e'), `linux/${slots[1]!}/twice`],
      [sha256Of('f'), `linux/${slots[2]!}/twice`],
    ].map((pair) => pair.join('  '));
    expect({
      'content-type': sums.headers.get('content-type'),
      text: sums.bytes.toString().trimEnd().split('\n').toSorted(),
    }).toEqual({ 'content-type': 'text/plain; charset=utf-8', text: lines.toSorted() });
    const longer = (await releasy.ask('GET', `/v1/releases/${id}/SHA512SUMS`)).bytes.toString();
    expect(longer).toMatch(/^(?:[0-9a-f]{128} {2}[^\n]+\n){6}$/);
  });
});
