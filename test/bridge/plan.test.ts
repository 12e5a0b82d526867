import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { Arena } from "../../bridge/arena.ts";
import { Holdings } from "../../bridge/holdings.ts";
import { birthId } from "../../bridge/intake.ts";
import { type Arrival, type Plan, planBatch } from "../../bridge/plan.ts";
import { decodeProgress } from "../../bridge/progress.ts";
import { uplinkPrefix } from "../../core/topics.ts";
import { contract } from "../support/contracts.ts";
import { arrival, EPOCH, gapBody, recordBytes, sessionBody } from "./records.ts";

const RECORDS = { values: "record" } as const;

function plan(arrivals: readonly Arrival[], holdings = new Holdings()): Plan<Arrival> {
  return planBatch(arrivals, holdings, RECORDS);
}

function keys({ messages }: Plan<Arrival>): Record<string, string[]> {
  return Object.fromEntries([...messages].map(([topic, list]) => [topic, list.map(({ key }) => key)]));
}

test("records, and what they amount to, go into one transaction", () => {
  const made = plan([arrival({ seq: 1 }), arrival({ seq: 2 }), arrival({ gw: "gw-2", seq: 1, asset: "van-7" })]);
  assert.deepEqual(keys(made), {
    telemetry: ["gw-1/meter-1", "gw-1/meter-1", "gw-2/van-7"],
    progress: ["gw-1", "gw-2"],
  });
  const [first] = made.messages.get("telemetry") ?? [];
  assert.deepEqual(first?.value, recordBytes({ seq: 1 }));
  assert.equal(first?.headers?.seq, "1");
  const progress = decodeProgress(String(made.messages.get("progress")?.[0]?.value));
  assert.equal(progress.upto(EPOCH).t, 2);
  assert.deepEqual(made.advanced, [
    { gateway: "gw-1", epoch: EPOCH },
    { gateway: "gw-2", epoch: EPOCH },
  ]);
});

test("a duplicate is not written, in the same batch or a later one, and its gateway is told again", () => {
  const holdings = new Holdings();
  const first = plan([arrival({ seq: 1 }), arrival({ seq: 1 })], holdings);
  assert.deepEqual([first.counts.records, first.counts.duplicates], [1, 1]);
  const again = plan([arrival({ seq: 1 })], holdings);
  assert.equal(again.messages.size, 0);
  assert.deepEqual(again.repeated, [{ gateway: "gw-1", epoch: EPOCH }]);
});

test("a gap is written and counts for the stream that it tells of; a record inside it is written, too", () => {
  const holdings = new Holdings();
  const gap = arrival({ k: "gap", seq: 1, body: gapBody({ from: 1, to: 9 }) });
  const made = plan([gap, arrival({ seq: 5 })], holdings);
  assert.deepEqual(keys(made), { gaps: ["gw-1"], telemetry: ["gw-1/meter-1"], progress: ["gw-1"] });
  assert.deepEqual(holdings.gateway("gw-1").progress.upto(EPOCH), { c: 1, t: 9, b: 0 });
});

test("a gap about an older epoch is told to that epoch, too", () => {
  const made = plan([arrival({ k: "gap", seq: 1, body: gapBody({ epoch: "aaaabbbb", from: 1, to: null }) })]);
  assert.deepEqual(made.advanced.map(({ epoch }) => epoch).sort(), ["aaaabbbb", EPOCH]);
});

test("a session goes to events, and to sessions unless a later revision is there", () => {
  const session = (seq: number, rev: number) =>
    arrival({ k: "session", seq, body: sessionBody("gw-1/meter-1/x-1", rev) });
  const made = plan([session(1, 1), session(3, 3), session(2, 2)]);
  const revisions = made.messages.get("sessions")?.map(({ value }) => /"rev":(\d)/.exec(String(value))?.[1]);
  assert.deepEqual(revisions, ["1", "3"]);
  assert.equal(made.messages.get("events")?.length, 3);
  assert.deepEqual(keys(made).sessions, ["gw-1/meter-1/x-1", "gw-1/meter-1/x-1"]);
});

test("state: the latest boot and connection wins, the same again is not written", () => {
  const state = (boot: number, conn: number, word = "online"): Arrival => ({
    topic: `${uplinkPrefix("gw-1")}/state`,
    payload: Buffer.from(JSON.stringify({ state: word, boot, conn, ts: 1 })),
  });
  const holdings = new Holdings();
  const made = plan(
    [state(2, 3), state(2, 3), state(1, 9), state(2, 2), state(2, 3, "offline"), state(3, 1)],
    holdings,
  );
  const written = made.messages.get("gateways")?.map(({ key, value }) => `${key} ${value}`);
  assert.deepEqual(
    written?.map((text) => /boot":(\d).*conn":(\d)/.exec(text)?.slice(1).join(".")),
    ["2.3", "2.3", "3.1"],
  );
  assert.equal(plan([state(3, 1)], holdings).messages.size, 0);
});

test("a birth is written once, under its id, and opens what was packed with it", () => {
  const BIRTH = contract("birth.json");
  const prefix = uplinkPrefix("depot-berlin-01");
  const packed: Arrival = {
    topic: `${prefix}/data/meter-1`,
    payload: Buffer.from(contract("record-data.bz1.b64").toString(), "base64"),
  };
  const holdings = new Holdings();
  const early = plan([packed], holdings);
  assert.deepEqual(early.waiting, [{ arrival: packed, gateway: "depot-berlin-01", birth: "164043ef" }]);
  assert.equal(early.messages.size, 0);
  const birth = { topic: `${prefix}/birth`, payload: BIRTH };
  const made = plan([birth, packed, birth], holdings);
  assert.deepEqual(keys(made).gateways, [`depot-berlin-01/birth/${birthId(BIRTH)}`]);
  assert.deepEqual(made.births, ["depot-berlin-01"]);
  assert.deepEqual(made.messages.get("telemetry")?.[0]?.value, contract("record-data.json"));
  const missed = plan([{ ...packed, birthMissed: true }]);
  assert.deepEqual([missed.counts.dead, missed.messages.get("deadletter")?.[0]?.value], [{ birth: 1 }, packed.payload]);
});

test("a dead letter has the original bytes, topic and reason, and stops nothing", () => {
  const broken = { topic: `${uplinkPrefix("gw-1")}/data/meter-1`, payload: Buffer.from([1, 2, 3]) };
  const made = plan([broken, arrival({ seq: 1 })]);
  const { topic } = broken;
  assert.deepEqual(made.messages.get("deadletter"), [
    { key: topic, value: broken.payload, headers: { reason: "malformed", topic } },
  ]);
  assert.deepEqual([made.counts.records, made.counts.dead], [1, { malformed: 1 }]);
});

test("one Kafka record per sample, by option", () => {
  const body = contract("record-data.json")
    .toString()
    .replace(/.*(?="g":)/, "")
    .replace(/,"crc".*/, "");
  const made = planBatch([arrival({ seq: 7, t0: 1000, body })], new Holdings(), { values: "sample" });
  const rows = made.messages.get("telemetry")?.map(({ value }) => JSON.parse(String(value)) as object);
  const row = (signal: string, ts: number, v: number | null, q = "good") => {
    return { gw: "gw-1", asset: "meter-1", signal, ts, v, q };
  };
  assert.deepEqual(rows, [
    row("Power.Active.Import", 1000, 7360),
    row("Power.Active.Import", 2000, null, "bad"),
    row("Power.Active.Import", 3001, 7361),
    row("Energy.Active.Import.Register", 1000, 1204330),
    row("Energy.Active.Import.Register", 2000, 1204332),
    row("Energy.Active.Import.Register", 3001, 1204334),
  ]);
  const parts = made.messages.get("telemetry")?.map(({ headers }) => headers?.sample);
  assert.deepEqual(parts, ["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"]);
  const odd = [
    '"g":[]',
    '"g":[1]',
    '"g":[null]',
    '"g":[{"t":[0],"s":{"P":5}}]',
    '"g":[{"t":[0],"s":{"P":[1]},"q":null}]',
  ];
  const plans = odd.map((text) => planBatch([arrival({ seq: 1, body: text })], new Holdings(), { values: "sample" }));
  assert.deepEqual(
    plans.map(({ counts }) => [counts.records, counts.dead.malformed ?? 0]),
    [
      [1, 0],
      [0, 1],
      [0, 1],
      [0, 1],
      [1, 0],
    ],
  );
});

test("what a plan writes is the same in memory that served a batch before", () => {
  const arena = new Arena();
  const options = { ...RECORDS, keep: arena.keep };
  for (const day of [1, 2, 3]) {
    const arrivals = Array.from({ length: 500 }, (_, at) => {
      const { topic, payload } = arrival({ seq: at + 1, t0: 86_400_000 * day + at });
      return { topic, payload: at % 3 === 0 ? payload : zstdCompressSync(payload) };
    });
    const made = planBatch(arrivals, new Holdings(), options);
    assert.deepEqual(made, planBatch(arrivals, new Holdings(), RECORDS));
    assert.equal(made.counts.records, arrivals.length);
    arena.reuse();
  }
});
