/** What the app sees: assets, their latest values, their sessions. Records in, changes out; knows nothing of Kafka or HTTP. */
import { type BusbarRecord, Clocks, type Row, readJson, rowsOf } from "../common/record.ts";
import { type Session, SessionBook } from "../common/sessions.ts";
import { type Latest, LatestValues } from "./latest.ts";

interface Asset {
  readonly gateway: string;
  readonly asset: string;
  readonly values: LatestValues;
  last: { readonly boot: number; readonly t: number };
}

/** Of a birth: what the gateway says of an asset. */
interface Declared {
  readonly kind?: string;
  readonly profile?: string;
  readonly signals?: Readonly<Record<string, { readonly unit?: string } | undefined>>;
}

export interface Changes {
  values(gateway: string, asset: string, signals: readonly string[]): void;
  session(session: Session): void;
}

export class State {
  readonly #changes: Changes;
  readonly #assets = new Map<string, Asset>();
  readonly #clocks = new Clocks();
  readonly #declared = new Map<string, Declared>();
  readonly #presence = new Map<string, { readonly state: string; readonly boot: number; readonly conn: number }>();
  readonly #sessions = new SessionBook();

  constructor(changes: Changes) {
    this.#changes = changes;
  }

  /** A record of `telemetry`, `events` or `sessions`. */
  takeRecord(record: BusbarRecord): void {
    if (record.k === "session") {
      const session = this.#sessions.takeRecord(record);
      if (session !== undefined) this.#changes.session(session);
    } else if (record.k === "time") this.#learn(record);
    else if (record.k === "data" && record.asset !== undefined) this.#takeData(record, record.asset);
  }

  /** A message of `gateways`: keys `<gateway>/state` and `<gateway>/birth/<id>`. */
  takeGateway(key: string, value: Buffer | null): void {
    const [gateway = "", what] = key.split("/");
    const told = readJson(value);
    if (told === undefined) return;
    if (what === "state") this.#takeState(gateway, told);
    if (what !== "birth" || typeof told.assets !== "object" || told.assets === null) return;
    for (const [asset, declared] of Object.entries(told.assets)) {
      this.#declared.set(`${gateway}/${asset}`, declared as Declared);
      this.#of(gateway, asset);
    }
  }

  assets() {
    return [...this.#assets.values()].map(({ gateway, asset, values }) => {
      const { kind = null, profile = null } = this.#declared.get(`${gateway}/${asset}`) ?? {};
      const state = this.#presence.get(gateway)?.state ?? null;
      const { signals } = values;
      const times = signals.map((signal) => values.get(signal, this.#clocks)?.t ?? 0);
      const latest = times.length > 0 ? Math.max(...times) : null;
      return { gateway, asset, kind, profile, state, signals: signals.length, latest };
    });
  }

  /** Undefined for an asset that nobody has told of. */
  values(gateway: string, asset: string, signals?: Iterable<string>): Record<string, Latest> | undefined {
    const values = this.#assets.get(`${gateway}/${asset}`)?.values;
    if (values === undefined) return undefined;
    const declared = this.#declared.get(`${gateway}/${asset}`)?.signals ?? {};
    const told: Record<string, Latest> = {};
    for (const signal of signals ?? values.signals) {
      const latest = values.get(signal, this.#clocks);
      const unit = declared[signal]?.unit;
      if (latest !== undefined) told[signal] = unit === undefined ? latest : { ...latest, unit };
    }
    return told;
  }

  sessions(gateway?: string, asset?: string): Session[] {
    return this.#sessions.list(gateway, asset);
  }

  #takeData(record: BusbarRecord, name: string): void {
    const asset = this.#of(record.gw, name);
    const changed = new Set<string>();
    for (const row of rowsOf(record)) {
      for (const signal of asset.values.take(record, row)) changed.add(signal);
      this.#follow(asset, record, row);
    }
    if (changed.size > 0) this.#changes.values(record.gw, name, [...changed]);
  }

  /** Sessions are derived from rows in order; what comes late is history that the gateway's own sessions tell. */
  #follow(asset: Asset, record: BusbarRecord, row: Row): void {
    const { t } = this.#clocks.trueTime(record, row.t);
    const { last } = asset;
    if (record.boot < last.boot || (record.boot === last.boot && t < last.t)) return;
    asset.last = { boot: record.boot, t };
    const session = this.#sessions.takeRow(asset.gateway, asset.asset, { ...row, t });
    if (session !== undefined) this.#changes.session(session);
  }

  /** Corrected times are news of every value of that boot. */
  #learn(record: BusbarRecord): void {
    if (!this.#clocks.learn(record)) return;
    for (const { gateway, asset, values } of this.#assets.values()) {
      if (gateway !== record.gw) continue;
      const signals = values.unsynced(record.time?.boot);
      if (signals.length > 0) this.#changes.values(gateway, asset, signals);
    }
  }

  /** A late last will does not count: it has a lower (boot, conn). */
  #takeState(gateway: string, { state, boot, conn }: Readonly<Record<string, unknown>>): void {
    if (typeof state !== "string" || typeof boot !== "number" || typeof conn !== "number") return;
    const known = this.#presence.get(gateway);
    if (known !== undefined && (boot < known.boot || (boot === known.boot && conn < known.conn))) return;
    this.#presence.set(gateway, { state, boot, conn });
  }

  #of(gateway: string, asset: string): Asset {
    const key = `${gateway}/${asset}`;
    const found = this.#assets.get(key) ?? { gateway, asset, values: new LatestValues(), last: { boot: 0, t: 0 } };
    this.#assets.set(key, found);
    return found;
  }
}
