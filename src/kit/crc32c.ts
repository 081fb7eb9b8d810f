/** CRC-32C (Castagnoli), as RFC 3720 appendix B.4 has it. */

const polynomial = 0x82f63b78;

/** Eight tables, so that eight bytes take one turn. */
const tables = Array.from({ length: 8 }, () => new Int32Array(256));
for (let byte = 0; byte < 256; byte += 1) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  tables[0]![byte] = crc;
}
for (let byte = 0; byte < 256; byte += 1) {
  for (let table = 1; table < 8; table += 1) {
    const before = tables[table - 1]![byte]!;
    tables[table]![byte] = (before >>> 8) ^ tables[0]![before & 0xff]!;
  }
}
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array];

export class Crc32c {
  #crc = -1;

  update(bytes: Uint8Array): this {
    let crc = this.#crc;
    let at = 0;
    for (const end = bytes.length - 7; at < end; at += 8) {
      crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      crc =
        t7[crc & 0xff]! ^ t6[(crc >>> 8) & 0xff]! ^ t5[(crc >>> 16) & 0xff]! ^ t4[crc >>> 24]! ^
        t3[bytes[at + 4]!]! ^ t2[bytes[at + 5]!]! ^ t1[bytes[at + 6]!]! ^ t0[bytes[at + 7]!]!;
    }
    for (; at < bytes.length; at += 1) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]!) & 0xff]!;
    this.#crc = crc;
    return this;
  }

  /** Big-endian, as everyone prints it. */
  digest(_encoding: 'hex'): string {
    return ((this.#crc ^ -1) >>> 0).toString(16).padStart(8, '0');
  }
}
