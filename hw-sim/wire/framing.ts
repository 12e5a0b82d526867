/** What a line's two framings (MBAP over TCP, RTU) have in common. */

export interface Request {
  readonly unit: number;
  /** Function code and data, without address and checksum. */
  readonly pdu: Uint8Array;
  /** Of MBAP; 0 on RTU. */
  readonly transaction: number;
}

/** Takes bytes as they come, however they are cut; resynchronises after garbage. */
export interface RequestParser {
  push(bytes: Uint8Array): Request[];
  /** Nothing came for a while: what waits for its rest is no request. */
  pause(): Request[];
  /** Bytes that belonged to no request. */
  readonly discarded: number;
}

export interface Framing {
  parser(): RequestParser;
  encode(request: Request, pdu: Uint8Array): Uint8Array;
  /** As long as the real frame, and never valid. */
  garble(request: Request, pdu: Uint8Array, random: () => number): Uint8Array;
  /** A silence of so many milliseconds ends a frame; undefined: length is all that counts. */
  readonly silenceMs: number | undefined;
}

export function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
