/**
 * What is sent in one turn of the event loop leaves in one write. Its buffers serve again once the socket has taken
 * them: a drain writes megabytes a second.
 */
import type { Writable } from "node:stream";

const CHUNK_BYTES = 64 * 1024;
/** Below that a copy costs less than what a chunk would hold back on a slow link. */
const FEW_BYTES = CHUNK_BYTES / 8;
const CHUNKS_KEPT = 2;

export class Outbound {
  readonly #stream: Writable;
  readonly #spare: Buffer[] = [];
  #chunk: Buffer | undefined;
  #used = 0;
  #scheduled = false;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Where the next bytes begin in what `room` gives. */
  get at(): number {
    return this.#used;
  }

  /** A buffer with at least so many bytes from `at` on; `wrote` follows at once. */
  room(bytes: number): Buffer {
    if (this.#chunk !== undefined && this.#chunk.length - this.#used < bytes) this.flush();
    this.#chunk ??= this.#fresh(bytes);
    return this.#chunk;
  }

  wrote(end: number): void {
    this.#used = end;
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  /** Hands over what waits, now. */
  flush(): void {
    const [chunk, used] = [this.#chunk, this.#used];
    if (chunk === undefined || used === 0 || this.#stream.destroyed) return;
    this.#used = 0;
    if (used < FEW_BYTES) {
      this.#stream.write(Buffer.from(chunk.subarray(0, used)));
      return;
    }
    this.#chunk = undefined;
    this.#stream.write(chunk.subarray(0, used), () => {
      if (this.#spare.length < CHUNKS_KEPT && chunk.length === CHUNK_BYTES) this.#spare.push(chunk);
    });
  }

  #fresh(room: number): Buffer {
    if (room > CHUNK_BYTES) return Buffer.allocUnsafeSlow(room);
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  }
}
