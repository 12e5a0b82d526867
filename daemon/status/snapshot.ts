/** The latest of everything that the status thread was told, and the one Snapshot that is made of it. */
import type { Quality, Value } from "../../core/sample.ts";
import { BAD, QUALITY_WORDS } from "../../core/sample.ts";
import type { OutboxStatus, StorageReport, UplinkStatus } from "../../store-forward/protocol.ts";
import { healthOf } from "./health.ts";
import { GATEWAY_ASSET } from "./host-signals.ts";
import { RecentLosses } from "./losses.ts";
import type {
  AssetStatus,
  FastPathStatus,
  HostStatus,
  Snapshot,
  SourceStatus,
  StatusInit,
  ToStatus,
} from "./protocol.ts";

export type ModelInit = Pick<
  StatusInit,
  "gateway" | "software" | "configFile" | "signals" | "assets" | "fastPathTargets"
>;
type Values = Extract<ToStatus, { type: "values" }>;
type StoreReport = Extract<StorageReport, { type: "store" }>;

/** Storage and the field thread report at least once a second; silence for this long is worth telling. */
const SILENT_MS = 10_000;
/** A report is a little old when it comes; only more than that is another time base. */
const OTHER_BASE_MS = 2000;

/** Written over with each new value: new ones, a thousand a second, were a fifth of this thread's time. */
interface Latest {
  readonly name: string;
  readonly unit: string | undefined;
  v: Value;
  q: Quality;
  ts: number;
}

interface AssetState {
  readonly declared: ModelInit["assets"][number];
  /** In the order in which they came first. */
  readonly values: Latest[];
  ts: number;
}

export class StatusModel {
  readonly #init: ModelInit;
  readonly #assets: ReadonlyMap<string, AssetState>;
  readonly #dirty = new Set<string>();
  /** By signal number; undefined: never read. */
  readonly #latest: (Latest | undefined)[] = [];
  #sources: readonly SourceStatus[] = [];
  #fastPath: FastPathStatus;
  #available: ReadonlySet<string> = new Set();
  #outbox: OutboxStatus | undefined;
  #uplink: UplinkStatus | undefined;
  #storageSeenMono = 0;
  /** The gateway's wall time minus monotonic time, as storage told last. */
  #gatewayMs: number | undefined;
  #fieldSeenMono: number | undefined;
  readonly #losses = new RecentLosses();
  #host: HostStatus | undefined;
  #unknownValues = 0;

  constructor(init: ModelInit) {
    this.#init = init;
    this.#assets = new Map(init.assets.map((declared) => [declared.id, { declared, values: [], ts: 0 }]));
    this.#fastPath = { targets: init.fastPathTargets, datagrams: 0, errors: 0 };
  }

  get assetIds(): readonly string[] {
    return [...this.#assets.keys()];
  }
  get sources(): readonly SourceStatus[] {
    return this.#sources;
  }
  get fastPath(): FastPathStatus {
    return this.#fastPath;
  }
  get outbox(): OutboxStatus | undefined {
    return this.#outbox;
  }
  get uplink(): UplinkStatus | undefined {
    return this.#uplink;
  }
  get host(): HostStatus | undefined {
    return this.#host;
  }

  takeValues(message: Values): void {
    for (let i = 0; i < message.numbers.length; i++) {
      const number = message.numbers[i] as number;
      const signal = this.#init.signals[number - 1];
      const state = signal === undefined ? undefined : this.#assets.get(signal.asset);
      if (signal === undefined || state === undefined) {
        this.#unknownValues++;
        continue;
      }
      let latest = this.#latest[number];
      if (latest === undefined) {
        latest = { name: signal.name, unit: signal.unit, v: null, q: BAD, ts: 0 };
        this.#latest[number] = latest;
        state.values.push(latest);
      }
      latest.v = message.values[i] as Value;
      latest.q = message.quality[i] as Quality;
      latest.ts = message.times[i] as number;
      if (latest.ts > state.ts) state.ts = latest.ts;
      this.#dirty.add(signal.asset);
    }
  }

  takeSources(sources: readonly SourceStatus[], fastPath: FastPathStatus): void {
    this.#sources = sources;
    this.#fastPath = fastPath;
    const answering = sources.filter((source) => source.state !== "down").flatMap((source) => source.devices);
    this.#available = new Set(answering.filter((device) => device.ok).map((device) => device.asset));
  }

  /** `monoMs`: monotonic time of arrival. */
  takeStore(report: StoreReport, monoMs: number): void {
    this.#outbox = report.outbox;
    this.#losses.take(report.outbox.drops, monoMs);
    this.#uplink = report.uplink;
    this.#storageSeenMono = monoMs;
    if (report.ts !== undefined) this.#follow(report.ts, monoMs);
  }

  /** The field thread said something at that monotonic time. */
  fieldSpoke(monoMs: number): void {
    this.#fieldSeenMono = monoMs;
  }

  /** For how long the field thread has said nothing, when that is too long; it cannot tell itself. */
  fieldSilentMs(monoMs: number): number | undefined {
    const silentMs = monoMs - (this.#fieldSeenMono ?? monoMs);
    return silentMs < SILENT_MS ? undefined : silentMs;
  }

  takeHost(host: HostStatus): void {
    this.#host = host;
  }

  /** The assets whose values changed since the last call. */
  takeDirty(): string[] {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    return dirty;
  }

  /** How many values came for numbers that nobody declared since the last call: a mistake of ours. */
  takeUnknown(): number {
    const unknown = this.#unknownValues;
    this.#unknownValues = 0;
    return unknown;
  }

  available(asset: string): boolean {
    // Whoever reads this reads it from the gateway.
    return asset === GATEWAY_ASSET || this.#available.has(asset);
  }

  /** The latest values of an asset as JSON-ready object, without those never read. */
  valuesOf(asset: string): Pick<AssetStatus, "ts" | "values"> {
    const state = this.#assets.get(asset);
    // fromEntries defines own properties: an asset or signal named __proto__ must not vanish.
    return { ts: state?.ts ?? 0, values: Object.fromEntries((state?.values ?? []).map(shown)) };
  }

  /** `local`: problems of the local listeners. Times in milliseconds. */
  snapshot(now: { readonly wallMs: number; readonly monoMs: number }, local: readonly string[]): Snapshot {
    const { monoMs } = now;
    const own = [...this.#storageProblem(monoMs), ...this.#fieldProblem(monoMs), ...this.#losses.problems(monoMs)];
    const problems = [...local, ...own];
    const parts = {
      sources: this.#sources,
      fast_path: this.#fastPath,
      ...(this.#outbox === undefined ? {} : { outbox: this.#outbox }),
      ...(this.#uplink === undefined ? {} : { uplink: this.#uplink }),
      problems,
    };
    return {
      gateway: this.#init.gateway,
      software: this.#init.software,
      config_file: this.#init.configFile,
      ts: this.#wallMs(now),
      uptime_s: Math.round(process.uptime()),
      health: healthOf(parts),
      ...parts,
      ...(this.#host === undefined ? {} : { host: this.#host }),
      assets: Object.fromEntries([...this.#assets.values()].map((state) => [state.declared.id, this.#asset(state)])),
    };
  }

  /** Every time in the snapshot is the gateway's, which is not the system's while that is not known to be true. */
  #wallMs({ wallMs, monoMs }: { readonly wallMs: number; readonly monoMs: number }): number {
    const gatewayMs = Math.floor((this.#gatewayMs ?? wallMs - monoMs) + monoMs);
    return Math.abs(gatewayMs - wallMs) < OTHER_BASE_MS ? wallMs : gatewayMs;
  }

  /** A clock that jumped takes the times of what was read before along: their age stays what it is. */
  #follow(ts: number, monoMs: number): void {
    const before = this.#gatewayMs ?? ts - monoMs;
    this.#gatewayMs = ts - monoMs;
    const jumpMs = this.#gatewayMs - before;
    if (Math.abs(jumpMs) < OTHER_BASE_MS) return;
    const oldMs = before + monoMs + OTHER_BASE_MS;
    for (const state of this.#assets.values()) {
      for (const latest of state.values) {
        const isOld = jumpMs > 0 ? latest.ts <= oldMs : latest.ts > ts + OTHER_BASE_MS;
        if (isOld) latest.ts = Math.floor(latest.ts + jumpMs);
      }
      state.ts = Math.max(0, ...state.values.map((latest) => latest.ts));
    }
  }

  #asset({ declared }: AssetState): AssetStatus {
    const { id, kind, source } = declared;
    return { kind, source, available: this.available(id), ...this.valuesOf(id) };
  }

  #fieldProblem(monoMs: number): string[] {
    if (this.fieldSilentMs(monoMs) === undefined) return [];
    return ["the field thread hangs: no report for more than 10 s; sources and values shown here are old"];
  }

  #storageProblem(monoMs: number): string[] {
    if (this.#outbox === undefined || monoMs - this.#storageSeenMono < SILENT_MS) return [];
    return ["storage: no report for more than 10 s; outbox and uplink shown here are old"];
  }
}

function shown({ name, unit, v, q, ts }: Latest): [string, AssetStatus["values"][string]] {
  return [name, unit === undefined ? { v, q: QUALITY_WORDS[q], ts } : { v, u: unit, q: QUALITY_WORDS[q], ts }];
}
