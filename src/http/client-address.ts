/** Whose request it is, as far as its connection and the proxies that are trusted can tell. */
import type { Request } from 'express';
import ipaddr from 'ipaddr.js';

/** The client's address: behind a trusted proxy, the one that it names. Express decides by its setting `trust proxy`. */
export function addressOf(req: Request): string {
  const address = req.ip ?? req.socket.remoteAddress ?? '';
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** The address as limits count it: of IPv6 the first 64 bits, as each customer of a provider has at least those. */
export function sourceOf(req: Request): string {
  const address = addressOf(req);
  if (!ipaddr.isValid(address)) return 'unknown';
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  return `${parsed.parts.slice(0, 4).map((part) => part.toString(16)).join(':')}::/64`;
}
