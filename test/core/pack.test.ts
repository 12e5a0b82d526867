import assert from "node:assert/strict";
import { test } from "node:test";
import { PackReader, PackWriter, unpack } from "../../core/pack.ts";
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
  assert.deepEqual([...unpack(writer.take())], [batch, { ...batch, tUs: 0 }]);
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
  assert.equal([...unpack(writer.take())].length, taken);
  assert.equal(writer.add(batch), true);
});

test("bytes that are not packed batches end in a RangeError", () => {
  const writer = new PackWriter(4096);
  writer.add(batch);
  const bytes = writer.take();
  assert.throws(() => [...unpack(bytes.subarray(0, bytes.length - 3))], RangeError);
  bytes[15] = 99;
  assert.throws(() => [...unpack(bytes)], RangeError);
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
