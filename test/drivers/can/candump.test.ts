import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CanFrame } from "../../../drivers/can/bus.ts";
import { CandumpParser } from "../../../drivers/can/candump.ts";

function parse(text: string | Uint8Array, chunkBytes = Number.POSITIVE_INFINITY) {
  const frames: (Omit<CanFrame, "data"> & { data: string })[] = [];
  const parser = new CandumpParser((frame) => {
    frames.push({ ...frame, data: Buffer.from(frame.data).toString("hex") });
  });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += chunkBytes) parser.push(bytes.subarray(at, at + chunkBytes));
  parser.end();
  return { frames, discarded: parser.discardedLines };
}

const plain = { extended: false, fd: false, remote: false, error: false };

describe("the forms that can-utils writes", () => {
  const cases: readonly [line: string, frame: object][] = [
    [
      "(1795226000.123456) sim0 1DB#0011223344556677",
      { ...plain, id: 0x1db, data: "0011223344556677", tUs: 1_795_226_000_123_456 },
    ],
    ["(0000000001.000001) can0 7FF#", { ...plain, id: 0x7ff, data: "", tUs: 1_000_001 }],
    ["(1.5) can0 001#Ab", { ...plain, id: 1, data: "ab", tUs: 1_500_000 }],
    ["(1.000000) can0 00000001#01", { ...plain, id: 1, extended: true, data: "01", tUs: 1_000_000 }],
    ["(1.000000) can0 1FFFFFFF#01", { ...plain, id: 0x1fffffff, extended: true, data: "01", tUs: 1_000_000 }],
    [
      `(1.000000) can0 123##3${"5a".repeat(64)}`,
      { ...plain, id: 0x123, fd: true, data: "5a".repeat(64), tUs: 1_000_000 },
    ],
    ["(1.000000) can0 123#R", { ...plain, id: 0x123, remote: true, data: "", tUs: 1_000_000 }],
    ["(1.000000) can0 123#R8", { ...plain, id: 0x123, remote: true, data: "", tUs: 1_000_000 }],
    [
      "(1.000000) can0 20000004#0004000000000000",
      { ...plain, id: 4, extended: true, error: true, data: "0004000000000000", tUs: 1_000_000 },
    ],
    ["(1.000000) can0 123#0102 R", { ...plain, id: 0x123, data: "0102", tUs: 1_000_000 }],
    ["(1.000000) can0 123#0102030405060708_9", { ...plain, id: 0x123, data: "0102030405060708", tUs: 1_000_000 }],
  ];
  for (const [line, frame] of cases) {
    test(line.slice(0, 60), () => assert.deepEqual(parse(`${line}\n`), { frames: [frame], discarded: 0 }));
  }
});

describe("what is no frame is discarded and counted; the next line is read", () => {
  const good = "(2.000000) can0 123#42\n";
  const bad = [
    "garbage",
    "(1795226000.123456) sim0 1DB#00112",
    "(1795226000.123456) sim0 1DB#001122334455667788",
    `(1.000000) can0 123##3${"5a".repeat(65)}`,
    "(1.000000) can0 123##",
    "(1.000000) can0 123##x00",
    "(1.000000) can0 800#00",
    "(1.000000) can0 1234#00",
    "(1.000000) can0 #00",
    "(1.000000) can0 60000000#00",
    "(1.000000) can0 123",
    "(1.000000) can0 123#0x",
    "(1.000000)  123#00",
    "(1.000000) 123#00",
    "(1) can0 123#00",
    "(1.) can0 123#00",
    "(x.000000) can0 123#00",
    "(99999999999999999999.000000) can0 123#00",
    "1.000000 can0 123#00",
    "(1.000000) can0 123#00 X",
    "(",
    "x".repeat(100_000),
    "\u0000\u00ff",
  ];
  for (const line of bad) {
    test(JSON.stringify(line.slice(0, 50)), () => {
      // The good line before it leaves its bytes in the buffer, which must not be read again.
      const { frames, discarded } = parse(`${good}${line}\n${good}`);
      assert.deepEqual([frames.length, discarded], [2, 1]);
      assert.deepEqual(frames[1], { ...plain, id: 0x123, data: "42", tUs: 2_000_000 });
    });
  }
  test("empty lines are nothing, not garbage", () => assert.equal(parse(`\n\r\n${good}\n`).discarded, 0));
});

test("chunks may end anywhere, and the last line may lack its end", () => {
  const text = "(1.000001) a 123#01\r\n(2.000002) b 00000456#0203\n(3.000003) c 7FF##1040506";
  const whole = parse(text);
  assert.deepEqual(
    whole.frames.map(({ data }) => data),
    ["01", "0203", "040506"],
  );
  for (const size of [1, 2, 3, 7, 19]) assert.deepEqual(parse(text, size), whole);
});

test("random bytes never throw, and every line is either a frame or counted", () => {
  let seed = 99;
  const alphabet = "(0123456789.) can0#RABCDEFx\n\n";
  for (let round = 0; round < 200; round++) {
    let text = "";
    for (let index = 0; index < 400; index++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      text += seed % 50 === 0 ? "(1.000000) can0 123#00\n" : alphabet[(seed >>> 8) % alphabet.length];
    }
    const { frames, discarded } = parse(text);
    const lines = text.split("\n").filter((line) => line !== "").length;
    assert.equal(frames.length + discarded, lines);
  }
});
