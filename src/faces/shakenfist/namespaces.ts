import { Refusal } from '../../core/refusal.ts';
import { clientAddressOf } from '../../http/client-address.ts';
import type { Context } from './context.ts';
import { list } from './listing.ts';

/** Prefix of key names reserved by services of a cluster. */
export const reservedKeyPrefix = '_service_key';

interface Creation {
  readonly namespace: string;
  readonly key_name?: string | null;
  readonly key?: string | null;
}

interface Key {
  readonly key_name: string;
  readonly key: string;
}

/** Login, and the namespaces with their keys and trusts. */
export function namespaces(context: Context): void {
  const { core, routes, views, tokens } = context;
  routes
    .open('login', async ({ req, body }) => {
      const { namespace, key } = body<{ namespace: string; key: string }>();
      const credential = await core.namespaces.login(namespace, key, clientAddressOf(req));
      return { access_token: await tokens.mint(credential), token_type: 'Bearer', expires_in: tokens.lifetime };
    })
    .owned('listNamespaces', (call) =>
      list(call, {
        page: (page) => core.namespaces.list(call.who, page),
        keyOf: (namespace) => namespace.name,
        views: (found) => Promise.all(found.map((namespace) => views.namespace(call.who, namespace))),
      }),
    )
    .owned('createNamespace', async ({ who, body }) => {
      const { namespace, key_name: name, key } = body<Creation>();
      if (!key !== !name) throw new Refusal('malformed', 'give key_name and key together');
      return views.namespace(
        who,
        await core.namespaces.create(who, namespace, name && key ? { name, key } : undefined),
      );
    })
    .owned('getNamespace', async ({ who, params }) =>
      views.namespace(who, await core.namespaces.get(who, params.text('namespace'))),
    )
    .owned('deleteNamespace', async ({ who, params }) => core.namespaces.remove(who, params.text('namespace')))
    .owned('addTrust', async ({ who, params, body }) => {
      const { external_namespace: other } = body<{ external_namespace: string }>();
      return views.namespace(who, await core.namespaces.trust(who, params.text('namespace'), other, true));
    })
    .owned('removeTrust', async ({ who, params }) => {
      return views.namespace(
        who,
        await core.namespaces.trust(who, params.text('namespace'), params.text('other'), false),
      );
    });
  keys(context);
}

function keys({ core, routes }: Context): void {
  routes.owned('listKeys', async ({ who, params }) => core.namespaces.keys(who, params.text('namespace')));
  for (const id of ['addKey', 'replaceKeyByBody']) {
    routes.owned(id, async ({ who, params, body }) => {
      const { key_name: name, key } = body<Key>();
      await core.namespaces.putKey(who, params.text('namespace'), name, key);
      return name;
    });
  }
  routes
    .owned('replaceKey', async ({ who, params, body }) => {
      await core.namespaces.putKey(who, params.text('namespace'), params.text('key_name'), body<{ key: string }>().key);
      return params.text('key_name');
    })
    .owned('deleteKey', async ({ who, params }) =>
      core.namespaces.dropKey(who, params.text('namespace'), params.text('key_name')),
    );
}
