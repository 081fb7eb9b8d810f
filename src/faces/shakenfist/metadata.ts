import type { MetadataSubject } from '../../core/tenants/events.ts';
import type { Principal } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import type { Context } from './context.ts';

/** Resolves a route's reference and authorizes the caller. */
type Find = (who: Principal, reference: string, change: boolean) => Promise<{ subject: MetadataSubject; id: string }>;

/** Metadata of artifacts, blobs and namespaces: the same four routes for each. */
export function metadata({ core, routes }: Context): void {
  const ofArtifact: Find = async (who, reference) => ({
    subject: 'artifact',
    id: (await core.artifacts.getOwn(who, reference)).uuid,
  });
  const ofBlob: Find = async (who, reference, change) => {
    const blob = change ? await core.blobs.getOwn(who, reference) : await core.blobs.get(who, reference);
    return { subject: 'blob', id: blob.uuid };
  };
  const ofNamespace: Find = async (who, reference) => ({
    subject: 'namespace',
    id: (await core.namespaces.get(who, reference)).name,
  });
  // The old command line uses the instance routes for artifacts and blobs.
  const ofEither: Find = async (who, reference, change) => {
    try {
      return await ofArtifact(who, reference, change);
    } catch (error) {
      if (error instanceof Refusal && error.reason === 'not_found') return ofBlob(who, reference, change);
      throw error;
    }
  };

  const kinds: readonly (readonly [string, string, Find])[] = [
    ['Artifact', 'ref', ofArtifact],
    ['Blob', 'uuid', ofBlob],
    ['Namespace', 'namespace', ofNamespace],
    ['Instance', 'ref', ofEither],
  ];
  for (const [kind, parameter, find] of kinds) {
    routes
      .owned(`get${kind}Metadata`, async ({ who, params }) => {
        const { subject, id } = await find(who, params.text(parameter), false);
        return core.events.metadata(subject, id);
      })
      .owned(`add${kind}Metadata`, async ({ who, params, body }) => {
        const { subject, id } = await find(who, params.text(parameter), true);
        const { key, value } = body<{ key: string; value: string }>();
        await core.events.setMetadata(who, subject, id, key, value);
      })
      .owned(`set${kind}Metadata`, async ({ who, params, body }) => {
        const { subject, id } = await find(who, params.text(parameter), true);
        await core.events.setMetadata(who, subject, id, params.text('key'), body<{ value: string }>().value);
      })
      .owned(`delete${kind}Metadata`, async ({ who, params }) => {
        const { subject, id } = await find(who, params.text(parameter), true);
        await core.events.removeMetadata(who, subject, id, params.text('key'));
      });
  }
}
