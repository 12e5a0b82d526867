import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeDatagram, verifyDatagram } from "../../daemon/fast-path/datagram.ts";
import { parseTable, TableReader, tableHash, tableJson, tableParts } from "../../daemon/fast-path/table.ts";
import { DatagramWriter } from "../../daemon/fast-path/writer.ts";
import { contractDatagrams, FIRST_US, SIGNALS } from "./vectors.ts";

const { plain, authenticated, tableDatagram, key, json } = contractDatagrams();

function writer(more: { key?: { id: number; secret: Uint8Array } } = {}): DatagramWriter {
  const made = new DatagramWriter({
    gateway: "depot-berlin-01",
    boot: 17,
    tableHash: tableHash(json),
    signals: SIGNALS,
    ...more,
  });
  made.counter = 1001;
  made.clockSynced = true;
  return made;
}

/** The three samples of the contract's example. */
function writeExample(to: DatagramWriter): Buffer {
  to.begin(FIRST_US);
  to.add(1, 0, 0, 7360.5);
  to.add(2, 0, 120, 1);
  to.add(1, 2, 250, Number.NaN);
  return to.bytes.subarray(0, to.end(FIRST_US + 333));
}

describe("fast path datagram", () => {
  it("is written as the contract's plain example", () => {
    assert.equal(writeExample(writer()).toString("hex"), plain.toString("hex"));
  });

  it("is written as the contract's authenticated example", () => {
    const to = writer({ key: { id: 5, secret: key } });
    to.counter = 1002;
    assert.equal(writeExample(to).toString("hex"), authenticated.toString("hex"));
  });

  it("of the table is written as the contract's example, header and part", () => {
    const to = writer();
    to.counter = 1003;
    const length = to.encodeTablePart(tableDatagram.subarray(52), { part: 0, parts: 1 }, FIRST_US + 543);
    const expected = Buffer.from(tableDatagram);
    // The example's base time is that of the samples before it; a table has no samples, ours tells its send time.
    expected.copy(expected, 24, 32, 40);
    assert.equal(to.bytes.subarray(0, length).toString("hex"), expected.toString("hex"));
  });

  it("decodes to what the contract says", () => {
    const datagram = decodeDatagram(plain);
    assert.deepEqual(datagram, {
      authenticated: false,
      clockSynced: true,
      keyId: 0,
      gateway: "d8eefedfd26f65eb",
      boot: 17,
      counter: 1001,
      baseUs: 1795226000123456,
      sendUs: 1795226000123789,
      tableHash: "fc3ba9dd",
      entries: [
        { n: 1, quality: 0, tUs: 1795226000123456, value: 7360.5 },
        { n: 2, quality: 0, tUs: 1795226000123576, value: 1 },
        { n: 1, quality: 2, tUs: 1795226000123706, value: null },
      ],
    });
  });

  it("is authenticated by the contract's key, and by no other bytes", () => {
    const datagram = decodeDatagram(authenticated);
    assert.ok(typeof datagram !== "string");
    assert.equal(datagram.authenticated, true);
    assert.equal(datagram.keyId, 5);
    assert.equal(datagram.entries.length, 3);
    assert.equal(verifyDatagram(authenticated, key), true);
    assert.equal(verifyDatagram(authenticated, key.subarray(1)), false);
    for (const at of [4, 20, 48, 64, authenticated.length - 1]) {
      const spoilt = Buffer.from(authenticated);
      spoilt[at]! ^= 1;
      assert.equal(verifyDatagram(spoilt, key), false, `byte ${at}`);
    }
  });

  it("says why bytes are none", () => {
    assert.equal(decodeDatagram(plain.subarray(0, 47)), "too-short");
    assert.equal(decodeDatagram(Buffer.alloc(96)), "not-ours");
    for (let length = 48; length < plain.length; length++) {
      assert.equal(decodeDatagram(plain.subarray(0, length)), "malformed", `cut to ${length}`);
    }
    assert.equal(decodeDatagram(Buffer.concat([plain, Buffer.alloc(1)])), "malformed");
    const quality = Buffer.from(plain);
    quality[50] = 3;
    assert.equal(decodeDatagram(quality), "malformed");
    const year = Buffer.from(plain);
    year[30] = 0xff;
    assert.equal(decodeDatagram(year), "malformed");
    const part = Buffer.from(tableDatagram);
    part.writeUInt16LE(1, 48); // part 1 of 1, counted from 0
    assert.equal(decodeDatagram(part), "malformed");
  });

  it("survives a hundred thousand spoilt datagrams", () => {
    let taken = 0;
    let seed = 1;
    const next = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let i = 0; i < 100_000; i++) {
      const bytes = Buffer.from([plain, authenticated, tableDatagram][i % 3]!);
      for (let flips = next(4); flips >= 0; flips--) bytes[next(bytes.length)] = next(256);
      if (typeof decodeDatagram(bytes) !== "string") taken++;
    }
    assert.ok(taken > 0 && taken < 100_000, `${taken} taken`);
  });
});

describe("fast path batch", () => {
  const signals = [
    { n: 1, type: "number" },
    { n: 2, type: "enum", enum: ["Available", "Occupied"] },
    { n: 3, type: "boolean" },
    { n: 4, type: "string" },
  ] as const;

  function encode(values: readonly (number | string | boolean | null)[], numbers: readonly number[], quality = 0) {
    const to = new DatagramWriter({ gateway: "g", boot: 1, tableHash: Buffer.alloc(4), signals });
    const batch = { tUs: FIRST_US, numbers, values, quality: values.map(() => quality as 0 | 1 | 2) };
    const length = to.encodeBatch(batch, 0, FIRST_US);
    const datagram = decodeDatagram(to.bytes.subarray(0, length));
    return typeof datagram === "string"
      ? datagram
      : datagram.entries.map(({ n, quality, value }) => [n, quality, value]);
  }

  it("carries each type as a number", () => {
    assert.deepEqual(encode([230.1, "Occupied", true, -0.5], [1, 2, 3, 1]), [
      [1, 0, 230.1],
      [2, 0, 1],
      [3, 0, 1],
      [1, 0, -0.5],
    ]);
    assert.deepEqual(encode([false, "9007199254740993"], [3, 1]), [
      [3, 0, 0],
      [1, 0, 9007199254740992],
    ]);
  });

  it("never makes a value of what is none", () => {
    const none = [null, Number.NaN, Number.POSITIVE_INFINITY, "", "garbage"];
    assert.deepEqual(
      encode(none, [1, 1, 1, 1, 1]),
      none.map(() => [1, 2, null]),
    );
    assert.deepEqual(encode(["Unheard-of"], [2]), [[2, 2, null]]);
    assert.deepEqual(encode([7], [1], 2), [[1, 2, null]], "bad carries no value");
    assert.deepEqual(encode([7, null], [1, 1], 1), [
      [1, 1, 7],
      [1, 1, null],
    ]);
  });

  it("leaves text out, and sends nothing for text alone", () => {
    assert.deepEqual(encode(["text", 5], [4, 1]), [[1, 0, 5]]);
    assert.equal(encode(["text"], [4]), "too-short");
  });

  it("is split where 1,472 bytes end", () => {
    for (const [key, most, bytes] of [
      [undefined, 89, 1472],
      [{ id: 1, secret: Buffer.alloc(32) }, 88, 1472],
    ] as const) {
      const to = new DatagramWriter({
        gateway: "g",
        boot: 1,
        tableHash: Buffer.alloc(4),
        signals,
        ...(key === undefined ? {} : { key }),
      });
      const numbers = Array.from({ length: 200 }, () => 1);
      const batch = {
        tUs: FIRST_US,
        numbers,
        values: numbers.map((_, i) => i),
        quality: numbers.map(() => 0 as const),
      };
      const lengths: number[] = [];
      const seen: unknown[] = [];
      for (let from = 0; from < 200; from = to.next) {
        lengths.push(to.encodeBatch(batch, from, FIRST_US));
        const datagram = decodeDatagram(to.bytes.subarray(0, lengths.at(-1)));
        assert.ok(typeof datagram !== "string");
        assert.equal(datagram.counter, lengths.length);
        seen.push(...datagram.entries.map((entry) => entry.value));
      }
      assert.deepEqual(seen, batch.values);
      assert.deepEqual(lengths.slice(0, 2), [bytes, bytes]);
      assert.equal(lengths.length, 3);
      assert.ok(most * 16 + 48 + (key === undefined ? 0 : 16) === bytes);
    }
  });
});

describe("fast path table", () => {
  it("is the contract's JSON, hash and frame", () => {
    assert.equal(tableJson(SIGNALS), json);
    assert.equal(tableHash(json).toString("hex"), "fc3ba9dd");
    assert.deepEqual([...parseTable(tableDatagram.subarray(52), "fc3ba9dd")!.keys()], [1, 2]);
  });

  it("comes together from parts in any order, again and again", () => {
    const hash = tableHash(json).toString("hex");
    const slices = tableParts(json, 50);
    assert.ok(slices.length >= 3);
    const reader = new TableReader();
    for (const part of [...slices.keys(), 0].reverse()) {
      assert.equal(reader.take(hash, { part, parts: slices.length, slice: slices[part]! }), true);
    }
    assert.equal(reader.hash, hash);
    assert.deepEqual({ ...reader.signals.get(2)?.enum }, { 0: "Available", 1: "Occupied", 2: "Faulted" });
  });

  it("refuses what is none, and takes the next one that is", () => {
    const reader = new TableReader();
    const good = tableParts(json, 2000)[0]!;
    const one = (slice: Uint8Array) => ({ part: 0, parts: 1, slice });
    assert.equal(reader.take("00000000", one(good)), false, "another hash");
    assert.equal(reader.take("fc3ba9dd", one(Buffer.from("garbage"))), false);
    assert.equal(reader.take("fc3ba9dd", { part: 0, parts: 60_000, slice: good }), false, "too many parts");
    const odd = '[{"n":"1","asset":"a","signal":"s"}]';
    assert.equal(reader.take(tableHash(odd).toString("hex"), one(tableParts(odd, 2000)[0]!)), false, "not a table");
    assert.equal(reader.hash, "");
    assert.equal(reader.take("fc3ba9dd", one(good)), true);
    assert.equal(reader.signals.get(1)?.signal, "Power.Active.Import");
  });
});
