/** The bucket that is full. */
export const fullBucket = 'bench';

export function fullKey(n: number): string {
  return `k${String(n).padStart(8, '0')}`;
}
