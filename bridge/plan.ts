/**
 * A batch of MQTT messages → what one Kafka transaction writes, and what is due afterwards. Pure but for the holdings,
 * which it moves on: when the transaction's outcome is unknown they are thrown away and read from Kafka again.
 */
import { parseRecord } from "../core/record.ts";
import type { Keep } from "./arena.ts";
import type { Holdings } from "./holdings.ts";
import { type DeadReason, type Intake, type Surroundings, takeIn } from "./intake.ts";
import type { Outgoing } from "./kafka/records.ts";
import type { GatewayProgress, Verdict } from "./progress.ts";
import type { RecordFacts } from "./record-pattern.ts";
import { samplesOf } from "./samples.ts";
import { birthKey, recordHeaders, recordKey, sampleHeader, stateKey, type Topic, topicOf } from "./topics.ts";

/** One publish as it arrived. */
export interface Arrival {
  readonly topic: string;
  readonly payload: Buffer;
  /** Its birth did not come in time. */
  birthMissed?: boolean;
}

export interface PlanOptions {
  /** One Kafka record per gateway record, or per sample. */
  readonly values: "record" | "sample";
  /** Where plain records stay until the plan is carried out. */
  readonly keep?: Keep;
}

/** A few bytes from MQTT may be a whole MiB unpacked: what a transaction holds is bounded by what it writes, too. */
const MAX_PLAN_BYTES = 16 * 1024 ** 2;
/** A server that knows only MQTT 3.1.1 sends what is larger than Kafka takes; of that the head is kept. */
const MAX_LETTER_BYTES = 8 * 1024 ** 2;

/** What one gateway's epoch needs to hear. */
export interface Touched {
  readonly gateway: string;
  readonly epoch: string;
}

export interface Plan<A extends Arrival> {
  readonly messages: Map<Topic, Outgoing[]>;
  /** Epochs of which something new is in Kafka after this transaction. */
  readonly advanced: Touched[];
  /** Epochs of which something came again: their gateways lack a receipt. */
  readonly repeated: Touched[];
  /** To be taken in again when their birth is there. */
  readonly waiting: { readonly arrival: A; readonly gateway: string; readonly birth: string }[];
  /** The last of the batch, for which there was no room. */
  readonly rest: readonly A[];
  /** Gateways of which a birth arrived. */
  readonly births: string[];
  readonly counts: PlanCounts;
}

export interface PlanCounts {
  records: number;
  duplicates: number;
  readonly dead: Partial<Record<DeadReason, number>>;
  /** The latest `t0` written; 0 without records. */
  latestMs: number;
}

/** Never throws: whatever cannot be understood is a dead letter. */
export function planBatch<A extends Arrival>(
  arrivals: readonly A[],
  holdings: Holdings,
  options: PlanOptions,
): Plan<A> {
  const planner = new Planner<A>(holdings, options);
  let end = 0;
  for (const arrival of arrivals) {
    if (planner.bytes > MAX_PLAN_BYTES) break;
    planner.add(arrival);
    end++;
  }
  return { ...planner.finish(), rest: arrivals.slice(end) };
}

class Planner<A extends Arrival> {
  readonly #holdings: Holdings;
  readonly #options: PlanOptions;
  readonly #surroundings: Surroundings;
  readonly #messages = new Map<Topic, Outgoing[]>();
  readonly #advanced = new TouchedEpochs();
  readonly #repeated = new TouchedEpochs();
  readonly #waiting: Plan<A>["waiting"] = [];
  readonly #births: string[] = [];
  readonly #counts: PlanCounts = { records: 0, duplicates: 0, dead: {}, latestMs: 0 };
  /** Of the values to be written. */
  bytes = 0;

  constructor(holdings: Holdings, options: PlanOptions) {
    this.#holdings = holdings;
    this.#options = options;
    const birthOf: Surroundings["birthOf"] = (gateway, id) => holdings.birth(gateway, id);
    this.#surroundings = { birthOf, ...(options.keep === undefined ? {} : { keep: options.keep }) };
  }

  add(arrival: A): void {
    const { topic, payload } = arrival;
    const intake = takeIn(topic, payload, this.#surroundings);
    switch (intake.is) {
      case "record":
        this.#record(intake, arrival);
        break;
      case "state":
        this.#state(intake, payload);
        break;
      case "birth":
        this.#birth(intake, payload);
        break;
      case "waits":
        if (arrival.birthMissed === true) this.#bury(arrival, "birth");
        else this.#waiting.push({ arrival, gateway: intake.gateway, birth: intake.birth });
        break;
      case "dead":
        this.#bury(arrival, intake.reason);
        break;
      case "nothing":
        break;
    }
  }

  finish(): Omit<Plan<A>, "rest"> {
    for (const gateway of this.#advanced.gateways()) {
      const value = this.#holdings.gateway(gateway).progress.encode();
      this.#write("progress", { key: gateway, value });
    }
    return {
      messages: this.#messages,
      advanced: this.#advanced.list(),
      repeated: this.#repeated.list(),
      waiting: this.#waiting,
      births: this.#births,
      counts: this.#counts,
    };
  }

  #record({ record, plain }: Extract<Intake, { is: "record" }>, arrival: A): void {
    const { gw: gateway, epoch } = record;
    const messages = this.#messagesOf(record, plain);
    const { progress } = this.#holdings.gateway(gateway);
    const verdict = messages === undefined ? "malformed" : verdictOn(record, progress);
    if (messages === undefined || verdict === "malformed" || verdict === "too_many_holes") {
      this.#bury(arrival, verdict === "too_many_holes" ? verdict : "malformed");
      return;
    }
    if (verdict === "duplicate") {
      this.#counts.duplicates++;
      this.#repeated.add(gateway, epoch);
      return;
    }
    this.#counts.records++;
    this.#counts.latestMs = Math.max(this.#counts.latestMs, record.t0);
    this.#advanced.add(gateway, epoch);
    for (const message of messages) this.#write(topicOf(record.k), message);
    if (record.gap !== undefined) {
      progress.cover(record.gap);
      this.#advanced.add(gateway, record.gap.epoch);
    }
    if (record.session !== undefined) {
      const { sid, rev } = record.session as { sid: string; rev: number };
      if (progress.isLatestRevision(sid, rev)) {
        this.#write("sessions", { key: sid, value: plain, headers: recordHeaders(record) });
      }
    }
  }

  /** What is written for a record; undefined where it cannot be taken apart. */
  #messagesOf(record: RecordFacts, plain: Buffer): readonly Outgoing[] | undefined {
    const [key, headers] = [recordKey(record), recordHeaders(record)];
    if (record.k !== "data" || this.#options.values === "record") return [{ key, value: plain, headers }];
    const rows = samplesOf(parseRecord(plain));
    return rows?.map((value, at) => ({ key, value, headers: { ...headers, ...sampleHeader(at + 1, rows.length) } }));
  }

  #state({ gateway, boot, conn }: Extract<Intake, { is: "state" }>, payload: Buffer): void {
    if (!this.#holdings.setState(gateway, { boot, conn, payload })) return;
    this.#write("gateways", { key: stateKey(gateway), value: payload });
  }

  #birth({ gateway, id }: Extract<Intake, { is: "birth" }>, payload: Buffer): void {
    if (!this.#holdings.addBirth(gateway, id, payload)) return;
    this.#births.push(gateway);
    this.#write("gateways", { key: birthKey(gateway, id), value: payload });
  }

  #bury({ topic, payload }: A, reason: DeadReason): void {
    this.#counts.dead[reason] = (this.#counts.dead[reason] ?? 0) + 1;
    const value = payload.subarray(0, MAX_LETTER_BYTES);
    const cut = value.length < payload.length ? { cut_from: String(payload.length) } : {};
    this.#write("deadletter", { key: topic, value, headers: { reason, topic, ...cut } });
  }

  #write(topic: Topic, message: Outgoing): void {
    this.bytes += message.value?.length ?? 0;
    const messages = this.#messages.get(topic);
    if (messages === undefined) this.#messages.set(topic, [message]);
    else messages.push(message);
  }
}

class TouchedEpochs {
  readonly #epochs = new Map<string, Set<string>>();

  add(gateway: string, epoch: string): void {
    const epochs = this.#epochs.get(gateway);
    if (epochs === undefined) this.#epochs.set(gateway, new Set([epoch]));
    else epochs.add(epoch);
  }

  gateways(): Iterable<string> {
    return this.#epochs.keys();
  }

  list(): Touched[] {
    return [...this.#epochs].flatMap(([gateway, epochs]) => [...epochs].map((epoch) => ({ gateway, epoch })));
  }
}

function verdictOn({ epoch, c, seq, gap }: RecordFacts, progress: GatewayProgress): Verdict {
  return gap !== undefined && !progress.hasRoomFor(gap) ? "too_many_holes" : progress.receive(epoch, c, seq);
}
