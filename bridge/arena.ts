/**
 * Memory for what one batch unpacks to, which serves again for the next: buffers of its own for thousands of records a
 * second are half of what the collector would run for.
 */

/** A copy of bytes that are about to be written over. */
export type Keep = (bytes: Uint8Array) => Buffer;

const SLAB_BYTES = 256 * 1024;
/** What a batch of the usual size takes; what a larger one took is let go. */
const MOST_KEPT = 4;

export class Arena {
  #slabs: Buffer[] = [];
  /** The slab that is being filled, and how far. */
  #at = 0;
  #filled = 0;

  /** Its copies hold until `reuse`. */
  readonly keep: Keep = (bytes) => {
    if (bytes.length > SLAB_BYTES) return Buffer.from(bytes);
    if (this.#filled + bytes.length > SLAB_BYTES) {
      this.#at++;
      this.#filled = 0;
    }
    this.#slabs[this.#at] ??= Buffer.allocUnsafeSlow(SLAB_BYTES);
    const slab = this.#slabs[this.#at] as Buffer;
    const from = this.#filled;
    slab.set(bytes, from);
    this.#filled += bytes.length;
    return slab.subarray(from, this.#filled);
  };

  /** To be called when nobody will look at any of the copies again. */
  reuse(): void {
    this.#slabs.length = Math.min(this.#slabs.length, MOST_KEPT);
    this.#at = 0;
    this.#filled = 0;
  }
}
