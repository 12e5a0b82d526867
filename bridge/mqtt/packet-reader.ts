/**
 * What is read → publishes and other packets. Publishes that are nothing but topic and payload, nearly all, are read here:
 * two views of what was read, where mqtt-packet's parser makes a dozen objects (0.3 µs instead of 1.1). All other packets
 * go to that parser, whole, and what is malformed, which it then says.
 */
export interface PacketSink {
  /** `messageId` is undefined at QoS 0. */
  publish(topic: string, payload: Buffer, messageId: number | undefined): void;
  other(packet: Buffer): void;
}

const PUBLISH = 3;
const MAX_LENGTH_BYTES = 4;
const NO_PROPERTIES = 0;

export class PacketReader {
  readonly #withProperties: boolean;
  readonly #sink: PacketSink;
  /** The first bytes of a packet whose length is not known yet. */
  #head: Buffer | undefined;
  /** A packet that came in part, with room for all of it. */
  #begun: Buffer | undefined;
  #filled = 0;

  /** `withProperties`: MQTT 5. */
  constructor(withProperties: boolean, sink: PacketSink) {
    this.#withProperties = withProperties;
    this.#sink = sink;
  }

  read(chunk: Buffer): void {
    const bytes = this.#head === undefined ? chunk : Buffer.concat([this.#head, chunk]);
    this.#head = undefined;
    let at = this.#begun === undefined ? 0 : this.#fill(this.#begun, bytes);
    while (at < bytes.length) {
      const body = bodyOf(bytes, at);
      if (body === 0) {
        // The next chunk may be long in coming, and a view would hold all of this one.
        this.#head = Buffer.from(bytes.subarray(at));
        return;
      }
      if (body < 0) {
        this.#sink.other(bytes.subarray(at));
        return;
      }
      const end = body + lengthIn(bytes, at + 1);
      if (end > bytes.length) {
        this.#begun = Buffer.allocUnsafe(end - at);
        this.#filled = bytes.copy(this.#begun, 0, at);
        return;
      }
      this.#packet(bytes, at, { body, end });
      at = end;
    }
  }

  /** How many bytes of the chunk were the packet's. */
  #fill(begun: Buffer, chunk: Buffer): number {
    const copied = chunk.copy(begun, this.#filled);
    this.#filled += copied;
    if (this.#filled < begun.length) return copied;
    this.#begun = undefined;
    this.#packet(begun, 0, { body: bodyOf(begun, 0), end: begun.length });
    return copied;
  }

  #packet(bytes: Buffer, at: number, { body, end }: { readonly body: number; readonly end: number }): void {
    const first = bytes[at] as number;
    const qos = (first >> 1) & 3;
    if (first >> 4 !== PUBLISH || qos > 1) {
      this.#sink.other(bytes.subarray(at, end));
      return;
    }
    const topicEnd = body + 2 + uint16(bytes, body);
    const idEnd = topicEnd + 2 * qos;
    const payloadAt = this.#withProperties ? idEnd + 1 : idEnd;
    if (payloadAt > end || (this.#withProperties && bytes[idEnd] !== NO_PROPERTIES)) {
      this.#sink.other(bytes.subarray(at, end));
      return;
    }
    const topic = bytes.toString("utf8", body + 2, topicEnd);
    this.#sink.publish(topic, bytes.subarray(payloadAt, end), qos === 0 ? undefined : uint16(bytes, topicEnd));
  }
}

/** Where the body of the packet at `at` begins; 0 when that much is not there yet, -1 for a length of too many bytes. */
function bodyOf(bytes: Buffer, at: number): number {
  for (let i = at + 1; i <= at + MAX_LENGTH_BYTES; i++) {
    const byte = bytes[i];
    if (byte === undefined) return 0;
    if (byte < 0x80) return i + 1;
  }
  return -1;
}

/** Seven bits a byte, the lowest first (MQTT 5, 1.5.5). */
function lengthIn(bytes: Buffer, at: number): number {
  let value = 0;
  for (let i = at, shift = 0; ; i++, shift += 7) {
    const byte = bytes[i] as number;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

function uint16(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
