/** Records in order under one gateway, and how long the bridge takes to be well again. */
import assert from "node:assert/strict";
import { recordBytes } from "../bridge/records.ts";
import { until } from "../support/wait.ts";
import type { BridgeHealth } from "./bridge-process.ts";
import type { Line } from "./line.ts";

const LIMIT_MS = 90_000;

export async function publishRange({ publish }: Line, from: number, to: number): Promise<void> {
  const sent: Promise<void>[] = [];
  for (let seq = from; seq <= to; seq++) sent.push(publish("gw-1", "data/meter-1", recordBytes({ seq })));
  await Promise.all(sent);
}

/** Every number from 1 to `last` is there, once and in order. */
export async function assertAll(line: Line, last: number): Promise<void> {
  const wanted = Array.from({ length: last }, (_, i) => i + 1);
  let seen: number[] = [];
  // A node that has just woken up may still believe that it leads, and show a reader what it had when it fell asleep.
  const isThere = async (): Promise<boolean> => {
    const records = (await line.read("telemetry")).filter(({ headers }) => headers.gateway === "gw-1");
    seen = records.map(({ headers }) => Number(headers.seq));
    return seen.length >= last;
  };
  await until(`${last} records in Kafka`, isThere, LIMIT_MS).catch(() => undefined);
  assert.deepEqual(seen, wanted);
}

/** Waits for that on the health page; the seconds that it took. */
export async function becomes({ bridge }: Line, status: string): Promise<number> {
  const startedMs = performance.now();
  let health: BridgeHealth | undefined;
  const is = async (): Promise<boolean> => {
    health = await bridge.health();
    return health?.status === status;
  };
  await until(`the bridge is ${status}`, is, LIMIT_MS).catch((error: Error) => {
    throw new Error(`${error.message}; ${JSON.stringify(health)} ${bridge.stderr.slice(-2000)}`);
  });
  return (performance.now() - startedMs) / 1000;
}

/** What the table of faults in docs/BRIDGE.md is made of. */
export function told(fault: string, seconds: number): void {
  console.log(`${fault}: well again after ${seconds.toFixed(1)} s`);
}
