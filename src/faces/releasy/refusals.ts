import type { Reason } from '../../core/refusal.ts';
import { plainAnswers, plainHeaders, type Answers, type Wording } from '../../http/refusals.ts';

/** Default `code` for each status. */
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

const inOwnWords = Object.fromEntries(
  Object.entries(plainAnswers).map(([reason, [status, , sentence]]) => [
    reason as Reason,
    [status, codes[status] ?? 'internal_error', sentence],
  ]),
) as unknown as Answers;

/** Error format of Releasy. Clients match on the messages. */
export const wording: Wording = {
  answers: {
    ...inOwnWords,
    bad_type: [415, 'unsupported_media_type'],
    bad_shape: [422, 'unprocessable_entity'],
    key_too_long: [400, 'bad_request', 'object_key is too long'],
    other_slot: [400, 'bad_request', 'object_key does not match release or platform'],
    slot_empty: [400, 'object_missing', 'there is no object at object_key'],
    size_mismatch: [400, 'size_mismatch'],
    checksum_mismatch: [400, 'checksum_mismatch'],
    ends_too_early: [400, 'bad_request', 'ends_at must be greater than or equal to starts_at'],
    idempotency_conflict: [409, 'idempotency_conflict'],
    idempotency_in_progress: [409, 'idempotency_in_progress'],
    not_ready: [409, 'conflict'],
  },

  print: ({ reason, sentence, code, details }) => {
    const { request_id: request } = details;
    const error = {
      code: reason === 'internal' ? 'internal_error' : code,
      message: sentence,
      ...(request === undefined ? {} : { request_id: request }),
    };
    return { type: 'application/json; charset=utf-8', text: JSON.stringify({ error }) };
  },

  headers: plainHeaders,
};
