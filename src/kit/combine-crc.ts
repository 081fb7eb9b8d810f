/** CRCs of two runs of bytes made into the CRC of both, without the bytes: by powers of a matrix over bits, as zlib does it. */

export interface CrcKind {
  readonly width: 32 | 64;
  /** Reflected. */
  readonly polynomial: bigint;
}

/** Those that are reflected, and begin and end inverted. */
export const crcs: Readonly<Record<string, CrcKind>> = {
  crc32: { width: 32, polynomial: 0xedb88320n },
  crc32c: { width: 32, polynomial: 0x82f63b78n },
  crc64nvme: { width: 64, polynomial: 0x9a6c9329ac4bc9b5n },
};

/** @param size bytes of the second run. */
export function combineCrc({ width, polynomial }: CrcKind, first: bigint, second: bigint, size: number): bigint {
  // What one zero bit behind the bytes does to a CRC; squared, what two do, and so on.
  let step = [polynomial, ...Array.from({ length: width - 1 }, (_, bit) => 1n << BigInt(bit))];
  for (let doubling = 0; doubling < 3; doubling += 1) step = squared(step);
  let crc = first;
  for (let left = BigInt(size); left > 0n; left >>= 1n) {
    if (left & 1n) crc = times(step, crc);
    step = squared(step);
  }
  return crc ^ second;
}

function times(matrix: readonly bigint[], vector: bigint): bigint {
  let sum = 0n;
  for (let bit = 0, left = vector; left > 0n; bit += 1, left >>= 1n) {
    if (left & 1n) sum ^= matrix[bit]!;
  }
  return sum;
}

function squared(matrix: readonly bigint[]): bigint[] {
  return matrix.map((column) => times(matrix, column));
}
