/** The client's address, from the connection and from trusted proxies. */
import type { Request } from 'express';
import ipaddr from 'ipaddr.js';

/** The client's address. Express applies its `trust proxy` setting. */
export function addressOf(req: Request): string {
  const address = req.ip ?? req.socket.remoteAddress ?? '';
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** The address for rate limits: for IPv6 the /64 prefix, because a customer of a provider has at least that. */
export function clientAddressOf(req: Request): string {
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

/** Returns a test for whether an address is in the list or in one of its networks. */
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
