/** Computes the CRC of concatenated byte ranges from their CRCs alone, by polynomial arithmetic as in zlib. */

interface CrcKind {
  readonly width: 32 | 64;
  /** Reflected: the highest bit is the coefficient of x^0. */
  readonly polynomial: bigint;
}

/** CRCs with reflected bits and inverted initial and final values. */
const crcs: Readonly<Record<string, CrcKind>> = {
  crc32: { width: 32, polynomial: 0xedb88320n },
  crc32c: { width: 32, polynomial: 0x82f63b78n },
  crc64nvme: { width: 64, polynomial: 0x9a6c9329ac4bc9b5n },
};

/** A byte range. */
export interface CrcRange {
  /** CRC in hexadecimal. */
  readonly crc: string;
  /** Length in bytes. */
  readonly size: number;
}

/** The CRC of the concatenated ranges in hexadecimal; undefined if digests of the algorithm cannot be combined. */
export function combineCrcs(
  algorithm: string,
  [first, ...others]: readonly [CrcRange, ...CrcRange[]],
): string | undefined {
  const kind = crcs[algorithm];
  if (!kind) return undefined;
  // The power is the expensive part, and most ranges have the same size.
  const powers = new Map<number, bigint>();
  const crc = others.reduce((before, run) => {
    const power = powers.get(run.size) ?? powerOf(kind, run.size);
    powers.set(run.size, power);
    return product(kind, power, before) ^ numberOf(run);
  }, numberOf(first));
  return crc.toString(16).padStart(kind.width / 4, '0');
}

function numberOf({ crc }: CrcRange): bigint {
  return BigInt(`0x${crc}`);
}

/** x^(8 * size) modulo the polynomial: the factor by which `size` zero bytes multiply a CRC. */
function powerOf(kind: CrcKind, size: number): bigint {
  let result = 1n << BigInt(kind.width - 1);
  let square = 1n << BigInt(kind.width - 9);
  for (let left = BigInt(size); left > 0n; left >>= 1n) {
    if (left & 1n) result = product(kind, square, result);
    square = product(kind, square, square);
  }
  return result;
}

/** Product of two polynomials modulo the polynomial of the CRC. */
function product({ width, polynomial }: CrcKind, one: bigint, other: bigint): bigint {
  let sum = 0n;
  let shifted = other;
  for (let bit = 1n << BigInt(width - 1); bit > 0n; bit >>= 1n) {
    if (one & bit) sum ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ polynomial : shifted >> 1n;
  }
  return sum;
}
