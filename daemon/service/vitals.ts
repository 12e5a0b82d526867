/**
 * Whether the gateway lives (DESIGN invariant 9): what each part showed of itself, and who shows nothing any more.
 *
 * - The field thread: whoever asks here runs on it.
 * - The status thread and the storage thread: they say something at least once a second. One that is dead is started
 *   again and told in the log; that, and a thread that still opens its files, is given half an hour.
 * - Storage: what was told to be durable moves, or the outbox is known to be unwritable (a full disk is no hang). The
 *   field thread hands over a watermark twice a second, so there is always something to commit.
 * - A source: a batch, a report of one of its devices, a new attempt; or it is known to be bad. One that asks its devices
 *   seldom may be silent as long as its most frequent value lives.
 */
import type { OutboxStatus } from "../../store-forward/protocol.ts";

/** Opening an outbox may mean to salvage gigabytes from an old card. */
const OPENING_MS = 30 * 60_000;

export type WatchedThread = "storage" | "status";

/** What a source shows of itself. */
export interface Pulse {
  readonly id: string;
  /** Changes with everything that it does. */
  readonly moves: number;
  /** Its trouble is told; that it goes on trying is its supervisor's business. */
  readonly knownBad: boolean;
  /** How long it may have nothing to do (milliseconds). */
  readonly restMs: number;
}

interface ThreadLife {
  ready: boolean;
  /** Ready: when it said something last. Else: since when it is waited for. */
  atMs: number;
}

export class Vitals {
  readonly #commitIntervalMs: number;
  readonly #threads: Readonly<Record<WatchedThread, ThreadLife>>;
  readonly #sources = new Map<string, { moves: number; movedMs: number; pulse: Pulse }>();
  #durable = "";
  #durableMs: number;
  #slowestCommitMs = 0;

  constructor(options: { readonly commitIntervalMs: number; readonly nowMs: number }) {
    const { commitIntervalMs, nowMs } = options;
    this.#commitIntervalMs = commitIntervalMs;
    this.#threads = { storage: { ready: false, atMs: nowMs }, status: { ready: false, atMs: nowMs } };
    this.#durableMs = nowMs;
  }

  threadReady(name: WatchedThread, nowMs: number): void {
    this.#threads[name].ready = true;
    this.threadSpoke(name, nowMs);
    if (name === "storage") this.#durableMs = nowMs;
  }

  /** It died, and is started again. */
  threadLost(name: WatchedThread, nowMs: number): void {
    this.#threads[name].ready = false;
    this.#threads[name].atMs = nowMs;
  }

  threadSpoke(name: WatchedThread, nowMs: number): void {
    if (this.#threads[name].ready) this.#threads[name].atMs = nowMs;
  }

  outbox(
    status: Pick<OutboxStatus, "state" | "durable_until" | "clock_jumps" | "stretched_commit_interval_ms">,
    nowMs: number,
  ): void {
    this.#slowestCommitMs = Math.max(this.#commitIntervalMs, status.stretched_commit_interval_ms ?? 0);
    const durable = `${status.clock_jumps ?? 0} ${status.durable_until}`;
    if (durable !== this.#durable || status.state === "unwritable") this.#durableMs = nowMs;
    this.#durable = durable;
  }

  sources(pulses: readonly Pulse[], nowMs: number): void {
    for (const pulse of pulses) {
      const before = this.#sources.get(pulse.id);
      const moved = before === undefined || before.moves !== pulse.moves || pulse.knownBad;
      this.#sources.set(pulse.id, { moves: pulse.moves, movedMs: moved ? nowMs : before.movedMs, pulse });
    }
  }

  /** Nothing at all ran for so long: that counts for nobody. */
  slept(ms: number): void {
    for (const thread of Object.values(this.#threads)) thread.atMs += ms;
    for (const source of this.#sources.values()) source.movedMs += ms;
    this.#durableMs += ms;
  }

  /** Who made no progress for `limitMs` when it should have, in words; empty: all is well. */
  starving(limitMs: number, nowMs: number): string[] {
    return [
      ...this.#threadStarves("status", limitMs, nowMs),
      ...this.#threadStarves("storage", limitMs, nowMs),
      ...this.#storageStarves(limitMs, nowMs),
      ...[...this.#sources.values()].flatMap(({ movedMs, pulse }) => {
        const silentMs = nowMs - movedMs;
        return silentMs > limitMs + pulse.restMs
          ? [`source ${pulse.id}: no sign of life for ${seconds(silentMs)}`]
          : [];
      }),
    ];
  }

  #threadStarves(name: WatchedThread, limitMs: number, nowMs: number): string[] {
    const { ready, atMs } = this.#threads[name];
    const silentMs = nowMs - atMs;
    if (silentMs <= (ready ? limitMs : OPENING_MS)) return [];
    return [`the ${name} thread ${ready ? "hangs: silent" : "does not start: waited"} for ${seconds(silentMs)}`];
  }

  #storageStarves(limitMs: number, nowMs: number): string[] {
    const silentMs = nowMs - this.#durableMs;
    const { ready, atMs } = this.#threads.storage;
    // A thread that hangs commits nothing either: told once.
    if (!ready || nowMs - atMs > limitMs || silentMs <= limitMs + 2 * this.#slowestCommitMs) return [];
    return [`storage: nothing became durable for ${seconds(silentMs)}`];
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
