import { plainStatuses, type Wording } from '../../http/refusing.ts';

/** How this face says no. Old clients read `error` and `status`; ours go by `code` and the members beside it. */
export const wording: Wording = {
  statuses: plainStatuses,

  print: ({ sentence, status, code, details }) => ({
    type: 'application/json; charset=utf-8',
    text: JSON.stringify({ ...details, error: sentence, status, code }),
  }),

  headers: ({ code, details }) => {
    const headers: Record<string, string | number> = {};
    if (code === 'unauthenticated') headers['WWW-Authenticate'] = 'Bearer';
    if (code === 'unavailable') headers['Retry-After'] = 5;
    if (code === 'full') headers['Retry-After'] = 60;
    if (code === 'offset_mismatch') headers['Upload-Offset'] = details['offset'] ?? 0;
    if (code === 'out_of_range') headers['Content-Range'] = `bytes */${details['size'] ?? '*'}`;
    return headers;
  },
};
