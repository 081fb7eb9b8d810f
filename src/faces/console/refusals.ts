import { plainAnswers, plainHeaders, type Wording } from '../../http/refusals.ts';

/** Error format of the console API: `detail` for people, `code` for programs. */
export const wording: Wording = {
  answers: {
    ...plainAnswers,
    // Malformed text is 400 as in every face; 422 is for invalid values of this API.
    malformed: [422, 'malformed'],
    bad_bucket_name: [422, 'malformed'],
    digest_mismatch: [422, 'digest_mismatch'],
    // Hides another namespace's bucket. A limit of the caller's own access key stays `forbidden`.
    foreign_bucket: [404, 'not_found', 'bucket not found'],
  },

  print: ({ sentence, code }) => ({
    type: 'application/json; charset=utf-8',
    text: JSON.stringify({ detail: sentence, code }),
  }),

  headers: plainHeaders,
};
