import assert from "node:assert/strict";
import { test } from "node:test";
import { PackedBatches, PackReader, PackSkimmer, PackWriter } from "../../core/pack.ts";
import { BAD, type Batch, GOOD, STALE } from "../../core/sample.ts";

const batch: Batch = {
  tUs: 1_795_226_000_123_456,
  numbers: [1, 2, 3, 4, 65_535, 6, 7, 8],
  values: [7360, 230.1, null, "Occupied", true, false, -0, 2 ** 31],
  quality: [GOOD, GOOD, BAD, GOOD, STALE, GOOD, GOOD, GOOD],
};

test("what was packed comes back, value types and all", () => {
  const writer = new PackWriter(4096);
  assert.equal(writer.add(batch), true);
  assert.equal(writer.add({ ...batch, tUs: 0 }), true);
  assert.equal(writer.samples, 16);
  assert.deepEqual(
    Array.from(new PackedBatches([writer.take()]), (one) => structuredClone(one)),
    [batch, { ...batch, tUs: 0 }],
  );
  assert.equal(writer.samples, 0);
  assert.equal(writer.take().length, 0);
});

test("the layout is the one that the header tells", () => {
  const writer = new PackWriter(4096);
  writer.add({ tUs: 1.5, numbers: [258, 3], values: [-2, "é"], quality: [STALE, GOOD] });
  assert.equal(
    Buffer.from(writer.take()).toString("hex"),
    "02000000000000000000f83f" + "0201" + "01" + "05" + "feffffff" + "0300" + "00" + "04" + "0200" + "c3a9",
  );
});

test("a batch that does not fit is not taken in part", () => {
  const writer = new PackWriter(2100);
  let taken = 0;
  while (writer.add(batch)) taken++;
  assert.ok(taken > 0);
  assert.equal([...new PackedBatches([writer.take()])].length, taken);
  assert.equal(writer.add(batch), true);
});

test("bytes that are not packed batches end in a RangeError", () => {
  const writer = new PackWriter(4096);
  writer.add(batch);
  const bytes = writer.take();
  assert.throws(() => [...new PackedBatches([bytes.subarray(0, bytes.length - 3)])], RangeError);
  bytes[15] = 99;
  assert.throws(() => [...new PackedBatches([bytes])], RangeError);
});

test("a reader goes on to other bytes, broken ones between, and gives one batch again and again", () => {
  const pack = (one: Batch): Uint8Array => {
    const writer = new PackWriter(4096);
    writer.add(one);
    return writer.take();
  };
  const short: Batch = { tUs: 5, numbers: [7], values: [1.5], quality: [BAD] };
  const reader = new PackReader();
  reader.begin(pack(batch));
  const given = reader.next();
  assert.deepEqual(given, batch);
  assert.equal(reader.next(), undefined);
  reader.begin(pack(batch).subarray(0, 30));
  assert.throws(() => reader.next(), RangeError);
  reader.begin(pack(short));
  assert.equal(reader.next(), given);
  assert.deepEqual(given, short);
});

function packed(...batches: readonly Batch[]): Uint8Array {
  const writer = new PackWriter(16_384);
  for (const one of batches) assert.equal(writer.add(one), true);
  return writer.take();
}

test("a skimmer tells what a reader would, of every batch, and refuses what is cut off or of no known type", () => {
  const empty: Batch = { tUs: 7, numbers: [], values: [], quality: [] };
  const bytes = packed(batch, empty, { ...batch, tUs: 9 });
  const skimmer = new PackSkimmer(bytes);
  const seen: [number, number][] = [];
  while (skimmer.next()) seen.push([skimmer.tUs, skimmer.entries]);
  assert.deepEqual(seen, [
    [batch.tUs, 8],
    [7, 0],
    [9, 8],
  ]);
  const only = packed(batch);
  for (let end = 1; end < only.length; end++) {
    assert.throws(() => new PackSkimmer(only.subarray(0, end)).next(), RangeError, `${end} bytes`);
  }
  only[15] = 6;
  assert.throws(() => new PackSkimmer(only).next(), RangeError);
});

test("good numbers of expected signals come in one go; anything else stays the next batch", () => {
  const usual: Batch = { tUs: 5, numbers: [3, 4], values: [230.1, -7], quality: [GOOD, GOOD] };
  const others: readonly Batch[] = [
    { ...usual, quality: [GOOD, STALE] },
    { ...usual, values: [1, null] },
    { ...usual, values: ["Occupied", 1] },
    { ...usual, numbers: [3, 5] },
    { tUs: 5, numbers: [3], values: [1], quality: [GOOD] },
  ];
  const reader = new PackReader();
  const values = new Float64Array(4);
  reader.begin(packed(usual, ...others, usual));
  assert.equal(reader.first, 3);
  assert.equal(reader.nextOf(usual.numbers, values), true);
  assert.equal(reader.tUs, 5);
  assert.deepEqual([...values], [230.1, -7, 0, 0]);
  for (const other of others) {
    assert.equal(reader.nextOf(usual.numbers, values), false);
    assert.deepEqual(reader.next(), other);
  }
  assert.equal(reader.nextOf(usual.numbers, values), true);
  assert.equal(reader.atEnd, true);
  reader.begin(packed(usual).subarray(0, 30));
  assert.throws(() => reader.nextOf(usual.numbers, values), RangeError);
});

test("the batches of rows, empty rows between them", () => {
  const rows = [
    new Uint8Array(0),
    packed(batch, { ...batch, tUs: 1 }),
    new Uint8Array(0),
    packed({ ...batch, tUs: 2 }),
  ];
  const times = Array.from(new PackedBatches(rows), ({ tUs }) => tUs);
  assert.deepEqual(times, [batch.tUs, 1, 2]);
  assert.deepEqual([...new PackedBatches([])], []);
});
