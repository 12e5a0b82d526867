/** Checksums of the simulated wires, bit by bit: a table would only be faster. */

/** CRC-16 of Modbus RTU (polynomial 0xA001 reflected, initial value 0xFFFF); its low byte goes first on the wire. */
export function crc16Modbus(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return crc;
}

/** CRC-8, polynomial 0x85, initial value 0, not reflected: the seal of some battery frames. */
export function crc8(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x80) === 0 ? (crc << 1) & 0xff : ((crc << 1) ^ 0x85) & 0xff;
  }
  return crc;
}
