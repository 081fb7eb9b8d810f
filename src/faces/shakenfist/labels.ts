import type { Artifact, Principal } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import type { OwnedCall } from '../../http/routes.ts';
import type { Context } from './context.ts';

interface LabelUpdate {
  readonly blob_uuid: string;
  readonly max_versions?: number;
}

/** Labels: names that point to existing blobs. `namespace/label` is a label of another namespace. */
export function labels(context: Context): void {
  const { core, routes, views } = context;
  for (const suffix of ['', 'Elsewhere']) {
    routes
      .owned(`updateLabel${suffix}`, async ({ who, params, body }) => {
        const { blob_uuid: blob, max_versions: maxVersions } = body<LabelUpdate>();
        const target = {
          name: params.text('name'),
          type: 'label',
          namespace: params.maybeText('namespace') ?? null,
          sourceUrl: null,
          shared: false,
          maxVersions,
        } as const;
        const { artifact } = await core.artifacts.adopt(who, blob, target, { size: undefined, digests: [] });
        return views.artifact(artifact);
      })
      .owned(`getLabel${suffix}`, async (call) =>
        views.artifact(await find(context, call.who, call), { instances: true }),
      )
      .owned(`deleteLabel${suffix}`, async (call) => {
        const removed = await core.artifacts.remove(call.who, (await find(context, call.who, call)).uuid);
        return removed ? views.artifact(removed) : null;
      });
  }
}

async function find({ core }: Context, who: Principal, { params }: OwnedCall): Promise<Artifact> {
  const namespace = params.maybeText('namespace') ?? who.namespace;
  const [found] = await core.artifacts.list(
    who,
    { namespace, name: params.text('name'), type: 'label' },
    { after: null, limit: 1 },
  );
  if (!found) throw new Refusal('not_found', 'label not found');
  return found;
}
