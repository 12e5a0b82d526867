/**
 * Small zstd frames unpacked in one kept context (core/zstd-frames.ts): zstdDecompressSync makes one for each call, which
 * costs ten times what unpacking a record does (22 µs instead of 2.6). For whatever is not a whole sound frame the caller
 * asks zstdDecompressSync.
 */
import { createZstdDecompress } from "node:zlib";
import { MAX_PLAIN_BYTES, ZstdContext } from "../core/zstd-frames.ts";
import type { Keep } from "./arena.ts";

export class Unzstd {
  #context: ZstdContext | undefined;

  /**
   * What the frame unpacks to, as `keep` keeps it, if `accept` takes it (a checksum: a frame that was cut short looks like
   * a sound one); undefined otherwise.
   */
  unpack(frame: Uint8Array, accept: (plain: Buffer) => boolean, keep: Keep): Buffer | undefined {
    this.#context ??= ZstdContext.of(createZstdDecompress(), MAX_PLAIN_BYTES);
    const plain = this.#context?.write(frame);
    if (plain !== undefined && accept(plain)) return keep(plain);
    this.#context?.close();
    this.#context = undefined;
    return undefined;
  }
}
