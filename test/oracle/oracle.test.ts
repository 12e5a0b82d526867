import assert from "node:assert/strict";
import { test } from "node:test";
import { sealRecord } from "../../core/record.ts";
import { judge, type OracleInput, type Received } from "../support/oracle.ts";

// An oracle that cannot fail proves nothing: each test breaks one thing.
const T0 = 1_795_226_000_000;
const PREFIX = "busbar/v1/d8/gw";

function data(
  seq: number,
  asset: string,
  samples: readonly (readonly [ms: number, value: number])[],
  q?: string,
): Received {
  const t = samples.map(([ms], i) => ms - (i === 0 ? 0 : (samples[i - 1] as readonly [number, number])[0]));
  const group = { t, s: { P: samples.map(([, value]) => value) }, ...(q === undefined ? {} : { q: { P: q } }) };
  const header = {
    k: "data",
    gw: "gw",
    asset,
    epoch: "aaaaaaaa",
    c: "t",
    seq,
    boot: 1,
    sync: true,
    birth: "00000000",
    t0: T0,
  } as const;
  return { topic: `${PREFIX}/data/${asset}`, payload: sealRecord(header, `"g":${JSON.stringify([group])}`) };
}

function gap(seq: number, from: number, to: number, t0: number, t1: number): Received {
  const header = {
    k: "gap",
    gw: "gw",
    epoch: "aaaaaaaa",
    c: "c",
    seq,
    boot: 1,
    sync: true,
    birth: "00000000",
    t0: T0,
  } as const;
  const body = { c: "t", epoch: "aaaaaaaa", from, to, samples: 1, reason: "full", t0: T0 + t0, t1: T0 + t1 };
  return { topic: `${PREFIX}/gap`, payload: sealRecord(header, `"gap":${JSON.stringify(body)}`) };
}

function line(ms: number, asset: string, value: number, spoilt = false): string {
  return `${JSON.stringify({ ts: T0 + ms, asset, signals: { P: value }, ...(spoilt ? { spoilt } : {}) })}\n`;
}

function verdict(ledger: string[], received: Received[], more: Partial<OracleInput> = {}): string[] {
  return judge({
    ledger: ledger.join(""),
    received,
    intervals: [{ from: T0, until: T0 + 1_000_000 }],
    canAssets: ["van"],
    ownAssets: ["gateway"],
    ...more,
  }).violations;
}

const served = [line(0, "m", 5), line(1000, "m", 6)];

test("all there: no complaint, also when a record came twice", () => {
  const record = data(1, "m", [
    [2, 5],
    [1003, 6],
  ]);
  assert.deepEqual(verdict(served, [record, record]), []);
});

test("a reply that never arrived is missed, unless it lies outside of the interval or in a gap", () => {
  const first = data(1, "m", [[2, 5]]);
  assert.match(verdict(served, [first]).join(), /6 at \d+: served, but never arrived/);
  assert.deepEqual(verdict(served, [first], { intervals: [{ from: T0, until: T0 + 999 }] }), []);
  assert.deepEqual(verdict(served, [first, gap(1, 2, 2, 900, 1100)]), []);
});

test("an invented value, an invented time and a doubled sample are seen", () => {
  const both = data(1, "m", [
    [2, 5],
    [1003, 6],
  ]);
  assert.match(verdict(served, [both, data(2, "m", [[500, 7]])]).join(), /7 at \d+: arrived, but no such/);
  assert.match(verdict(served, [both, data(2, "m", [[2003, 6]])]).join(), /6 at \d+: arrived, but no such/);
  assert.match(verdict(served, [both, data(2, "m", [[2, 5]])]).join(), /5 at \d+: arrived, but no such/);
});

test("a value from a spoilt reply is seen; a spoilt reply is not missed", () => {
  assert.deepEqual(verdict([line(0, "m", 5, true)], []), []);
  assert.match(verdict([line(0, "m", 5, true)], [data(1, "m", [[1, 5]])]).join(), /from a spoilt reply/);
});

test("a stale sample is no evidence, neither of arrival nor of invention", () => {
  assert.deepEqual(verdict([line(0, "m", 5)], [data(1, "m", [[1, 5]]), data(2, "m", [[1, 5]], "s")]), []);
  assert.match(verdict([line(0, "m", 5)], [data(1, "m", [[1, 5]], "s")]).join(), /never arrived/);
});

test("a hole in seq and other bytes under the same seq are seen", () => {
  const first = data(1, "m", [[2, 5]]);
  const third = data(3, "m", [[1003, 6]]);
  assert.match(verdict(served, [first, third]).join(), /aaaaaaaa t 2 is missing/);
  assert.deepEqual(verdict(served, [first, third, gap(1, 2, 2, 5000, 5000)]), []);
  assert.match(verdict(served, [first, data(1, "m", [[1003, 6]])]).join(), /other bytes/);
});

test("CAN: a change may wait a second, not three; a constant a minute, not two", () => {
  const frames = (until: number, value: (ms: number) => number) => {
    return Array.from({ length: until / 100 + 1 }, (_, i) => line(i * 100, "van", value(i * 100)));
  };
  const changing = frames(3000, (ms) => ms);
  const kept = [0, 1000, 2000, 3000].map((ms) => [ms, ms] as const);
  assert.deepEqual(verdict(changing, [data(1, "van", kept)]), []);
  assert.match(verdict(changing, [data(1, "van", [kept[0]!, kept[3]!])]).join(), /last sample \d+ ms before/);
  const constant = frames(100_000, () => 7);
  assert.match(verdict(constant, [data(1, "van", [[0, 7]])]).join(), /last sample \d+ ms before/);
  assert.deepEqual(
    verdict(constant, [
      data(1, "van", [
        [0, 7],
        [60_000, 7],
      ]),
    ]),
    [],
  );
});

test("a gap tells when samples were lost: a reply served just before belongs to it, an earlier one does not", () => {
  const received = [data(1, "m", [[5000, 5]]), gap(1, 2, 2, 1000, 2000)];
  const later = line(4999, "m", 5);
  assert.deepEqual(verdict([line(998, "m", 4), line(2002, "m", 4), later], received), []);
  assert.match(verdict([line(400, "m", 4), later], received).join(), /never arrived/);
  assert.match(verdict([line(2100, "m", 4), later], received).join(), /never arrived/);
});

test("CAN: the last sample that a gap tells may have been any signal's; the next one is due as after any other", () => {
  const frames = Array.from({ length: 51 }, (_, i) => line(i * 100, "van", i));
  const lost = gap(1, 1, 1, 0, 1000);
  const after = (from: number) => {
    const times = Array.from({ length: 6 - from / 1000 }, (_, i) => from + i * 1000);
    return data(
      2,
      "van",
      times.map((ms) => [ms, ms / 100] as const),
    );
  };
  assert.deepEqual(verdict(frames, [lost, after(2000), data(1, "m", [])]), []);
  assert.match(verdict(frames, [lost, after(3000), data(1, "m", [])]).join(), /sent, last sample 1\d+ ms before/);
});

test("a spoilt reply just before a good one with the same value takes nothing from it", () => {
  const ledger = [line(1000, "m", 0, true), line(1200, "m", 0)];
  assert.deepEqual(verdict(ledger, [data(1, "m", [[1201, 0]])]), []);
  const both = data(1, "m", [
    [1001, 0],
    [1201, 0],
  ]);
  assert.match(verdict(ledger, [both]).join(), /spoilt/);
});

test("a reply to a process that was killed does not take the sample of the next process's reply", () => {
  const ledger = [line(600, "m", 5), line(1000, "m", 5)];
  const intervals = [
    { from: T0, until: T0 + 500 },
    { from: T0 + 900, until: T0 + 5000 },
  ];
  assert.deepEqual(verdict(ledger, [data(1, "m", [[1002, 5]])], { intervals }), []);
});

test("CAN: frames of one millisecond are all known", () => {
  const [first, second] = [line(10, "van", 1), line(10, "van", 2)];
  assert.deepEqual(verdict([first, second], [data(1, "van", [[10, 1]])]), []);
});

test("what is too late on an ordinary machine is told so, and not on one that is said to be slow", () => {
  const late = [[line(0, "m", 5)], [data(1, "m", [[900, 5]])]] as const;
  assert.equal(verdict([...late[0]], [...late[1]]).length, 2);
  const tolerance = { lateMs: 1000, canMs: 5, jitterMs: 600 };
  assert.deepEqual(verdict([...late[0]], [...late[1]], { tolerance }), []);
});

test("a `time` record moves the samples of its boot that were taken before the clock was true", () => {
  const common = { gw: "gw", epoch: "aaaaaaaa", seq: 1, boot: 1, birth: "00000000" };
  const header = { ...common, k: "data", asset: "m", c: "t", sync: false, t0: T0 + 60_000 } as const;
  const early = { topic: `${PREFIX}/data/m`, payload: sealRecord(header, '"g":[{"t":[5],"s":{"P":[7]}}]') };
  const told = { ...common, k: "time", c: "c", sync: true, t0: T0 } as const;
  const time = (boot: number): Received => {
    return { topic: `${PREFIX}/time`, payload: sealRecord(told, `"time":{"boot":${boot},"offset_ms":-60000}`) };
  };
  assert.deepEqual(verdict([line(4, "m", 7)], [early, time(1)]), []);
  assert.equal(verdict([line(4, "m", 7)], [early, time(2)]).length, 2);
});
