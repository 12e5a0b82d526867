/**
 * zstd frames of small payloads. Node's zstdCompressSync and zstdDecompressSync make a context for each call, which costs
 * three times what compressing a record does; so the context of one stream is kept, and each of its writes is a frame.
 * That takes two internals of Node's zlib streams (the same since zlib has been in Node). Where they are not as expected,
 * Node's own functions do it: the same bytes, slower.
 */
import {
  createZstdCompress,
  createZstdDecompress,
  type ZstdOptions,
  constants as zlib,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";

/** Larger payloads are not worth it: there the context is the smaller part. */
export const MAX_PLAIN_BYTES = 64 * 1024;

interface Handle {
  /** Flush mode, input, its offset and length, output, its offset and length; what is left of both is in the state. */
  writeSync(...args: [number, Uint8Array, number, number, Uint8Array, number, number]): void;
}

type Stream = NodeJS.EventEmitter & { destroy(): void };

/** A stream's context with one output for all it writes. */
export class ZstdContext {
  readonly #handle: Handle;
  /** Bytes left in the output, and in the input. */
  readonly #left: Uint32Array;
  readonly #out: Buffer;
  readonly #stream: Stream;

  private constructor(stream: Stream, { handle, left, out }: { handle: Handle; left: Uint32Array; out: Buffer }) {
    this.#stream = stream;
    this.#handle = handle;
    this.#left = left;
    this.#out = out;
  }

  /** Undefined where Node's internals are not as expected. */
  static of(stream: Stream, outBytes: number): ZstdContext | undefined {
    // It would be thrown out of the event loop; what did not work shows in what is left.
    stream.on("error", () => {});
    const { _handle: handle, _writeState: left } = stream as { _handle?: Partial<Handle>; _writeState?: unknown };
    if (typeof handle?.writeSync !== "function" || !(left instanceof Uint32Array)) return undefined;
    return new ZstdContext(stream, { handle: handle as Handle, left, out: Buffer.allocUnsafeSlow(outBytes) });
  }

  /** Whatever came in stays in the context: a spent one must not be used again, which would end the process. */
  close(): void {
    this.#stream.destroy();
  }

  /**
   * All of `input`, until the next call; undefined when it did not work or the output is too small: then the context is
   * spent.
   */
  write(input: Uint8Array): Buffer | undefined {
    const out = this.#out;
    // An error leaves both as they were.
    this.#left[0] = 0;
    this.#left[1] = 1;
    this.#handle.writeSync(zlib.ZSTD_e_end, input, 0, input.length, out, 0, out.length);
    const outLeft = this.#left[0] as number;
    return this.#left[1] === 0 && outLeft > 0 ? out.subarray(0, out.length - outLeft) : undefined;
  }
}

export class ZstdFrames {
  readonly #options: ZstdOptions;
  readonly #maxPlainBytes: number;
  /** Made with the first frame: not every thread that could compress does. */
  #context: ZstdContext | undefined;
  #usable = true;

  /** Larger ones than `maxPlainBytes`, for which room is kept, get a context each. */
  constructor(options: ZstdOptions = {}, maxPlainBytes: number = MAX_PLAIN_BYTES) {
    this.#options = options;
    this.#maxPlainBytes = maxPlainBytes;
  }

  /** `plain` as one frame. */
  compress(plain: Uint8Array): Buffer {
    return Buffer.from(this.view(plain));
  }

  /** The same in memory that the next call writes to. */
  view(plain: Uint8Array): Buffer {
    if (!this.#usable || plain.length > this.#maxPlainBytes) return zstdCompressSync(plain, this.#options);
    this.#context ??= ZstdContext.of(createZstdCompress(this.#options), frameBound(this.#maxPlainBytes));
    const frame = this.#context?.write(plain);
    this.#usable = frame !== undefined;
    return frame ?? zstdCompressSync(plain, this.#options);
  }
}

/** What small frames hold; each must be whole, and no more than `maxBytes` come out of it. */
export class ZstdPlains {
  readonly #maxBytes: number;
  #context: ZstdContext | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Throws what zstdDecompressSync throws. */
  decompress(frame: Uint8Array): Buffer {
    return Buffer.from(this.view(frame));
  }

  /** The same in memory that the next call writes to. */
  view(frame: Uint8Array): Buffer {
    this.#context ??= ZstdContext.of(createZstdDecompress(), MAX_PLAIN_BYTES);
    const plain = this.#context?.write(frame);
    if (plain !== undefined) return plain;
    // Broken, or larger than most: the context is somewhere within that frame.
    this.#context?.close();
    this.#context = undefined;
    return zstdDecompressSync(frame, { maxOutputLength: this.#maxBytes });
  }
}

/** No less than ZSTD_compressBound. */
function frameBound(plainBytes: number): number {
  return plainBytes + (plainBytes >> 8) + 64;
}
