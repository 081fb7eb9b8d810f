import { plainStatuses, type Wording } from '../../http/refusing.ts';

/** How tus says no: in plain words, and with 460 for a checksum. */
export const wording: Wording = {
  statuses: { ...plainStatuses, digest_mismatch: 460 },

  print: ({ sentence }) => ({ type: 'text/plain; charset=utf-8', text: `${sentence}\n` }),

  headers: ({ code, details }) => {
    const headers: Record<string, string | number> = {};
    if (code === 'unauthenticated') headers['WWW-Authenticate'] = 'Bearer';
    if (code === 'unavailable') headers['Retry-After'] = 5;
    if (code === 'full') headers['Retry-After'] = 60;
    if (code === 'offset_mismatch') headers['Upload-Offset'] = details['offset'] ?? 0;
    return headers;
  },
};

/** How the other resumable requests say no. */
export const plainWording: Wording = { ...wording, statuses: plainStatuses };
