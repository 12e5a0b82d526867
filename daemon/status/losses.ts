/** Samples that were lost a short while ago, with what helps against it: the technician is still there. */
import type { OutboxStatus } from "../../store-forward/protocol.ts";

type Drops = OutboxStatus["drops"];
type Reason = Extract<keyof Drops, string>;

/** Told so long after the last of them. */
const TOLD_MS = 60 * 60_000;

const REMEDIES: Readonly<Record<Reason, string>> = {
  full: "no room for more, the oldest went first; bring the uplink back, raise store.max_size or free the volume",
  overload: "more than could be stored; a slow disk, or values that come too fast",
  corrupt: "what was stored is damaged; replace the SD card or disk",
  rejected: "refused by the server for good; they are kept as dead letters, see the log",
  expired: "older than store.expire_after before the cloud took them; bring the uplink back",
};

export class RecentLosses {
  readonly #lost = new Map<Reason, { samples: number; monoMs: number }>();

  /** What was dropped since the gateway's start. `monoMs`: when that was told. */
  take(drops: Drops, monoMs: number): void {
    for (const [reason, samples] of Object.entries(drops) as [Reason, number][]) {
      const before = this.#lost.get(reason)?.samples ?? 0;
      if (samples !== before) this.#lost.set(reason, { samples, monoMs });
    }
  }

  /** A sentence for each reason that took samples in the last hour. */
  problems(monoMs: number): string[] {
    const recent = [...this.#lost].filter(([, lost]) => lost.samples > 0 && monoMs - lost.monoMs < TOLD_MS);
    return recent.map(
      ([reason, { samples }]) => `outbox: ${samples} samples lost since the start (${reason}): ${REMEDIES[reason]}`,
    );
  }
}
