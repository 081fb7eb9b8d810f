import { plainHeaders, plainStatuses, type Wording } from '../../http/refusing.ts';

/** How the console API says no: `detail` for people, `code` for programs. */
export const wording: Wording = {
  statuses: { ...plainStatuses, malformed: 422, digest_mismatch: 422 },

  print: ({ sentence, code }) => ({ type: 'application/json; charset=utf-8', text: JSON.stringify({ detail: sentence, code }) }),

  headers: plainHeaders,
};
