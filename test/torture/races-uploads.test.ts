/** Races of requests on uploads, multipart uploads and release files; see `test/support/races.ts`. */
import {
  acknowledged,
  after,
  before,
  bodyOf,
  day,
  done,
  lockBucket,
  plainBucket,
  remove,
  runRaces,
  together,
  type Ground,
} from '../support/races.ts';
import { put as putInto, Releasy, type ReleaseSeen, type SlotSeen } from '../support/releases.ts';
import type { Plain } from '../support/s3.ts';
import type { Cut } from '../support/sabotage.ts';

/** What changes an upload finds it open, and says so again in its transaction. */
const openRules: readonly Cut[] = [
  { file: 'core/bytes/uploads.js', rule: "if (upload.state !== 'open')\n        throw", instead: 'if (false)\n throw' },
  {
    file: 'catalog/uploads.js',
    rule: "last_answered: 0, touched_at: move.at })\n                .where('id', '=', id)\n                .where('state', '=', 'open')",
    instead: "last_answered: 0, touched_at: move.at })\n.where('id', '=', id)",
  },
];
/** A file of a release is registered while its slot is open, and with the bytes that it pins. */
const pinRules: readonly Cut[] = [
  {
    file: 'catalog/releases/releases.js',
    rule: 'if (slot?.release !== file.release',
    instead: 'if (slot && slot.release !== file.release',
  },
  { file: 'catalog/releases/releases.js', rule: "if (typeof published === 'string')", instead: 'if (false)' },
];

interface Begun {
  readonly id: string;
  readonly etag: string;
}

async function begun({ s3, bucket }: Ground, key: string): Promise<Begun> {
  const { text } = await done(s3('POST', `/${bucket}/${key}?uploads`));
  const id = /<UploadId>(.*)<\/UploadId>/.exec(text)![1]!;
  const part = await done(s3('PUT', `/${bucket}/${key}?partNumber=1&uploadId=${id}`, { body: `first ${key}` }));
  return { id, etag: part.headers.get('etag')! };
}

const complete = ({ s3, bucket }: Ground, key: string, { id, etag }: Begun): Promise<Plain> =>
  s3('POST', `/${bucket}/${key}?uploadId=${id}`, {
    body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`,
  });

/** A file that was put into a slot, whose bytes the server then waits to register. */
async function filled(
  { world, faults }: Ground,
  version: string,
): Promise<{ releasy: Releasy; id: string; slot: SlotSeen }> {
  const releasy = new Releasy(world);
  const { id } = await releasy.release('app', version);
  const slot = await releasy.slot(id);
  if ((await putInto(slot.upload_url, 'released')) !== 200) faults.push('the slot takes no file');
  return { releasy, id, slot };
}

/** Takes away what nothing names, at once. */
async function sweepAll({ world }: Ground): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) {
    await world.core.sweep.run();
    world.clock.move(5);
  }
}

/** What came of a registration: the release has the file, and its bytes, or neither. */
async function judge(ground: Ground, { releasy, id, slot }: Awaited<ReturnType<typeof filled>>, registered: boolean) {
  const { world, faults } = ground;
  const { artifacts } = await releasy.get<ReleaseSeen>('GET', `/v1/releases/${id}`);
  if ((artifacts?.length ?? 0) !== (registered ? 1 : 0)) faults.push('the release does not have what was acknowledged');
  await sweepAll(ground);
  const { status, bytes } = await world.ask('GET', `/artifacts/${slot.artifact_id}/data`);
  if (status >= 500) faults.push(`status ${status}`);
  if ((status === 200 && bytes.toString() === 'released') !== registered)
    faults.push(registered ? 'the registered file is gone' : 'a file that nobody registered stays');
  await world.core.releases.remove({ namespace: 'releasy', credential: 't' }, id);
}

runRaces('uploads', [
  {
    name: 'complete beside abort',
    prepare: plainBucket,
    round: async (ground, n) => {
      const key = `k${n}`;
      const upload = await begun(ground, key);
      const [made, aborted] = await together(
        ground,
        () => complete(ground, key, upload),
        () => ground.s3('DELETE', `/${ground.bucket}/${key}?uploadId=${upload.id}`),
      );
      if (made === aborted) ground.faults.push(made ? 'both were acknowledged' : 'both were refused');
      if ((await bodyOf(ground, key)) !== (made ? `first ${key}` : undefined))
        ground.faults.push('the object is not what was acknowledged');
    },
    rules: [{ file: 'catalog/multipart.js', rule: 'if (row?.outcome !== null || (', instead: 'if (!row || (' }],
    late: [{ which: 1, stop: ({ multipart }) => before(multipart, 'abort') }],
  },
  {
    name: 'complete beside part',
    prepare: plainBucket,
    round: async (ground, n) => {
      const key = `k${n}`;
      const upload = await begun(ground, key);
      const part = `/${ground.bucket}/${key}?partNumber=1&uploadId=${upload.id}`;
      const [made, taken] = await together(
        ground,
        () => complete(ground, key, upload),
        () => ground.s3('PUT', part, { body: `late ${key}` }),
      );
      if (made === taken) ground.faults.push(made ? 'both were acknowledged' : 'both were refused');
      if ((await bodyOf(ground, key)) !== (made ? `first ${key}` : undefined))
        ground.faults.push('the object is not what was acknowledged');
    },
    rules: [
      {
        file: 'catalog/multipart.js',
        rule: "where('outcome', 'is', null)\n        .returning('namespace')",
        instead: "returning('namespace')",
      },
    ],
    late: [{ which: 1, stop: ({ multipart }) => before(multipart, 'receive') }],
  },
  {
    name: 'complete beside complete',
    prepare: lockBucket,
    round: async (ground, n) => {
      const key = `k${n}`;
      const upload = await begun(ground, key);
      const made = await together(
        ground,
        () => complete(ground, key, upload),
        () => complete(ground, key, upload),
      );
      if (!made.every(Boolean) || (await bodyOf(ground, key)) !== `first ${key}`)
        ground.faults.push('no object came of it');
      const { text } = await done(ground.s3('GET', `/${ground.bucket}?versions&prefix=${key}`));
      if (text.split(`<Key>${key}</Key>`).length !== 2) ground.faults.push('two objects came of it');
    },
    // Three rules hold this, any one of which is enough: the lock of the upload of the part, the end of that upload, and the
    // end of the multipart upload. The twin lacks all of them, and is found where both come to the bytes at once.
    rules: [
      {
        file: 'core/bytes/upload-locks.js',
        rule: 'const hold = await locks.take(lockOf(upload));',
        instead: 'const hold = { release: () => undefined };',
      },
      {
        file: 'catalog/publish.js',
        rule: 'const before = await endedBefore(db, publication);',
        instead: 'const before = undefined;',
      },
    ],
    late: [{ which: 1, stop: ({ objects }) => before(objects, 'seal') }],
  },
  {
    name: 'convert beside truncate',
    round: async (ground, n) => {
      const { world } = ground;
      const upload = await world.upload(Buffer.from('0123456789'));
      const [converted, truncated] = await together(
        ground,
        () => world.ask('POST', `/artifacts/upload/t${n}`, { json: { upload_uuid: upload, size: 10 } }),
        () => world.ask('POST', `/upload/${upload}/truncate/4`),
      );
      if (converted === truncated) ground.faults.push(converted ? 'both were acknowledged' : 'both were refused');
      if (converted && (await world.ask('GET', `/artifacts/t${n}/data`)).bytes.toString() !== '0123456789')
        ground.faults.push('fewer bytes were published');
    },
    rules: openRules,
    late: [{ which: 1, stop: ({ uploads }) => before(uploads, 'truncate') }],
  },
  {
    name: 'convert beside append',
    round: async (ground, n) => {
      const { world } = ground;
      const upload = await world.upload(Buffer.from('0123456789'));
      const convert = () => world.ask('POST', `/artifacts/upload/a${n}`, { json: { upload_uuid: upload } });
      const headers = { 'content-type': 'application/octet-stream', 'upload-offset': '10' };
      const [converted, appended] = await together(ground, convert, () =>
        world.ask('POST', `/upload/${upload}`, { body: 'abc', headers }),
      );
      if (!converted && !appended) ground.faults.push('both were refused');
      if (!converted && !(await acknowledged(ground, convert()))) ground.faults.push('it cannot be converted');
      const { bytes } = await world.ask('GET', `/artifacts/a${n}/data`);
      if (bytes.toString() !== (appended ? '0123456789abc' : '0123456789'))
        ground.faults.push('other bytes were published');
    },
    rules: openRules,
    late: [{ which: 1, stop: ({ uploads }) => before(uploads, 'append') }],
  },
  {
    name: 'convert beside delete',
    round: async (ground, n) => {
      const { world } = ground;
      const upload = await world.upload(Buffer.from('0123456789'));
      const [converted, dropped] = await together(
        ground,
        () => world.ask('POST', `/artifacts/upload/d${n}`, { json: { upload_uuid: upload } }),
        () => world.ask('DELETE', `/upload/${upload}`),
      );
      if (converted === dropped) ground.faults.push(converted ? 'both were acknowledged' : 'both were refused');
      const { status, bytes } = await world.ask('GET', `/artifacts/d${n}/data`);
      if (converted ? bytes.toString() !== '0123456789' : status !== 404)
        ground.faults.push('the artifact is not what was acknowledged');
    },
    rules: openRules,
    late: [{ which: 1, stop: ({ uploads }) => before(uploads, 'drop') }],
  },
  {
    name: 'register beside the sweep of slots',
    own: true,
    round: async (ground, n) => {
      const file = await filled(ground, `s${n}`);
      ground.world.clock.move(30 * day);
      const [registered] = await together(
        ground,
        () => file.releasy.register(file.id, file.slot, 'released'),
        () => sweepAll(ground),
      );
      await judge(ground, file, registered);
    },
    rules: pinRules,
    late: [{ which: 0, stop: ({ blobs }) => after(blobs, 'demandGood') }],
  },
  {
    name: 'register beside delete or overwrite',
    round: async (ground, n) => {
      const file = await filled(ground, `d${n}`);
      const { slot } = file;
      const [registered, changed] = await together(
        ground,
        () => file.releasy.register(file.id, slot, 'released'),
        async () => {
          const status =
            n % 2 === 0
              ? (await remove({ ...ground, bucket: 'releases' }, slot.object_key)).status
              : await putInto(slot.upload_url, 'overwritten');
          await sweepAll(ground);
          return { status };
        },
      );
      if (!changed) ground.faults.push('the object could not be changed');
      await judge(ground, file, registered);
    },
    rules: pinRules,
    late: [{ which: 0, stop: ({ blobs }) => after(blobs, 'demandGood') }],
  },
]);
