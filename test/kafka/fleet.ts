/**
 * Publishers that behave as gateways with `prune_on: receipt` do, at a pace of their own: each numbers its records, keeps
 * them until a receipt covers them, and sends the others again after every reconnect. Some are sent twice on purpose.
 */
import { connect, type MqttClient } from "mqtt";
import { plainRecord, sealRecord } from "../../core/record.ts";
import { uplinkPrefix } from "../../core/topics.ts";
import { Random } from "../../hw-sim/random.ts";
import { contract } from "../support/contracts.ts";
import { until } from "../support/wait.ts";

export interface FleetOptions {
  readonly url: string;
  readonly gateways: number;
  /** Of each gateway. */
  readonly recordsPerS: number;
  /** How many of a hundred publishes come twice. */
  readonly doubledPercent: number;
  readonly seed: number;
}

const EPOCH = "fleet000";
const TICK_MS = 50;
const MOST_IN_FLIGHT = 200;
/** Without a receipt for so long what is not covered is sent again. */
const RECEIPT_DUE_MS = 6000;
const BODY = /"g":.*(?=,"crc")/.exec(plainRecord(contract("record-data.json")).toString())?.[0] ?? "";

export class Fleet implements AsyncDisposable {
  readonly #members: Member[];
  readonly #timer: NodeJS.Timeout;
  #running = true;

  constructor(options: FleetOptions) {
    const random = new Random(options.seed, "fleet");
    this.#members = Array.from({ length: options.gateways }, (_, i) => new Member(`fleet-${i}`, options, random));
    const startedMs = performance.now();
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedMs) / 1000) * options.recordsPerS);
      for (const member of this.#members) member.tick(this.#running ? due : 0);
    }, TICK_MS);
  }

  /** Numbers given out so far, over all gateways. */
  get sent(): number {
    return this.#members.reduce((sum, { last }) => sum + last, 0);
  }

  get receipted(): number {
    return this.#members.reduce((sum, { upTo }) => sum + upTo, 0);
  }

  get doubled(): number {
    return this.#members.reduce((sum, { doubled }) => sum + doubled, 0);
  }

  /** The highest number of each gateway. */
  get lasts(): ReadonlyMap<string, number> {
    return new Map(this.#members.map(({ id, last }) => [id, last]));
  }

  /** No new records; resolves when receipts cover all that were sent. */
  async finish(limitMs: number): Promise<void> {
    this.#running = false;
    const what = () => `receipts cover what was sent: ${this.receipted} of ${this.sent}`;
    await until("receipts cover all that the fleet sent", () => this.receipted === this.sent, limitMs).catch(() => {
      throw new Error(`waited ${limitMs} ms in vain: ${what()}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#members.map((member) => member.end()));
  }
}

class Member {
  readonly id: string;
  readonly #client: MqttClient;
  readonly #random: Random;
  readonly #doubledPercent: number;
  readonly #prefix: string;
  last = 0;
  upTo = 0;
  doubled = 0;
  /** What is being published without an acknowledgement. */
  #inFlight = 0;
  /** Below this everything was sent since the last connect. */
  #next = 1;
  #movedMs = performance.now();

  constructor(id: string, { url, doubledPercent }: FleetOptions, random: Random) {
    this.id = id;
    this.#random = random;
    this.#doubledPercent = doubledPercent;
    this.#prefix = uplinkPrefix(id);
    this.#client = connect(url, { clientId: id, clean: true, protocolVersion: 5, reconnectPeriod: 200, keepalive: 10 });
    this.#client.on("error", () => undefined);
    this.#client.on("connect", () => {
      this.#client.subscribe(`${this.#prefix}/receipt`, { qos: 1 });
      this.#again();
    });
    this.#client.on("message", (_topic, payload) => this.#receipt(payload));
  }

  /** Sends what is due, as far as the window allows. */
  tick(due: number): void {
    if (!this.#client.connected) return;
    this.last = Math.max(this.last, Math.min(due, this.#next + MOST_IN_FLIGHT));
    if (performance.now() - this.#movedMs > RECEIPT_DUE_MS && this.upTo < this.last) this.#again();
    while (this.#next <= this.last && this.#inFlight < MOST_IN_FLIGHT) {
      const seq = this.#next++;
      this.#publish(seq);
      if (this.#random.next() * 100 >= this.#doubledPercent) continue;
      // At once, or when others have gone in between.
      this.doubled++;
      this.#publish(this.#random.next() < 0.5 ? seq : 1 + Math.floor(this.#random.next() * seq));
    }
  }

  async end(): Promise<void> {
    await this.#client.endAsync(true);
  }

  #publish(seq: number): void {
    const header = { k: "data", gw: this.id, asset: "meter-1", epoch: EPOCH, c: "t", seq } as const;
    const record = sealRecord({ ...header, boot: 1, sync: true, birth: "164043ef", t0: 1795226000000 + seq }, BODY);
    this.#inFlight++;
    // An error is the connection's end: what it concerns is sent again after the next one.
    this.#client.publish(`${this.#prefix}/data/meter-1`, record, { qos: 1 }, () => {
      this.#inFlight--;
    });
  }

  #again(): void {
    this.#next = this.upTo + 1;
    this.#movedMs = performance.now();
  }

  #receipt(payload: Buffer): void {
    const { epoch, upto } = JSON.parse(payload.toString()) as { epoch: string; upto: { t?: number } };
    if (epoch !== EPOCH || (upto.t ?? 0) <= this.upTo) return;
    this.upTo = upto.t ?? 0;
    this.#movedMs = performance.now();
  }
}
