import assert from "node:assert/strict";
import { test } from "node:test";
import { type BusbarRecord, readRecord } from "../../examples/common/record.ts";
import { Chargers, type Told } from "../../examples/derating/chargers.ts";
import { ChargerHistory, type Verdict } from "../../examples/derating/detect.ts";
import { PlateauFinder } from "../../examples/derating/plateau.ts";
import { contract } from "../support/contracts.ts";
import { ChargerRun } from "./charger-run.ts";

const ALARM = 1e-5;
/** The simulator's cars are full within two minutes. */
const LEAST_PLATEAU_S = 10;
/** Of the run in this file; the README tells it. */
const FOUND_WITHIN = 12;

function watched(): { chargers: Chargers; told: Told[] } {
  const told: Told[] = [];
  const chargers = new Chargers({ alarm: ALARM, leastPlateauS: LEAST_PLATEAU_S, told: (one) => told.push(one) });
  return { chargers, told };
}

function run(seed: number): ChargerRun {
  return new ChargerRun({ seed, gateway: "depot-berlin-01", asset: "wallbox-1", fromMs: Date.UTC(2026, 10, 1) });
}

for (const seed of [1, 2, 3]) {
  test(`100 healthy sessions raise no alarm, 10 % less is found within ${FOUND_WITHIN} sessions (seed ${seed})`, () => {
    const { chargers, told } = watched();
    const depot = run(seed);
    const feed = (sessions: number): void => {
      for (const record of depot.sessions(sessions)) chargers.take(readRecord(record)!);
    };
    feed(100);
    assert.equal(told.length, 100);
    assert.deepEqual(new Set(told.map(({ verdict }) => verdict?.state)), new Set(["learning", "healthy"]));
    assert.deepEqual(new Set(told.map(({ plateau }) => plateau?.phases)), new Set([1, 3]));
    depot.box.deratedPercent = 10;
    feed(FOUND_WITHIN);
    const found = told.slice(100).findIndex(({ verdict }) => verdict?.state === "derated");
    assert.ok(found >= 0, JSON.stringify(told.at(-1)));
    const { level, chance } = told[100 + found]!.verdict!;
    assert.ok(Math.abs(level - 0.9) < 0.01, `${level}`);
    assert.ok(chance < ALARM);
    depot.box.deratedPercent = 0;
    feed(8);
    assert.equal(told.at(-1)?.verdict?.state, "healthy", "repaired");
  });
}

function verdicts(history: ChargerHistory, amps: readonly number[]): Verdict["state"][] {
  return amps.map((one) => history.add({ amps: one, phases: 3, offered: 16, seconds: 60 }).state);
}
const times = (count: number, amps: number): number[] => Array.from({ length: count }, () => amps);

test("a few weak cars, and a short history, are no alarm", () => {
  const history = new ChargerHistory(ALARM);
  assert.deepEqual(new Set(verdicts(history, times(10, 16))), new Set(["learning"]));
  // All ten reached it. That the next five do not is not impossible yet: ten is little to go by.
  assert.deepEqual(new Set(verdicts(history, times(5, 14.4))), new Set(["healthy"]));
  assert.deepEqual(verdicts(history, [16, ...times(5, 10)]).at(-1), "healthy");
});

test("other cars than before, which stop at no common level, are told as that", () => {
  const history = new ChargerHistory(ALARM);
  verdicts(history, times(60, 16));
  const weaker = Array.from({ length: 20 }, (_, i) => 8 + ((i * 7) % 20) * 0.3);
  const states = verdicts(history, weaker);
  assert.ok(states.includes("suspect"));
  assert.ok(!states.includes("derated"));
});

test("a level excludes the ramp before and the taper after, and what was offered meanwhile", () => {
  const finder = new PlateauFinder();
  const amps = [...[2, 6, 10, 14], ...times(40, 16), ...Array.from({ length: 40 }, (_, i) => 15 - i / 4)];
  const feed = (offered: number, row: readonly number[], from: number): void => {
    for (const [i, v] of row.entries()) {
      const q = "good" as const;
      const values = {
        "Current.Import.L1": { v, q },
        "Current.Import.L2": { v, q },
        "Current.Offered": { v: offered, q },
      };
      finder.take({ t: 1000 * (from + i), values });
    }
  };
  feed(16, amps, 0);
  assert.deepEqual(finder.end(30), { amps: 16, phases: 2, offered: 16, seconds: 39 });
  // The energy management took half of it away for a while.
  feed(8, times(20, 8), 0);
  feed(16, times(40, 16), 20);
  assert.deepEqual(finder.end(30), { amps: 16, phases: 2, offered: 16, seconds: 39 });
  feed(16, times(5, 16), 0);
  assert.equal(finder.end(30), undefined, "too short");
  assert.equal(finder.end(30), undefined, "nothing");
});

test("a session has the gateway's own name where the gateway recorded it; what comes late is counted", () => {
  const { chargers, told } = watched();
  const depot = run(4);
  const records = [...depot.sessions(2)].map((record) => readRecord(record)!);
  const example = readRecord(contract("record-session.json"))!;
  const own = { ...example.session!, sid: "own", begin: Date.UTC(2026, 10, 1), end: Date.UTC(2026, 10, 1, 0, 1, 30) };
  chargers.take({ ...example, session: own } satisfies BusbarRecord);
  for (const record of records) chargers.take(record);
  assert.equal(told[0]?.session.sid, "own");
  assert.equal(told[1]?.session.source, "telemetry");
  assert.equal(chargers.late, 0);
  chargers.take(records[0]!);
  assert.equal(chargers.late, 10);
  assert.equal(told.length, 2);
});
