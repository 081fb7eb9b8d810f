import type { Core } from '../../core/index.ts';
import { newId } from '../../kit/ids.ts';
import type { Routes } from '../../http/routes.ts';
import type { Capability, Tokens } from '../../http/tokens.ts';

/** A request for a capability on behalf of a page. */
interface Wish {
  readonly artifact: string;
  readonly namespace?: string;
  readonly max_size?: number;
  readonly type?: string;
  /** Seconds. */
  readonly lifetime?: number;
}

const usualLifetime = 3600;

/** Issues capabilities: URLs with the right to make one upload, so that a page needs no key. */
export function capabilities(routes: Routes, core: Core, tokens: Tokens): void {
  routes.owned('grantUpload', async ({ req, body }) => {
    const { artifact, namespace = null, max_size: asked, type = null, lifetime = usualLifetime } = body<Wish>();
    const maxSize = Math.min(asked ?? Infinity, core.uploads.limits.maxSize);
    const capability: Capability = { upload: newId(), artifact, namespace, maxSize, type: type?.toLowerCase() ?? null };
    const token = await tokens.grant(req, capability, lifetime);
    return {
      upload_uuid: capability.upload,
      capability: token,
      tus: `/tus?capability=${token}`,
      put: `/artifacts/${encodeURIComponent(artifact)}/data?capability=${token}`,
      max_size: maxSize,
      expires_at: Math.floor(core.clock.now() / 1000) + lifetime,
    };
  });
}
