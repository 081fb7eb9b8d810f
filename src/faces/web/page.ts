import { sendAnswer } from '../../http/responses.ts';
import { ANSWERED, type RouteCall } from '../../http/routes.ts';
import { html, type Html, type HtmlPart } from './html.ts';

/** Allows only this server's style sheet and forms, and no scripts. */
const policy =
  "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

export const pageHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy': policy,
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
  'Cross-Origin-Opener-Policy': 'same-origin',
};

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 5l6-3 6 3v6l-6 3-6-3z' fill='%23c2622d'/%3E%3Cpath d='M2 5l6 3 6-3M8 8v6' stroke='%23fff' fill='none'/%3E%3C/svg%3E";

/** A complete page around its content. */
export function page(title: string, content: HtmlPart, style: 'plain' | 'wide' = 'plain'): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="${icon}">
<link rel="stylesheet" href="/style.css">
</head>
<body class="${style}">
<header><a class="brand" href="/">Stowage</a><nav><a href="/docs">API</a> <a href="/openapi.yaml">openapi.yaml</a></nav></header>
${content}
</body>
</html>
`;
}

export function sendPage({ req, res }: Pick<RouteCall, 'req' | 'res'>, status: number, content: Html): typeof ANSWERED {
  sendAnswer(req, res, { status, type: 'text/html; charset=utf-8', text: content.text, headers: pageHeaders });
  return ANSWERED;
}

/** The URL that the caller used, for commands to copy. */
export function baseOf({ req }: Pick<RouteCall, 'req'>): string {
  const host = req.headers.host ?? '';
  return `http://${/^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(host) ? host : '127.0.0.1:13000'}`;
}
