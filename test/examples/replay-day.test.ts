import assert from "node:assert/strict";
import { test } from "node:test";
import { type BusbarRecord, readRecord } from "../../examples/common/record.ts";
import { DayReader } from "../../examples/replay/day.ts";
import { contract } from "../support/contracts.ts";

const DAY = Date.UTC(2026, 10, 20);
const HOUR = 3_600_000;
const OPTIONS = { gateway: "depot-berlin-01", asset: "van-7", fromMs: DAY, toMs: DAY + 24 * HOUR };
const SPEED = "Vehicle.Speed";

function data(seq: number, hour: number, head: Partial<BusbarRecord> = {}): BusbarRecord {
  const example = readRecord(contract("record-data.json"))!;
  return { ...example, asset: "van-7", seq, t0: DAY + hour * HOUR, g: [{ t: [0], s: { [SPEED]: [seq] } }], ...head };
}
function gap(from: number | null, to: number | null, reason: string): BusbarRecord {
  const example = readRecord(contract("record-gap.json"))!;
  return { ...example, gap: { ...example.gap!, from, to, reason, t0: DAY, t1: DAY + HOUR } };
}
function read(records: readonly BusbarRecord[]) {
  const reader = new DayReader(OPTIONS);
  for (const record of records) reader.take(record);
  return reader.result();
}

test("samples of the day and the asset alone, in order of their time, whatever the order of arrival", () => {
  const day = read([data(2, 1), data(6, 25), data(4, 3), data(3, 2), data(5, 4, { asset: "meter-1" }), data(1, -1)]);
  assert.deepEqual(
    day.samples.map(({ v }) => v),
    [2, 3, 4],
  );
  assert.deepEqual([day.holes, day.ended], [[], true]);
});

test("what is not there is named: covered by a gap record, or not in Kafka so far", () => {
  const { holes, unnumbered, ended } = read([
    data(10, 1),
    data(20, 2),
    gap(11, 14, "full"),
    gap(17, null, "corrupt"),
    gap(null, null, "overload"),
  ]);
  const hole = { epoch: "k3f9a1c2", stream: "t" };
  assert.deepEqual(holes, [
    { ...hole, from: 11, to: 14, reason: "full" },
    { ...hole, from: 15, to: 16, reason: undefined },
    { ...hole, from: 17, to: 19, reason: "corrupt" },
  ]);
  assert.deepEqual(
    unnumbered.map(({ reason }) => reason),
    ["overload"],
  );
  assert.equal(ended, false, "the outbox may still hold more of that day");
});

test("a hole between the day and its neighbours counts, one in another day does not", () => {
  const { holes } = read([data(1, -5), data(5, -1), data(8, 1), data(9, 23), data(12, 25), data(20, 26)]);
  assert.deepEqual(
    holes.map(({ from, to }) => [from, to]),
    [
      [6, 7],
      [10, 11],
    ],
  );
});

test("what a gateway measured before its clock was set lies in the day that its time record says", () => {
  const lost = { boot: 17, sync: false };
  const time = readRecord(contract("record-time.json"))!;
  const records = [data(1, -48, lost), data(2, -24, lost), data(3, 3, { boot: 17 })];
  const before = read(records);
  assert.deepEqual(
    before.samples.map(({ v }) => v),
    [3],
  );
  const corrected = read([...records, { ...time, time: { boot: 17, offset_ms: 49 * HOUR } }]);
  assert.deepEqual(
    corrected.samples.map(({ t, v, synced }) => [(t - DAY) / HOUR, v, synced]),
    [
      [1, 1, true],
      [3, 3, true],
    ],
  );
});
