/** What was handed over and is not committed yet: bounded memory that drops its oldest and keeps count. */
import type { Overload } from "../protocol.ts";
import { type Span, spanOf } from "./rows.ts";
import { Watermark } from "./watermark.ts";

/** How long a dead disk is bridged without loss: about ten minutes of 1,000 samples per second. */
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_CRITICAL = 1000;

export interface PendingBatches extends Span {
  readonly bytes: Uint8Array;
  readonly synced: boolean;
}

export interface PendingCritical {
  readonly kind: "event" | "session" | "time" | "gap";
  readonly asset?: string;
  readonly t0: number;
  readonly body: string;
  /** `t0` is true; undefined: as at the commit. */
  readonly synced?: boolean;
}

export interface HandedOver {
  readonly bytes: Uint8Array;
  readonly samples: number;
  readonly watermark: number;
  readonly synced: boolean;
  readonly era?: number;
  readonly overload?: Overload;
}

/** Losses that no gap tells yet. */
export interface Losses {
  readonly overload: Overload | undefined;
  readonly corrupt: Overload | undefined;
  /** Critical records that found no room. */
  readonly critical: Overload | undefined;
}

export class Pending {
  #batches: PendingBatches[] = [];
  #critical: PendingCritical[] = [];
  #overload: Overload | undefined;
  #corrupt: Overload | undefined;
  #lostCritical: Overload | undefined;
  #bytes = 0;
  #newestMs = 0;
  /** Until when what was handed over is on disk. */
  readonly watermark = new Watermark();

  get bytes(): number {
    return this.#bytes;
  }
  /** Time of the newest sample that was taken since the clock jumped last, milliseconds since 1970; 0: none. */
  get newestMs(): number {
    return this.#newestMs;
  }
  get hasCritical(): boolean {
    return this.#critical.length > 0;
  }
  get losses(): Losses {
    return { overload: this.#overload, corrupt: this.#corrupt, critical: this.#lostCritical };
  }
  get critical(): readonly PendingCritical[] {
    return this.#critical;
  }

  /** Never throws: bytes that are no batches are counted and told as corrupt. */
  take({ bytes, samples, watermark, synced, era, overload }: HandedOver): void {
    if (overload !== undefined) this.#overload = merge(this.#overload, overload);
    if ((era ?? 0) !== this.watermark.era) this.#newestMs = 0;
    if (bytes.length === 0) {
      this.watermark.take({ watermark, era }, Number.POSITIVE_INFINITY);
      return;
    }
    try {
      const span = spanOf(bytes);
      this.watermark.take({ watermark, era }, span.t0);
      this.#newestMs = Math.max(this.#newestMs, span.t1);
      this.#batches.push({ bytes, synced, ...span });
    } catch {
      this.watermark.take({ watermark, era }, watermark);
      this.#corrupt = merge(this.#corrupt, { samples, t0: watermark, t1: watermark });
      return;
    }
    this.#bytes += bytes.length;
    while (this.#bytes > MAX_BYTES && this.#batches.length > 1) this.#dropOldest();
  }

  /** Samples that were committed and are gone from the disk: they go first again. */
  takeBack(rows: readonly { readonly raw: Uint8Array; readonly sync: number }[]): void {
    const batches = rows.map(({ raw, sync }) => ({ bytes: raw, synced: sync === 1, ...spanOf(raw) }));
    this.#batches = [...batches, ...this.#batches];
    this.#bytes += bytesOf(batches);
  }

  takeCritical(record: PendingCritical): void {
    this.#critical.push(record);
    if (this.#critical.length <= MAX_CRITICAL) return;
    const { t0 = 0 } = this.#critical.shift() ?? {};
    this.#lostCritical = merge(this.#lostCritical, { samples: 1, t0, t1: t0 });
  }

  /** The oldest batches of up to `maxBytes` (at least one), still held until `committed`. */
  slice(maxBytes: number): readonly PendingBatches[] {
    let bytes = 0;
    const end = this.#batches.findIndex((batch, index) => {
      bytes += batch.bytes.length;
      return index > 0 && bytes > maxBytes;
    });
    return end === -1 ? this.#batches : this.#batches.slice(0, end);
  }

  /** The first `batches` hand-offs, every critical record and every loss are on disk. */
  committed(batches: number): void {
    for (const { bytes } of this.#batches.slice(0, batches)) this.#bytes -= bytes.length;
    this.#batches = this.#batches.slice(batches);
    this.#critical = [];
    this.#overload = undefined;
    this.#corrupt = undefined;
    this.#lostCritical = undefined;
  }

  /** The last slice is on disk: if nothing came since, what was handed over is durable. */
  allCommitted(): void {
    if (this.#bytes === 0) this.watermark.committed();
  }

  #dropOldest(): void {
    const oldest = this.#batches.shift();
    if (oldest === undefined) return;
    this.#bytes -= oldest.bytes.length;
    this.#overload = merge(this.#overload, oldest);
  }
}

export function bytesOf(batches: readonly { readonly bytes: Uint8Array }[]): number {
  return batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** One loss that covers both. */
export function merge(one: Overload | undefined, other: Overload): Overload {
  if (one === undefined) return { samples: other.samples, t0: other.t0, t1: other.t1 };
  return {
    samples: one.samples + other.samples,
    t0: Math.min(one.t0, other.t0),
    t1: Math.max(one.t1, other.t1),
  };
}
