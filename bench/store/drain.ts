/** A backlog to a broker: outbox and uplink beside a bare mqtt.js loop that has the same payloads in memory. */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { startNode } from "../support/process.ts";
import { type KnownBacklog, makeKnownBacklog } from "./backlog.ts";
import type { Broker } from "./broker.ts";
import type { Usage } from "./usage.ts";

export const UPLINK = "outbox and uplink";
export const BARE = "bare mqtt.js loop";
export const WINDOW = 100;

const CHILD = new URL("./drain-child.ts", import.meta.url);
const DRAIN_MS = 60_000;

/** Over MQTT 3.1.1 the uplink sends QoS 2 one at a time, which compares with nothing. */
export function levelsOf({ protocolVersion }: Broker): readonly (1 | 2)[] {
  return protocolVersion === 5 ? [1, 2] : [1];
}

export interface DrainPlan {
  readonly dir: string;
  readonly broker: Broker;
  readonly rounds: number;
  readonly records: number;
}

export interface Drained extends Usage {
  readonly variant: string;
  readonly qos: 1 | 2;
  readonly round: number;
  readonly records: number;
  readonly samples: number;
  readonly payloadBytes: number;
}

export async function measureDrain({ dir, broker, rounds, records }: DrainPlan): Promise<Drained[]> {
  const backlog = makeKnownBacklog(join(dir, "near"), records);
  const measured: Drained[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const qos of levelsOf(broker)) {
      const order = round % 2 === 0 ? [BARE, UPLINK] : [UPLINK, BARE];
      for (const variant of order) {
        const used = await drainOnce(variant, qos, { dir, broker, backlog });
        process.stdout.write(`drain QoS ${qos} round ${round + 1}: ${variant}, ${Math.round(used.wallMs)} ms\n`);
        const { records, samples, payloadBytes } = backlog;
        measured.push({ variant, qos, round, records, samples, payloadBytes, ...used });
      }
    }
  }
  return measured;
}

export interface DrainPlace {
  readonly dir: string;
  readonly broker: Pick<Broker, "port" | "protocolVersion">;
  readonly backlog: KnownBacklog;
}

/** One variant once, the uplink on a copy of the backlog. */
export async function drainOnce(variant: string, qos: 1 | 2, { dir, broker, backlog }: DrainPlace): Promise<Usage> {
  const copy = join(dir, "drain");
  const numbers = [broker.port, broker.protocolVersion, qos, WINDOW, backlog.records].map(String);
  if (variant === UPLINK) cpSync(backlog.storeDir, copy, { recursive: true });
  const source = variant === UPLINK ? ["uplink", copy] : ["bare", backlog.payloadFile];
  const child = startNode(variant, CHILD, [...source, ...numbers]);
  try {
    return await child.message<Usage>(DRAIN_MS);
  } finally {
    await child.stop();
    rmSync(copy, { recursive: true, force: true });
  }
}
