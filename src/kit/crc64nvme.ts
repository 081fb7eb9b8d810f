/** CRC-64/NVME, as the NVM Express base specification has it. Sixty-four bits are two halves here: numbers hold no more. */

/** Reflected: 0x9a6c9329ac4bc9b5. */
const polynomial = { high: 0x9a6c9329 | 0, low: 0xac4bc9b5 | 0 };

/** Eight tables of two halves, so that eight bytes take one turn. */
const highs = Array.from({ length: 8 }, () => new Int32Array(256));
const lows = Array.from({ length: 8 }, () => new Int32Array(256));
for (let byte = 0; byte < 256; byte += 1) {
  let high = 0;
  let low = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    const odd = low & 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (odd) {
      high ^= polynomial.high;
      low ^= polynomial.low;
    }
  }
  highs[0]![byte] = high;
  lows[0]![byte] = low;
}
for (let table = 1; table < 8; table += 1) {
  for (let byte = 0; byte < 256; byte += 1) {
    const high = highs[table - 1]![byte]!;
    const low = lows[table - 1]![byte]!;
    highs[table]![byte] = (high >>> 8) ^ highs[0]![low & 0xff]!;
    lows[table]![byte] = (low >>> 8) ^ (high << 24) ^ lows[0]![low & 0xff]!;
  }
}

export class Crc64Nvme {
  #high = -1;
  #low = -1;

  update(bytes: Uint8Array): this {
    let high = this.#high;
    let low = this.#low;
    let at = 0;
    for (const end = bytes.length - 7; at < end; at += 8) {
      low ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      high ^= bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
      const [a, b, c, d] = [low & 0xff, (low >>> 8) & 0xff, (low >>> 16) & 0xff, low >>> 24];
      const [e, f, g, h] = [high & 0xff, (high >>> 8) & 0xff, (high >>> 16) & 0xff, high >>> 24];
      high = highs[7]![a]! ^ highs[6]![b]! ^ highs[5]![c]! ^ highs[4]![d]! ^ highs[3]![e]! ^ highs[2]![f]! ^ highs[1]![g]! ^ highs[0]![h]!;
      low = lows[7]![a]! ^ lows[6]![b]! ^ lows[5]![c]! ^ lows[4]![d]! ^ lows[3]![e]! ^ lows[2]![f]! ^ lows[1]![g]! ^ lows[0]![h]!;
    }
    for (; at < bytes.length; at += 1) {
      const entry = (low ^ bytes[at]!) & 0xff;
      low = (low >>> 8) ^ (high << 24) ^ lows[0]![entry]!;
      high = (high >>> 8) ^ highs[0]![entry]!;
    }
    this.#high = high;
    this.#low = low;
    return this;
  }

  /** Big-endian, as everyone prints it. */
  digest(_encoding: 'hex'): string {
    const half = (value: number): string => ((value ^ -1) >>> 0).toString(16).padStart(8, '0');
    return half(this.#high) + half(this.#low);
  }
}
