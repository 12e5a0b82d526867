/** The audit's thinking, without Kafka: ranges against a plain set, and what retention excuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { horizonOf, retentionMs } from "../../../bridge/audit/horizon.ts";
import { type Horizon, judge, type StreamVerdict } from "../../../bridge/audit/judge.ts";
import { ArrivedSpans, merged, type Span, subtracted } from "../../../bridge/audit/spans.ts";
import { type Found, Tally } from "../../../bridge/audit/tally.ts";
import { Random } from "../../../hw-sim/random.ts";

const NOTHING_DELETED: Horizon = () => undefined;
const found = (record: Partial<Found>): Found => {
  return { gateway: "gw", epoch: "aaaaaaaa", stream: "t", seq: 1, topic: "telemetry", partition: 0, at: 1, ...record };
};
const gap = (fields: object) => {
  const all = { c: "t", epoch: "aaaaaaaa", from: 1, to: 1, samples: 1, reason: "full", t0: 0, t1: 0, ...fields };
  return all as NonNullable<Found["gap"]>;
};
const judged = (records: readonly Partial<Found>[], horizon = NOTHING_DELETED): StreamVerdict[] => {
  const tally = new Tally();
  for (const record of records) tally.add(found(record));
  return [...judge(tally, horizon)];
};
const spansOf = (numbers: Iterable<number>): Span[] => merged([...numbers].map((n) => [n, n] as const));

test("arrived numbers are the same as those of a set, in any order, with the time of the one before", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed, "audit");
    const spans = new ArrivedSpans();
    const set = new Map<number, number>();
    for (let at = 1; at <= 60; at++) {
      const seq = 1 + Math.floor(random.next() * 40);
      assert.equal(spans.add(seq, at), !set.has(seq), `seed ${seed}`);
      if (!set.has(seq)) set.set(seq, at);
    }
    assert.deepEqual(spans.list(), spansOf(set.keys()), `seed ${seed}`);
    assert.deepEqual([spans.count, spans.last], [set.size, Math.max(...set.keys())]);
    for (let seq = 1; seq <= 41; seq++) {
      if (set.has(seq)) continue;
      const before = Math.max(0, ...[...set.keys()].filter((other) => other < seq));
      assert.equal(spans.timeBefore(seq), set.get(before), `seed ${seed}, before ${seq}`);
    }
  }
});

test("subtracting is what a set would do", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed, "audit");
    const draw = () => new Set(Array.from({ length: 12 }, () => 1 + Math.floor(random.next() * 25)));
    const [a, b] = [draw(), draw()];
    assert.deepEqual(subtracted(spansOf(a), spansOf(b)), spansOf([...a].filter((n) => !b.has(n))), `seed ${seed}`);
  }
});

test("numbers count from 1 to the highest that a record or a gap names", () => {
  const [stream] = judged([
    { seq: 3 },
    { seq: 5 },
    { stream: "c", topic: "gaps", gap: gap({ from: 8, to: 9 }) },
  ]).filter((verdict) => verdict.stream === "t");
  assert.deepEqual(
    stream?.missing.map(({ span }) => span),
    [
      [1, 2],
      [4, 4],
      [6, 7],
    ],
  );
});

test("a gap without an end covers what is behind it, and names what must be before it", () => {
  const open = { stream: "c", topic: "gaps", seq: 1, gap: gap({ from: 4, to: null, reason: "corrupt" }) } as const;
  const verdicts = judged([open, { seq: 1 }, { seq: 6 }]);
  const t = verdicts.find(({ stream }) => stream === "t");
  assert.deepEqual(
    t?.missing.map(({ span }) => span),
    [[2, 3]],
  );
  assert.equal(t?.gaps[0]?.openFrom, 4);
});

test("a doubled gap record is not counted twice", () => {
  const record = { stream: "c", topic: "gaps", seq: 1, gap: gap({ from: 1, to: 2, samples: 7 }) } as const;
  const verdicts = judged([record, record]);
  assert.deepEqual(
    verdicts.map(({ stream, doubled }) => [stream, doubled.count]),
    [
      ["c", 1],
      ["t", 0],
    ],
  );
  assert.equal(verdicts[1]?.gaps[0]?.samples, 7);
});

test("what retention excuses: only what may have been written before the horizon of its topics", () => {
  const horizon =
    (topics: Readonly<Record<string, number>>): Horizon =>
    (topic) =>
      topics[topic];
  const missing = (records: readonly Partial<Found>[], topics: Readonly<Record<string, number>>) => {
    return judged(records, horizon(topics)).map(({ missing, deleted }) => [missing.map(({ span }) => span), deleted]);
  };
  const prefixAndHole = [
    { seq: 3, at: 1000 },
    { seq: 5, at: 2000 },
  ];
  assert.deepEqual(missing(prefixAndHole, {}), [
    [
      [
        [1, 2],
        [4, 4],
      ],
      [],
    ],
  ]);
  assert.deepEqual(missing(prefixAndHole, { telemetry: 1000 }), [[[[4, 4]], [[1, 2]]]]);
  // The gap record that told of 4 may be gone, too.
  assert.deepEqual(missing(prefixAndHole, { telemetry: 1000, gaps: 1500 }), [
    [
      [],
      [
        [1, 2],
        [4, 4],
      ],
    ],
  ]);
  assert.deepEqual(missing(prefixAndHole, { events: 9999 }), [
    [
      [
        [1, 2],
        [4, 4],
      ],
      [],
    ],
  ]);
  // The gateway was seen behind the horizon before this epoch began: nothing of the epoch can be deleted.
  const secondEpoch = [
    { seq: 1, at: 1200 },
    { epoch: "bbbbbbbb", seq: 2, at: 1300 },
  ];
  assert.deepEqual(missing(secondEpoch, { telemetry: 1100 }), [
    [[], []],
    [[[1, 1]], []],
  ]);
});

test("a horizon is the first record that is left, or the retention time where records are rare", () => {
  const state = { topic: "gaps", partition: 0, low: 7, end: 9, next: 9 } as const;
  const keeps = new Map([["gaps", 500]] as const);
  assert.equal(horizonOf([{ ...state, firstAt: 300 }], keeps, 1000)("gaps", 0), 300);
  assert.equal(horizonOf([{ ...state, firstAt: 900 }], keeps, 1000)("gaps", 0), 500);
  assert.equal(horizonOf([{ ...state, firstAt: undefined }], keeps, 1000)("gaps", 0), 500);
  assert.equal(horizonOf([{ ...state, firstAt: undefined }], new Map(), 1000)("gaps", 0), 1000);
  assert.equal(horizonOf([{ ...state, low: 0, firstAt: 300 }], keeps, 1000)("gaps", 0), undefined);
  const settings = { "cleanup.policy": "delete", "retention.ms": "500", "retention.bytes": "-1" };
  assert.equal(retentionMs(new Map(Object.entries(settings))), 500);
  assert.equal(retentionMs(new Map(Object.entries({ ...settings, "retention.bytes": "1000000" }))), undefined);
  assert.equal(retentionMs(new Map()), undefined);
});
