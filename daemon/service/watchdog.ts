/** Feeds systemd's watchdog while the gateway lives (vitals.ts), and tells who starves it before systemd acts. */
import type { Logger } from "../../core/log.ts";
import type { Notifier } from "./notify.ts";
import type { Vitals } from "./vitals.ts";

/** Of `WatchdogSec=`: how long a part may make no progress. After that and one more of it systemd restarts the gateway. */
const PATIENCE = 2;
const FEEDS_PER_PERIOD = 3;

export interface WatchdogOptions {
  readonly notifier: Pick<Notifier, "open" | "watchdogMs" | "alive">;
  readonly log: Pick<Logger, "error" | "warn">;
}

export class Watchdog {
  readonly #o: WatchdogOptions;
  #fedMs = Number.NEGATIVE_INFINITY;
  #checkedMs: number | undefined;
  #told = "";

  constructor(options: WatchdogOptions) {
    this.#o = options;
  }

  /** Called several times in each period, on the field thread: that it is called at all shows that this one lives. Returns who starves it. */
  check(vitals: Pick<Vitals, "starving" | "slept">, nowMs: number): readonly string[] {
    const { notifier } = this.#o;
    // Nothing ran here for a while: the machine was suspended or stood still, and nobody else could show anything.
    const pauseMs = nowMs - (this.#checkedMs ?? nowMs);
    if (pauseMs > notifier.watchdogMs / FEEDS_PER_PERIOD) vitals.slept(pauseMs);
    this.#checkedMs = nowMs;
    const starving = vitals.starving(PATIENCE * notifier.watchdogMs, nowMs);
    this.#tell(starving);
    if (starving.length === 0 && nowMs - this.#fedMs >= notifier.watchdogMs / FEEDS_PER_PERIOD) {
      this.#fedMs = nowMs;
      notifier.alive();
    }
    return starving;
  }

  #tell(starving: readonly string[]): void {
    const { notifier, log } = this.#o;
    // Without the seconds: they change with every look.
    const text = starving.map((one) => one.replace(/ \d+ s$/, "")).join("\n");
    if (text === this.#told) return;
    this.#told = text;
    if (starving.length === 0) log.warn("everything makes progress again");
    const what = notifier.open ? "the watchdog is not fed: systemd restarts the gateway" : "restart the gateway";
    for (const one of starving) log.error(`${one}; ${what}`);
  }
}
