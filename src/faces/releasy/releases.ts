import type { Core } from '../../core/index.ts';
import type { Release, ReleaseFile, ReleaseStatus } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { sendAnswer } from '../../http/responses.ts';
import type { Parameters } from '../../http/parameters.ts';
import { once } from '../../http/idempotency.ts';
import { ANSWERED } from '../../http/routes.ts';
import { roles, type CustomerCaller, type Operator } from './credentials.ts';
import type { Context } from './context.ts';
import { bad, filterOf, paged, pageOf } from './queries.ts';
import { artifactView, releaseView, type ReleaseArtifactView, type ReleaseView } from './views.ts';

/** Releases: create, list, show, publish, unpublish, delete. */
export function releases(context: Context): void {
  changes(context);
  views(context);
}

function changes({ core, guarded, releaseBucket }: Context): void {
  guarded
    .operator('createRelease', ['platform_admin', 'release_publisher'], async ({ req, res, who, body }) => {
      const wish = body<{ product: string; version: string }>();
      return once(
        core.idempotency,
        { req, res },
        { caller: who.credential, operation: 'createRelease', wish: [wish.product, wish.version] },
        async (seed) => {
          await releaseBucket.open();
          return releaseView(await core.releases.create(who, wish, seed));
        },
      );
    })
    .operator('deleteRelease', ['platform_admin'], async ({ req, res, who, params }) => {
      await core.releases.remove(who, releaseOf(params));
      sendAnswer(req, res, { status: 204 });
      return ANSWERED;
    });
  for (const [operation, verb, done, wanted] of [
    ['publishRelease', 'publish', 'published', ['platform_admin', 'release_publisher']],
    ['unpublishRelease', 'unpublish', 'draft', ['platform_admin']],
  ] as const) {
    guarded.operator(operation, wanted, ({ req, res, who, params }) => {
      const id = releaseOf(params);
      return once(core.idempotency, { req, res }, { caller: who.credential, operation, wish: id }, async (_, again) => {
        const release = again ? await core.releases.get(who, id) : undefined;
        return releaseView(release?.status === done ? release : await core.releases[verb](who, id));
      });
    });
  }
}

function views(context: Context): void {
  const { core, guarded, releaseBucket } = context;
  guarded
    .either('listReleases', roles, 'releases:read', async ({ who, params }) => {
      const products = await productsOf(core, who);
      const status = statusOf(params);
      if (products && status === 'draft') throw bad('status must be published');
      const filter = {
        product: filterOf(params, 'product'),
        version: filterOf(params, 'version'),
        status: products ? ('published' as const) : status,
        products,
      };
      const { found, about } = await paged(
        pageOf(params),
        (page) => core.releases.list(releaseBucket.who, filter, page),
        ({ createdAt: at, id }) => ({ at, id }),
      );
      return { releases: await shownWith(context, found, flagOf(params, 'include_artifacts')), ...about };
    })
    .either('getRelease', roles, 'releases:read', async ({ who, params }) => {
      const release = await visibleRelease(context, who, releaseOf(params));
      return (await shownWith(context, [release], true))[0];
    });
}

function releaseOf(params: Parameters): string {
  return params.text('release_id');
}

/** The products whose releases a customer may see; undefined for operators, who see all. */
async function productsOf(
  { customers }: Pick<Core, 'customers'>,
  who: Operator | CustomerCaller,
): Promise<readonly string[] | undefined> {
  return who.kind === 'customer' ? customers.entitled(who.customer.id) : undefined;
}

/** A release that the caller may see. @throws Refusal `not_found` */
export async function visibleRelease(
  { core, releaseBucket }: Pick<Context, 'core' | 'releaseBucket'>,
  who: Operator | CustomerCaller,
  id: string,
): Promise<Release> {
  const release = await core.releases.get(releaseBucket.who, id);
  const products = await productsOf(core, who);
  if (products && (release.status !== 'published' || !products.includes(release.product)))
    throw new Refusal('not_found', 'release not found');
  return release;
}

/** Files of the releases with their views, by release id. */
export async function artifactsOf(
  { core }: Pick<Context, 'core'>,
  shown: readonly Release[],
): Promise<Record<string, { file: ReleaseFile; view: ReleaseArtifactView }[]>> {
  const files = await core.releaseFiles.list(shown);
  const blobs = new Map(
    (
      await core.blobs.many(
        Object.values(files)
          .flat()
          .flatMap(({ blob }) => blob ?? []),
      )
    ).map((blob) => [blob.uuid, blob]),
  );
  return Object.fromEntries(
    Object.entries(files).map(([id, some]) => [
      id,
      some.map((file) => ({ file, view: artifactView(file, blobs.get(file.blob ?? '')) })),
    ]),
  );
}

async function shownWith(
  context: Pick<Context, 'core'>,
  shown: readonly Release[],
  withArtifacts: boolean,
): Promise<ReleaseView[]> {
  const artifacts = withArtifacts ? await artifactsOf(context, shown) : undefined;
  return shown.map((release) =>
    releaseView(release, artifacts ? (artifacts[release.id] ?? []).map(({ view }) => view) : null),
  );
}

function statusOf(params: Parameters): ReleaseStatus | undefined {
  const status = filterOf(params, 'status');
  if (status === undefined || status === 'draft' || status === 'published') return status;
  throw bad('invalid status');
}

function flagOf(params: Parameters, name: string): boolean {
  const text = params.maybeText(name) ?? 'false';
  if (text !== 'true' && text !== 'false') throw bad(`${name} must be true or false`);
  return text === 'true';
}
