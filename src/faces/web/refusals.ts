import type { Wording } from '../../http/refusing.ts';
import { html } from './html.ts';
import { page, pageHeaders } from './page.ts';

/** How pages say no. */
export const wording: Wording = {
  statuses: {
    malformed: 400,
    unauthenticated: 401,
    forbidden: 403,
    not_found: 404,
    conflict: 409,
    offset_mismatch: 409,
    digest_mismatch: 400,
    too_large: 413,
    interrupted: 400,
    superseded: 409,
    not_ready: 406,
    precondition: 412,
    out_of_range: 416,
    full: 507,
    unavailable: 503,
    lost: 500,
  },

  print: ({ sentence, details }) => ({
    type: 'text/html; charset=utf-8',
    text: page('Stowage: that did not work', html`
<main>
<h1>That did not work</h1>
<p class="lead">${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.</p>
${details['request_id'] === undefined ? undefined : html`<p>The server's log has more, under the id <code>${details['request_id']}</code>.</p>`}
<p><a href="/">Back to the front page</a></p>
</main>`).text,
  }),

  headers: ({ code }) => ({ ...pageHeaders, ...(code === 'unavailable' ? { 'Retry-After': 5 } : {}) }),
};
