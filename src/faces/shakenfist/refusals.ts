import { plainHeaders, plainStatuses, type Wording } from '../../http/refusing.ts';

/** Error format of this face. Old clients read `error` and `status`; new ones read `code` and the details. */
export const wording: Wording = {
  statuses: plainStatuses,

  print: ({ sentence, status, code, details }) => ({
    type: 'application/json; charset=utf-8',
    text: JSON.stringify({ ...details, error: sentence, status, code }),
  }),

  headers: plainHeaders,
};
