/** Critical records that the field thread writes: events, and gaps of what was on a bus and reached nobody. */
import type { GatewayClock } from "../core/gateway-clock.ts";
import type { Gap } from "../core/record.ts";
import type { ClockStepEvent } from "./clock-keeper.ts";
import type { SourceEvent } from "./source.ts";
import { GATEWAY_ASSET } from "./status/host-signals.ts";
import type { Threads } from "./threads.ts";

/** Milliseconds since 1970. */
type Span = Pick<Gap, "t0" | "t1">;

export interface CriticalOptions {
  readonly clock: Pick<GatewayClock, "wallUs" | "synced">;
  readonly threads: Pick<Threads, "toStorage" | "toStatus">;
}

export class CriticalRecords {
  readonly #o: CriticalOptions;
  #epoch: string | undefined;
  /** Gaps that wait for storage to tell the epoch. */
  #held: Span[] = [];

  constructor(options: CriticalOptions) {
    this.#o = options;
  }

  /** Storage takes messages, under that epoch. */
  storageReady(epoch: string): void {
    this.#epoch = epoch;
    for (const span of this.#held.splice(0)) this.#gap(span);
  }

  /** One that tells of lost frames has a gap beside it. */
  event(event: SourceEvent | ClockStepEvent): void {
    const { asset = GATEWAY_ASSET, ...rest } = { asset: undefined, ...event };
    const t0 = this.#nowMs();
    this.#tell("event", { asset, t0, body: `"event":${JSON.stringify(rest)}` });
    this.#o.threads.toStatus({ type: "event", event: { ts: t0, ...event } });
    if (event.type === "frames-lost") this.#gap({ t0: event.from, t1: event.to });
  }

  /** Samples may be missing between these times: how many, nobody knows (docs/decisions/0008). */
  #gap({ t0, t1 }: Span): void {
    const epoch = this.#epoch;
    if (epoch === undefined) {
      this.#held.push({ t0, t1 });
      return;
    }
    const gap: Gap = { c: "t", epoch, from: null, to: null, samples: null, reason: "overload", t0, t1 };
    this.#tell("gap", { t0: this.#nowMs(), body: `"gap":${JSON.stringify(gap)}` });
  }

  #nowMs(): number {
    return Math.floor(this.#o.clock.wallUs() / 1000);
  }

  #tell(kind: "event" | "gap", record: { readonly asset?: string; readonly t0: number; readonly body: string }): void {
    this.#o.threads.toStorage({ type: "critical", kind, ...record, synced: this.#o.clock.synced });
  }
}
