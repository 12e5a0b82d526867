import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { decodeSignal } from "../../../drivers/modbus/decode.ts";
import type { RegisterSignal } from "../../../drivers/modbus/profile.ts";

const base: RegisterSignal = {
  name: "X",
  fc: 3,
  at: 0,
  words: 1,
  type: "u16",
  wordOrder: "big",
  shift: 0,
  mask: undefined,
  bytes: 2,
  scale: 1,
  offset: 0,
  resolution: undefined,
  unit: undefined,
  texts: undefined,
  bad: [],
  group: "fast",
};
const WORDS: Record<string, number> = { u16: 1, i16: 1, u32: 2, i32: 2, u64: 4, i64: 4, f32: 2, f64: 4 };

function decode(hex: string, change: Partial<RegisterSignal>) {
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
  const words = change.words ?? WORDS[change.type ?? "u16"]!;
  return decodeSignal({ ...base, words, bytes: 2 * words, ...change }, bytes, 0);
}

// Bytes by hand: two's complement, and IEEE 754 examples (0x4366199A is the float32 next to 230.1).
const rows: [string, string, Partial<RegisterSignal>, unknown][] = [
  ["u16", "08fd", { type: "u16" }, 2301],
  ["i16 negative", "ffd6", { type: "i16" }, -42],
  ["u32", "0001 0000", { type: "u32" }, 65_536],
  ["u32 of all ones", "ffff ffff", { type: "u32" }, 4_294_967_295],
  ["i32 negative", "ffff fffe", { type: "i32" }, -2],
  ["u32, low word first", "0000 0001", { type: "u32", wordOrder: "little" }, 65_536],
  ["f32", "4366 199a", { type: "f32", resolution: 0.1 }, 230.1],
  ["f32, low word first", "199a 4366", { type: "f32", wordOrder: "little", resolution: 0.1 }, 230.1],
  ["f64", "406c c333 3333 3333", { type: "f64", resolution: 0.1 }, 230.1],
  ["f32 kWh to Wh", "449a 5000", { type: "f32", scale: 1000, resolution: 1 }, 1_234_500],
  ["u64 of 2^53 - 1", "001f ffff ffff ffff", { type: "u64" }, 9_007_199_254_740_991],
  ["u64 beyond 2^53", "0020 0000 0000 0001", { type: "u64" }, "9007199254740993"],
  ["i64 beyond -2^53", "ffdf ffff ffff ffff", { type: "i64" }, "-9007199254740993"],
  ["u64 whose scale takes it beyond 2^53", "0020 0000 0000 0001", { type: "u64", scale: 10 }, "90071992547409930"],
  ["tenths", "08fd", { scale: 0.1, resolution: 0.1 }, 230.1],
  ["thousandths", "0003", { scale: 0.001, resolution: 0.001 }, 0.003],
  ["halves round away from zero", "0005", { scale: 0.1, resolution: 1 }, 1],
  ["negative halves, too", "fffb", { type: "i16", scale: 0.1, resolution: 1 }, -1],
  ["a decimal half that binary misses", "03ed", { scale: 0.001, resolution: 0.01 }, 1.01],
  ["no negative zero", "ffff", { type: "i16", scale: 0.1, resolution: 1 }, 0],
  ["offset", "0032", { offset: -40, resolution: 1 }, 10],
  ["shift and mask", "1234 8456", { type: "u32", shift: 8, mask: 0x7f }, 4],
  ["mask of the top bits", "8000 0000", { type: "u32", mask: 0xff00_0000 }, 2_147_483_648],
  ["sentinel", "8000", { type: "i16", bad: [-32_768] }, undefined],
  ["64-bit sentinel", "ffff ffff ffff ffff", { type: "u64", bad: [0xffff_ffff_ffff_ffffn] }, undefined],
  ["NaN", "7fc0 0000", { type: "f32", resolution: 1 }, undefined],
  ["infinity", "ff80 0000", { type: "f32", resolution: 1 }, undefined],
  ["enumeration", "0002", { texts: new Map([[2, "Available"]]) }, "Available"],
  ["unknown enumeration", "0003", { texts: new Map([[2, "Available"]]) }, undefined],
  ["enumeration of a negative", "ffff", { type: "i16", texts: new Map([[-1, "Off"]]) }, "Off"],
  ["ascii, ended by NUL", "4231 0000 4142", { type: "ascii", words: 3 }, "B1"],
  ["ascii, padded", "2042 3220", { type: "ascii", words: 2 }, "B2"],
  ["ascii that is none", "00ff 1234", { type: "ascii", words: 2 }, undefined],
  ["text never written", "0000 0000", { type: "hex", words: 2 }, undefined],
  ["text of ones", "ffff ffff", { type: "ascii", words: 2 }, undefined],
  ["hex", "00a1 b2c3", { type: "hex", words: 2 }, "00a1b2c3"],
  ["dotted", "0106 0b00", { type: "dotted", words: 2, bytes: 3 }, "1.6.11"],
];

suite("register bytes become values", () => {
  for (const [name, hex, change, expected] of rows) {
    test(name, () => assert.equal(decode(hex, change), expected));
  }

  test("a reply that is too short holds no value", () => {
    assert.equal(decodeSignal({ ...base, words: 2, type: "u32" }, Buffer.from("0001", "hex"), 0), undefined);
    assert.equal(decodeSignal(base, Buffer.from("0001", "hex"), 2), undefined);
  });

  test("every 16-bit value in tenths is the decimal that people write", () => {
    for (let raw = 0; raw <= 0xffff; raw += 7) {
      const expected = Number(`${Math.floor(raw / 10)}.${raw % 10}`);
      const bytes = Buffer.from([raw >> 8, raw & 0xff]);
      assert.equal(decodeSignal({ ...base, scale: 0.1, resolution: 0.1 }, bytes, 0), expected);
    }
  });
});

test("every register value is the number that its decimal text is", () => {
  for (const [scale, digits] of [
    [0.1, 1],
    [0.01, 2],
    [0.001, 3],
    [0.001, 1],
    [1, 0],
  ] as const) {
    const signal: RegisterSignal = { ...base, type: "i16", scale, resolution: 10 ** -digits };
    const bytes = Buffer.alloc(2);
    for (let raw = -32_768; raw < 32_768; raw++) {
      bytes.writeInt16BE(raw);
      const steps = Math.abs(raw) * scale * 10 ** digits;
      const text = `${raw < 0 ? "-" : ""}${Math.round(Number(steps.toPrecision(12)))}e-${digits}`;
      const value = decodeSignal(signal, bytes, 0);
      if (value !== Number(text) + 0) assert.equal(value, Number(text) + 0, `${raw} times ${scale}`);
    }
  }
});
