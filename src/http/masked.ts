/** Paths as a log may hold them. What may be a secret is told by its shape, whatever route matched, or none. */

const mask = '***';
const longest = 300;

/** What a secret looks like wherever it stands: tokens, keys and signatures of this server and of those it speaks with. */
const secrets: readonly RegExp[] = [
  // JSON Web Tokens: logins, capabilities, operators.
  /\beyJ[\w-]{4,}(?:\.[\w-]*){0,2}/g,
  // What Releasy's clients are given: download tokens and API keys.
  /releasy_[\w-]+/gi,
  // A parameter whose value proves something, where a client encoded its question mark.
  /(?:capability|signature|credential|security-?token|token|authorization|password|secret|key|policy)[=:][^&;/]*/gi,
  /\b(?:bearer|basic|aws4-hmac-sha256)[ +][^/]*/gi,
];

/** The segment of a path behind which there is nothing but a secret. */
const before = /^downloads$/i;
/** Random text of this length and more is taken for a secret, unless it is a hash in hex. */
const random = /[A-Za-z0-9_+=-]{40,}/g;
const hash = /^(?:[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$/i;

/**
 * The path of a request target, for a log: bounded, in printable characters, without its query and without what may be a
 * secret. It works on the decoded path, so that no way of writing a path shows what another one hides.
 */
export function maskedPath(target: string): string {
  const path = decoded(target.replace(/^[a-z][\w+.-]*:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0]!);
  // A question mark that was encoded begins what its sender meant for a query.
  const [plain = '', ...query] = path.split('?');
  const segments = plain.split(/[/\\]/);
  const cut = segments.findIndex((segment) => before.test(segment.trim()));
  const rest = cut < 0 ? [] : segments.slice(cut + 1);
  // Where a token is made, its route has a word of its own.
  const bare = rest.every((segment) => segment === '') || rest.join('/') === 'token';
  const shown = bare ? segments : [...segments.slice(0, cut + 1), mask];
  const text = printable(withoutSecrets(shown.join('/'))) + (query.length > 0 ? `?${mask}` : '');
  return text.length > longest ? `${text.slice(0, longest)}...` : text;
}

function withoutSecrets(text: string): string {
  const known = secrets.reduce((rest, secret) => rest.replace(secret, mask), text);
  return known.replace(random, (found) => (hash.test(found) ? found : mask));
}

/** Decoded as often as it was encoded, within reason; what cannot be decoded stays as it is. */
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
