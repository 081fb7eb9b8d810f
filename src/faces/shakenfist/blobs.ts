import { Refusal } from '../../core/refusal.ts';
import { parseDigest, type Algorithm } from '../../kit/digest.ts';
import type { Context } from './context.ts';
import { list } from './listing.ts';

/** Algorithms that clients may request. */
const offered = ['md5', 'sha1', 'sha256', 'sha512', 'xxh128'] as const satisfies readonly Algorithm[];

export function blobs({ core, routes, views }: Context): void {
  routes
    .owned('listBlobs', (call) =>
      list(call, {
        page: (page) => core.blobs.list(call.who, page),
        keyOf: (blob) => blob.uuid,
        views: (found) => views.blobs(found),
      }),
    )
    .owned('getBlob', async ({ who, params }) =>
      views.blob(await core.blobs.get(who, params.text('uuid')), { instances: true }),
    )
    .owned('findBlob', async ({ who, params }) => {
      const digest = parseDigest(algorithmOf(params.text('algorithm')), params.text('hash'));
      // An invalid hash matches nothing; old clients expect null for it as well.
      const found = digest && (await core.blobs.find(who, digest));
      return found ? views.blob(found, { instances: true }) : null;
    })
    .owned('getBlobChecksum', async ({ who, params }) => {
      const algorithm = algorithmOf(params.text('algorithm'));
      const digest = await core.blobs.digest(who, params.text('uuid'), algorithm);
      return { algorithm, checksum: digest.hex };
    });
}

function algorithmOf(name: string): Algorithm {
  const algorithm = offered.find((one) => one === name);
  if (!algorithm) throw new Refusal('malformed', 'unknown hash algorithm');
  return algorithm;
}
