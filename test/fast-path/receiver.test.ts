import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LatencyHistogram } from "../../daemon/fast-path/histogram.ts";
import { FastPathReceiver } from "../../daemon/fast-path/receiver.ts";
import { CounterWindow } from "../../daemon/fast-path/window.ts";
import { contractDatagrams, FIRST_US } from "./vectors.ts";

const { plain, authenticated, tableDatagram, key } = contractDatagrams();
const SENT_US = FIRST_US + 333;

/** The contract's plain datagram under another boot and counter. */
function datagram(counter: number, boot = 17): Buffer {
  const bytes = Buffer.from(plain);
  bytes.writeUInt32LE(boot, 16);
  bytes.writeUInt32LE(counter, 20);
  return bytes;
}

function account(counters: readonly number[]) {
  const window = new CounterWindow();
  const arrivals = counters.map((counter) => window.take(counter >>> 0));
  const { taken, lost, late, duplicates, tooOld } = window;
  return { arrivals, taken, lost, late, duplicates, tooOld };
}

describe("fast path counters", () => {
  const cases: [string, number[], Partial<ReturnType<typeof account>>][] = [
    ["in order", [7, 8, 9], { taken: 3, lost: 0, late: 0 }],
    ["two lost", [7, 10, 11], { taken: 3, lost: 2, late: 0 }],
    ["reordered", [7, 9, 8, 10], { taken: 4, lost: 0, late: 1, arrivals: ["next", "next", "late", "next"] }],
    ["twice", [7, 8, 7, 8, 9], { taken: 3, lost: 0, duplicates: 2 }],
    ["a late one twice", [7, 9, 8, 8], { taken: 3, lost: 0, late: 1, duplicates: 1 }],
    ["one from before the first heard", [7, 5, 8], { taken: 3, lost: 1, late: 1 }],
    ["over the wrap", [-2, -1, 0, 1], { taken: 4, lost: 0, late: 0 }],
    ["lost and late over the wrap", [-2, 1, -1], { taken: 3, lost: 1, late: 1 }],
    ["twice over the wrap", [-1, 0, -1], { taken: 2, duplicates: 1 }],
    ["the first of a boot", [0, 1, 0], { taken: 2, lost: 0, duplicates: 1 }],
    ["beyond the window", [1, 2000, 1, 976, 977], { taken: 3, tooOld: 2, late: 1, lost: 1997 }],
    ["a whole window later", [5, 5 + 1024, 5 + 2048], { taken: 3, lost: 2046, duplicates: 0 }],
  ];
  for (const [name, counters, expected] of cases) {
    it(name, () => assert.partialDeepStrictEqual(account(counters), expected));
  }
});

describe("fast path receiver", () => {
  it("names signals once the table came", () => {
    const receiver = new FastPathReceiver();
    const [before] = receiver.take(plain, SENT_US + 400);
    assert.equal(before?.signal, undefined);
    assert.equal(before?.n, 1);
    assert.equal(before?.latencyUs, 400);
    assert.deepEqual(receiver.take(tableDatagram, SENT_US + 800), []);
    const [power, status, bad] = receiver.take(datagram(1004), SENT_US);
    assert.partialDeepStrictEqual(power, { asset: "meter-1", signal: "Power.Active.Import", unit: "W", value: 7360.5 });
    assert.partialDeepStrictEqual(status, { asset: "wallbox-1", signal: "Status", value: 1, text: "Occupied" });
    assert.partialDeepStrictEqual(bad, { quality: 2, value: null, tUs: FIRST_US + 250 });
    assert.partialDeepStrictEqual(receiver.summary(), { datagrams: 3, samples: 6, lost: 1, refused: {} });
  });

  it("does not name signals of another table", () => {
    const receiver = new FastPathReceiver();
    receiver.take(tableDatagram, 0);
    const other = datagram(1004);
    other[40]! ^= 1;
    assert.equal(receiver.take(other, 0)[0]?.signal, undefined);
  });

  it("counts loss, reordering and duplicates for each boot, and refuses older boots", () => {
    const receiver = new FastPathReceiver();
    for (const counter of [1, 2, 5, 4, 4]) receiver.take(datagram(counter), SENT_US);
    for (const counter of [1, 3]) receiver.take(datagram(counter, 18), SENT_US);
    assert.deepEqual(receiver.take(datagram(6), SENT_US), []);
    const { boots, refused, lost } = receiver.summary();
    const gateway = "d8eefedfd26f65eb";
    assert.deepEqual(boots, [
      { gateway, boot: 17, datagrams: 4, samples: 12, lost: 1, reordered: 1, duplicates: 1 },
      { gateway, boot: 18, datagrams: 2, samples: 6, lost: 1, reordered: 0, duplicates: 0 },
    ]);
    assert.deepEqual(refused, { duplicate: 1, "older-boot": 1 });
    assert.equal(lost, 2);
  });

  it("with a key takes nothing else", () => {
    const receiver = new FastPathReceiver(key);
    assert.equal(receiver.take(plain, SENT_US).length, 0);
    assert.equal(receiver.take(authenticated, SENT_US).length, 3);
    assert.equal(receiver.take(authenticated, SENT_US).length, 0, "replayed");
    const forged = Buffer.from(authenticated);
    forged.writeUInt32LE(5000, 20);
    assert.equal(receiver.take(forged, SENT_US).length, 0);
    assert.deepEqual(receiver.summary().refused, { "not-authenticated": 1, "wrong-authenticator": 1, duplicate: 1 });
    assert.equal(receiver.summary().lost, 0, "a forged counter loses nothing");
  });

  it("counts garbage by its reason", () => {
    const receiver = new FastPathReceiver();
    receiver.take(Buffer.alloc(0), 0);
    receiver.take(Buffer.from("x".repeat(100)), 0);
    receiver.take(plain.subarray(0, 90), 0);
    const table = Buffer.from(tableDatagram);
    table[60]! ^= 0xff;
    receiver.take(table, 0);
    assert.deepEqual(receiver.summary().refused, { "too-short": 1, "not-ours": 1, malformed: 1, "bad-table": 1 });
  });

  it("remembers a bounded number of gateways and boots, and loses no count over it", () => {
    const receiver = new FastPathReceiver();
    for (let i = 0; i < 300; i++) {
      const bytes = datagram(1);
      bytes.writeUInt32LE(i, 8);
      receiver.take(bytes, 0);
    }
    assert.deepEqual(receiver.summary().refused, { "too-many-gateways": 44 });
    const restarting = new FastPathReceiver();
    for (let boot = 1; boot <= 300; boot++) restarting.take(datagram(1, boot), 0);
    assert.equal(restarting.summary().datagrams, 300);
    assert.equal(restarting.summary().samples, 900);
    assert.ok(restarting.summary().boots.length < 300);
  });
});

describe("latency histogram", () => {
  it("gives percentiles to one percent, and the exact maximum", () => {
    const histogram = new LatencyHistogram();
    for (let us = 1; us <= 10_000; us++) histogram.add(us);
    for (const [p, exact] of [
      [0.5, 5000],
      [0.99, 9900],
      [0.999, 9990],
    ] as const) {
      const value = histogram.percentileUs(p);
      assert.ok(value >= exact && value <= exact * 1.01, `p${p}: ${value}`);
    }
    assert.equal(histogram.maxUs, 10_000);
    assert.equal(histogram.percentileUs(1), 10_000);
  });

  it("has none for nothing, and takes clocks that disagree", () => {
    const histogram = new LatencyHistogram();
    assert.ok(Number.isNaN(histogram.percentileUs(0.5)));
    histogram.add(-5000);
    assert.equal(histogram.maxUs, -5000);
    assert.equal(histogram.percentileUs(0.5), -5000);
    histogram.add(1e15);
    assert.equal(histogram.maxUs, 1e15);
  });
});
