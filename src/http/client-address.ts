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
  return sourceOfAddress(addressOf(req));
}

export function sourceOfAddress(address: string): string {
  if (!ipaddr.isValid(address)) return 'unknown';
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  return `${parsed.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}

/** Tells whether an address is one of these, or lies in one of these networks. */
export function within(networks: readonly string[]): (address: string) => boolean {
  const ranges = networks.map((one) => (ipaddr.isValidCIDR(one) ? ipaddr.parseCIDR(one) : hostRange(one)));
  return (address) => {
    if (!ipaddr.isValid(address)) return false;
    const parsed = ipaddr.process(address);
    return ranges.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits));
  };
}

function hostRange(address: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  const parsed = ipaddr.process(address);
  return [parsed, parsed.kind() === 'ipv4' ? 32 : 128];
}
