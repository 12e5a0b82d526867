import { GatewayClock } from "../core/gateway-clock.ts";
import { BUILD_DATE_MS, bootFileOf, readBootFile } from "../store-forward/boot.ts";
import { clockIsTrusted } from "./clock-trust.ts";

/** The gateway's clock at start: on the system clock when that is true, else on the latest time that is known. */
export async function startClock(storePath: string): Promise<GatewayClock> {
  const storedMs = readBootFile(bootFileOf(storePath))?.wallMs ?? 0;
  return new GatewayClock({ synced: await clockIsTrusted(Date.now()), leastMs: Math.max(storedMs, BUILD_DATE_MS) });
}
