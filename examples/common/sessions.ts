/**
 * Charging sessions: taken from the gateway's own records where it writes them, else derived from what a charger's
 * `Status` tells. An asset without `Status` (a meter, a vehicle) gets none derived.
 */
import type { BusbarRecord, Row } from "./record.ts";

export interface Session {
  readonly sid: string;
  readonly gateway: string;
  readonly asset: string;
  /** Milliseconds since 1970; null: before the first record that was read. */
  readonly begin: number | null;
  /** Null: it goes on. */
  readonly end: number | null;
  readonly energyWh: number | null;
  /** `record`: the gateway's own; `telemetry`: derived here. */
  readonly source: "record" | "telemetry";
}

/** Of OCPP 2 and 1.6. */
const OCCUPIED = new Set(["Occupied", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"]);
/** Counters of which the difference is a session's energy; the first that a charger tells counts. */
const REGISTERS = ["Energy.Active.Import.Register", "Energy.Apparent.Import"];
const OWN_COUNTER = "Energy.Active.Import.Session";
/** Of each asset; older ones are forgotten. */
const MOST_KEPT = 500;

/** What one charger's rows tell. */
interface Derived {
  readonly begin: number | null;
  readonly end: number | null;
  readonly energyWh: number | null;
}

/** One charger's rows, in order of time → its sessions. */
export class SessionTracker {
  #open: { begin: number | null; firstWh?: number; lastWh?: number } | undefined;
  #seen = false;

  /** The session that the row begins, continues or ends; undefined where no car is there. */
  take({ t, values }: Row): (Derived & { readonly begins: boolean }) | undefined {
    const { v, q } = values.Status ?? {};
    const occupied = q === "good" && typeof v === "string" ? OCCUPIED.has(v) : this.#open !== undefined;
    const begins = occupied && this.#open === undefined;
    const open = begins ? { begin: this.#seen ? t : null } : this.#open;
    this.#seen ||= q === "good";
    this.#open = occupied ? open : undefined;
    if (open === undefined) return undefined;
    count(open, values);
    const { firstWh, lastWh } = open;
    const energyWh = firstWh === undefined || lastWh === undefined ? null : Math.max(0, lastWh - firstWh);
    return { begin: open.begin, end: occupied ? null : t, energyWh, begins };
  }
}

function count(open: { firstWh?: number; lastWh?: number }, values: Row["values"]): void {
  const register = REGISTERS.map((name) => numberIn(values, name)).find((wh) => wh !== undefined);
  // A counter of the session itself is 0 at its begin, and again when the next car comes.
  const wh = register ?? numberIn(values, OWN_COUNTER);
  if (wh === undefined || (register === undefined && wh < (open.lastWh ?? 0))) return;
  open.firstWh ??= register === undefined ? 0 : wh;
  open.lastWh = wh;
}

/** A good value; undefined for any other. */
export function numberIn(values: Row["values"], signal: string): number | undefined {
  const { v, q } = values[signal] ?? {};
  return q === "good" && typeof v === "number" ? v : undefined;
}

interface OfAsset {
  readonly tracker: SessionTracker;
  readonly derived: Session[];
  readonly recorded: Map<string, { session: Session; rev: number }>;
}

/** All sessions of all assets, each once. */
export class SessionBook {
  readonly #assets = new Map<string, OfAsset>();

  /** The session that a `session` record makes or changes; an older revision changes nothing. */
  takeRecord({ gw, asset, session }: BusbarRecord): Session | undefined {
    if (asset === undefined || session === undefined) return undefined;
    const { recorded } = this.#of(gw, asset);
    const { sid, rev, begin, end, energy } = session;
    if ((recorded.get(sid)?.rev ?? -1) >= rev) return undefined;
    const taken: Session = { sid, gateway: gw, asset, begin, end, energyWh: energy, source: "record" };
    recorded.set(sid, { session: taken, rev });
    const [oldest] = recorded.keys();
    if (recorded.size > MOST_KEPT && oldest !== undefined) recorded.delete(oldest);
    return taken;
  }

  /** The derived session that a row begins or ends; rows of an asset come in order of time. */
  takeRow(gateway: string, asset: string, row: Row): Session | undefined {
    const { tracker, derived } = this.#of(gateway, asset);
    const told = tracker.take(row);
    if (told === undefined) return undefined;
    const { begins, ...times } = told;
    const sid = `${gateway}/${asset}/derived-${times.begin ?? "before"}`;
    const session: Session = { sid, gateway, asset, ...times, source: "telemetry" };
    if (!begins) derived.pop();
    derived.push(session);
    if (derived.length > MOST_KEPT) derived.shift();
    return begins || session.end !== null ? session : undefined;
  }

  /** Newest first. What the gateway records itself replaces what was derived for the same time. */
  list(gateway?: string, asset?: string): Session[] {
    const assets = [...this.#assets].filter(([key]) => {
      const [itsGateway, itsAsset] = key.split("/");
      return (gateway ?? itsGateway) === itsGateway && (asset ?? itsAsset) === itsAsset;
    });
    const sessions = assets.flatMap(([, { derived, recorded }]) => {
      const own = [...recorded.values()].map(({ session }) => session);
      return [...own, ...derived.filter((one) => !own.some((other) => overlap(one, other)))];
    });
    return sessions.sort((a, b) => (b.begin ?? 0) - (a.begin ?? 0));
  }

  /** The gateway's own record of a derived session, where there is one: its name is the one that bills carry. */
  recordOf(session: Session): Session | undefined {
    const { recorded } = this.#of(session.gateway, session.asset);
    return [...recorded.values()].map((one) => one.session).find((own) => overlap(own, session));
  }

  #of(gateway: string, asset: string): OfAsset {
    const key = `${gateway}/${asset}`;
    const found = this.#assets.get(key) ?? { tracker: new SessionTracker(), derived: [], recorded: new Map() };
    this.#assets.set(key, found);
    return found;
  }
}

function overlap(a: Session, b: Session): boolean {
  const [endA, endB] = [a.end ?? Number.POSITIVE_INFINITY, b.end ?? Number.POSITIVE_INFINITY];
  return (a.begin ?? 0) < endB && (b.begin ?? 0) < endA;
}
