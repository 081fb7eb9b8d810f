import { plainHeaders, plainStatuses, type Wording } from '../../http/refusing.ts';

/** How this face says no. Old clients read `error` and `status`; ours go by `code` and the members beside it. */
export const wording: Wording = {
  statuses: plainStatuses,

  print: ({ sentence, status, code, details }) => ({
    type: 'application/json; charset=utf-8',
    text: JSON.stringify({ ...details, error: sentence, status, code }),
  }),

  headers: plainHeaders,
};
