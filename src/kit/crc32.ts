import { crc32 } from 'node:zlib';

/** CRC-32 (ISO-HDLC), the one of zip and Ethernet. */
export class Crc32 {
  #crc = 0;

  update(bytes: Uint8Array): this {
    this.#crc = crc32(bytes, this.#crc);
    return this;
  }

  /** Big-endian, as everyone prints it. */
  digest(_encoding: 'hex'): string {
    return this.#crc.toString(16).padStart(8, '0');
  }
}
