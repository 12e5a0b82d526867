/** What anybody had been told before the power went: the promises that the file must keep afterwards. */
import type { ToldEntry } from "./order.ts";

interface HandedOver {
  readonly numbers: readonly number[];
  readonly watermark: number;
}

export interface SentRecord {
  readonly sum: string;
  readonly numbers: readonly number[];
}

export class Known {
  /** Numbers of samples and events that `durable_until` covers. */
  readonly durable = new Set<number>();
  /** By identity. */
  readonly sent = new Map<string, SentRecord>();
  readonly acked = new Set<string>();
  /** The highest number handed over; nothing above it exists. */
  lastNumber = 0;
  /** Of the storage thread's last life; 0: it never ran. */
  boot = 0;
  epoch = "";
  /** Promises broken while the power was on. */
  readonly broken: string[] = [];
  #handed: HandedOver[] = [];

  note(entry: ToldEntry): void {
    if (entry.kind === "booted") this.#boot(entry.boot, entry.epoch);
    else if (entry.kind === "handed") {
      this.#handed.push(entry);
      this.lastNumber = Math.max(this.lastNumber, ...entry.numbers);
    } else if (entry.kind === "durable") this.#durable(entry.boot, entry.until);
    else if (entry.kind === "acked") this.acked.add(entry.id);
    else this.#sent(entry.id, entry);
  }

  /** `durable_until` speaks of its own boot only: what the last life had not told is not promised any more. */
  #boot(boot: number, epoch: string): void {
    if (boot <= this.boot) this.broken.push(`boot ${boot} after boot ${this.boot}`);
    if (this.epoch !== "" && epoch !== this.epoch) this.broken.push(`epoch ${epoch} after ${this.epoch}`);
    this.boot = boot;
    this.epoch = epoch;
    this.#handed = [];
  }

  #durable(boot: number, until: number): void {
    if (boot !== this.boot) return;
    const covered = this.#handed.findLastIndex(({ watermark }) => watermark <= until) + 1;
    for (const { numbers } of this.#handed.splice(0, covered)) for (const number of numbers) this.durable.add(number);
  }

  #sent(id: string, { sum, numbers }: SentRecord): void {
    const before = this.sent.get(id);
    if (before !== undefined && before.sum !== sum) this.broken.push(`${id} was sent again with other bytes`);
    this.sent.set(id, { sum, numbers });
  }
}
