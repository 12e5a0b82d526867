import assert from "node:assert/strict";
import { test } from "node:test";
import { takeIn } from "../../bridge/intake.ts";
import { type RecordFacts, RecordPattern } from "../../bridge/record-pattern.ts";
import { type BusbarRecord, closeRecord, crcHolds } from "../../core/record.ts";
import { uplinkPrefix } from "../../core/topics.ts";
import { Random } from "../../hw-sim/random.ts";
import { EPOCH, recordBytes } from "./records.ts";

/** Another each run; the one that failed is in the message. */
const SEED = Number(process.env.SCAN_SEED ?? Date.now() % 1_000_000);
const TOPIC = `${uplinkPrefix("gw-1")}/data/meter-1`;
const CRC_BYTES = 18;

function factsOf(bytes: Buffer): RecordFacts {
  const { g: _g, crc: _crc, ...facts } = JSON.parse(bytes.toString("utf8")) as BusbarRecord;
  return facts;
}

/** The text with a checksum that holds. */
function sealed(text: Buffer): Buffer {
  const bytes = Buffer.alloc(text.length + CRC_BYTES);
  text.copy(bytes);
  closeRecord(bytes, 0, text.length);
  return bytes;
}

test("the next record of a topic is read as the parser reads it", () => {
  const pattern = new RecordPattern(factsOf(recordBytes({ seq: 1 })));
  const next = [
    recordBytes({ seq: 2, t0: 1_795_226_000_123 }),
    recordBytes({ seq: 999_999_999_999_999 }),
    recordBytes({ seq: 3, body: '"g":[]' }),
  ];
  for (const bytes of next) assert.deepEqual(pattern.read(bytes), factsOf(bytes));
});

test("a record that is not like the one before is left to the parser", () => {
  const pattern = new RecordPattern(factsOf(recordBytes({ seq: 1 })));
  const [sound, at] = [recordBytes({ seq: 1 }).toString(), '"seq":1,'];
  const others = [
    ...[{ epoch: "aaaabbbb" }, { c: "b" as const }, { gw: "gw-2" }, { asset: "meter-2" }, { t0: 0 }, { t0: -5 }],
    ...[{ body: '"g":{}' }, { body: '"g":1' }, { body: '"g":[1e5]' }, { body: '"g":[],"x":1' }, { body: '"x":[]' }],
  ].map((made) => recordBytes({ seq: 2, ...made }));
  const texts = [
    ...[
      '"seq":0,',
      '"seq":01,',
      '"seq":-1,',
      '"seq":1.0,',
      '"seq":1e3,',
      '"seq":"1",',
      '"seq":9999999999999999,',
      '"seq":,',
    ],
    ...['"seq": 1,', '"seq":1 ,', '"seq":1,"seq":2,', '"Seq":1,'],
  ].map((text) => Buffer.from(sound.replace(at, text)));
  const heads = [
    Buffer.from(`\ufeff${sound}`),
    Buffer.from(` ${sound}`),
    Buffer.from(""),
    Buffer.from(sound).subarray(0, 90),
  ];
  for (const bytes of [...others, ...texts, ...heads]) assert.equal(pattern.read(bytes), undefined, bytes.toString());
});

test("a record whose sync is no boolean is never taken for the pattern of others", () => {
  const odd = { ...factsOf(recordBytes({ seq: 1 })), sync: { toString: () => "true" } as unknown as boolean };
  const pattern = new RecordPattern(odd);
  assert.equal(pattern.read(recordBytes({ seq: 2 })), undefined);
});

test(`whatever a pattern reads, the parser reads the same: damaged records, seed ${SEED}`, () => {
  const random = new Random(SEED, "pattern");
  const below = (most: number): number => Math.floor(random.next() * most);
  const pattern = new RecordPattern(factsOf(recordBytes({ seq: 1 })));
  const letters = Buffer.from('0123456789-+.eE"\\{}[],: tfn\u0000\u0080ÿ', "latin1");
  let read = 0;
  for (let round = 0; round < 40_000; round++) {
    const whole = recordBytes({ seq: 1 + below(2 ** 40), t0: 1 + below(2 ** 41) });
    let text = whole.subarray(0, -CRC_BYTES);
    for (let damage = below(3); damage > 0; damage--) {
      const at = below(text.length);
      const piece = letters.subarray(below(letters.length)).subarray(0, below(3));
      text = Buffer.concat([text.subarray(0, at), piece, text.subarray(at + below(3))]);
    }
    const bytes = sealed(text);
    const facts = pattern.read(bytes);
    if (facts === undefined) continue;
    read++;
    assert.ok(crcHolds(bytes));
    const why = `seed ${SEED}: ${bytes.toString("latin1")}`;
    const parsed = JSON.parse(bytes.toString("utf8")) as BusbarRecord;
    assert.deepEqual(facts, factsOf(bytes), why);
    assert.ok(Array.isArray(parsed.g), why);
  }
  assert.ok(read > 5000, `${read} were read`);
});

test("a topic's records are judged alike, whether one like them came before or not", () => {
  const ask = (bytes: Buffer): string => {
    const intake = takeIn(TOPIC, bytes, { birthOf: () => undefined });
    if (intake.is === "record") return JSON.stringify([intake.record.seq, intake.record.t0, intake.record.epoch]);
    return intake.is === "dead" ? intake.reason : intake.is;
  };
  const sound = recordBytes({ seq: 7 });
  const expected = JSON.stringify([7, 1000, EPOCH]);
  assert.deepEqual([ask(sound), ask(sound)], [expected, expected]);
  const spoilt = Buffer.from(sound);
  spoilt[sound.length - 5] = (spoilt[sound.length - 5] as number) ^ 1;
  assert.equal(ask(spoilt), "crc");
  assert.equal(ask(sealed(Buffer.from(sound.subarray(0, -CRC_BYTES - 1)))), "malformed");
  assert.equal(ask(recordBytes({ seq: 7, asset: "meter-2" })), "header");
  assert.equal(ask(recordBytes({ seq: 7, epoch: "AAAABBBB" })), "header");
  assert.equal(ask(recordBytes({ seq: 8, epoch: "aaaabbbb" })), JSON.stringify([8, 1000, "aaaabbbb"]));
  assert.equal(ask(sound), expected);
});
