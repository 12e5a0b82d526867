/** How a record's bytes travel. Compression is transport (DESIGN invariant 3): it may differ between sends. */
import { constants as zlib } from "node:zlib";
import { birthIdOf } from "../../core/signals.ts";
import { ZstdFrames } from "../../core/zstd-frames.ts";

/** What a record travels as: valid until the next call of any. */
export type Framing = (plain: Buffer) => Buffer;

/** Plain, or one zstd frame where that is smaller: in a backlog, where time counts. Level 3: 2 % less, 30 % slower. */
export const plainFraming: Framing = framingAt(1);

/** About 4 % fewer bytes for 40 µs a record; higher levels hardly give more. Where nothing waits behind it, it pays. */
export const closeFraming: Framing = framingAt(12);

function framingAt(level: number): Framing {
  const frames = new ZstdFrames({ params: { [zlib.ZSTD_c_compressionLevel]: level } });
  return (plain) => {
    const frame = frames.view(plain);
    return frame.length < plain.length ? frame : plain;
  };
}

/** `BZ1` + the birth's id (4 bytes) + a zstd frame with the birth as raw dictionary (core/record.ts), where smaller. */
export function birthFraming(birth: Uint8Array): Framing {
  const frames = new ZstdFrames({ dictionary: Buffer.from(birth) });
  const head = Buffer.concat([Buffer.from("BZ1", "latin1"), Buffer.from(birthIdOf(birth), "hex")]);
  return (plain) => {
    const framed = Buffer.concat([head, frames.view(plain)]);
    const other = plainFraming(plain);
    return framed.length < other.length ? framed : other;
  };
}

export interface Road {
  readonly metered: boolean;
  /** The server keeps a birth for every reader. */
  readonly retain: boolean;
}

/** Which framing one link's records get. */
export class Packing {
  readonly #usesBirth: boolean;
  #last: { readonly birth: Uint8Array; readonly framing: Framing } | undefined;

  constructor({ metered, retain }: Road) {
    this.#usesBirth = metered && retain;
  }

  /** `birth`: the newest that the server has acknowledged. */
  framing(backlog: boolean, birth: Uint8Array | undefined): Framing {
    if (!this.#usesBirth || birth === undefined) return backlog ? plainFraming : closeFraming;
    if (this.#last?.birth !== birth) this.#last = { birth, framing: birthFraming(birth) };
    return this.#last.framing;
  }
}
