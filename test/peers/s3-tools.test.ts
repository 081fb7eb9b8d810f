/** Debian's S3 clients, unmodified; those that are not installed are reported as skipped. */
import { execFile, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { accessSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { plain, s3Client } from '../support/s3.ts';
import { presignByHand } from '../support/sigv4.ts';
import { openWorld, type World } from '../support/world.ts';

const MiB = 1024 * 1024;
const small = randomBytes(1000);
/** Large enough that every client cuts it into parts. */
const large = randomBytes(20 * MiB + 11);

let world: World;
let folder: string;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stowage-s3-tools-'));
  world = await openWorld();
  const { accessKeyId, secretAccessKey } = await world.accessKey();
  env = {
    PATH: '/usr/bin:/bin',
    HOME: folder,
    LC_ALL: 'C.UTF-8',
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    no_proxy: '127.0.0.1',
  };
  await mkdir(join(folder, 'tree', 'sub dir'), { recursive: true });
  await writeFile(join(folder, 'tree', 'small.bin'), small);
  await writeFile(join(folder, 'tree', 'sub dir', 'lärge+1.bin'), large);
});
afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

const run = promisify(execFile);
async function tool(program: string, words: readonly string[], more: Record<string, string> = {}): Promise<string> {
  const { stdout } = await run(`/usr/bin/${program}`, [...words], {
    env: { ...env, ...more },
    cwd: folder,
    maxBuffer: 16 * MiB,
  });
  return stdout;
}

const present = (program: string): boolean => {
  try {
    accessSync(`/usr/bin/${program}`);
    return true;
  } catch {
    return false;
  }
};
function hasBoto(): boolean {
  try {
    execFileSync('/usr/bin/python3', ['-c', 'import boto3'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const testWith = (program: string): jest.It => (present(program) ? test : test.skip);
const sha512 = (bytes: Uint8Array): string => createHash('sha512').update(bytes).digest('hex');
const same = async (path: string, bytes: Buffer): Promise<void> =>
  expect(sha512(await readFile(join(folder, path)))).toBe(sha512(bytes));

testWith('aws')('awscli puts, lists, copies, syncs and deletes', async () => {
  const aws = (...words: string[]): Promise<string> => tool('aws', ['--endpoint-url', world.s3Url, ...words]);
  await aws('s3', 'mb', 's3://awscli');
  await aws('s3', 'sync', 'tree', 's3://awscli/tree');
  expect(await aws('s3', 'ls', '--recursive', 's3://awscli')).toMatch(
    /tree\/small\.bin[^]*tree\/sub dir\/lärge\+1\.bin/,
  );
  await aws('s3', 'cp', 's3://awscli/tree', 'aws-back', '--recursive');
  await same('aws-back/small.bin', small);
  await same('aws-back/sub dir/lärge+1.bin', large);
  await aws('s3', 'mv', 's3://awscli/tree/small.bin', 's3://awscli/moved');
  await aws(
    's3api',
    'put-object-tagging',
    '--bucket',
    'awscli',
    '--key',
    'moved',
    '--tagging',
    'TagSet=[{Key=a,Value=b}]',
  );
  expect(JSON.parse(await aws('s3api', 'head-object', '--bucket', 'awscli', '--key', 'moved'))).toMatchObject({
    ContentLength: small.length,
  });
  const url = (await aws('s3', 'presign', 's3://awscli/moved', '--expires-in', '60')).trim();
  expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(small)).toBe(true);
  await aws('s3', 'rb', 's3://awscli', '--force');
});

testWith('s3cmd')('s3cmd puts, lists, copies, syncs and deletes', async () => {
  const { host } = new URL(world.s3Url);
  const s3cmd = (...words: string[]): Promise<string> =>
    tool('s3cmd', [
      '--no-ssl',
      `--host=${host}`,
      `--host-bucket=${host}`,
      `--access_key=${env['AWS_ACCESS_KEY_ID']}`,
      `--secret_key=${env['AWS_SECRET_ACCESS_KEY']}`,
      '--config=/dev/null',
      '--multipart-chunk-size-mb=5',
      ...words,
    ]);
  await s3cmd('mb', 's3://s3cmd');
  await s3cmd('sync', 'tree/', 's3://s3cmd/tree/');
  await s3cmd('get', 's3://s3cmd/tree/sub dir/lärge+1.bin', 's3cmd-back');
  await same('s3cmd-back', large);
  expect(await s3cmd('sync', '--dry-run', 'tree/', 's3://s3cmd/tree/')).not.toContain('upload:');
  expect(await s3cmd('info', 's3://s3cmd/tree/small.bin')).toContain(createHash('md5').update(small).digest('hex'));
  await s3cmd('cp', 's3://s3cmd/tree/small.bin', 's3://s3cmd/copy');
  await s3cmd('rb', '--recursive', '--force', 's3://s3cmd');
});

testWith('rclone')('rclone copies, checks and deletes', async () => {
  const settings = {
    RCLONE_CONFIG_HERE_TYPE: 's3',
    RCLONE_CONFIG_HERE_PROVIDER: 'Other',
    RCLONE_CONFIG_HERE_ENV_AUTH: 'true',
    RCLONE_CONFIG_HERE_ENDPOINT: world.s3Url,
    RCLONE_S3_CHUNK_SIZE: '5M',
    RCLONE_S3_UPLOAD_CUTOFF: '6M',
  };
  const rclone = (...words: string[]): Promise<string> => tool('rclone', words, settings);
  await rclone('copy', 'tree', 'here:rclone/tree');
  await rclone('check', '--download', 'tree', 'here:rclone/tree');
  await rclone('sync', 'here:rclone/tree', 'rclone-back');
  await same('rclone-back/sub dir/lärge+1.bin', large);
  await rclone('moveto', 'here:rclone/tree/small.bin', 'here:rclone/renamed');
  expect(await rclone('lsf', '-R', '--files-only', 'here:rclone')).toBe('renamed\ntree/sub dir/lärge+1.bin\n');
  await rclone('purge', 'here:rclone');
});

testWith('restic')('restic makes a repository, backs up and restores', async () => {
  const restic = (...words: string[]): Promise<string> =>
    tool('restic', ['--no-cache', ...words], {
      RESTIC_REPOSITORY: `s3:${world.s3Url}/restic`,
      RESTIC_PASSWORD: 'a password',
    });
  await restic('init');
  await restic('backup', 'tree');
  await writeFile(join(folder, 'tree', 'more'), 'more');
  await restic('backup', 'tree');
  expect(await restic('check', '--read-data')).toContain('no errors were found');
  await restic('restore', 'latest', '--target', 'restic-back');
  await same('restic-back/tree/sub dir/lärge+1.bin', large);
  await restic('forget', '--keep-last', '1', '--prune');
  expect(await restic('check')).toContain('no errors were found');
});

const withBoto = hasBoto() ? test : test.skip;
const python = (script: string, ...words: string[]): Promise<string> =>
  tool('python3', ['-c', script, world.s3Url, ...words]);
const boto = `
import boto3, sys
from botocore.config import Config
s3 = boto3.client('s3', endpoint_url=sys.argv[1], config=Config(signature_version='s3v4', s3={'addressing_style': 'path'}))
`;

withBoto('boto3', async () => {
  const url = (
    await python(`${boto}
s3.create_bucket(Bucket='boto3')
s3.upload_file('tree/small.bin', 'boto3', 'small')
s3.upload_file('tree/sub dir/lärge+1.bin', 'boto3', 'large', ExtraArgs={'Metadata': {'who': 'boto'}})
s3.download_file('boto3', 'large', 'boto3-back')
assert s3.head_object(Bucket='boto3', Key='large')['Metadata'] == {'who': 'boto'}
print(s3.generate_presigned_url('get_object', Params={'Bucket': 'boto3', 'Key': 'small'}, ExpiresIn=60))
`)
  ).trim();
  await same('boto3-back', large);
  expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(small)).toBe(true);
});

describe('U2: URLs that other clients sign', () => {
  const Bucket = 'signed-elsewhere';
  const Key = 'ä b+c%/x';
  let s3: S3Client;
  beforeAll(async () => {
    s3 = await s3Client(world);
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'signed' }));
  });
  const read = async (): Promise<string> =>
    (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body!.transformToString();

  test('by hand, as rust-s3 does it: the host alone is signed, and nothing is said of the body', async () => {
    const key = await world.accessKey();
    const url = new URL(`${world.s3Url}/${Bucket}/${Key.split('/').map(encodeURIComponent).join('/')}`);
    expect(await plain(presignByHand({ key, method: 'PUT', url }), { method: 'PUT', body: 'by hand' })).toMatchObject({
      status: 200,
    });
    expect({ presignByHand: await plain(presignByHand({ key, method: 'GET', url })), read: await read() }).toEqual({
      presignByHand: expect.objectContaining({ status: 200, text: 'by hand' }),
      read: 'by hand',
    });
  });

  testWith('aws')('by awscli', async () => {
    const url = (await tool('aws', ['--endpoint-url', world.s3Url, 's3', 'presign', `s3://${Bucket}/${Key}`])).trim();
    expect(await plain(url)).toMatchObject({ status: 200, text: await read() });
  });

  withBoto('by boto3, with a type', async () => {
    const [put, get] = (
      await python(
        `${boto}
object = {'Bucket': sys.argv[2], 'Key': sys.argv[3]}
print(s3.generate_presigned_url('put_object', Params={**object, 'ContentType': 'text/plain'}, ExpiresIn=60))
print(s3.generate_presigned_url('get_object', Params=object, ExpiresIn=60))
`,
        Bucket,
        Key,
      )
    )
      .trim()
      .split('\n');
    expect(await plain(put!, { method: 'PUT', body: 'x', headers: { 'Content-Type': 'text/html' } })).toMatchObject({
      status: 403,
      code: 'SignatureDoesNotMatch',
    });
    expect(
      await plain(put!, { method: 'PUT', body: 'by boto3', headers: { 'Content-Type': 'text/plain' } }),
    ).toMatchObject({ status: 200 });
    expect(await plain(get!)).toMatchObject({ status: 200, text: 'by boto3' });
  });
});

describe('R13: the snippets of the page, as they stand', () => {
  const files = { 'local.png': randomBytes(MiB), 'large.png': randomBytes(100 * MiB) };
  const stored = async (Key: string): Promise<Buffer> =>
    Buffer.from(
      await (
        await (await s3Client(world)).send(new GetObjectCommand({ Bucket: 'user-uploads', Key }))
      ).Body!.transformToByteArray(),
    );
  beforeAll(async () => void (await (await s3Client(world)).send(new CreateBucketCommand({ Bucket: 'user-uploads' }))));

  test('of @aws-sdk/client-s3', async () => {
    const fileBuffer = files['local.png'];
    const s3 = new S3Client({
      endpoint: world.s3Url,
      region: 'eu-central',
      credentials: await world.accessKey(),
      forcePathStyle: true,
    });
    await s3.send(
      new PutObjectCommand({
        Bucket: 'user-uploads',
        Key: 'avatars/u123.png',
        Body: fileBuffer,
        ContentType: 'image/png',
      }),
    );
    expect((await stored('avatars/u123.png')).equals(fileBuffer)).toBe(true);
  });

  withBoto('of boto3, small and in parts', async () => {
    for (const [name, bytes] of Object.entries(files)) {
      await writeFile(join(folder, name), bytes);
      await python(
        `
import boto3, os, sys
s3 = boto3.client(
    's3',
    endpoint_url=sys.argv[1],
    region_name='eu-central',
    aws_access_key_id=os.environ['AWS_ACCESS_KEY_ID'],
    aws_secret_access_key=os.environ['AWS_SECRET_ACCESS_KEY'],
)
s3.upload_file(sys.argv[2], 'user-uploads', 'avatars/' + sys.argv[2])
`,
        name,
      );
      expect((await stored(`avatars/${name}`)).equals(bytes)).toBe(true);
    }
  });
});
