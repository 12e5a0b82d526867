/**
 * Follows MQTT fixed headers (MQTT-2.2) through a byte stream and says when a packet announces more than it may have.
 * The broker's parser has no limit of its own: it would collect up to 256 MiB before it looks at a packet.
 */
export class PacketGuard {
  readonly #maxBytes: number;
  #inHeader = false;
  #length = 0;
  #multiplier = 1;
  #skip = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False when a packet is larger than allowed or its length is malformed; the connection is to be closed. */
  feed(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at);
        this.#skip -= step;
        at += step;
      } else if (this.#inHeader) {
        if (!this.#lengthByte(chunk[at] as number)) return false;
        at++;
      } else {
        this.#inHeader = true;
        this.#length = 0;
        this.#multiplier = 1;
        at++;
      }
    }
    return true;
  }

  #lengthByte(byte: number): boolean {
    this.#length += (byte & 0x7f) * this.#multiplier;
    this.#multiplier *= 128;
    if ((byte & 0x80) === 0) {
      this.#inHeader = false;
      this.#skip = this.#length;
      return this.#length <= this.#maxBytes;
    }
    // MQTT-2.2.3: at most four bytes
    return this.#multiplier < 128 ** 4;
  }
}
