import { plainStatuses, type Wording } from '../../http/refusing.ts';

/** How the console API says no: `detail` for people, `code` for programs. */
export const wording: Wording = {
  statuses: { ...plainStatuses, malformed: 422, digest_mismatch: 422 },

  print: ({ sentence, code, details }) => ({ type: 'application/json; charset=utf-8', text: JSON.stringify({ detail: sentence, code: details['code'] ?? code }) }),

  headers: ({ code, details }) => {
    const headers: Record<string, string | number> = {};
    if (code === 'unauthenticated') headers['WWW-Authenticate'] = 'Bearer';
    if (code === 'unavailable') headers['Retry-After'] = '5';
    if (details['retry_after'] !== undefined) headers['Retry-After'] = details['retry_after'];
    return headers;
  },
};
