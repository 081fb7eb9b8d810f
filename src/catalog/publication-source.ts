/** The bytes of a publication. */
import { adoptContent, findContent, keepSmall, smallAddress } from './contents.ts';
import type { Publication } from './facts.ts';
import type { Db } from './host.ts';

/** A recorded good content, and its blob if the publication names one. */
export interface PublicationSource {
  readonly sha512: string;
  readonly size: number;
  readonly address: string;
  readonly replaced: string | null;
  readonly healed: boolean;
  readonly blob: Publishable | null;
}

/** A blob, and whether it waits for the sweep. */
export interface Publishable {
  readonly uuid: string;
  readonly released: boolean;
}

/** The bytes to publish: the offered ones, or those of a blob; undefined if that blob is unavailable. */
export async function findSource(db: Db, { source, at }: Publication): Promise<PublicationSource | undefined> {
  if (source.kind === 'upload' || source.kind === 'content') {
    const { sha512, size } = source.content;
    return { sha512, size, ...(await adoptContent(db, source.content)), blob: null };
  }
  if (source.kind === 'bytes') {
    const { sha512, bytes } = source;
    const size = bytes.byteLength;
    const adopted = await adoptContent(db, {
      sha512,
      size,
      address: smallAddress(sha512),
      state: 'good',
      createdAt: at,
      scrubbedAt: null,
    });
    await keepSmall(db, sha512, bytes);
    return { sha512, size, ...adopted, blob: null };
  }
  const blob = await db.selectFrom('blobs').selectAll().where('uuid', '=', source.blob).executeTakeFirst();
  const content = blob && (await findContent(db, blob.sha512));
  if (content?.state !== 'good') return undefined;
  const { sha512, size, address } = content;
  return {
    sha512,
    size,
    address,
    replaced: null,
    healed: false,
    blob: { uuid: source.blob, released: blob?.released_at !== null },
  };
}
