import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, zstdCompressSync } from "node:zlib";
import { birthId, type Intake, takeIn } from "../../bridge/intake.ts";
import { Random } from "../../hw-sim/random.ts";
import { contract } from "../support/contracts.ts";

const PREFIX = "busbar/v1/d8/depot-berlin-01";
const BIRTH = contract("birth.json");
const DATA = contract("record-data.json");
const noBirth = { birthOf: () => undefined };

function reason(topic: string, payload: Buffer | string): string {
  const intake = takeIn(topic, Buffer.from(payload), noBirth);
  return intake.is === "dead" ? intake.reason : intake.is;
}

/** The example record with other members, and a checksum that holds. */
function altered(changes: object, kind = "data"): Buffer {
  const { crc: _crc, ...record } = JSON.parse(contract(`record-${kind}.json`).toString()) as Record<string, unknown>;
  const text = JSON.stringify({ ...record, ...changes }).slice(0, -1);
  return Buffer.from(`${text},"crc":"${crc32(text).toString(16).padStart(8, "0")}"}`);
}

test("each kind of record, plain, under its own topic", () => {
  const tails = { data: "data/meter-1", event: "event/van-7", session: "session/wallbox-1", gap: "gap", time: "time" };
  for (const [kind, tail] of Object.entries(tails)) {
    const bytes = contract(`record-${kind}.json`);
    const intake = takeIn(`${PREFIX}/${tail}`, bytes, noBirth) as Extract<Intake, { is: "record" }>;
    assert.equal(intake.is, "record", kind);
    assert.deepEqual(intake.plain, bytes);
  }
});

test("a zstd frame and a BZ1 frame give the same plain bytes", () => {
  const topic = `${PREFIX}/data/meter-1`;
  const frame = Buffer.from(contract("record-data.zst.b64").toString(), "base64");
  const packed = Buffer.from(contract("record-data.bz1.b64").toString(), "base64");
  for (const payload of [frame, packed, zstdCompressSync(DATA)]) {
    const birthOf = (gateway: string, id: string): Buffer => {
      assert.deepEqual([gateway, id], ["depot-berlin-01", "164043ef"]);
      return BIRTH;
    };
    const intake = takeIn(topic, payload, { birthOf });
    assert.ok(intake.is === "record");
    assert.deepEqual(intake.plain, DATA);
  }
  assert.deepEqual(takeIn(topic, packed, noBirth), { is: "waits", gateway: "depot-berlin-01", birth: "164043ef" });
});

test("state and birth are told apart from records", () => {
  assert.deepEqual(takeIn(`${PREFIX}/state`, contract("state.json"), noBirth), {
    is: "state",
    gateway: "depot-berlin-01",
    boot: 17,
    conn: 3,
  });
  const birth = { is: "birth", gateway: "depot-berlin-01", id: "164043ef" };
  assert.deepEqual(takeIn(`${PREFIX}/birth`, BIRTH, noBirth), birth);
  assert.equal(birthId(BIRTH), "164043ef");
});

test("what is nobody's record is nothing to keep", () => {
  for (const tail of ["now/meter-1", "receipt"]) assert.equal(reason(`${PREFIX}/${tail}`, "{}"), "nothing");
  assert.equal(reason("busbar/v1/d8/bridge/alive", "{}"), "nothing");
  assert.equal(reason(`${PREFIX}/birth`, ""), "nothing", "a retained message that was cleared");
});

test("what cannot be a record is a dead letter with its reason", () => {
  const topic = `${PREFIX}/data/meter-1`;
  const text = DATA.toString();
  const cases: readonly (readonly [string, string, Buffer | string])[] = [
    ["topic", "busbar/v1/00/depot-berlin-01/data/meter-1", DATA],
    ["topic", `${PREFIX}/unknown`, "{}"],
    ["topic", `${PREFIX}/data/meter-1/more`, DATA],
    ["topic", `${PREFIX}/state/meter-1`, "{}"],
    ["malformed", topic, ""],
    ["malformed", topic, "nonsense"],
    ["malformed", topic, Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3])],
    ["malformed", topic, zstdCompressSync(DATA).subarray(0, 100)],
    ["malformed", `${PREFIX}/birth`, "{"],
    ["malformed", topic, "null"],
    ["oversized", topic, Buffer.alloc((1 << 20) + 1, 0x20)],
    ["oversized", topic, zstdCompressSync(Buffer.alloc(3 << 20, 0x20))],
    ["version", topic, text.replace('"v":1', '"v":2')],
    ["version", `${PREFIX}/birth`, BIRTH.toString().replace('"v":1', '"v":9')],
    ["crc", topic, text.replace("7360", "7370")],
    ["crc", topic, text.replace(/,"crc":.*/, "}")],
    ["crc", topic, zstdCompressSync(Buffer.from(text.replace("7360", "7370")))],
    ["header", `${PREFIX}/data/meter-2`, DATA],
    ["header", `${PREFIX}/event/meter-1`, DATA],
    ["header", topic, altered({ gw: "depot-berlin-02" })],
    ["header", topic, altered({ seq: 0 })],
    ["header", topic, altered({ seq: 1.5 })],
    ["header", topic, altered({ seq: "1" })],
    ["header", topic, altered({ epoch: "toolong-epoch" })],
    ["header", topic, altered({ c: "c" })],
    ["header", topic, altered({ c: "x" })],
    ["header", topic, altered({ t0: null })],
    ["header", topic, altered({ g: undefined })],
    ["header", `${PREFIX}/gap`, altered({ gap: { c: "t", epoch: "k3f9a1c2", from: 9, to: 3 } }, "gap")],
    ["header", `${PREFIX}/session/wallbox-1`, altered({ session: { sid: 1, rev: 1 } }, "session")],
    ["header", `${PREFIX}/state`, '{"state":"online","boot":-1,"conn":1}'],
    ["header", `${PREFIX}/birth`, '{"v":1,"gw":"another"}'],
  ];
  for (const [expected, where, payload] of cases) {
    assert.equal(reason(where, payload), expected, `${where} ${payload.toString().slice(0, 80)}`);
  }
});

test("damaged frames never pass, never throw, and never spoil the sound one after them", () => {
  const random = new Random(11, "frames");
  const frame = Buffer.from(zstdCompressSync(DATA));
  const topic = `${PREFIX}/data/meter-1`;
  for (let round = 0; round < 3000; round++) {
    const damaged = Buffer.from(random.next() < 0.3 ? frame.subarray(0, 4 + Math.floor(random.next() * 200)) : frame);
    for (let flips = 0; flips < 2; flips++) {
      const at = Math.floor(random.next() * damaged.length);
      damaged[at] = (damaged[at] as number) ^ (1 << Math.floor(random.next() * 8));
    }
    const intake = takeIn(topic, damaged, noBirth);
    // A flip that the decoder does not look at leaves the record as it was.
    if (intake.is === "record") assert.deepEqual(intake.plain, DATA);
    assert.equal(takeIn(topic, frame, noBirth).is, "record");
  }
});
