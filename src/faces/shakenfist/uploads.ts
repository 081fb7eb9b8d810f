import { Refusal } from '../../core/refusal.ts';
import { json, sendAnswer } from '../../http/responses.ts';
import { watchDelivery } from '../../http/delivery.ts';
import { bodyDigests, digestsOf } from '../../http/digest-fields.ts';
import { ANSWERED, type OwnedCall } from '../../http/routes.ts';
import { uploadFields } from '../../http/upload-fields.ts';
import { sha512Of } from '../../kit/digest.ts';
import type { Context } from './context.ts';
import { list } from './listing.ts';

/**
 * Shaken Fist's client resends a chunk if its connection ends before the response. It uses one connection for all
 * chunks, so if the connection ends after a response, that response was lost, for example in a proxy.
 */
const oldClient = /\bShaken Fist\//;

export function uploads(context: Context): void {
  const { core, routes, views } = context;
  routes
    .owned('beginUpload', async ({ who, params }) => {
      const digests = digestsOf(params.maybeText('Repr-Digest'), 'Repr-Digest');
      const sha512 = sha512Of(digests);
      if (digests.length > 0 && sha512 === undefined)
        throw new Refusal('malformed', 'the Repr-Digest of a new upload must have its sha-512');
      const facts = { length: params.maybeInteger('Upload-Length') ?? null, expects: sha512 ?? null };
      return views.upload(await core.uploads.begin(who, facts));
    })
    .owned('listUploads', (call) =>
      list(call, {
        page: (page) => core.uploads.list(call.who, page, call.params.maybeText('sha512') ?? null),
        keyOf: (upload) => upload.id,
        views: async (found) => found.map((upload) => views.upload(upload)),
      }),
    )
    .owned('headUpload', async (call) => {
      const upload = await core.uploads.fence(call.who, call.params.text('uuid'));
      sendAnswer(call.req, call.res, { status: 200, headers: uploadFields(core, upload) });
      return ANSWERED;
    })
    .owned('getUpload', async ({ who, params, req, res }) => {
      const upload = await core.uploads.look(who, params.text('uuid'));
      json(req, res, 200, views.upload(upload), uploadFields(core, upload));
      return ANSWERED;
    })
    .owned('appendUpload', (call) => append(context, call))
    .owned('truncateUpload', async ({ who, params }) =>
      core.uploads.truncate(who, params.text('uuid'), params.integer('offset')),
    )
    .owned('dropUpload', async ({ who, params }) => core.uploads.drop(who, params.text('uuid')));
}

async function append({ core, metrics }: Context, { who, params, req, res, raw }: OwnedCall): Promise<typeof ANSWERED> {
  const appended = await core.uploads.append(who, params.text('uuid'), raw(), {
    at: params.maybeInteger('Upload-Offset'),
    ...bodyDigests(req),
    length: params.maybeInteger('Upload-Length'),
  });
  if (appended.replay) metrics.replayed();
  watchDelivery(res, oldClient.test(req.headers['user-agent'] ?? ''), appended.settle);
  const { offset } = appended.upload;
  json(req, res, 200, offset, { 'Upload-Offset': offset });
  return ANSWERED;
}
