/** The bucket of a filled store. */
export const fullBucket = 'bench';

export function fullKey(n: number): string {
  return `k${String(n).padStart(8, '0')}`;
}
