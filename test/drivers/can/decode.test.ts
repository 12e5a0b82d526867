import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { crc8, holds } from "../../../drivers/can/checksum.ts";
import { compileSignal, decodeSignal, type SignalWish } from "../../../drivers/can/dbc/compile.ts";
import type { DbcMessage } from "../../../drivers/can/dbc/dbc.ts";
import { parseDbc } from "../../../drivers/can/dbc/parse.ts";
import { FIXTURES } from "./fakes.ts";

interface Vectors {
  vectors: { message: string; data: string; values: Record<string, number | string | null> }[];
}

const dbc = parseDbc(readFileSync(new URL("vectors.dbc", FIXTURES), "utf8"));
const { vectors } = JSON.parse(readFileSync(new URL("vectors.json", FIXTURES), "utf8")) as Vectors;

function decode(message: DbcMessage, name: string, data: Uint8Array, wish: SignalWish = {}) {
  const signal = message.signals.find((candidate) => candidate.name === name)!;
  return decodeSignal(compileSignal(message, signal, wish), data);
}

function messageOf(lines: string): DbcMessage {
  const parsed = parseDbc(lines);
  assert.deepEqual(parsed.problems, []);
  return parsed.messages[0]!;
}

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));

describe("against what cantools decodes", () => {
  for (const { message: name, data, values } of vectors) {
    test(`${name} ${data.slice(0, 32)}`, () => {
      const message = dbc.messages.find((candidate) => candidate.name === name)!;
      let compared = 0;
      for (const signal of message.signals) {
        const expected = values[signal.name];
        // Labels are tested below: cantools was asked for numbers.
        const actual = decode(message, signal.name, bytes(data), { labels: undefined, resolution: 1e-9 });
        if (signal.labels.size > 0) continue;
        compared++;
        if (typeof expected === "number" && typeof actual === "number") {
          const tolerance = Math.max(1e-9, Math.abs(expected) * 1e-12);
          assert.ok(Math.abs(actual - expected) <= tolerance, `${signal.name}: ${actual}, not ${expected}`);
        } else assert.equal(actual, expected, signal.name);
      }
      assert.ok(compared > 0 || name === "Gear");
    });
  }
});

describe("hand-made vectors", () => {
  // Current -475.5 A is raw -951, as 11 bits 1097 = 100 0100 1001: byte 0 = 1000 1001, byte 1 = 001 in its upper bits.
  // Voltage 360 V is raw 720 = 10 1101 0000: byte 2 = 1011 0100, byte 3 = 00 in its upper bits.
  const leaf = messageOf(`BO_ 475 B: 8 X
 SG_ Current : 7|11@0- (0.5,0) [0|0] "A" X
 SG_ Voltage : 23|10@0+ (0.5,0) [0|0] "V" X`);
  test("a Leaf accelerates hard, brakes, charges", () => {
    assert.equal(decode(leaf, "Current", bytes("89 20 b4 00 00 00 00 00")), -475.5);
    assert.equal(decode(leaf, "Voltage", bytes("89 20 b4 00 00 00 00 00")), 360);
    // +58.5 A is raw 117 = 000 0111 0101; +34 A is raw 68 = 000 0100 0100.
    assert.equal(decode(leaf, "Current", bytes("0e a0 b4 00 00 00 00 00")), 58.5);
    assert.equal(decode(leaf, "Current", bytes("08 80 b4 00 00 00 00 00")), 34);
  });
  test("a raw value that means nothing is null, and so is a frame that is too short; neither is 0", () => {
    assert.equal(decode(leaf, "Voltage", bytes("00 00 ff c0 00 00 00 00"), { bad: [1023] }), null);
    assert.equal(decode(leaf, "Voltage", bytes("00 00 ff c0 00 00 00 00")), 511.5);
    assert.equal(decode(leaf, "Voltage", bytes("89 20 b4")), null);
    assert.equal(decode(leaf, "Voltage", bytes("89 20 b4 00")), 360);
    assert.equal(decode(leaf, "Current", bytes("")), null);
  });
  test("values are decimal numbers, without the noise of binary factors", () => {
    const soc = messageOf(`BO_ 1 M: 2 X\n SG_ S : 0|16@1+ (0.1,0) [0|0] "%" X\n SG_ T : 0|16@1+ (0.08,-40) [0|0] "" X`);
    assert.equal(decode(soc, "S", bytes("03 00")), 0.3);
    assert.equal(decode(soc, "S", bytes("af 02"), { resolution: 0.1 }), 68.7);
    assert.equal(decode(soc, "T", bytes("01 02")), 1.04);
    assert.equal(decode(soc, "S", bytes("07 00"), { scale: -1 }), -0.7);
    assert.equal(Object.is(decode(soc, "S", bytes("00 00"), { scale: -1 }), 0), true, "no minus zero");
  });
  test("more than 53 bits keep every digit, as text", () => {
    const wide = messageOf(`BO_ 1 M: 8 X\n SG_ W : 0|64@1+ (1,0) [0|0] "" X\n SG_ H : 0|64@1+ (0.5,0) [0|0] "" X`);
    assert.equal(decode(wide, "W", bytes("ff ff ff ff ff ff ff 7f")), "9223372036854775807");
    assert.equal(decode(wide, "W", bytes("05 00 00 00 00 00 00 00")), 5);
    assert.equal(decode(wide, "W", bytes("05 00 00 00 00 00 00 00"), { bad: [5] }), null);
    assert.equal(decode(wide, "H", bytes("05 00 00 00 00 00 00 00")), 2.5);
  });
  test("a float that is not a number is null", () => {
    const float = messageOf(`BO_ 1 M: 4 X\n SG_ F : 0|32@1- (1,0) [0|0] "" X\nSIG_VALTYPE_ 1 F : 1;`);
    assert.equal(decode(float, "F", bytes("00 00 c0 7f")), null);
    assert.equal(decode(float, "F", bytes("00 00 80 7f")), null);
    assert.equal(decode(float, "F", bytes("9a 19 66 43"), { resolution: 0.1 }), 230.1);
  });
});

describe("labels", () => {
  const gear = dbc.messages.find(({ name }) => name === "Gear")!;
  test("a counted signal with names from 0 on is an enumeration", () => {
    assert.equal(decode(gear, "Lever", bytes("03 00")), "Drive");
    assert.equal(decode(gear, "Lever", bytes("05 00")), null, "a raw value without a name");
    assert.equal(decode(gear, "Lever", bytes("07 00")), null, "SNA");
    assert.equal(decode(gear, "Switch", bytes("00 01")), "on");
  });
  test("a measured signal stays a number, without the values whose name says that there is none", () => {
    assert.equal(decode(gear, "Level", bytes("e0 00")), 14);
    assert.equal(decode(gear, "Level", bytes("f0 00")), null);
  });
});

describe("multiplexing", () => {
  const muxed = dbc.messages.find(({ name }) => name === "Muxed")!;
  test("a signal of another page is not there: neither good nor bad", () => {
    assert.equal(decode(muxed, "Three", bytes("00 00 00 00 00 00 00 00")), undefined);
    assert.equal(decode(muxed, "Three", bytes("03 01 00 00 00 00 00 00")), 32768);
    assert.equal(decode(muxed, "Deep", bytes("05 05 ff 0f 00 00 00 00")), undefined);
    assert.equal(decode(muxed, "Deep", bytes("05 07 ff 0f 00 00 00 00")), 4095);
  });
  test("a frame too short for its multiplexor is bad", () => {
    assert.equal(decode(muxed, "Three", bytes("")), null);
    assert.equal(decode(muxed, "Three", bytes("03 01")), null);
  });
  test("multiplexors that select each other end", () => {
    const loop = parseDbc(`BO_ 1 M: 8 X
 SG_ A m0M : 0|8@1+ (1,0) [0|0] "" X
 SG_ B m0M : 8|8@1+ (1,0) [0|0] "" X
SG_MUL_VAL_ 1 A B 0-255;
SG_MUL_VAL_ 1 B A 0-255;`).messages[0]!;
    assert.equal(decode(loop, "A", bytes("07 08 00 00 00 00 00 00")), 7);
  });
});

describe("CRC-8, polynomial 0x85", () => {
  const crc = crc8(0x85, 0, 7, 7);
  test("holds for a frame made with another implementation", () => {
    assert.equal(holds(crc, bytes("00 11 22 33 44 55 66 e4")), true);
    assert.equal(holds(crc, bytes("00 00 00 00 00 00 00 00")), true);
    // A 1 in the last bit before the checksum leaves the polynomial itself.
    assert.equal(holds(crc, bytes("00 00 00 00 00 00 01 85")), true);
  });
  test("fails for every single flipped bit, and for a frame that ends before it", () => {
    const good = bytes("00 11 22 33 44 55 66 e4");
    for (let bit = 0; bit < 64; bit++) {
      const spoilt = good.slice();
      spoilt[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(holds(crc, spoilt), false, `bit ${bit}`);
    }
    assert.equal(holds(crc, good.slice(0, 7)), false);
    assert.equal(holds(crc, good.slice(0, 0)), false);
  });
});
