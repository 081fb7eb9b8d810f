import { plainAnswers, plainHeaders, type Wording } from '../../http/refusals.ts';

/** Additional members that Stowage's clients read. */
const marks: Partial<Record<string, object>> = { bad_text: { what: 'text' }, locked: { locked: 'yes' } };

/** Error format of this face. Old clients read `error` and `status`; new ones read `code` and the details. */
export const wording: Wording = {
  answers: {
    ...plainAnswers,
    reserved_source: [400, 'malformed', 'source_url has a scheme that is reserved for the server'],
  },

  print: ({ reason, sentence, status, code, details }) => ({
    type: 'application/json; charset=utf-8',
    text: JSON.stringify({ ...details, ...marks[reason], error: sentence, status, code }),
  }),

  headers: plainHeaders,
};
