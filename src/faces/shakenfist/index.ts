/** The Shaken Fist face: its API and Stowage's extensions of it. */
import type { Router } from 'express';
import type { Logger } from 'pino';
import type { Core } from '../../core/index.ts';
import type { OpenApi } from '../../http/openapi.ts';
import type { Lifetime } from '../../http/lifetime.ts';
import type { Metrics } from '../../http/metrics.ts';
import { refusing } from '../../http/refusals.ts';
import { Routes } from '../../http/routes.ts';
import { artifacts } from './artifacts.ts';
import { blobs } from './blobs.ts';
import type { Tokens } from '../../http/tokens.ts';
import { data } from './data.ts';
import { events } from './events.ts';
import { labels } from './labels.ts';
import { metadata } from './metadata.ts';
import { namespaces } from './namespaces.ts';
import { wording } from './refusals.ts';
import { uploads } from './uploads.ts';
import { Views } from './views.ts';

export { wording } from './refusals.ts';

/**
 * Capabilities that clients look for in the text of `GET /`. `blob-data-limit` is deliberately absent: with it, the old
 * client requests the first 512 MiB of a large blob forever.
 */
export const capabilities: readonly string[] = [
  'blob-search-by-hash',
  'artifact-metadata',
  'blob-metadata',
  'events-by-type',
  'artifact-upload-types',
  'blob-events',
  'blob-checksums',
  'blob-single-checksum',
  'blob-hash-sha1',
  'blob-hash-sha256',
  'blob-hash-xxh128',
  'upload-offset',
  'upload-status',
];

export interface ShakenFistOptions {
  readonly openapi: OpenApi;
  readonly lifetime: Lifetime;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** The node's name, which clients see. */
  readonly node: string;
  readonly tokens: Tokens;
}

export interface ShakenFist {
  readonly router: Router;
  /** Ids of the operations that this face mounts. */
  readonly mounted: readonly string[];
}

export function shakenFist(core: Core, options: ShakenFistOptions): ShakenFist {
  const { openapi, lifetime, metrics, log, tokens } = options;
  const routes = new Routes(openapi, { lifetime, authenticate: (req) => tokens.principal(req) });
  const context = { core, routes, tokens, lifetime, metrics, views: new Views(core, options.node) };
  // Routes are tried in this order, so the most frequent come first.
  for (const part of [uploads, data, blobs, artifacts, labels, events, metadata, namespaces]) part(context);
  routes.router.use(refusing(wording, log));
  return { router: routes.router, mounted: routes.mounted };
}
