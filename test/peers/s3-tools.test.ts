/** S3 clients as Debian ships them, unmodified; those that are not installed are reported as skipped. */
import { execFile, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { accessSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
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
    PATH: '/usr/bin:/bin', HOME: folder, LC_ALL: 'C.UTF-8', AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_DEFAULT_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true', no_proxy: '127.0.0.1',
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
  const { stdout } = await run(`/usr/bin/${program}`, [...words], { env: { ...env, ...more }, cwd: folder, maxBuffer: 16 * MiB });
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
const same = async (path: string, bytes: Buffer): Promise<void> => expect(sha512(await readFile(join(folder, path)))).toBe(sha512(bytes));

testWith('aws')('awscli', async () => {
  const aws = (...words: string[]): Promise<string> => tool('aws', ['--endpoint-url', world.s3Url, ...words]);
  await aws('s3', 'mb', 's3://awscli');
  await aws('s3', 'sync', 'tree', 's3://awscli/tree');
  expect(await aws('s3', 'ls', '--recursive', 's3://awscli')).toMatch(/tree\/small\.bin[^]*tree\/sub dir\/lärge\+1\.bin/);
  await aws('s3', 'cp', 's3://awscli/tree', 'aws-back', '--recursive');
  await same('aws-back/small.bin', small);
  await same('aws-back/sub dir/lärge+1.bin', large);
  await aws('s3', 'mv', 's3://awscli/tree/small.bin', 's3://awscli/moved');
  await aws('s3api', 'put-object-tagging', '--bucket', 'awscli', '--key', 'moved', '--tagging', 'TagSet=[{Key=a,Value=b}]');
  expect(JSON.parse(await aws('s3api', 'head-object', '--bucket', 'awscli', '--key', 'moved'))).toMatchObject({ ContentLength: small.length });
  const url = (await aws('s3', 'presign', 's3://awscli/moved', '--expires-in', '60')).trim();
  expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(small)).toBe(true);
  await aws('s3', 'rb', 's3://awscli', '--force');
});

testWith('s3cmd')('s3cmd', async () => {
  const { host } = new URL(world.s3Url);
  const s3cmd = (...words: string[]): Promise<string> =>
    tool('s3cmd', ['--no-ssl', `--host=${host}`, `--host-bucket=${host}`, `--access_key=${env['AWS_ACCESS_KEY_ID']}`, `--secret_key=${env['AWS_SECRET_ACCESS_KEY']}`, '--config=/dev/null', '--multipart-chunk-size-mb=5', ...words]);
  await s3cmd('mb', 's3://s3cmd');
  await s3cmd('sync', 'tree/', 's3://s3cmd/tree/');
  await s3cmd('get', 's3://s3cmd/tree/sub dir/lärge+1.bin', 's3cmd-back');
  await same('s3cmd-back', large);
  expect(await s3cmd('sync', '--dry-run', 'tree/', 's3://s3cmd/tree/')).not.toContain('upload:');
  expect(await s3cmd('info', 's3://s3cmd/tree/small.bin')).toContain(createHash('md5').update(small).digest('hex'));
  await s3cmd('cp', 's3://s3cmd/tree/small.bin', 's3://s3cmd/copy');
  await s3cmd('rb', '--recursive', '--force', 's3://s3cmd');
});

testWith('rclone')('rclone', async () => {
  const settings = { RCLONE_CONFIG_HERE_TYPE: 's3', RCLONE_CONFIG_HERE_PROVIDER: 'Other', RCLONE_CONFIG_HERE_ENV_AUTH: 'true', RCLONE_CONFIG_HERE_ENDPOINT: world.s3Url, RCLONE_S3_CHUNK_SIZE: '5M', RCLONE_S3_UPLOAD_CUTOFF: '6M' };
  const rclone = (...words: string[]): Promise<string> => tool('rclone', words, settings);
  await rclone('copy', 'tree', 'here:rclone/tree');
  await rclone('check', '--download', 'tree', 'here:rclone/tree');
  await rclone('sync', 'here:rclone/tree', 'rclone-back');
  await same('rclone-back/sub dir/lärge+1.bin', large);
  await rclone('moveto', 'here:rclone/tree/small.bin', 'here:rclone/renamed');
  expect(await rclone('lsf', '-R', '--files-only', 'here:rclone')).toBe('renamed\ntree/sub dir/lärge+1.bin\n');
  await rclone('purge', 'here:rclone');
});

testWith('restic')('restic', async () => {
  const restic = (...words: string[]): Promise<string> => tool('restic', ['--no-cache', ...words], { RESTIC_REPOSITORY: `s3:${world.s3Url}/restic`, RESTIC_PASSWORD: 'a password' });
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

const script = `
import boto3, os, sys
from botocore.config import Config
s3 = boto3.client('s3', endpoint_url=sys.argv[1], config=Config(signature_version='s3v4', s3={'addressing_style': 'path'}))
s3.create_bucket(Bucket='boto3')
s3.upload_file('tree/small.bin', 'boto3', 'small')
s3.upload_file('tree/sub dir/lärge+1.bin', 'boto3', 'large', ExtraArgs={'Metadata': {'who': 'boto'}})
s3.download_file('boto3', 'large', 'boto3-back')
assert s3.head_object(Bucket='boto3', Key='large')['Metadata'] == {'who': 'boto'}
print(s3.generate_presigned_url('get_object', Params={'Bucket': 'boto3', 'Key': 'small'}, ExpiresIn=60))
`;

(hasBoto() ? test : test.skip)('boto3', async () => {
  const url = (await tool('python3', ['-c', script, world.s3Url])).trim();
  await same('boto3-back', large);
  expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(small)).toBe(true);
});
