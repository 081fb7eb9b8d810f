import type { Core } from '../../core/index.ts';
import type { AccessKey, Verb } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { json, sendAnswer } from '../../http/responses.ts';
import { refuseKey } from '../../http/idempotency.ts';
import { ANSWERED, type Routes } from '../../http/routes.ts';
import { everything } from '../../core/paging.ts';

/** Prefixes of access keys. */
export const accessKeyPrefixes = { id: 'rs_ak_', secret: 'rs_sk_', derived: 'rs_pk_' };

const verbs: readonly Verb[] = ['read', 'write', 'delete', 'admin'];

interface Wish {
  readonly name: string;
  readonly buckets?: readonly string[];
  readonly permissions: Readonly<Partial<Record<Verb, boolean>>>;
}

export function keys(routes: Routes, core: Core): void {
  routes
    .owned('createAccessKey', async ({ who, body, req, res }) => {
      refuseKey(req, 'Idempotency-Key is not supported here, because an access key is shown only once');
      const { name, buckets = [], permissions } = body<Wish>();
      const granted = verbs.filter((verb) => permissions[verb]);
      if (granted.length === 0)
        throw new Refusal('malformed', 'a key needs a permission: read, write, delete or admin');
      const { key, secret } = await core.accessKeys.create(who, name, {
        buckets: buckets.length === 0 ? null : buckets,
        verbs: granted,
      });
      json(req, res, 201, { ...view(key), secret_access_key: secret });
      return ANSWERED;
    })
    .owned('listAccessKeys', async ({ who }) => {
      const found = await everything(
        (page) => core.accessKeys.list(who, page),
        ({ id }) => id,
      );
      return { keys: found.map(view), total: found.length };
    })
    .owned('revokeAccessKey', async ({ who, params, req, res }) => {
      await core.accessKeys.revoke(who, params.text('id'));
      sendAnswer(req, res, { status: 204 });
      return ANSWERED;
    });
}

function view({ id, name, namespace, grant, createdAt }: AccessKey): Record<string, unknown> {
  return {
    id,
    access_key_id: id,
    name,
    namespace,
    buckets: grant.buckets ?? [],
    permissions: Object.fromEntries(verbs.map((verb) => [verb, grant.verbs.includes(verb)])),
    created_at: new Date(createdAt).toISOString(),
  };
}
