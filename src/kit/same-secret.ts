import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether two secrets are the same; how long that takes tells nothing. */
export function sameSecret(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => createHash('sha256').update(text).digest()) as [Buffer, Buffer];
  return timingSafeEqual(a, b);
}
