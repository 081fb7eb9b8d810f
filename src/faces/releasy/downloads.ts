import { clientAddressOf } from '../../http/client-address.ts';
import { sendAnswer } from '../../http/responses.ts';
import { once } from '../../http/idempotency.ts';
import { sendBytes } from '../../http/outgoing.ts';
import { ANSWERED, type RouteCall } from '../../http/routes.ts';
import { isId } from '../../kit/ids.ts';
import { digestOf } from './credentials.ts';
import type { Context } from './context.ts';
import { bad, required, secondsOf } from './queries.ts';
import { dispositionOf } from './storage.ts';

/** Prefix of download tokens. */
export const downloadPrefix = 'releasy_dl_';

interface Wish {
  readonly artifact_id: string;
  readonly purpose?: string | null;
  readonly expires_in_seconds?: number | null;
}

/** Download tokens for one file, and the downloads themselves. */
export function downloads(context: Context): void {
  const { core, guarded, settings, baseUrl } = context;
  guarded.customer('createDownloadToken', 'downloads:token', async ({ req, res, who, body }) => {
    const { artifact_id: named, purpose = null, expires_in_seconds: asked = null } = body<Wish>();
    const file = required('artifact_id', named);
    if (!isId(file)) throw bad('artifact_id must be a valid UUID');
    const lifetime = lifetimeOf(asked, settings.tokenAge);
    // A repeated request is checked again, because the entitlement may have ended.
    const { customer, key } = who;
    await core.downloads.demand(customer.id, file);
    const wish = { file, customer: customer.id, apiKey: key.id, purpose, lifetime };
    const kept = await once(
      core.idempotency,
      { req, res },
      { caller: `api key ${key.id}`, operation: 'createDownloadToken', wish },
      () => Promise.resolve(wish),
    );
    // Tokens are not stored: a repeated request gets a new one.
    const { download, token } = await core.downloads.grant(kept);
    return { download_url: `${baseUrl(req)}/v1/downloads/${token}`, expires_at: secondsOf(download.expiresAt) };
  });
  for (const operation of ['resolveDownload', 'headDownload'])
    guarded.open(operation, (call) => resolve(context, call));
}

function lifetimeOf(asked: number | null, most: number): number {
  if (asked === null) return most;
  if (asked <= 0) throw bad('expires_in_seconds must be positive');
  if (asked * 1000 > most) throw bad(`expires_in_seconds must be <= ${most / 1000}`);
  return asked * 1000;
}

async function resolve(context: Context, call: RouteCall): Promise<typeof ANSWERED> {
  const { core, storage, settings } = context;
  const token = call.params.text('token');
  const attempt = { from: clientAddressOf(call.req), subject: `token ${digestOf(token)}`, guessable: false };
  const { file, download } = await core.loginAttempts.prove(attempt, () => core.downloads.resolve(token));
  const url =
    settings.downloads === 'direct' && !file.outside ? undefined : await storage.downloadUrl(file, download, call.req);
  if (url === undefined) return sendFile(context, call, file);
  sendAnswer(call.req, call.res, { status: 302, headers: { Location: url, 'Cache-Control': 'no-store' } });
  return ANSWERED;
}

/** Sends the bytes from this server, for clients that would send their API key along with a redirect. */
async function sendFile(
  { core, releaseBucket, lifetime }: Context,
  { req, res }: RouteCall,
  file: Parameters<typeof dispositionOf>[0],
): Promise<typeof ANSWERED> {
  const blob = await core.blobs.get(releaseBucket.who, file.blob!);
  const what = {
    size: blob.size,
    etag: `"${file.sha256}"`,
    modifiedAt: file.createdAt,
    counted: true,
    headers: {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': dispositionOf(file),
      'Cache-Control': 'no-store',
      'Content-Security-Policy': "sandbox; default-src 'none'",
      'Repr-Digest': `sha-256=:${Buffer.from(file.sha256, 'hex').toString('base64')}:`,
    },
    open: () => core.blobs.open(blob),
  };
  await sendBytes(req, res, what, { offset: 0, limit: 0 }, { core, lifetime, namespace: blob.namespace });
  return ANSWERED;
}
