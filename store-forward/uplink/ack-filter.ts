/**
 * Takes acknowledgements out of the bytes that a server sends and leaves all else to mqtt.js, whose parser makes
 * 1 KB of garbage of each. Whatever is no short, well-formed acknowledgement (MQTT 5 3.4, 3.5, 3.7) is left to it, too.
 */

export type AckCommand = "puback" | "pubrec" | "pubcomp";
/** False: mqtt.js is to see it. */
export type TakeAck = (command: AckCommand, id: number, reasonCode: number) => boolean;

/** By first byte: type, and flags that are zero. */
const COMMANDS: ReadonlyMap<number, AckCommand> = new Map([
  [0x40, "puback"],
  [0x50, "pubrec"],
  [0x70, "pubcomp"],
]);
/** Of a remaining length (MQTT 5 1.5.5). */
const MOST_LENGTH_BYTES = 4;

export class AckFilter {
  readonly #take: TakeAck;
  /** Of a packet that is passed on: bytes that are to come. */
  #passing = 0;
  /** The beginning of a packet that is not whole. */
  #held: Buffer | undefined;

  constructor(take: TakeAck) {
    this.#take = take;
  }

  /** What of `chunk`, and of bytes held back before it, is for mqtt.js, in order. */
  rest(chunk: Buffer): readonly Buffer[] {
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    const rest: Buffer[] = [];
    this.#held = undefined;
    let from = 0;
    let at = this.#pass(this.#passing, bytes.length);
    while (at < bytes.length) {
      const size = packetBytes(bytes, at);
      const command = size <= 0x81 && size >= 4 ? COMMANDS.get(bytes[at] as number) : undefined;
      const whole = at + size <= bytes.length;
      if (size === 0 || (command !== undefined && !whole)) {
        this.#held = Buffer.from(bytes.subarray(at));
        break;
      }
      if (command !== undefined && this.#took(command, bytes, at)) {
        if (at > from) rest.push(bytes.subarray(from, at));
        at += size;
        from = at;
      } else at += this.#pass(size, bytes.length - at);
    }
    if (at > from) rest.push(bytes.subarray(from, at));
    return rest;
  }

  #took(command: AckCommand, bytes: Buffer, at: number): boolean {
    const reasonCode = (bytes[at + 1] as number) > 2 ? (bytes[at + 4] as number) : 0;
    return this.#take(command, bytes.readUInt16BE(at + 2), reasonCode);
  }

  /** Of `size` bytes, those that are here. */
  #pass(size: number, here: number): number {
    this.#passing = Math.max(0, size - here);
    return Math.min(size, here);
  }
}

/** Bytes of the packet that begins at `at`; 0: that is not known yet; Infinity: it is none, and nothing after it is. */
function packetBytes(bytes: Buffer, at: number): number {
  let length = 0;
  for (let i = 0; i < MOST_LENGTH_BYTES; i++) {
    const byte = bytes[at + 1 + i];
    if (byte === undefined) return 0;
    length += (byte & 0x7f) * 0x80 ** i;
    if (byte < 0x80) return 2 + i + length;
  }
  return Number.POSITIVE_INFINITY;
}
