import { STATUS_CODES } from 'node:http';
import { plainHeaders, plainStatuses, type Wording } from '../../http/refusing.ts';

/** How tus says no: in plain words, and with 460 for a checksum. */
export const wording: Wording = {
  statuses: { ...plainStatuses, digest_mismatch: 460 },

  print: ({ sentence }) => ({ type: 'text/plain; charset=utf-8', text: `${sentence}\n` }),

  headers: plainHeaders,
};

/** How requests of the draft say no: with a problem document (RFC 9457). */
export const problemWording: Wording = {
  ...wording,
  statuses: plainStatuses,

  print: ({ sentence, status }) => ({
    type: 'application/problem+json',
    text: JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail: sentence }),
  }),
};

/** The same for requests that are refused before the protocol sees them: their upload is not complete. */
export const draftWording: Wording = {
  ...problemWording,

  headers: (refused) => ({ ...plainHeaders(refused), 'Upload-Complete': '?0' }),
};
