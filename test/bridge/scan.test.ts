import assert from "node:assert/strict";
import { test } from "node:test";
import { endOfArray } from "../../bridge/scan.ts";
import { Random } from "../../hw-sim/random.ts";

/** Another each run; the one that failed is in the message. */
const SEED = Number(process.env.SCAN_SEED ?? Date.now() % 1_000_000);

/** What the parser says of the same bytes, decoded as the bridge decodes them. */
function isArray(bytes: Buffer): boolean {
  try {
    return Array.isArray(JSON.parse(bytes.toString("utf8")));
  } catch {
    return false;
  }
}

function takes(bytes: Buffer): boolean {
  return endOfArray(bytes, 0) === bytes.length;
}

test("what records are made of is taken", () => {
  const texts = [
    '[{"t":[0,1000,1001],"s":{"Power":[7360,null,7361.5],"On":[true,false,true]},"q":{"Power":"gbg"}}]',
    "[]",
    "[{}]",
    "[[],[[]],{}]",
    '[0,-0,-1,0.5,-0.25,10,123456789012345678901234567890,"",{"":""}]',
    '["\\u007f é € 😀"]',
  ].map((text) => text.replace("\\u007f", "\u007f"));
  for (const text of texts) {
    assert.ok(isArray(Buffer.from(text)), text);
    assert.ok(takes(Buffer.from(text)), text);
    assert.equal(endOfArray(Buffer.from(`xx${text}]`), 2), Buffer.byteLength(text) + 2, text);
  }
});

test("malformed UTF-8 in a string is taken by both, outside by none", () => {
  for (const odd of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf0, 0x9f], [0xc0, 0x80]]) {
    const inside = Buffer.concat([Buffer.from('["'), Buffer.from(odd), Buffer.from('"]')]);
    assert.deepEqual([takes(inside), isArray(inside)], [true, true], inside.toString("hex"));
    const outside = Buffer.concat([Buffer.from("["), Buffer.from(odd), Buffer.from("]")]);
    assert.deepEqual([takes(outside), isArray(outside)], [false, false], outside.toString("hex"));
  }
});

test("each byte stands in a string and in an array as the parser has it", () => {
  for (let byte = 0; byte < 256; byte++) {
    const inString = Buffer.from([...Buffer.from('["a'), byte, ...Buffer.from('x"]')]);
    assert.equal(takes(inString), isArray(inString), `in a string: ${byte}`);
    const alone = Buffer.from([...Buffer.from("[1"), byte, ...Buffer.from("1]")]);
    const left = /[ \n\r\te]/i.test(String.fromCharCode(byte));
    assert.equal(takes(alone), isArray(alone) && !left, `between numbers: ${byte}`);
  }
});

test("what the parser refuses is never taken", () => {
  const texts = [
    ...["", "[", "]", "[,]", "[1,]", "[,1]", "[1 2]", "[1,,2]", "[}", "[{]", "[{]}", '[{"a":1]', "[[1}]", "[]]"],
    ...["[01]", "[-]", "[-a]", "[1.]", "[.5]", "[+1]", "[1.e5]", "[1e]", "[0x1]", "[1.5.2]", "[--1]", "[00]", "[1-2]"],
    ...["[nul]", "[nulll]", "[True]", "[truefalse]", "[NaN]", "[Infinity]", "[undefined]", "[fals"],
    ...['["a]', '["a\nb"]', '["\t"]', '["\\x"]', '["a\\"]', "['a']", '[""""]', '["a" "b"]'],
    ...['[{"a"}]', '[{"a":}]', "[{a:1}]", '[{"a":1,}]', '[{,"a":1}]', '[{"a":1 "b":2}]', "[{1:2}]", '[{"a"::1}]'],
    ...["\ufeff[]", "[\ufeff]", "[\u00a0]", "[1]x", "{}", '{"a":[]}', "1", '"a"'],
  ];
  for (const text of texts) {
    assert.equal(isArray(Buffer.from(text)), false, text);
    assert.equal(takes(Buffer.from(text)), false, text);
  }
});

test("what only the parser knows is left to it", () => {
  const deep = `${"[".repeat(100)}${"]".repeat(100)}`;
  for (const text of ["[1e5]", "[1e999]", "[1E+2]", "[ 1]", "[1 ]", '["\\u00e9"]', '["\\ud800"]', '["\\n"]', deep]) {
    assert.ok(isArray(Buffer.from(text)), text);
    assert.equal(endOfArray(Buffer.from(text), 0), -1, text);
  }
});

test(`whatever is taken, the parser takes: damaged records, seed ${SEED}`, () => {
  const random = new Random(SEED, "scan");
  const sound = Buffer.from(
    '[{"t":[0,1000],"s":{"P":[7360,null],"F":[-0.5,50.01],"S":["on","é😀"]},"q":{"P":"gb"}},{"t":[],"s":{}},[[true],false]]',
  );
  const pieces = '[]{},:"\\-+.0123456789eEtrufalsn \n\u0000\u0080ÿ'
    .split("")
    .map((text) => Buffer.from(text, "latin1"));
  const below = (most: number): number => Math.floor(random.next() * most);
  let taken = 0;
  for (let round = 0; round < 60_000; round++) {
    let bytes = Buffer.from(sound);
    for (let damage = below(3); damage >= 0; damage--) {
      const from = below(bytes.length);
      const middle =
        random.next() < 0.3 ? bytes.subarray(below(bytes.length)).subarray(0, 8) : pieces[below(pieces.length)];
      bytes = Buffer.concat([bytes.subarray(0, from), middle ?? bytes, bytes.subarray(from + below(4))]);
    }
    if (!takes(bytes)) continue;
    taken++;
    assert.ok(isArray(bytes), `seed ${SEED}: ${bytes.toString("hex")}`);
  }
  assert.ok(taken > 100, `${taken} of the damaged ones were taken: nothing was compared`);
});

test(`nearly all JSON without escapes and exponents is taken, seed ${SEED}`, () => {
  const random = new Random(SEED, "values");
  for (let round = 0; round < 5000; round++) {
    const text = JSON.stringify([valueFrom(random, 0)]);
    const left = /\\|[0-9]e[-+]?[0-9]/.test(text);
    if (!left) assert.ok(takes(Buffer.from(text)), `seed ${SEED}: ${text}`);
  }
});

function valueFrom(random: Random, depth: number): unknown {
  const kind = Math.floor(random.next() * (depth > 6 ? 5 : 7));
  const some = Array.from({ length: Math.floor(random.next() * 4) });
  switch (kind) {
    case 0:
      return (random.next() - 0.5) * 10 ** Math.floor(random.next() * 12);
    case 1:
      return Math.floor(random.next() * 2 ** 40) - 2 ** 39;
    case 2:
      return String.fromCodePoint(...some.map(() => 32 + Math.floor(random.next() * 60_000)));
    case 3:
      return [null, true, false, -0][Math.floor(random.next() * 4)];
    case 4:
      return "";
    case 5:
      return some.map(() => valueFrom(random, depth + 1));
    default:
      return Object.fromEntries(some.map((_, i) => [`k${i}`, valueFrom(random, depth + 1)]));
  }
}
