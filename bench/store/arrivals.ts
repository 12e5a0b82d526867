/** What reaches the broker from the gateway and from the bare loop: payload bytes, and how many samples of a span. */
import { connectAsync, type MqttClient } from "mqtt";
import { type Group, parseRecord, plainRecord } from "../../core/record.ts";
import { birthIdOf } from "../../core/signals.ts";
import { uplinkPrefix } from "../../core/topics.ts";
import { GATEWAY } from "./load.ts";

const BUSBAR = `${uplinkPrefix(GATEWAY)}/data/`;
const BIRTH = `${uplinkPrefix(GATEWAY)}/birth`;
const BARE = "bare/data/";

export interface Arrived {
  /** Those that hold nothing but the span's: the first and the last of a run are small ones, and none of its load. */
  readonly messages: number;
  readonly payloadBytes: number;
  readonly samples: number;
  /** Samples with a time from `fromMs` on and before `toMs`, whatever message they came in. */
  readonly inSpan: number;
}

export class Arrivals {
  readonly #client: MqttClient;
  readonly #payloads: { readonly topic: string; readonly payload: Buffer }[] = [];
  /** By id: a metered link's records are packed with one. */
  readonly #births = new Map<string, Buffer>();

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on("message", (topic, payload) => {
      if (topic === BIRTH) this.#births.set(birthIdOf(payload), payload);
      else this.#payloads.push({ topic, payload });
    });
  }

  static async of(port: number): Promise<Arrivals> {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4, clientId: "bench-arrivals" });
    const arrivals = new Arrivals(client);
    await client.subscribeAsync([BIRTH, `${BUSBAR}#`, `${BARE}#`], { qos: 1 });
    return arrivals;
  }

  busbar(fromMs: number, toMs: number): Arrived {
    return this.#count(BUSBAR, (payload) => busbarTimes(payload, this.#births), fromMs, toMs);
  }

  bare(fromMs: number, toMs: number): Arrived {
    return this.#count(BARE, (payload) => bareTimes(payload), fromMs, toMs);
  }

  async end(): Promise<void> {
    await this.#client.endAsync(true);
  }

  #count(prefix: string, timesOf: (payload: Buffer) => readonly Times[], fromMs: number, toMs: number): Arrived {
    let [messages, payloadBytes, samples, inSpan] = [0, 0, 0, 0];
    for (const { topic, payload } of this.#payloads) {
      if (!topic.startsWith(prefix)) continue;
      const times = timesOf(payload);
      const within = times.filter(({ ms }) => ms >= fromMs && ms < toMs);
      inSpan += total(within);
      if (within.length < times.length) continue;
      messages++;
      payloadBytes += payload.length;
      samples += total(times);
    }
    return { messages, payloadBytes, samples, inSpan };
  }
}

/** So many samples have that time. */
interface Times {
  readonly ms: number;
  readonly count: number;
}

function total(times: readonly Times[]): number {
  return times.reduce((sum, { count }) => sum + count, 0);
}

function busbarTimes(payload: Buffer, births: ReadonlyMap<string, Buffer>): Times[] {
  const { t0, g = [] } = parseRecord(plainRecord(payload, (id) => births.get(id)));
  return g.flatMap((group) => groupTimes(group, t0));
}

function groupTimes({ t, s }: Group, t0: number): Times[] {
  const count = Object.keys(s).length;
  let ms = t0;
  return t.map((delta) => {
    ms += delta;
    return { ms, count };
  });
}

function bareTimes(payload: Buffer): Times[] {
  const { samples } = JSON.parse(payload.toString()) as { samples: { ts: number; values: object }[] };
  return samples.map(({ ts, values }) => ({ ms: ts, count: Object.keys(values).length }));
}
