/**
 * One consumer under test with all that is around it: an MQTT server and a fleet of its own, Kafka and its reader shared.
 * It runs through the whole benchmark, so that nothing is measured cold; while others are measured it idles.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { FaultProxy } from "../../test/support/fault-proxy.ts";
import { type Running, startNode } from "../support/process.ts";
import { bridgesReady, startBridge } from "./bridges.ts";
import type { Done, Order } from "./fleet.ts";
import { startMosquitto } from "./mosquitto.ts";

export const PLAIN = "plain loop";
export const PLAIN_SAME = "plain loop with same output";
export const ONE = "one bridge";
export const TWO = "two bridges";
export const VARIANTS = [PLAIN, PLAIN_SAME, ONE, TWO] as const;
export type Variant = (typeof VARIANTS)[number];

export interface StageOptions {
  readonly variant: Variant;
  readonly dir: string;
  readonly brokers: readonly string[];
}

const ORDER_LIMIT_MS = 180_000;
const START_MS = 120_000;

/** Head of the variant's Kafka topics. */
export function prefixOf(variant: Variant): string {
  return `stage-${VARIANTS.indexOf(variant)}`;
}

export function topicOf(variant: Variant): string {
  return `${prefixOf(variant)}.telemetry`;
}

export class Stage {
  readonly variant: Variant;
  readonly mosquitto: Running;
  readonly fleet: Running;
  readonly consumers: readonly Running[];
  /** Pages of the bridges; none of the plain loop. */
  readonly pages: readonly string[];
  readonly #proxy: FaultProxy;
  /** Records whose PUBACK the fleet has. */
  sent = 0;
  payloadBytes = 0;
  receipts = 0;

  private constructor(
    stage: Pick<Stage, "variant" | "mosquitto" | "fleet" | "consumers" | "pages">,
    proxy: FaultProxy,
  ) {
    this.variant = stage.variant;
    this.mosquitto = stage.mosquitto;
    this.fleet = stage.fleet;
    this.consumers = stage.consumers;
    this.pages = stage.pages;
    this.#proxy = proxy;
  }

  /** Resolves when the consumer is connected to both sides. */
  static async open({ variant, dir, brokers }: StageOptions): Promise<Stage> {
    const home = join(dir, prefixOf(variant));
    mkdirSync(home);
    const { process: mosquitto, port } = await startMosquitto(home);
    const proxy = await new FaultProxy({ to: { host: "127.0.0.1", port } }).start();
    const fleet = startNode("fleet", new URL("fleet.ts", import.meta.url), ["--url", `mqtt://127.0.0.1:${port}`]);
    const place = { dir: home, prefix: prefixOf(variant), url: `mqtt://127.0.0.1:${proxy.port}`, brokers };
    if (variant === PLAIN || variant === PLAIN_SAME) {
      const plain = startPlain(place.url, { variant, brokers });
      await plain.message(START_MS);
      return new Stage({ variant, mosquitto, fleet, consumers: [plain], pages: [] }, proxy);
    }
    // One after the other: two that start at once on topics that are not there yet abort each other's transactions.
    const bridges = [await startBridge({ ...place, id: "a" })];
    await bridgesReady(bridges, START_MS);
    if (variant === TWO) bridges.push(await startBridge({ ...place, id: "b" }));
    await bridgesReady(bridges, START_MS);
    const [consumers, pages] = [bridges.map(({ process }) => process), bridges.map(({ page }) => page)];
    return new Stage({ variant, mosquitto, fleet, consumers, pages }, proxy);
  }

  /** Resolves when the MQTT server has acknowledged all of it. */
  async publish(order: Order): Promise<Done> {
    this.fleet.child.send(order);
    const done = await this.fleet.message<Done>(ORDER_LIMIT_MS);
    this.sent = done.sent;
    this.payloadBytes = done.payloadBytes;
    this.receipts = done.receipts;
    return done;
  }

  /** Between consumer and MQTT server. */
  async cut(): Promise<void> {
    await this.#proxy.cut();
  }

  async restore(): Promise<void> {
    await this.#proxy.restore();
  }

  async close(): Promise<void> {
    await Promise.all([...this.consumers, this.fleet].map((one) => one.stop()));
    await this.#proxy.cut();
    await this.mosquitto.stop();
  }
}

function startPlain(url: string, { variant, brokers }: Pick<StageOptions, "variant" | "brokers">): Running {
  const output = variant === PLAIN_SAME ? "same" : "raw";
  const args = ["--url", url, "--brokers", brokers.join(","), "--topic", topicOf(variant), "--output", output];
  return startNode(variant, new URL("plain-loop.ts", import.meta.url), args);
}
