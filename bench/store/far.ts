/** The drain over a link with a long round trip: what a window per round trip allows, and what comes of it. */
import { join } from "node:path";
import { FaultProxy } from "../../test/support/fault-proxy.ts";
import { makeKnownBacklog } from "./backlog.ts";
import type { Broker } from "./broker.ts";
import { BARE, drainOnce, levelsOf, UPLINK, WINDOW } from "./drain.ts";

export const ROUND_TRIP_MS = 80;

export interface Far {
  readonly variant: string;
  readonly qos: 1 | 2;
  readonly records: number;
  readonly wallMs: number;
  /** Records per second that window / round trip allows: a QoS 2 publish holds its place for two round trips. */
  readonly limit: number;
}

export interface FarPlan {
  readonly dir: string;
  readonly broker: Broker;
  readonly records: number;
}

export async function measureFar({ dir, broker, records: wanted }: FarPlan): Promise<Far[]> {
  const backlog = makeKnownBacklog(join(dir, "far"), wanted);
  const { records } = backlog;
  await using proxy = await new FaultProxy({ to: { host: "127.0.0.1", port: broker.port } }).start();
  proxy.delay(ROUND_TRIP_MS / 2);
  const place = { dir, backlog, broker: { port: proxy.port, protocolVersion: broker.protocolVersion } };
  const measured: Far[] = [];
  for (const qos of levelsOf(broker)) {
    for (const variant of [BARE, UPLINK]) {
      const { wallMs } = await drainOnce(variant, qos, place);
      measured.push({ variant, qos, records, wallMs, limit: (1000 * WINDOW) / (ROUND_TRIP_MS * qos) });
      process.stdout.write(`far QoS ${qos}: ${variant}, ${Math.round(wallMs)} ms\n`);
    }
  }
  return measured;
}
