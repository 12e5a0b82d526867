import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { overlapsOf } from "../../../drivers/can/dbc/overlap.ts";
import { parseDbc } from "../../../drivers/can/dbc/parse.ts";
import { FIXTURES } from "./fakes.ts";

const text = readFileSync(new URL("vectors.dbc", FIXTURES), "utf8");

test("everything of a whole file is understood", () => {
  const { version, messages, problems } = parseDbc(text);
  assert.deepEqual(problems, []);
  assert.equal(version, "42");
  assert.deepEqual(
    messages.map(({ name, id, extended, sizeBytes, line, signals }) => [
      name,
      id,
      extended,
      sizeBytes,
      line,
      signals.length,
    ]),
    [
      ["Intel", 256, false, 8, 17, 4],
      ["Motorola", 257, false, 8, 23, 4],
      // 2566844926 is 0x98FEF1FE: bit 31 marks 29-bit ids.
      ["Floats", 0x18fef1fe, true, 16, 29, 3],
      ["Muxed", 258, false, 8, 34, 6],
      ["Fd", 259, false, 64, 42, 3],
      ["Gear", 260, false, 2, 47, 3],
    ],
  );
  const across = messages[0]!.signals[1]!;
  assert.deepEqual(
    { ...across, labels: across.labels.size },
    {
      name: "Across",
      start: 5,
      length: 23,
      bigEndian: false,
      signed: true,
      float: 0,
      factor: 0.25,
      offset: -10,
      minimum: 0,
      maximum: 0,
      unit: "V",
      labels: 0,
      multiplexor: false,
      condition: undefined,
      line: 19,
    },
  );
});

test("line ends of Windows and tabs change nothing but the text of a comment", () => {
  assert.deepEqual(parseDbc(text.replaceAll("\n", "\r\n")).messages, parseDbc(text).messages);
  assert.deepEqual(parseDbc(text.replaceAll("\n SG_", "\n\tSG_")).messages, parseDbc(text).messages);
});

describe("what is wrong is named with its line, and costs only itself", () => {
  const good = 'BO_ 9 Good: 8 X\n SG_ S : 0|8@1+ (1,0) [0|1] "" X';
  const cases: readonly [what: string, lines: string, line: number, text: RegExp][] = [
    ["a signal without its place", 'BO_ 1 M: 8 X\n SG_ S : zero|8@1+ (1,0) [0|1] "" X', 2, /SG_ not understood/],
    ["a signal beyond 64 bytes", 'BO_ 1 M: 8 X\n SG_ S : 510|8@1+ (1,0) [0|1] "" X', 2, /no place in a frame/],
    ["a start bit that wraps", 'BO_ 1 M: 8 X\n SG_ S : 34359738368|8@1+ (1,0) [0|1] "" X', 2, /no place in a frame/],
    ["a signal of no bits", 'BO_ 1 M: 8 X\n SG_ S : 0|0@1+ (1,0) [0|1] "" X', 2, /no place in a frame/],
    ["a factor of 0", 'BO_ 1 M: 8 X\n SG_ S : 0|8@1+ (0,0) [0|1] "" X', 2, /makes no sense/],
    ["a factor that overflows", 'BO_ 1 M: 8 X\n SG_ S : 0|8@1+ (1e999,0) [0|1] "" X', 2, /makes no sense/],
    [
      "a name used twice",
      'BO_ 1 M: 8 X\n SG_ S : 0|8@1+ (1,0) [0|1] ""\n SG_ S : 8|8@1+ (1,0) [0|1] ""',
      3,
      /used before/,
    ],
    ["an 11-bit id of 12 bits", "BO_ 2048 M: 8 X", 1, /no CAN id/],
    ["an id used twice", "BO_ 1 M: 8 X\nBO_ 1 N: 8 X", 2, /used before/],
    ["a message longer than a frame", "BO_ 1 M: 1785 X", 1, /no CAN frame/],
    ["a message without its size", "BO_ 1 M X", 1, /BO_ not understood/],
    ["labels of a signal that is not there", 'BO_ 1 M: 8 X\nVAL_ 1 S 0 "a" ;', 2, /M has no signal S/],
    ["a float of 16 bits", 'BO_ 1 M: 8 X\n SG_ S : 0|16@1+ (1,0) [0|1] ""\nSIG_VALTYPE_ 1 S : 1;', 3, /IEEE 754/],
    ["a page without a multiplexor", 'BO_ 1 M: 8 X\n SG_ S m1 : 0|8@1+ (1,0) [0|1] "" X', 2, /0 multiplexors/],
    ["a comment without its end", 'CM_ "for ever\nand ever', 1, /has no end/],
    ["what is no DBC at all", "%PDF-1.4", 1, /not understood: "%PDF-1.4"/],
  ];
  for (const [what, lines, line, pattern] of cases) {
    test(what, () => {
      const { messages, problems } = parseDbc(`${lines}\n${good}`);
      assert.equal(problems[0]?.line, line);
      assert.match(problems[0]!.text, pattern);
      const kept = messages.find(({ name }) => name === "Good");
      assert.equal(kept?.signals.length, 1, "the message after it");
    });
  }
});

test("Vector's message of loose signals is no message", () => {
  const { messages, problems } = parseDbc(
    'BO_ 3221225472 VECTOR__INDEPENDENT_SIG_MSG: 0 Vector__XXX\n SG_ Loose : 0|8@1+ (1,0) [0|0] "" X',
  );
  assert.deepEqual([messages, problems], [[], []]);
});

test("signals that share bits are named, unless they are never in one frame", () => {
  const [message] = parseDbc(`BO_ 1 M: 8 X
 SG_ Page M : 0|8@1+ (1,0) [0|0] "" X
 SG_ A m0 : 8|8@1+ (1,0) [0|0] "" X
 SG_ B m1 : 8|8@1+ (1,0) [0|0] "" X
 SG_ C m1 : 15|4@0+ (1,0) [0|0] "" X`).messages;
  assert.deepEqual(overlapsOf(message!), ["M: B and C share bits"]);
});

test("any text is read to its end without an exception, in time that grows with its length", () => {
  let seed = 12345;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed % below;
  };
  const alphabet = 'BO_ SG_ VAL_ CM_ "\n\n;:|@+-(),[]0123456789eEMm.\\\t\u0000\u00b0x';
  for (let round = 0; round < 300; round++) {
    const chars = [...text];
    for (let edit = 0; edit < 40; edit++) {
      const at = random(chars.length);
      if (random(3) === 0) chars.splice(at, random(30));
      else chars.splice(at, random(2), alphabet[random(alphabet.length)]!);
    }
    const { messages } = parseDbc(chars.join(""));
    for (const { signals } of messages) {
      for (const { length, factor } of signals) assert.ok(length >= 1 && length <= 64 && Number.isFinite(factor));
    }
  }
  const started = performance.now();
  parseDbc(
    `SG_ ${" ".repeat(50_000)}\nBO_ ${"9".repeat(50_000)}\nCM_ ${'"'.repeat(50_001)}\nVAL_ 1 S ${'1 "a" '.repeat(9000)};`,
  );
  assert.ok(performance.now() - started < 1000, "no regular expression backtracks");
});
