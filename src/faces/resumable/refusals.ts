import { STATUS_CODES } from 'node:http';
import { plainAnswers, plainHeaders, type Wording } from '../../http/refusals.ts';

/** Error format of tus: plain text, and 460 for a wrong checksum. */
export const wording: Wording = {
  answers: { ...plainAnswers, digest_mismatch: [460, 'digest_mismatch'] },

  print: ({ sentence }) => ({ type: 'text/plain; charset=utf-8', text: `${sentence}\n` }),

  headers: plainHeaders,
};

/** Error format of the draft: a problem document (RFC 9457). */
export const problemWording: Wording = {
  ...wording,
  answers: plainAnswers,

  print: ({ sentence, status }) => ({
    type: 'application/problem+json',
    text: JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail: sentence }),
  }),
};

/** The same for requests that are refused before a route: their upload is not complete. */
export const draftWording: Wording = {
  ...problemWording,

  headers: (refused) => ({ ...plainHeaders(refused), 'Upload-Complete': '?0' }),
};
