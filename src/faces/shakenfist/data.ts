import type { Blob } from '../../core/records.ts';
import { contentHeaders } from '../../http/disposition.ts';
import { sendBytes } from '../../http/outgoing.ts';
import { ANSWERED, type OwnedCall } from '../../http/routes.ts';
import { printDigestField, wantedDigest, type Digest } from '../../kit/digest.ts';
import type { Context } from './context.ts';

/** Downloads by blob and by artifact. */
export function data(context: Context): void {
  const { core, routes } = context;
  for (const verb of ['get', 'head'] as const) {
    routes
      .owned(`${verb}BlobData`, async (call) => {
        const blob = await core.blobs.get(call.who, call.params.text('uuid'));
        return sendBlob(context, call, blob, blob.uuid);
      })
      .owned(`${verb}ArtifactData`, async (call) => {
        const { artifact, blob } = await core.artifacts.resolve(call.who, call.params.text('ref'));
        return sendBlob(context, call, blob, artifact.name);
      })
      .owned(`${verb}VersionData`, async (call) => {
        const { artifact, blob } = await core.artifacts.resolve(
          call.who,
          call.params.text('ref'),
          call.params.integer('index'),
        );
        return sendBlob(context, call, blob, artifact.name);
      });
  }
}

/** Sends a blob. The caller has been authorized. */
async function sendBlob(
  { core, lifetime }: Context,
  { req, res, params }: OwnedCall,
  blob: Blob,
  name: string,
): Promise<typeof ANSWERED> {
  const { type, disposition } = contentHeaders(blob.mediaType, name);
  const what = {
    size: blob.size,
    etag: `"${blob.sha512}"`,
    modifiedAt: blob.createdAt,
    headers: {
      'Content-Type': type,
      'Content-Disposition': disposition,
      // The bytes are untrusted, so browsers must not run scripts in them.
      'Content-Security-Policy': "sandbox; default-src 'none'",
      'Cross-Origin-Resource-Policy': 'same-origin',
      'Cache-Control': 'private, no-cache',
      'Repr-Digest': printDigestField(digestFor(blob, params.maybeText('Want-Repr-Digest'))),
      'X-Blob-UUID': blob.uuid,
      'X-Blob-Size': blob.size,
    },
    open: () => core.blobs.open(blob),
  };
  const window = { offset: params.integer('offset'), limit: params.integer('limit') };
  await sendBytes(req, res, what, window, { core, lifetime, namespace: blob.namespace });
  return ANSWERED;
}

/** The requested digest if it is stored, else the sha512. */
function digestFor(blob: Blob, wanted: string | undefined): Digest {
  const { sha256 } = blob.digests;
  if (sha256 !== undefined && wanted !== undefined && wantedDigest(wanted) === 'sha256')
    return { algorithm: 'sha256', hex: sha256 };
  return { algorithm: 'sha512', hex: blob.sha512 };
}
