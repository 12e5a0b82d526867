/** Who is on the bus: reports a device that falls silent, and counts what its frames were discarded for. */
import type { Clock } from "../../core/clock.ts";
import { BusbarError } from "../../core/errors.ts";
import type { BusState } from "./bus-state.ts";
import type { DeviceModel } from "./model.ts";
import type { Outcome } from "./route.ts";

export interface Reporter {
  readonly clock: Clock;
  report(asset: string, error: BusbarError | undefined): void;
}

interface Presence {
  readonly maxAgeMs: number;
  lastGoodMs: number;
  /** Frames without a value since the last good one, and why. */
  spoilt: number;
  why: Outcome;
}

const WHY: Readonly<Record<Outcome, string>> = {
  good: "",
  absent: "",
  checksum: "with a wrong checksum",
  short: "shorter than the profile says",
  bad: "without a valid value",
};

export class PresenceWatch {
  readonly #label: string;
  readonly #reporter: Reporter;
  readonly #devices = new Map<string, Presence>();

  constructor(label: string, devices: readonly DeviceModel[], reporter: Reporter) {
    const now = reporter.clock.monoMs();
    this.#label = label;
    this.#reporter = reporter;
    for (const { asset, maxAgeMs } of devices) {
      this.#devices.set(asset.id, { maxAgeMs, lastGoodMs: now, spoilt: 0, why: "good" });
    }
  }

  /** How often `look` is due. */
  get intervalMs(): number {
    const shortest = Math.min(...[...this.#devices.values()].map(({ maxAgeMs }) => maxAgeMs));
    return Math.min(Math.max(shortest / 4, 25), 1000);
  }

  saw(asset: string, outcome: Outcome): void {
    const presence = this.#devices.get(asset);
    if (presence === undefined) return;
    if (outcome === "good" || outcome === "absent" || outcome === "bad") {
      presence.lastGoodMs = this.#reporter.clock.monoMs();
      presence.spoilt = 0;
      this.#reporter.report(asset, undefined);
    } else {
      presence.spoilt++;
      presence.why = outcome;
    }
  }

  /** Reports every device whose frames have been missing for its `max_age`. */
  look(): void {
    const now = this.#reporter.clock.monoMs();
    for (const [asset, presence] of this.#devices) {
      if (now - presence.lastGoodMs < presence.maxAgeMs) continue;
      this.#reporter.report(
        asset,
        presence.spoilt === 0 ? this.#silent(asset, presence) : this.#garbled(asset, presence),
      );
    }
  }

  /** A bus that is off says so at once, for everybody on it. */
  busLost({ state, remedy }: BusState): void {
    for (const asset of this.#devices.keys()) {
      this.#reporter.report(asset, new BusbarError("BUS_UNREACHABLE", `${this.#label}: ${state}`, { remedy }));
    }
  }

  #silent(asset: string, { maxAgeMs }: Presence): BusbarError {
    const remedy = "is the ignition on, the wiring right, the bitrate that of the bus?";
    return new BusbarError("DEVICE_TIMEOUT", `${this.#label} ${asset}: no frame in ${maxAgeMs} ms`, { remedy });
  }

  #garbled(asset: string, { spoilt, why }: Presence): BusbarError {
    const remedy = "check the wiring, and that the profile fits the device";
    return new BusbarError("DEVICE_GARBLED", `${this.#label} ${asset}: ${spoilt} frames ${WHY[why]}`, { remedy });
  }
}
