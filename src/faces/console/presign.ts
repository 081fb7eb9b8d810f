import { LRUCache } from 'lru-cache';
import type { Core } from '../../core/index.ts';
import { Refusal } from '../../core/refusal.ts';
import { json } from '../../http/responses.ts';
import { once } from '../../http/idempotency.ts';
import { ANSWERED, type Routes } from '../../http/routes.ts';

/** Signs a URL of the S3 listener; the S3 face implements it. */
export type Presign = (wish: {
  readonly host: string;
  readonly method: 'GET' | 'PUT';
  readonly bucket: string;
  readonly key: string;
  readonly expires: number;
  readonly contentType: string | undefined;
  readonly keyId: string;
  readonly secret: string;
}) => string;

export interface PresignOptions {
  readonly core: Core;
  readonly presign: Presign | undefined;
  /** Signed URLs a minute for one credential; 0 for no limit. */
  readonly rate: number;
}

interface Wish {
  readonly key: string;
  readonly operation: 'get' | 'put';
  readonly expires_in_seconds?: number;
  readonly content_type?: string;
}

const usualExpiry = 600;
const longestKey = 1024;
const minute = 60_000;

/** Signed URLs with which a browser gets or puts one object. */
export function presigning(routes: Routes, { core, presign, rate }: PresignOptions): void {
  const window = new SlidingWindow(rate);
  routes.owned('presignObject', async ({ who, params, body, req, res }) => {
    const { key, operation, expires_in_seconds: expires = usualExpiry, content_type: contentType } = body<Wish>();
    const right = operation === 'get' ? 'read' : 'write';
    const { name } = (await core.buckets.allow(who, params.text('bucket'), right)).bucket;
    if (!presign) throw new Refusal('unavailable', 'the S3 API is switched off');
    if (Buffer.byteLength(key) > longestKey) throw new Refusal('malformed', `a key has at most ${longestKey} bytes`);
    const wait = window.take(`${who.namespace} ${who.credential}`, core.clock.now());
    if (wait > 0) {
      json(
        req,
        res,
        429,
        { detail: 'too many signed URLs; try again later', code: 'too_many' },
        { 'Retry-After': Math.ceil(wait / 1000) },
      );
      return ANSWERED;
    }
    // Only the request is stored, not the URL: each replay signs a new one.
    const asking = {
      caller: `${who.namespace} ${who.credential}`,
      operation: 'presignObject',
      wish: [name, key, operation, expires, contentType ?? null],
    };
    await once(core.idempotency, { req, res }, asking, () => Promise.resolve(null));
    const { id: keyId, secret } = await core.accessKeys.derive(who);
    const method = operation === 'get' ? 'GET' : 'PUT';
    const url = presign({
      host: req.headers.host ?? '',
      method,
      bucket: name,
      key,
      expires,
      contentType,
      keyId,
      secret,
    });
    return {
      url,
      method,
      headers: contentType === undefined ? {} : { 'Content-Type': contentType },
      expires_at: new Date(core.clock.now() + expires * 1000).toISOString(),
    };
  });
}

/** A sliding window: at most `most` calls a minute for each caller. */
class SlidingWindow {
  readonly #most: number;
  readonly #times = new LRUCache<string, number[]>({ max: 10_000 });

  constructor(most: number) {
    this.#most = most;
  }

  /** Milliseconds to wait; 0 if the call is allowed. */
  take(who: string, now: number): number {
    if (this.#most === 0) return 0;
    const recent = (this.#times.get(who) ?? []).filter((time) => time > now - minute);
    this.#times.set(who, recent);
    if (recent.length >= this.#most) return recent[0]! + minute - now;
    recent.push(now);
    return 0;
  }
}
