import { setTimeout as sleep } from "node:timers/promises";
import { answers, freePort } from "../../test/support/wait.ts";
import { startBroker } from "../latency/gateway.ts";
import { type Running, startNode } from "../support/process.ts";

const CLOUD = new URL("../../hw-sim/cloud.ts", import.meta.url);
const START_MS = 10_000;

export interface Broker {
  readonly process: Running;
  readonly port: number;
  readonly name: "mosquitto" | "stand-in cloud";
  readonly protocolVersion: 4 | 5;
}

/** Listens when it is returned. */
export async function openBroker(dir: string): Promise<Broker> {
  const mosquitto = await startBroker(dir);
  if (mosquitto !== undefined) {
    const { broker, port } = mosquitto;
    await listening(broker, port);
    return { process: broker, port, name: "mosquitto", protocolVersion: 5 };
  }
  const port = await freePort();
  const cloud = startNode("stand-in cloud", CLOUD, ["--port", String(port)]);
  await listening(cloud, port);
  return { process: cloud, port, name: "stand-in cloud", protocolVersion: 4 };
}

async function listening({ name, child, output }: Running, port: number): Promise<void> {
  const deadline = performance.now() + START_MS;
  while (!(await answers(port))) {
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (ended || performance.now() > deadline) throw new Error(`${name} does not listen on ${port}:\n${output}`);
    await sleep(20);
  }
}
