import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { BusbarError } from "../../core/errors.ts";
import { compressRecord, crcHolds, parseRecord, plainRecord, sealRecord } from "../../core/record.ts";
import { birthIdOf, signalsOfBirth } from "../../core/signals.ts";
import { recordTopicTail, uplinkPrefix } from "../../core/topics.ts";
import { contract } from "../support/contracts.ts";

const names = readdirSync(new URL("../fixtures/contracts/", import.meta.url)).filter((name) =>
  /^record-.*json$/.test(name),
);
const birth = contract("birth.json");

for (const name of names) {
  test(`${name}: the bytes follow from header and body`, () => {
    const bytes = contract(name);
    const record = parseRecord(bytes);
    const body = /"t0":\d+,(.*),"crc":"[0-9a-f]{8}"\}$/.exec(bytes.toString())?.[1];
    assert.deepEqual(sealRecord(record, body as string).toString(), bytes.toString());
  });

  test(`${name}: no single bit can flip unseen`, () => {
    const bytes = contract(name);
    for (let bit = 0; bit < bytes.length * 8; bit += 7) {
      const broken = Buffer.from(bytes);
      broken[bit >> 3] = (broken[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.equal(crcHolds(broken), false, `bit ${bit}`);
    }
  });
}

test("a zstd frame and a BZ1 frame of the examples hold the plain record", () => {
  const plain = contract("record-data.json");
  for (const name of ["record-data.zst.b64", "record-data.bz1.b64"]) {
    const frame = Buffer.from(contract(name).toString(), "base64");
    assert.deepEqual(
      plainRecord(frame, (id) => (id === "164043ef" ? birth : undefined)),
      plain,
      name,
    );
  }
});

test("a record is compressed only where that is smaller", () => {
  const small = Buffer.from("abc");
  assert.equal(compressRecord(small), small);
  const plain = contract("record-data.json");
  assert.ok(compressRecord(plain).length < plain.length);
  assert.deepEqual(plainRecord(compressRecord(plain)), plain);
});

test("what is no record is refused by code, never thrown as something else", () => {
  const refused = (bytes: Uint8Array, code: string): void => {
    assert.throws(
      () => parseRecord(plainRecord(bytes)),
      (error) => error instanceof BusbarError && error.code === code,
    );
  };
  const bz1 = Buffer.from(contract("record-data.bz1.b64").toString(), "base64");
  refused(Buffer.alloc(0), "RECORD_CRC");
  refused(Buffer.from("{}"), "RECORD_CRC");
  refused(Buffer.from("28b52ffd00", "hex"), "RECORD_INVALID");
  refused(bz1, "RECORD_INVALID");
  const future = contract("record-gap.json").toString().replace('{"v":1', '{"v":2');
  refused(Buffer.from(future), "RECORD_CRC");
});

test("the birth id and the topics are those of the examples", () => {
  assert.equal(birthIdOf(birth), "164043ef");
  const topics = contract("topics.txt").toString().trim().split("\n");
  const prefix = uplinkPrefix("depot-berlin-01");
  assert.ok(topics.every((topic) => topic.startsWith(`${prefix}/`)));
  assert.ok(topics.includes(`${prefix}/${recordTopicTail("data", "meter-1")}`));
  assert.ok(topics.includes(`${prefix}/${recordTopicTail("gap", undefined)}`));
});

test("the numbering of signals is read back from a birth payload", () => {
  assert.deepEqual(signalsOfBirth(birth), [
    { asset: "meter-1", name: "Power.Active.Import" },
    { asset: "meter-1", name: "Energy.Active.Import.Register" },
    { asset: "wallbox-1", name: "Status", enum: ["Available", "Occupied", "Faulted"] },
    { asset: "wallbox-1", name: "Current.Import.L1" },
  ]);
});
