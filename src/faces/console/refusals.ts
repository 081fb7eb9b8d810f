import { plainHeaders, plainStatuses, type Wording } from '../../http/refusing.ts';

/** Error format of the console API: `detail` for people, `code` for programs. */
export const wording: Wording = {
  statuses: { ...plainStatuses, malformed: 422, digest_mismatch: 422 },

  // Malformed text is 400 as in every face; 422 is for invalid values of this API.
  finer: ({ details }) => (details['what'] === 'text' ? 400 : undefined),

  print: ({ sentence, code, details }) => ({
    type: 'application/json; charset=utf-8',
    text: JSON.stringify({ detail: sentence, code: details['code'] ?? code }),
  }),

  headers: (refused) => {
    const { retry_after: wait } = refused.details;
    return { ...plainHeaders(refused), ...(wait === undefined ? {} : { 'Retry-After': wait }) };
  },
};
