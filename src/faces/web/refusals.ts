import { plainAnswers, plainHeaders, type Wording } from '../../http/refusals.ts';
import { html } from './html.ts';
import { page, pageHeaders } from './page.ts';

/** Error pages. */
export const wording: Wording = {
  answers: plainAnswers,

  print: ({ sentence, details }) => ({
    type: 'text/html; charset=utf-8',
    text: page(
      'Stowage: error',
      html`
<main>
<h1>The request failed</h1>
<p class="lead">${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.</p>
${details['request_id'] === undefined ? undefined : html`<p>Details are in the server's log, under the id <code>${details['request_id']}</code>.</p>`}
<p><a href="/">Back to the front page</a></p>
</main>`,
    ).text,
  }),

  headers: (refused) => ({ ...pageHeaders, ...plainHeaders(refused) }),
};
