import { GatewayClock } from "../core/gateway-clock.ts";
import { bootFileOf, leastWallMs, nextBoot, readBootFile } from "../store-forward/boot.ts";
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
  const clock = new GatewayClock({ synced: await clockIsTrusted(Date.now()), leastMs: leastWallMs(previous) });
  return { clock, likelyBoot: nextBoot(previous, 0, clock.wallUs() / 1000) };
}
