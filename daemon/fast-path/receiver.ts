/** The receiving end of the fast path without its socket: bytes in, samples and an account of what was lost out. */
import type { Quality } from "../../core/sample.ts";
import { type Datagram, decodeDatagram, verifyDatagram } from "./datagram.ts";
import { LatencyHistogram } from "./histogram.ts";
import { TableReader } from "./table.ts";
import { CounterWindow } from "./window.ts";

/** Bounds what a stranger's made-up datagrams can make us remember. */
const MAX_GATEWAYS = 256;
const MAX_BOOTS = 256;

export const REFUSALS = [
  "too-short",
  "not-ours",
  "malformed",
  "not-authenticated", // a key was given, and the datagram carries no authenticator
  "wrong-authenticator",
  "duplicate",
  "too-old", // later than the replay window
  "older-boot", // a newer boot of this gateway was heard
  "too-many-gateways",
  "bad-table",
] as const;
export type Refusal = (typeof REFUSALS)[number];

export interface ReceivedSample {
  readonly gateway: string;
  readonly boot: number;
  readonly counter: number;
  readonly n: number;
  /** Known once the gateway's table came. */
  readonly asset?: string;
  readonly signal?: string;
  readonly unit?: string;
  readonly value: number | null;
  /** An enumeration's value as text. */
  readonly text?: string;
  readonly quality: Quality;
  readonly tUs: number;
  /** Receive time minus send time of the datagram. */
  readonly latencyUs: number;
}

export interface BootSummary {
  readonly gateway: string;
  readonly boot: number;
  readonly datagrams: number;
  readonly samples: number;
  readonly lost: number;
  readonly reordered: number;
  readonly duplicates: number;
}

export interface ReceiverSummary {
  readonly datagrams: number;
  readonly samples: number;
  readonly lost: number;
  /** By reason; only reasons that occurred. */
  readonly refused: Readonly<Partial<Record<Refusal, number>>>;
  /** Null when nothing was received; p50 and p99 to one percent. */
  readonly latency_us: { readonly p50: number; readonly p99: number; readonly max: number } | null;
  readonly boots: readonly BootSummary[];
}

interface Sender {
  boot: number;
  samples: number;
  window: CounterWindow;
  readonly table: TableReader;
}

export class FastPathReceiver {
  readonly #secret: Uint8Array | undefined;
  readonly #senders = new Map<string, Sender>();
  /** The newest of the boots that ended while we listened, and what the older of them amount to. */
  readonly #ended: BootSummary[] = [];
  readonly #older = { datagrams: 0, samples: 0, lost: 0 };
  readonly #refused = new Map<Refusal, number>();
  readonly #latency = new LatencyHistogram();

  /** With a secret, only datagrams that it authenticates are taken; without, authenticators are not looked at. */
  constructor(secret?: Uint8Array) {
    this.#secret = secret;
  }

  /** The samples of a datagram; none for a table part, and for what is refused and counted. Does not throw. */
  take(bytes: Uint8Array, receivedUs: number): ReceivedSample[] {
    const datagram = decodeDatagram(bytes);
    if (typeof datagram === "string") return this.#refuse(datagram);
    const refusal = this.#authenticate(bytes, datagram);
    if (refusal !== undefined) return this.#refuse(refusal);
    const sender = this.#sender(datagram);
    if (typeof sender === "string") return this.#refuse(sender);
    const arrival = sender.window.take(datagram.counter);
    if (arrival === "duplicate" || arrival === "too-old") return this.#refuse(arrival);
    const latencyUs = receivedUs - datagram.sendUs;
    this.#latency.add(latencyUs);
    if (datagram.table !== undefined && !sender.table.take(datagram.tableHash, datagram.table)) {
      return this.#refuse("bad-table");
    }
    sender.samples += datagram.entries.length;
    return samplesOf(datagram, sender.table, latencyUs);
  }

  summary(): ReceiverSummary {
    const boots = [...this.#ended];
    for (const [gateway, sender] of this.#senders) boots.push(summaryOf(gateway, sender));
    const latency = this.#latency;
    return {
      datagrams: this.#older.datagrams + sum(boots, "datagrams"),
      samples: this.#older.samples + sum(boots, "samples"),
      lost: this.#older.lost + sum(boots, "lost"),
      refused: Object.fromEntries(this.#refused),
      latency_us:
        latency.count === 0
          ? null
          : { p50: latency.percentileUs(0.5), p99: latency.percentileUs(0.99), max: latency.maxUs },
      boots,
    };
  }

  #authenticate(bytes: Uint8Array, datagram: Datagram): Refusal | undefined {
    if (this.#secret === undefined) return undefined;
    if (!datagram.authenticated) return "not-authenticated";
    return verifyDatagram(bytes, this.#secret) ? undefined : "wrong-authenticator";
  }

  #sender({ gateway, boot }: Datagram): Sender | Refusal {
    const known = this.#senders.get(gateway);
    if (known === undefined) {
      if (this.#senders.size === MAX_GATEWAYS) return "too-many-gateways";
      const sender = { boot, samples: 0, window: new CounterWindow(), table: new TableReader() };
      this.#senders.set(gateway, sender);
      return sender;
    }
    // Boot numbers never go back (DESIGN §2): what comes from an older one is late, or replayed.
    if (boot < known.boot) return "older-boot";
    if (boot > known.boot) {
      this.#end(summaryOf(gateway, known));
      known.boot = boot;
      known.samples = 0;
      known.window = new CounterWindow();
    }
    return known;
  }

  #end(boot: BootSummary): void {
    this.#ended.push(boot);
    const oldest = this.#ended.length > MAX_BOOTS ? this.#ended.shift() : undefined;
    if (oldest === undefined) return;
    for (const key of ["datagrams", "samples", "lost"] as const) this.#older[key] += oldest[key];
  }

  #refuse(reason: Refusal): [] {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
    return [];
  }
}

function samplesOf(datagram: Datagram, table: TableReader, latencyUs: number): ReceivedSample[] {
  const { gateway, boot, counter } = datagram;
  const named = table.hash === datagram.tableHash;
  return datagram.entries.map((entry) => {
    const signal = named ? table.signals.get(entry.n) : undefined;
    const text = signal?.enum?.[String(entry.value)];
    return {
      gateway,
      boot,
      counter,
      n: entry.n,
      ...(signal === undefined ? {} : { asset: signal.asset, signal: signal.signal }),
      ...(signal?.unit === undefined ? {} : { unit: signal.unit }),
      value: entry.value,
      ...(typeof text === "string" ? { text } : {}),
      quality: entry.quality,
      tUs: entry.tUs,
      latencyUs,
    };
  });
}

function summaryOf(gateway: string, { boot, samples, window }: Sender): BootSummary {
  const { taken, lost, late, duplicates } = window;
  return { gateway, boot, datagrams: taken, samples, lost, reordered: late, duplicates };
}

function sum(boots: readonly BootSummary[], key: "datagrams" | "samples" | "lost"): number {
  return boots.reduce((total, boot) => total + boot[key], 0);
}
