/**
 * CRC-32C (Castagnoli, RFC 3720 B.4), which Kafka's batches carry and Node does not offer: eight bytes at a time with
 * eight tables, three times as fast as byte by byte.
 */
const POLYNOMIAL = 0x82f63b78;
const AT_ONCE = 8;
const TABLES = makeTables();

/** Of `bytes` from `from` on; not negative. */
export function crc32c(bytes: Uint8Array, from = 0): number {
  const table = TABLES;
  const end = bytes.length;
  let crc = -1;
  let at = from;
  for (const last = end - AT_ONCE; at <= last; at += AT_ONCE) {
    crc ^= word(bytes, at);
    const high = word(bytes, at + 4);
    crc =
      (table[1792 + (crc & 0xff)] as number) ^
      (table[1536 + ((crc >>> 8) & 0xff)] as number) ^
      (table[1280 + ((crc >>> 16) & 0xff)] as number) ^
      (table[1024 + (crc >>> 24)] as number) ^
      (table[768 + (high & 0xff)] as number) ^
      (table[512 + ((high >>> 8) & 0xff)] as number) ^
      (table[256 + ((high >>> 16) & 0xff)] as number) ^
      (table[high >>> 24] as number);
  }
  for (; at < end; at++) crc = (table[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

function word(bytes: Uint8Array, at: number): number {
  const [a, b, c, d] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]] as [number, number, number, number];
  return a | (b << 8) | (c << 16) | (d << 24);
}

/** Table n: what a byte does that n more bytes follow. */
function makeTables(): Int32Array {
  const tables = new Int32Array(256 * AT_ONCE);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] as number;
    tables[at] = (before >>> 8) ^ (tables[before & 0xff] as number);
  }
  return tables;
}
