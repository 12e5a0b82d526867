import assert from "node:assert/strict";
import { test } from "node:test";
import { State } from "../../examples/app-server/state.ts";
import { type BusbarRecord, readRecord } from "../../examples/common/record.ts";
import { contract } from "../support/contracts.ts";

const GATEWAY = "depot-berlin-01";
const T0 = 1_795_226_000_000;

function start(): { state: State; changes: string[] } {
  const changes: string[] = [];
  const state = new State({
    values: (_gateway, asset, signals) => changes.push(`${asset} ${signals.join()}`),
    session: ({ sid, end }) => changes.push(`${sid} ${end === null ? "goes on" : "ends"}`),
  });
  return { state, changes };
}

interface Sampled {
  readonly t: number;
  readonly v: string | number | null;
  readonly q?: string;
  readonly head?: Partial<BusbarRecord>;
}

function data(signal: string, { t, v, q, head = {} }: Sampled): BusbarRecord {
  const example = readRecord(contract("record-data.json"))!;
  const g = [{ t: [0], s: { [signal]: [v] }, ...(q === undefined ? {} : { q: { [signal]: q } }) }];
  return { ...example, t0: T0 + t, g, ...head };
}

test("records that come late or out of order change nothing newer", () => {
  const { state, changes } = start();
  const latest = () => state.values(GATEWAY, "meter-1")?.Current;
  state.takeRecord(data("Current", { t: 5000, v: 5, head: { seq: 10 } }));
  state.takeRecord(data("Current", { t: 4000, v: 4, head: { seq: 9 } }));
  state.takeRecord(data("Current", { t: 5000, v: 0, head: { seq: 9 } }));
  assert.deepEqual(latest(), { v: 5, q: "good", t: T0 + 5000, synced: true });
  assert.deepEqual(changes, ["meter-1 Current"]);
  // Within a record, too: its rows need not be in order.
  const example = data("Current", { t: 0, v: 0 });
  state.takeRecord({ ...example, seq: 11, g: [{ t: [9000, -2000], s: { Current: [9, 7] } }] });
  assert.equal(latest()?.v, 9);
});

test("stale and bad pass through; a stale sample repeats the time of what it repeats", () => {
  const { state } = start();
  const latest = () => state.values(GATEWAY, "meter-1")?.Current;
  state.takeRecord(data("Current", { t: 0, v: 5, head: { seq: 1 } }));
  state.takeRecord(data("Current", { t: 0, v: 5, q: "s", head: { seq: 2 } }));
  assert.deepEqual(latest(), { v: 5, q: "stale", t: T0, synced: true });
  state.takeRecord(data("Current", { t: 1000, v: null, q: "b", head: { seq: 3 } }));
  assert.deepEqual(latest(), { v: null, q: "bad", t: T0 + 1000, synced: true });
});

test("times of a clock that is not set are marked, and corrected when the gateway tells by how much", () => {
  const { state, changes } = start();
  const latest = () => state.values(GATEWAY, "meter-1")?.Current;
  state.takeRecord(data("Current", { t: -90_000_000, v: 5, head: { sync: false, boot: 17 } }));
  assert.deepEqual(latest(), { v: 5, q: "good", t: T0 - 90_000_000, synced: false });
  // Another boot's correction is none of this one's business.
  const time = readRecord(contract("record-time.json"))!;
  state.takeRecord({ ...time, time: { boot: 16, offset_ms: 1 } });
  assert.equal(latest()?.synced, false);
  changes.length = 0;
  state.takeRecord({ ...time, time: { boot: 17, offset_ms: 86_399_120 } });
  assert.deepEqual(latest(), { v: 5, q: "good", t: T0 - 90_000_000 + 86_399_120, synced: true });
  assert.deepEqual(changes, ["meter-1 Current"]);
});

test("a later boot is newer though its clock is behind, an earlier one's late record is older though its clock was ahead", () => {
  const { state } = start();
  const latest = () => state.values(GATEWAY, "meter-1")?.Current?.v;
  state.takeRecord(data("Current", { t: 0, v: "old", head: { boot: 17 } }));
  state.takeRecord(data("Current", { t: -1000, v: "new", head: { boot: 18, sync: false } }));
  assert.equal(latest(), "new");
  state.takeRecord(data("Current", { t: 2000, v: "late", head: { boot: 17 } }));
  assert.equal(latest(), "new");
  state.takeRecord(data("Current", { t: -500, v: "set", head: { boot: 18 } }));
  state.takeRecord(data("Current", { t: -400, v: "before it was set", head: { boot: 18, sync: false } }));
  assert.equal(latest(), "set");
});

test("births give units and kinds; a late last will is no news", () => {
  const { state } = start();
  state.takeGateway(`${GATEWAY}/birth/164043ef`, contract("birth.json"));
  state.takeRecord(data("Power.Active.Import", { t: 0, v: 7360 }));
  const told = (state: string, boot: number, conn: number) =>
    Buffer.from(JSON.stringify({ state, boot, conn, ts: T0 }));
  state.takeGateway(`${GATEWAY}/state`, told("online", 17, 3));
  state.takeGateway(`${GATEWAY}/state`, told("offline", 17, 2));
  state.takeGateway(`${GATEWAY}/state`, null);
  state.takeGateway(`${GATEWAY}/birth/00000000`, Buffer.from("no JSON"));
  const [meter, wallbox] = state.assets();
  assert.deepEqual(meter, {
    gateway: GATEWAY,
    asset: "meter-1",
    kind: "meter",
    profile: "eastron-sdm630",
    state: "online",
    signals: 1,
    latest: T0,
  });
  assert.deepEqual([wallbox?.kind, wallbox?.signals, wallbox?.latest], ["ac-charger", 0, null]);
  assert.equal(state.values(GATEWAY, "meter-1")?.["Power.Active.Import"]?.unit, "W");
  assert.equal(state.values(GATEWAY, "nobody"), undefined);
});

test("sessions are derived from Status, and give way to the gateway's own", () => {
  const { state, changes } = start();
  const status = (t: number, v: string) => data("Status", { t, v, head: { asset: "wallbox-1" } });
  for (const [t, v] of [
    [0, "Available"],
    [1000, "Occupied"],
    [2000, "Occupied"],
    [9000, "Available"],
  ] as const)
    state.takeRecord(status(t, v));
  const derived = state.sessions(GATEWAY, "wallbox-1");
  assert.deepEqual(
    derived.map(({ begin, end, source }) => [begin, end, source]),
    [[T0 + 1000, T0 + 9000, "telemetry"]],
  );
  const example = readRecord(contract("record-session.json"))!;
  const own = (rev: number, end: number | null): BusbarRecord => {
    return { ...example, session: { ...example.session!, rev, begin: T0 + 900, end, energy: 10 * rev } };
  };
  state.takeRecord(own(2, T0 + 9100));
  state.takeRecord(own(1, null));
  const [only, ...more] = state.sessions(GATEWAY);
  assert.deepEqual([only?.source, only?.end, only?.energyWh, more.length], ["record", T0 + 9100, 20, 0]);
  assert.deepEqual(state.sessions("another"), []);
  assert.equal(changes.filter((change) => change.endsWith("ends")).length, 2);
});
