import { SYSTEM, type Artifact, type ArtifactType } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { digestsOf } from '../../http/digest-fields.ts';
import type { OwnedCall } from '../../http/routes.ts';
import type { Context } from './context.ts';
import { list } from './listing.ts';

interface Conversion {
  readonly upload_uuid?: string | null;
  readonly blob_uuid?: string | null;
  readonly source_url?: string | null;
  readonly shared?: boolean;
  readonly namespace?: string | null;
  readonly artifact_type?: string | null;
  readonly max_versions?: number;
  readonly size?: number;
}

interface Fetch {
  readonly url: string;
  readonly shared?: boolean;
  readonly namespace?: string | null;
}

const listedTypes: ReadonlySet<string> = new Set<ArtifactType>(['image', 'snapshot', 'label', 'other']);

export function artifacts(context: Context): void {
  const { core, routes, views } = context;
  routes
    .owned('convertUpload', async (call) => views.artifact(await convert(context, call)))
    .owned('listArtifacts', (call) => {
      const filter = filterOf(call);
      return list(call, {
        page: (page) => core.artifacts.list(call.who, filter, page),
        keyOf: (artifact) => artifact.uuid,
        views: (found) => views.artifacts(found),
      });
    })
    .owned('fetchArtifact', async ({ who, body }) => {
      const { url, shared = false, namespace = null } = body<Fetch>();
      return views.artifact(await core.fetching.begin(who, url, { shared, namespace }));
    })
    .owned('deleteArtifacts', async ({ who, body }) => {
      const { namespace } = body<{ namespace?: string | null }>();
      if (!namespace && who.namespace === SYSTEM)
        throw new Refusal('malformed', 'system user must specify a namespace');
      return core.artifacts.removeAll(who, namespace || who.namespace);
    })
    .owned('getArtifact', async ({ who, params }) =>
      views.artifact(await core.artifacts.get(who, params.text('ref')), { instances: true }),
    )
    .owned('deleteArtifact', async ({ who, params }) => {
      const removed = await core.artifacts.remove(who, params.text('ref'));
      return removed ? views.artifact(removed) : null;
    })
    .owned('listVersions', async ({ who, params }) => views.versions(await core.artifacts.get(who, params.text('ref'))))
    .owned('setMaxVersions', async ({ who, params, body }) => {
      await core.artifacts.setMaxVersions(who, params.text('ref'), body<{ max_versions: number }>().max_versions);
    })
    .owned('deleteVersion', async ({ who, params }) => {
      return views.artifact(await core.artifacts.removeVersion(who, params.text('ref'), params.integer('index')));
    })
    .owned('shareArtifact', async ({ who, params }) =>
      views.artifact(await core.artifacts.share(who, params.text('ref'), true)),
    )
    .owned('unshareArtifact', async ({ who, params }) =>
      views.artifact(await core.artifacts.share(who, params.text('ref'), false)),
    );
}

async function convert({ core }: Context, { who, params, body }: OwnedCall): Promise<Artifact> {
  const asked = body<Conversion>();
  const upload = asked.upload_uuid ?? undefined;
  const blob = asked.blob_uuid ?? undefined;
  if ((upload === undefined) === (blob === undefined))
    throw new Refusal('malformed', 'give exactly one of upload_uuid and blob_uuid');
  const type = asked.artifact_type ?? 'image';
  if (type !== 'image' && type !== 'other')
    throw new Refusal('forbidden', 'only artifacts of type image and other can be uploaded');
  const target = {
    name: params.text('name'),
    type,
    namespace: asked.namespace ?? null,
    sourceUrl: asked.source_url ?? null,
    shared: asked.shared ?? false,
    maxVersions: asked.max_versions,
  } as const;
  const expected = { size: asked.size, digests: digestsOf(params.maybeText('Repr-Digest'), 'Repr-Digest') };
  const published =
    upload === undefined
      ? await core.artifacts.adopt(who, blob!, target, expected)
      : await core.artifacts.convert(who, upload, target, expected);
  return published.artifact;
}

function filterOf({ params }: OwnedCall): { namespace?: string; name?: string; type?: ArtifactType } {
  const [namespace, name, type] = [params.maybeText('namespace'), params.maybeText('name'), params.maybeText('type')];
  return {
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    ...(type && isType(type) ? { type } : {}),
  };
}

function isType(text: string): text is ArtifactType {
  return listedTypes.has(text);
}
