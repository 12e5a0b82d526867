import assert from "node:assert/strict";
import { test } from "node:test";
import { PackedBatches, PackReader } from "../../core/pack-reader.ts";
import { PackSkimmer } from "../../core/pack-skimmer.ts";
import { PackWriter } from "../../core/pack-writer.ts";
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
  const listed = "0200" + "ffff" + "000000000000f83f" + "0201" + "0300" + "10" + "08" + "feffffff" + "0200" + "c3a9";
  assert.equal(Buffer.from(writer.take()).toString("hex"), listed);
  const values = [7, 230.1, 50.02, -0.125, 0.1 + 0.2, null];
  writer.add({ tUs: 1.5, numbers: [3, 4, 5, 6, 7, 8], values, quality: [GOOD, GOOD, GOOD, GOOD, GOOD, BAD] });
  const kinds = "00" + "01" + "02" + "03" + "04" + "25";
  const packed = "07000000" + "fd080000" + "8a130000" + "83ffffff" + "343333333333d33f";
  assert.equal(Buffer.from(writer.take()).toString("hex"), `06000300000000000000f83f${kinds}${packed}`);
});

test("numbers keep the decimals that a value of their signal had, as long as they fit", () => {
  const writer = new PackWriter(4096);
  const kindOf = (value: number): number => {
    writer.add({ tUs: 1, numbers: [9], values: [value], quality: [GOOD] });
    const bytes = writer.take();
    assert.deepEqual([...new PackedBatches([bytes])][0]?.values, [value]);
    return bytes[12] ?? 0;
  };
  const values = [230, 230.1, 231, 2 ** 31 - 1, 5, 0.005, 2_147_484, -0, Number.NaN, 1e300];
  assert.deepEqual(values.map(kindOf), [0, 1, 1, 0, 0, 3, 0, 4, 4, 4]);
});

test("rows of the form before this one are read", () => {
  const entries = [
    "0100" + "00" + "05" + "feffffff",
    "0700" + "00" + "01" + "3333333333c36c40",
    "ffff" + "02" + "00",
    "0200" + "01" + "04" + "0200" + "c3a9",
    "0300" + "00" + "02",
    "0400" + "00" + "03",
  ];
  const bytes = Buffer.from(`${"06000000000000000000f83f"}${entries.join("")}${"000000000000000000000040"}`, "hex");
  const expected: readonly Batch[] = [
    {
      tUs: 1.5,
      numbers: [1, 7, 65_535, 2, 3, 4],
      values: [-2, 230.1, null, "é", false, true],
      quality: [GOOD, GOOD, BAD, STALE, GOOD, GOOD],
    },
    { tUs: 2, numbers: [], values: [], quality: [] },
  ];
  assert.deepEqual(
    Array.from(new PackedBatches([bytes]), (one) => structuredClone(one)),
    expected,
  );
  const reader = new PackReader();
  reader.begin(bytes);
  assert.equal(reader.first, 1);
  assert.equal(reader.nextOf([1, 7, 65_535, 2, 3, 4], new Float64Array(6)), false);
  const skimmer = new PackSkimmer(bytes);
  assert.deepEqual([skimmer.next(), skimmer.tUs, skimmer.entries], [true, 1.5, 6]);
  for (let end = 1; end < bytes.length - 12; end++) {
    const cut = bytes.subarray(0, end);
    assert.throws(() => new PackSkimmer(cut).next(), RangeError, `${end} bytes`);
    assert.throws(() => [...new PackedBatches([cut])], RangeError, `${end} bytes`);
  }
  bytes[15] = 6;
  assert.throws(() => [...new PackedBatches([bytes])], RangeError);
  assert.throws(() => new PackSkimmer(bytes).next(), RangeError);
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
  for (let end = 1; end < bytes.length; end++) {
    assert.throws(() => [...new PackedBatches([bytes.subarray(0, end)])], RangeError, `${end} bytes`);
  }
  bytes[12 + 2 * 8] = 9;
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
  reader.begin(pack(batch).subarray(0, 20));
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
  only[12 + 2 * 8] = 9;
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
  const holes: Batch = { ...usual, numbers: [9, 3], values: [2 ** 40, 0.25] };
  reader.begin(packed(holes));
  assert.equal(reader.first, 9);
  assert.equal(reader.nextOf([9, 4], values), false);
  assert.equal(reader.nextOf(holes.numbers, values), true);
  assert.deepEqual([...values], [2 ** 40, 0.25, 0, 0]);
  reader.begin(packed(usual).subarray(0, 20));
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
