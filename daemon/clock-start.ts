import { GatewayClock } from "../core/gateway-clock.ts";
import { BUILD_DATE_MS, bootFileOf, nextBoot, readBootFile } from "../store-forward/boot.ts";
import { clockIsTrusted } from "./clock-trust.ts";

export interface Start {
  /** On the system clock when that is true, else on the latest time that is known. */
  readonly clock: GatewayClock;
  /** The number that this start will have, unless the boot file and the outbox disagree. */
  readonly likelyBoot: number;
}

/** What the gateway knows of time and of its former lives when it starts. */
export async function startClock(storePath: string): Promise<Start> {
  const previous = readBootFile(bootFileOf(storePath));
  const leastMs = Math.max(previous?.wallMs ?? 0, BUILD_DATE_MS);
  const clock = new GatewayClock({ synced: await clockIsTrusted(Date.now()), leastMs });
  return { clock, likelyBoot: nextBoot(previous, 0, clock.wallUs() / 1000) };
}
