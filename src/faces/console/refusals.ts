import { plainHeaders, plainStatuses, type Wording } from '../../http/refusing.ts';

/** How the console API says no: `detail` for people, `code` for programs. */
export const wording: Wording = {
  statuses: { ...plainStatuses, malformed: 422, digest_mismatch: 422 },

  // Text that no API takes is no matter of this one's rules.
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
