import { plainHeaders, plainStatuses, type Wording } from '../../http/refusing.ts';

/** Default `code` for each status; `details.code` overrides it. */
const codes: Readonly<Record<number, string>> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  412: 'precondition_failed',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  416: 'range_not_satisfiable',
  422: 'unprocessable_entity',
  429: 'too_many_requests',
  503: 'service_unavailable',
  507: 'insufficient_storage',
};

/** Error format of Releasy. Clients match on the messages. */
export const wording: Wording = {
  statuses: { ...plainStatuses, not_ready: 409 },

  finer: ({ details }) => (details['what'] === 'type' ? 415 : details['what'] === 'shape' ? 422 : undefined),

  print: ({ sentence, status, details }) => {
    const { request_id: request } = details;
    const error = {
      code: details['code'] ?? codes[status] ?? 'internal_error',
      message: sentence,
      ...(request === undefined ? {} : { request_id: request }),
    };
    return { type: 'application/json; charset=utf-8', text: JSON.stringify({ error }) };
  },

  headers: (refused) => {
    const { retry_after: wait } = refused.details;
    return { ...plainHeaders(refused), ...(wait === undefined ? {} : { 'Retry-After': wait }) };
  },
};
