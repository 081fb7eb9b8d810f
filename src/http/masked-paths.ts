/** Masks paths for logs. Secrets are recognized by their shape, whatever the route. */

const mask = '***';
const longest = 300;

/** Shapes of secrets: tokens, keys and signatures of this server and of its clients. */
const secrets: readonly RegExp[] = [
  // JSON Web Tokens: logins, capabilities, operators.
  /\beyJ[\w-]{4,}(?:\.[\w-]*){0,2}/g,
  // Releasy's download tokens and API keys.
  /releasy_[\w-]+/gi,
  // Secret query parameters, for a client that percent-encoded its question mark.
  /(?:capability|signature|credential|security-?token|token|authorization|password|secret|key|policy)[=:][^&;/]*/gi,
  /\b(?:bearer|basic|aws4-hmac-sha256)[ +][^/]*/gi,
];

/** The path segment that is followed by a token. */
const before = /^downloads$/i;
/** Random text of this length counts as a secret, unless it is a hash in hex. */
const random = /[A-Za-z0-9_+=-]{40,}/g;
const hash = /^(?:[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$/i;

/**
 * The path of a request target for a log: bounded, printable, without query and without possible secrets. It is decoded
 * first, so that no encoding reveals what another hides.
 */
export function maskedPath(target: string): string {
  const path = decoded(target.replace(/^[a-z][\w+.-]*:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0]!);
  // An encoded question mark begins what the client meant as a query.
  const [plain = '', ...query] = path.split('?');
  const segments = plain.split(/[/\\]/);
  const cut = segments.findIndex((segment) => before.test(segment.trim()));
  const rest = cut < 0 ? [] : segments.slice(cut + 1);
  // The routes `/downloads` and `/downloads/token` contain no token.
  const bare = rest.every((segment) => segment === '') || rest.join('/') === 'token';
  const shown = bare ? segments : [...segments.slice(0, cut + 1), mask];
  const text = printable(withoutSecrets(shown.join('/'))) + (query.length > 0 ? `?${mask}` : '');
  return text.length > longest ? `${text.slice(0, longest)}...` : text;
}

function withoutSecrets(text: string): string {
  const known = secrets.reduce((rest, secret) => rest.replace(secret, mask), text);
  return known.replace(random, (found) => (hash.test(found) ? found : mask));
}

/** Decodes repeatedly, up to four times; what cannot be decoded stays. */
function decoded(path: string): string {
  let text = path;
  for (let round = 0; round < 4 && text.includes('%'); round += 1) {
    const next = text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) => {
      try {
        return decodeURIComponent(run);
      } catch {
        return Buffer.from(run.replaceAll('%', ''), 'hex').toString('latin1');
      }
    });
    if (next === text) break;
    text = next;
  }
  return text;
}

function printable(text: string): string {
  return text.replaceAll(/[^\u0020-\u007e]/g, '?');
}
