import type { Core } from '../../core/index.ts';
import type { Bucket, Ledger } from '../../core/records.ts';
import { Refusal } from '../../core/refusal.ts';
import { allowIn } from '../../core/tenants/access.ts';
import { json, sendAnswer } from '../../http/responses.ts';
import { faultOf, type CorsRule } from '../../http/bucket-cors.ts';
import { once } from '../../http/idempotency.ts';
import { ANSWERED, type Routes } from '../../http/routes.ts';
import { everything } from '../../core/paging.ts';

/** Bucket operations. The id of a bucket is its name. */
export function buckets(routes: Routes, core: Core, region: string): void {
  const view = (bucket: Bucket): Record<string, unknown> => viewOf(bucket, region);
  routes
    .owned('createBucket', async ({ who, body, req, res }) => {
      const { name, public: open = false } = body<{ name: string; public?: boolean }>();
      if (name.includes('.')) throw new Refusal('bad_bucket_name', 'this API does not create bucket names with dots');
      const asking = { caller: `${who.namespace} ${who.credential}`, operation: 'createBucket', wish: [name, open] };
      const made = await once(core.idempotency, { req, res }, asking, async (_, again) => {
        // An earlier attempt may have created the bucket and stopped before it changed the visibility.
        const there = again ? await core.buckets.peek(name) : undefined;
        const bucket = there?.namespace === who.namespace ? there : await core.buckets.create(who, name);
        return view(open ? await core.buckets.change(allowIn(who, 'admin', bucket), { open }) : bucket);
      });
      json(req, res, 201, made);
      return ANSWERED;
    })
    .owned('listBuckets', async ({ who }) => {
      const found = await everything(
        async (page) => (await core.buckets.list(who, page)).buckets,
        ({ name }) => name,
      );
      return { buckets: found.map(view), total: found.length };
    })
    .owned('getBucket', async ({ who, params }) =>
      view((await core.buckets.allow(who, params.text('bucket'), 'list')).bucket),
    )
    .owned('changeBucket', async ({ who, params, body }) => {
      const { public: open, cache_control: cache } = body<{ public?: boolean; cache_control?: string | null }>();
      const allowed = await core.buckets.allow(who, params.text('bucket'), 'admin');
      const set = cache === undefined ? {} : { set: { cacheControl: cache } };
      return view(await core.buckets.change(allowed, { ...set, ...(open === undefined ? {} : { open }) }));
    })
    .owned('setBucketCors', async ({ who, params, body }) => {
      const { rules } = body<{ rules: readonly CorsWish[] }>();
      const allowed = await core.buckets.allow(who, params.text('bucket'), 'admin');
      return view(
        await core.buckets.change(allowed, {
          set: { cors: rules.length === 0 ? null : JSON.stringify(rules.map(ruleOf)) },
        }),
      );
    })
    .owned('deleteBucket', async ({ who, params, req, res }) => {
      await core.buckets.remove(await core.buckets.allow(who, params.text('bucket'), 'admin'));
      sendAnswer(req, res, { status: 204 });
      return ANSWERED;
    });
}

function viewOf(bucket: Bucket, region: string): Record<string, unknown> {
  return {
    id: bucket.name,
    name: bucket.name,
    namespace: bucket.namespace,
    public: bucket.open,
    region,
    versioning: bucket.versioning,
    cors: (JSON.parse(bucket.settings['cors'] ?? '[]') as CorsRule[]).map(shown),
    cache_control: bucket.settings['cacheControl'] ?? null,
    created_at: new Date(bucket.createdAt).toISOString(),
  };
}

/** Storage, traffic and quotas. */
export function usage(routes: Routes, core: Core): void {
  routes
    .owned('bucketUsage', async ({ who, params }) => {
      const { objects, bytes } = await core.buckets.usage(await core.buckets.allow(who, params.text('bucket'), 'list'));
      return { objects, bytes };
    })
    .owned('storageUsage', async ({ who }) => ({
      ...(await core.buckets.totalUsage(who)),
      ...account(await core.usage.get(who)),
    }))
    .owned('setQuota', async ({ who, params, body }) => {
      const name = params.text('namespace');
      const { quota_bytes: quota, transfer_bytes: allowance } = body<{
        quota_bytes?: number | null;
        transfer_bytes?: number | null;
      }>();
      return account(
        await core.usage.setLimits(who, name, {
          ...(quota === undefined ? {} : { quota }),
          ...(allowance === undefined ? {} : { allowance }),
        }),
      );
    });
}

function account({ stored, records, reserved, quota, month, sent, allowance }: Ledger): Record<string, unknown> {
  return {
    stored_bytes: stored,
    record_bytes: records,
    reserved_bytes: reserved,
    quota_bytes: quota,
    month,
    sent_bytes: sent,
    transfer_bytes: allowance,
  };
}

interface CorsWish {
  readonly allowed_origins: readonly string[];
  readonly allowed_methods: readonly string[];
  readonly allowed_headers?: readonly string[];
  readonly expose_headers?: readonly string[];
  readonly max_age_seconds?: number;
}

/** @throws Refusal `malformed` for an invalid rule */
function ruleOf(wish: CorsWish): CorsRule {
  const {
    allowed_origins: origins,
    allowed_methods: methods,
    allowed_headers: headers = [],
    expose_headers: exposed = ['ETag'],
    max_age_seconds: age,
  } = wish;
  const rule = { origins, methods, headers, exposed, ...(age === undefined ? {} : { age }) };
  const fault =
    faultOf(rule) ??
    (origins.every((origin) => /^(?:\*|https?:\/\/(?:\*\.)?[^*/]+)$/.test(origin))
      ? undefined
      : 'an origin must be *, or like https://app.example or https://*.example');
  if (fault !== undefined) throw new Refusal('malformed', fault);
  return rule;
}

function shown({ origins, methods, headers, exposed, age }: CorsRule): Record<string, unknown> {
  return {
    allowed_origins: origins,
    allowed_methods: methods,
    allowed_headers: headers,
    expose_headers: exposed,
    max_age_seconds: age ?? null,
  };
}
