/** What a simulated gateway sends: records of ten seconds of one charger with sixteen signals, its birth and its state. */
import { createHash } from "node:crypto";
import { compressRecord, sealRecord } from "../../core/record.ts";
import { recordTopicTail, uplinkPrefix } from "../../core/topics.ts";
import { Random, Wander } from "../../hw-sim/random.ts";

export const EPOCH = "fleet000";
/** Assets of one gateway; its records go round them. */
export const ASSETS = 10;
/**
 * What of the fleet sends zstd frames, as our gateways do, because it is always smaller here: three of four gateways, or
 * none. Others send plain JSON.
 */
export const FRAMINGS = ["mixed", "plain"] as const;
export type Framing = (typeof FRAMINGS)[number];
const PLAIN_EACH = 4;
const SECONDS = 10;
/** Made once, for what is measured is not the fleet; so many that hardly two of a Kafka batch are alike. */
const BODIES = 4096;
/** Neighbours begin far from each other. */
const STRIDE = 613;

interface Signal {
  readonly name: string;
  readonly unit: string;
  readonly mean: number;
  readonly deviation: number;
  readonly digits: number;
}

const phases = (name: (phase: string) => string, signal: Omit<Signal, "name">): Signal[] =>
  ["L1", "L2", "L3"].map((phase) => ({ ...signal, name: name(phase) }));

const SIGNALS: readonly Signal[] = [
  ...phases((phase) => `Voltage.${phase}-N`, { unit: "V", mean: 230, deviation: 1.5, digits: 1 }),
  ...phases((phase) => `Current.Import.${phase}`, { unit: "A", mean: 16, deviation: 0.4, digits: 1 }),
  ...phases((phase) => `Power.Active.Import.${phase}`, { unit: "W", mean: 3680, deviation: 90, digits: 0 }),
  ...phases((phase) => `Power.Factor.${phase}`, { unit: "", mean: 0.97, deviation: 0.01, digits: 2 }),
  { name: "Power.Active.Import", unit: "W", mean: 11_040, deviation: 150, digits: 0 },
  { name: "Frequency", unit: "Hz", mean: 50, deviation: 0.02, digits: 2 },
  { name: "Temperature", unit: "degC", mean: 41, deviation: 2, digits: 0 },
  { name: "Energy.Active.Import.Register", unit: "Wh", mean: 1_204_330, deviation: 30, digits: 0 },
];

export interface Publish {
  readonly topic: string;
  readonly payload: Buffer | string;
}

export class SimulatedGateway {
  readonly id: string;
  readonly #prefix: string;
  readonly #plain: boolean;
  readonly #offset: number;
  readonly #birth: string;
  readonly #birthId: string;
  seq = 0;

  constructor(number: number) {
    this.id = `fleet-${number}`;
    this.#prefix = uplinkPrefix(this.id);
    this.#plain = number % PLAIN_EACH === 0;
    this.#offset = number * STRIDE;
    this.#birth = birthOf(this.id);
    this.#birthId = createHash("sha256").update(this.#birth).digest("hex").slice(0, 8);
  }

  get receiptTopic(): string {
    return `${this.#prefix}/receipt`;
  }

  /** What it says, retained, when it has connected. */
  presence(): readonly Publish[] {
    const state = { state: "online", boot: 1, conn: 1, ts: Date.now() };
    return [
      { topic: `${this.#prefix}/birth`, payload: this.#birth },
      { topic: `${this.#prefix}/state`, payload: JSON.stringify(state) },
    ];
  }

  /** The next record of its stream t. Its `t0` is now: what latency is counted from. */
  next(framing: Framing): Publish {
    const seq = ++this.seq;
    const asset = `unit-${1 + (seq % ASSETS)}`;
    const header = { k: "data", gw: this.id, asset, epoch: EPOCH, c: "t", seq, boot: 1, sync: true } as const;
    const body = bodies[(seq + this.#offset) % BODIES] ?? "";
    const record = sealRecord({ ...header, birth: this.#birthId, t0: Date.now() }, body);
    const payload = framing === "plain" || this.#plain ? record : compressRecord(record);
    return { topic: `${this.#prefix}/${recordTopicTail("data", asset)}`, payload };
  }
}

const bodies = makeBodies(new Random(1, "fleet"));

function makeBodies(random: Random): string[] {
  const wanders = SIGNALS.map(({ deviation }) => new Wander(random, deviation, 30));
  const t = Array.from({ length: SECONDS }, (_, second) => (second === 0 ? 0 : 1000));
  return Array.from({ length: BODIES }, () => {
    const s: Record<string, number[]> = {};
    for (const [at, { name, mean, digits }] of SIGNALS.entries()) {
      s[name] = t.map(() => Number((mean + (wanders[at]?.step(1) ?? 0)).toFixed(digits)));
    }
    return `"g":${JSON.stringify([{ t, s }])}`;
  });
}

function birthOf(gateway: string): string {
  const signals = Object.fromEntries(
    SIGNALS.map(({ name, unit, digits }) => [name, { unit, type: "number", resolution: 10 ** -digits }]),
  );
  const ids = Array.from({ length: ASSETS }, (_, i) => `unit-${i + 1}`);
  const assets = Object.fromEntries(ids.map((id) => [id, { kind: "ac-charger", profile: "fleet", signals }]));
  return JSON.stringify({ v: 1, gw: gateway, software: "busbar bench", assets });
}
