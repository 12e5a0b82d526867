/**
 * Bytes that the whole process writes to disks, per UTC day, and what a daily budget makes of the commit interval.
 *
 * Flash wears by what is written, and most of that is commits. What is left of the budget is divided over what is left
 * of the day; while the process writes faster, samples are committed less often, up to once a minute, and nothing is
 * dropped. That lengthens what a power cut can cost (`durable_until` tells it) and delays sealing. Critical records and
 * full memory are committed as ever: the budget can be exceeded, by what must not wait.
 *
 * The day's sum lies in the boot file (../boot.ts): a power cut or SIGKILL makes it forget 8 MiB, or a minute, at most.
 */
import { readFileSync } from "node:fs";

const DAY_MS = 86_400_000;
const MAX_INTERVAL_MS = 60_000;
/** SQLite moves its log every few minutes; a shorter look would take that for the usual. */
const WINDOW_MS = 300_000;

export interface DayWrites {
  /** Days since 1970, UTC. */
  readonly day: number;
  readonly bytes: number;
}

export interface DiskWritesOptions {
  readonly commitIntervalMs: number;
  /** Bytes per day; undefined: no limit. */
  readonly dailyBytes: number | undefined;
  readonly clock: { monoMs(): number; wallMs(): number };
  /** Bytes that this process has written so far; undefined where the system does not tell. */
  readonly read?: () => number | undefined;
}

export class DiskWrites {
  readonly #o: DiskWritesOptions;
  readonly #read: () => number | undefined;
  /** What the system said last. */
  #total: number | undefined;
  #today: { day: number; bytes: number };
  #window: { readonly monoMs: number; readonly bytes: number };
  #intervalMs: number;

  constructor(options: DiskWritesOptions) {
    this.#o = options;
    this.#read = options.read ?? writtenByProcess;
    this.#total = this.#read();
    this.#today = { day: this.#day(), bytes: 0 };
    this.#window = { monoMs: options.clock.monoMs(), bytes: 0 };
    this.#intervalMs = options.commitIntervalMs;
  }

  /** What an earlier process noted of this day counts too. */
  restore(noted: DayWrites | undefined): void {
    if (noted?.day !== this.#today.day) return;
    this.#today.bytes += noted.bytes;
    this.#window = { ...this.#window, bytes: this.#window.bytes + noted.bytes };
  }

  get today(): DayWrites | undefined {
    this.#look();
    return this.#total === undefined ? undefined : { ...this.#today };
  }

  /** How long samples may wait for their commit now, milliseconds. */
  get commitIntervalMs(): number {
    this.#look();
    this.#adjust();
    return this.#intervalMs;
  }

  /** For OutboxStatus. */
  status(): {
    readonly written_today_bytes?: number;
    readonly daily_writes_bytes?: number;
    readonly stretched_commit_interval_ms?: number;
  } {
    const { commitIntervalMs, dailyBytes } = this.#o;
    const { today } = this;
    const stretched = this.#intervalMs > commitIntervalMs;
    return {
      ...(today === undefined ? {} : { written_today_bytes: today.bytes }),
      ...(dailyBytes === undefined ? {} : { daily_writes_bytes: dailyBytes }),
      ...(stretched ? { stretched_commit_interval_ms: Math.round(this.#intervalMs) } : {}),
    };
  }

  #look(): void {
    const total = this.#read();
    const written = total === undefined || this.#total === undefined ? 0 : Math.max(0, total - this.#total);
    this.#total = total;
    const day = this.#day();
    if (day !== this.#today.day) {
      this.#today = { day, bytes: 0 };
      this.#window = { monoMs: this.#o.clock.monoMs(), bytes: 0 };
    }
    this.#today.bytes += written;
  }

  #adjust(): void {
    const { commitIntervalMs, dailyBytes, clock } = this.#o;
    if (dailyBytes === undefined || this.#total === undefined || commitIntervalMs >= MAX_INTERVAL_MS) return;
    const left = dailyBytes - this.#today.bytes;
    const monoMs = clock.monoMs();
    const elapsedMs = monoMs - this.#window.monoMs;
    if (left > 0 && elapsedMs < WINDOW_MS) return;
    const bytes = this.#today.bytes - this.#window.bytes;
    this.#window = { monoMs, bytes: this.#today.bytes };
    const leftMs = DAY_MS - (clock.wallMs() % DAY_MS);
    // Bytes go down as the interval goes up: the ratio of rates is what the interval must be multiplied by.
    const ratio = left > 0 && elapsedMs > 0 ? bytes / elapsedMs / (left / leftMs) : Number.POSITIVE_INFINITY;
    this.#intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(commitIntervalMs, this.#intervalMs * ratio));
  }

  #day(): number {
    return Math.floor(this.#o.clock.wallMs() / DAY_MS);
  }
}

/** `write_bytes` of proc_pid_io(5): what the process caused to be sent to the storage layer. */
function writtenByProcess(): number | undefined {
  try {
    const [, bytes] = /^write_bytes: (\d+)$/m.exec(readFileSync("/proc/self/io", "latin1")) ?? [];
    return bytes === undefined ? undefined : Number(bytes);
  } catch {
    return undefined;
  }
}
