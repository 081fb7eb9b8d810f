import type { ReleaseFile, Slot } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import type { FileWish } from '../../core/releases/files.ts';
import { once } from '../../http/idempotency.ts';
import { text } from '../../http/routes.ts';
import { isId } from '../../kit/ids.ts';
import { roles } from './credentials.ts';
import type { Context } from './context.ts';
import { bad, required, secondsOf } from './queries.ts';
import { artifactsOf, visibleRelease } from './releases.ts';
import { resumableUrl } from './storage.ts';
import { fileNameOf } from './views.ts';

interface Registration {
  readonly artifact_id: string;
  readonly object_key: string;
  readonly checksum: string;
  readonly size: number;
  readonly platform: string;
}

const publishers = ['platform_admin', 'release_publisher'] as const;

/** Artifacts of releases: upload slots, registration with verification, and checksum lists. */
export function artifacts(context: Context): void {
  uploads(context);
  checksums(context);
}

function uploads({ core, guarded, storage, settings, baseUrl }: Context): void {
  guarded
    .operator('presignArtifact', publishers, async ({ req, res, who, params, body }) => {
      const release = params.text('release_id');
      const { filename, platform } = body<{ filename: string; platform: string }>();
      const slot = await once<Slot>(
        core.idempotency,
        { req, res },
        { caller: who.credential, operation: 'presignArtifact', wish: [release, filename, platform] },
        async (seed) => {
          const found = await core.releases.get(who, release);
          return core.releaseFiles.open(found, { fileName: filename, platform, ...(await storage.place()) }, seed);
        },
      );
      // URLs are signed on every request, because a stored one would have expired.
      const resumable = await storage.resumable(slot);
      return {
        artifact_id: slot.id,
        object_key: slot.key,
        upload_url: await storage.uploadUrl(slot, req),
        expires_at: secondsOf(core.clock.now() + settings.presignAge),
        ...(resumable === undefined
          ? {}
          : {
              resumable_url: resumableUrl(baseUrl(req), slot.key, resumable),
              tus_url: `${baseUrl(req)}/tus?capability=${resumable.token}`,
              upload_uuid: slot.id,
              resumable_expires_at: secondsOf(resumable.expiresAt),
            }),
      };
    })
    .operator('registerArtifact', publishers, ({ req, res, who, params, body }) => {
      const release = params.text('release_id');
      const { artifact_id: id, object_key: key, checksum: sha256, size, platform } = body<Registration>();
      return once(
        core.idempotency,
        { req, res },
        { caller: who.credential, operation: 'registerArtifact', wish: [release, id, key, sha256, size, platform] },
        async (seed) => {
          const found = await core.releases.get(who, release);
          demandSense({ id, key, sha256, size, platform });
          return registeredView(
            await core.releaseFiles.register(who, found, { id, key, sha256, size, platform }, seed),
          );
        },
      );
    });
}

/** @throws Refusal `malformed` for a declaration that no file can match */
function demandSense({ id, key, platform, sha256, size }: FileWish): void {
  required('artifact_id', id);
  required('object_key', key);
  required('platform', platform);
  if (!isId(id)) throw bad('artifact_id must be a valid UUID');
  if (!/^[0-9a-f]{64}$/i.test(sha256)) throw bad('checksum must be a 64 character hex string');
  if (size <= 0) throw bad('size must be positive');
}

function checksums(context: Context): void {
  for (const [operation, algorithm] of [
    ['sha256Sums', 'sha256'],
    ['sha512Sums', 'sha512'],
  ] as const) {
    context.guarded.either(operation, roles, 'releases:read', async (call) => {
      const release = await visibleRelease(context, call.who, call.params.text('release_id'));
      return text(call, 200, sums((await artifactsOf(context, [release]))[release.id] ?? [], algorithm));
    });
  }
}

function registeredView({ id, release, key, sha256, size, platform, createdAt }: ReleaseFile): Record<string, unknown> {
  return {
    id,
    release_id: release,
    object_key: key,
    checksum: sha256,
    size,
    platform,
    created_at: secondsOf(createdAt),
  };
}

/** The platform segment of the object key, or the id if the segment is a dot segment. */
function platformOf({ key, id }: ReleaseFile): string {
  const segment = key.split('/').at(-3)!;
  return /^\.{1,2}$/.test(segment) ? id : segment;
}

type Listed = Awaited<ReturnType<typeof artifactsOf>>[string];

/** Input for `sha256sum -c`. Files with equal names get their platform as a folder, and their id if needed. */
function sums(listed: Listed, algorithm: 'sha256' | 'sha512'): string {
  const namings: readonly ((file: ReleaseFile) => string)[] = [
    fileNameOf,
    (file) => `${platformOf(file)}/${fileNameOf(file)}`,
    (file) => `${platformOf(file)}/${file.id}/${fileNameOf(file)}`,
  ];
  const names = namings.map((nameOf) => listed.map(({ file }) => nameOf(file)));
  const lines = listed.map(({ file, view }) => {
    const hex = algorithm === 'sha256' ? view.checksum : view.sha512;
    if (hex === undefined) throw new Refusal('not_found', 'another store keeps these artifacts and gives no sha512');
    const nameOf = namings.find((one, index) => names[index]!.filter((name) => name === one(file)).length === 1)!;
    return `${hex}  ${nameOf(file)}\n`;
  });
  return lines.join('');
}
