/** Releasy's API: releases of products, their artifacts, and entitled customers. */
import type { Request, Router } from 'express';
import { OperatorTokens } from './operator-tokens.ts';
import { answerUnknown, refusing } from '../../http/refusals.ts';
import { artifacts } from './artifacts.ts';
import { audits } from './audits.ts';
import { ReleasyCredentials } from './credentials.ts';
import { customers } from './customers.ts';
import { GuardedRoutes } from './routes.ts';
import { downloads } from './downloads.ts';
import { entitlements } from './entitlements.ts';
import { health } from './health.ts';
import { ReleaseBucket } from './release-bucket.ts';
import { keys } from './keys.ts';
import { wording } from './refusals.ts';
import { releases } from './releases.ts';
import { OwnStore } from './storage.ts';
import type { Context, ReleasyOptions } from './context.ts';

export interface Releasy {
  readonly router: Router;
  /** Ids of the operations that this face mounts. */
  readonly mounted: readonly string[];
}

/** Path prefixes of this face. */
export const paths: readonly string[] = ['/v1', '/health', '/ready', '/live', '/openapi.json'];

export function releasy(options: ReleasyOptions): Releasy {
  const { core, openapi, lifetime, log, settings, foreignStore } = options;
  const { namespace, adminKey, resource, jwksUrl: url, issuer, audience, jwksAge: age, leeway } = settings;
  const tokens =
    url === undefined
      ? undefined
      : new OperatorTokens(core.clock, { url, issuer, audience, age, leeway, name: 'operator jwks' });
  const guarded = new GuardedRoutes(
    openapi,
    lifetime,
    new ReleasyCredentials({
      namespace,
      adminKey,
      tokens,
      resource,
      apiKeys: core.apiKeys,
      attempts: core.loginAttempts,
    }),
  );
  const releaseBucket = new ReleaseBucket(core, settings);
  const baseUrl = (req: Request): string => settings.publicUrl ?? listeningAt(req);
  const context: Context = {
    ...options,
    guarded,
    releaseBucket,
    baseUrl,
    storage:
      foreignStore ??
      new OwnStore({
        core,
        releaseBucket,
        tokens: options.tokens,
        presignAge: settings.presignAge,
        presign: options.presign,
        baseUrl,
      }),
  };
  for (const part of [customers, entitlements, keys, audits, releases, artifacts, downloads, health]) part(context);
  const { router, mounted } = guarded.routes;
  const ours = [...paths];
  router.use(ours, (req, res) => answerUnknown(openapi, wording, req, res));
  router.use(ours, refusing(wording, log));
  return { router, mounted };
}

function listeningAt({ socket }: Request): string {
  const address = socket.localAddress?.replace(/^::ffff:/, '') ?? '127.0.0.1';
  return `http://${address.includes(':') ? `[${address}]` : address}:${socket.localPort}`;
}
