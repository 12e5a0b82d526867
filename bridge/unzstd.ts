/**
 * Small zstd frames unpacked in the context of one stream: zstdDecompressSync makes a context for each call, which costs
 * ten times what unpacking a record does (22 µs instead of 2.6). It takes two internals of Node's zlib streams; where they
 * are not as expected, and for whatever is not a whole sound frame, the caller asks zstdDecompressSync.
 */
import { createZstdDecompress, constants as zlib } from "node:zlib";

/** Larger output is not worth it: there the context is the smaller part. */
const MAX_PLAIN_BYTES = 64 * 1024;
const UNTOUCHED = 0xffff_ffff;

interface Handle {
  /** Flush mode, input, its offset and length, output, its offset and length; what is left of both is in the state. */
  writeSync(...args: [number, Uint8Array, number, number, Uint8Array, number, number]): void;
}

interface Context {
  readonly handle: Handle;
  readonly stream: { readonly destroyed: boolean; destroy(): void };
  /** Bytes left in the output, and in the input. */
  readonly left: Uint32Array;
  readonly out: Buffer;
}

export class Unzstd {
  #context: Context | undefined;

  /**
   * What the frame unpacks to, if `accept` takes it (a checksum: a frame that was cut short looks like a sound one);
   * undefined otherwise.
   */
  unpack(frame: Uint8Array, accept: (plain: Buffer) => boolean): Buffer | undefined {
    this.#context ??= contextOf();
    const plain = this.#context === undefined ? undefined : plainOf(this.#context, frame);
    if (plain !== undefined && accept(plain)) return Buffer.from(plain);
    // Whatever came in stays in the context, and a broken frame closes it: using it again would end this process.
    this.#context?.stream.destroy();
    this.#context = undefined;
    return undefined;
  }
}

function plainOf({ handle, stream, left, out }: Context, frame: Uint8Array): Buffer | undefined {
  left[0] = UNTOUCHED;
  left[1] = UNTOUCHED;
  handle.writeSync(zlib.ZSTD_e_end, frame, 0, frame.length, out, 0, out.length);
  const outLeft = left[0] as number;
  const whole = !stream.destroyed && left[1] === 0 && outLeft > 0 && outLeft <= out.length;
  return whole ? out.subarray(0, out.length - outLeft) : undefined;
}

function contextOf(): Context | undefined {
  const stream = createZstdDecompress();
  // It would be thrown out of the event loop; `destroyed` tells.
  stream.on("error", () => {});
  const { _handle: handle, _writeState: left } = stream as { _handle?: Partial<Handle>; _writeState?: unknown };
  if (typeof handle?.writeSync !== "function" || !(left instanceof Uint32Array)) return undefined;
  return { handle: handle as Handle, stream, left, out: Buffer.allocUnsafeSlow(MAX_PLAIN_BYTES) };
}
