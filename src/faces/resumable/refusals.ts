import { plainHeaders, plainStatuses, type Wording } from '../../http/refusing.ts';

/** How tus says no: in plain words, and with 460 for a checksum. */
export const wording: Wording = {
  statuses: { ...plainStatuses, digest_mismatch: 460 },

  print: ({ sentence }) => ({ type: 'text/plain; charset=utf-8', text: `${sentence}\n` }),

  headers: plainHeaders,
};

/** How the other resumable requests say no. */
export const plainWording: Wording = { ...wording, statuses: plainStatuses };
