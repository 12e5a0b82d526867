/** All chargers: records in, verdicts on finished sessions out. */
import { type BusbarRecord, Clocks, type Row, rowsOf } from "../common/record.ts";
import { type Session, SessionBook } from "../common/sessions.ts";
import { ChargerHistory, type Verdict } from "./detect.ts";
import { type Plateau, PlateauFinder } from "./plateau.ts";

export interface Told {
  readonly session: Session;
  /** Absent: it held no level long enough to be compared. */
  readonly plateau?: Plateau;
  readonly verdict?: Verdict;
  /** An alarm begins, changes or ends at this offered current. */
  readonly news: boolean;
}

export interface ChargersOptions {
  /** See ChargerHistory. */
  readonly alarm: number;
  /** A level counts when it was held so long. */
  readonly leastPlateauS: number;
  told(told: Told): void;
}

interface Charger {
  readonly plateau: PlateauFinder;
  readonly byOffer: Map<number, { history: ChargerHistory; state: Verdict["state"] }>;
  last: { readonly boot: number; readonly t: number };
}

export class Chargers {
  readonly #options: ChargersOptions;
  readonly #chargers = new Map<string, Charger>();
  readonly #clocks = new Clocks();
  readonly sessions = new SessionBook();
  /** Rows that came after newer ones of the same charger: too late for a session that is over. */
  late = 0;

  constructor(options: ChargersOptions) {
    this.#options = options;
  }

  take(record: BusbarRecord): void {
    if (record.k === "session") this.sessions.takeRecord(record);
    if (record.k === "time") this.#clocks.learn(record);
    if (record.k !== "data" || record.asset === undefined) return;
    for (const row of rowsOf(record)) {
      const { t } = this.#clocks.trueTime(record, row.t);
      this.#row(record.gw, record.asset, { row: { ...row, t }, boot: record.boot });
    }
  }

  #row(gateway: string, asset: string, { row, boot }: { row: Row; boot: number }): void {
    const charger = this.#of(`${gateway}/${asset}`);
    const { last } = charger;
    if (boot < last.boot || (boot === last.boot && row.t < last.t)) {
      this.late++;
      return;
    }
    charger.last = { boot, t: row.t };
    charger.plateau.take(row);
    const session = this.sessions.takeRow(gateway, asset, row);
    if (session === undefined) return;
    const plateau = charger.plateau.end(this.#options.leastPlateauS);
    // What came before the first car is no session.
    if (session.end === null) return;
    const named = this.sessions.recordOf(session) ?? session;
    if (plateau === undefined) this.#options.told({ session: named, news: false });
    else this.#judge(charger, named, plateau);
  }

  #judge({ byOffer }: Charger, session: Session, plateau: Plateau): void {
    const known = byOffer.get(plateau.offered);
    const history = known?.history ?? new ChargerHistory(this.#options.alarm);
    const verdict = history.add(plateau);
    byOffer.set(plateau.offered, { history, state: verdict.state });
    this.#options.told({ session, plateau, verdict, news: alarmOf(verdict.state) !== alarmOf(known?.state) });
  }

  #of(key: string): Charger {
    const found = this.#chargers.get(key);
    if (found !== undefined) return found;
    const made = { plateau: new PlateauFinder(), byOffer: new Map(), last: { boot: 0, t: 0 } };
    this.#chargers.set(key, made);
    return made;
  }
}

function alarmOf(state: Verdict["state"] | undefined): "suspect" | "derated" | "none" {
  return state === "suspect" || state === "derated" ? state : "none";
}
