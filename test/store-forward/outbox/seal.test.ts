import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { PackedBatches } from "../../../core/pack-reader.ts";
import { PackWriter } from "../../../core/pack-writer.ts";
import { parseRecord } from "../../../core/record.ts";
import { BAD, type Batch, GOOD, STALE } from "../../../core/sample.ts";
import { signalsOfBirth } from "../../../core/signals.ts";
import { Random } from "../../../hw-sim/random.ts";
import { MAX_RECORD_BYTES } from "../../../store-forward/outbox/asset-draft.ts";
import { type Origin, Sealer, type SealHead } from "../../../store-forward/outbox/seal.ts";
import { contract } from "../../support/contracts.ts";
import { BIRTH, batch, samplesIn } from "./support.ts";

const ORIGIN: Origin = { gateway: "depot-berlin-01", birthId: "164043ef", signals: signalsOfBirth(BIRTH) };
const HEAD: SealHead = { epoch: "k3f9a1c2", stream: "t", boot: 17, sync: true, firstSeq: 48213 };

function seal(batches: Batch[], { origin, ...head }: Partial<SealHead> & { origin?: Partial<Origin> } = {}) {
  return new Sealer({ ...ORIGIN, ...origin }).seal(batches, { ...HEAD, ...head });
}

function texts(batches: Batch[], head: Partial<SealHead> = {}): string[] {
  return seal(batches, head).records.map(({ plain }) => plain.toString());
}

test("the contract's data record, byte by byte", () => {
  const t0 = 1795226000123;
  const batches = [
    batch(t0, [1, 7360], [2, 1204330]),
    batch(t0 + 1000, [1, null, BAD], [2, 1204332]),
    batch(t0 + 2001, [1, 7361], [2, 1204334]),
  ];
  assert.deepEqual(texts(batches), [contract("record-data.json").toString().trim()]);
});

test("the contract's stale record: an older time in a group of its own", () => {
  const t0 = 1795226000200;
  const batches = [batch(t0, [3, "Occupied"]), batch(t0 + 3, [4, 16.1, STALE]), batch(t0 + 1000, [3, "Occupied"])];
  assert.deepEqual(texts(batches, { sync: false, firstSeq: 48214 }), [
    contract("record-data-stale.json").toString().trim(),
  ]);
});

test("stale samples in a batch with others leave it", () => {
  const [record] = seal([batch(5000, [1, 1], [2, 2, STALE]), batch(6000, [1, 3], [2, 4, STALE])]).records;
  assert.deepEqual(parseRecord(record!.plain).g, [
    { t: [0, 1000], s: { "Power.Active.Import": [1, 3] } },
    { t: [0], s: { "Energy.Active.Import.Register": [2] }, q: { "Energy.Active.Import.Register": "s" } },
    { t: [1000], s: { "Energy.Active.Import.Register": [4] }, q: { "Energy.Active.Import.Register": "s" } },
  ]);
});

test("time that runs backwards opens a group; t0 is the earliest", () => {
  const [record] = seal([batch(5000, [1, 1]), batch(4000, [1, 2]), batch(4500, [1, 3])]).records;
  const { t0, g } = parseRecord(record!.plain);
  assert.equal(t0, 4000);
  assert.deepEqual(g, [
    { t: [1000], s: { "Power.Active.Import": [1] } },
    { t: [0, 500], s: { "Power.Active.Import": [2, 3] } },
  ]);
});

test("microseconds are cut, not rounded; distances add up to the cut times", () => {
  const batches = [1_000_999, 2_001_998, 3_002_999].map((tUs) => ({ ...batch(0, [1, 5]), tUs }));
  const { t0, g } = parseRecord(seal(batches).records[0]!.plain);
  assert.equal(t0, 1000);
  assert.deepEqual(g?.[0]?.t, [0, 1001, 1001]);
});

test("one asset per record, in order of appearance, numbered on", () => {
  const { records } = seal([batch(1000, [3, "Available"]), batch(1001, [1, 1]), batch(2000, [3, "Occupied"])]);
  assert.deepEqual(
    records.map(({ asset, samples, plain }) => [asset, samples, parseRecord(plain).seq]),
    [
      ["wallbox-1", 2, 48213],
      ["meter-1", 1, 48214],
    ],
  );
});

test("a batch over two assets, and a signal twice in one batch, lose nothing", () => {
  const { records } = seal([batch(1000, [1, 1], [3, "Available"], [1, 2])]);
  const samples = samplesIn(records.map(({ plain }) => parseRecord(plain)));
  assert.deepEqual(samples, [
    "meter-1 Power.Active.Import 1000 1",
    "meter-1 Power.Active.Import 1000 2",
    "wallbox-1 Status 1000 Available",
  ]);
});

test("numbers that the birth does not name are counted", () => {
  const { records, unknown } = seal([batch(1000, [1, 1], [99, 5]), batch(2000, [99, 6], [0, 7])]);
  assert.equal(unknown, 3);
  assert.equal(records.length, 1);
});

test("values keep their kind", () => {
  const values = [1e21, -0, 0.1, true, false, 'quote " and \n', "9007199254740993", Number.NaN, "Ä€😀", 1e-7];
  const batches = values.map((value, index) => batch(index, [1, value]));
  const [record] = seal(batches).records;
  assert.deepEqual(parseRecord(record!.plain).g?.[0]?.s["Power.Active.Import"], [
    1e21,
    0,
    0.1,
    true,
    false,
    'quote " and \n',
    "9007199254740993",
    null,
    "Ä€😀",
    1e-7,
  ]);
});

test("no record above 32 KiB, hardly any far below when there is more, nothing lost", () => {
  const batches = Array.from({ length: 8000 }, (_, i) =>
    batch(1000 + i * 250, [1, i % 3 === 0 ? null : i, BAD], [2, i]),
  );
  const { records } = seal(batches);
  const sizes = records.map(({ plain }) => plain.length);
  assert.ok(Math.max(...sizes) <= MAX_RECORD_BYTES, `largest ${Math.max(...sizes)}`);
  assert.ok(Math.min(...sizes.slice(0, -1)) > MAX_RECORD_BYTES * 0.8, `smallest ${Math.min(...sizes)}`);
  assert.equal(samplesIn(records.map(({ plain }) => parseRecord(plain))).length, 16_000);
});

test("one batch larger than a record is divided", () => {
  const signals = Array.from({ length: 60 }, (_, i) => ({ asset: "a", name: `Signal${i}` }));
  const one = batch(1000, ...signals.map((_, i): [number, string] => [i + 1, '"'.repeat(1000)]));
  const { records } = seal([one], { origin: { signals } });
  assert.ok(records.every(({ plain }) => plain.length <= MAX_RECORD_BYTES));
  const names = samplesIn(records.map(({ plain }) => parseRecord(plain))).map((text) => text.split(" ")[1]);
  assert.deepEqual(
    names,
    signals.map(({ name }) => name),
  );
});

test("the same rows give the same bytes", () => {
  const batches = Array.from({ length: 500 }, (_, i) => batch(i * 7, [(i % 4) + 1, i], [((i + 1) % 4) + 1, null, BAD]));
  assert.deepEqual(texts(batches), texts(batches));
  const sealer = new Sealer(ORIGIN);
  const bytes = (): Buffer[] => sealer.seal(batches, HEAD).records.map(({ plain }) => plain);
  const first = bytes();
  assert.deepEqual(bytes(), first);
  assert.deepEqual(
    first.map((plain) => plain.toString()),
    texts(batches),
  );
});

test("a sealer that serves again makes what a new one makes, after a failure, too", () => {
  const sealer = new Sealer(ORIGIN);
  const values = [1, 2.5, null, "Occupied", true, -0.25] as const;
  for (let round = 0; round < 40; round++) {
    const batches = Array.from({ length: 1 + ((round * 37) % 300) }, (_, i) => {
      const value = values[(i + round) % values.length] ?? null;
      const tMs = 1000 + i * 10 - (i % 17 === round % 17 ? 500 : 0);
      const quality = i % 23 === 0 ? STALE : value === null ? BAD : 0;
      return batch(tMs, [(i % 4) + 1, value, quality], [((i + round) % 4) + 1, i]);
    });
    const head = { ...HEAD, epoch: round % 5 === 0 ? "otherone" : HEAD.epoch, firstSeq: round * 10 + 1 };
    if (round % 7 === 3) {
      const broken = function* () {
        yield* batches.slice(0, 20);
        throw new RangeError("a broken row");
      };
      assert.throws(() => sealer.seal(broken(), head), RangeError);
    }
    assert.deepEqual(sealer.seal(batches, head), new Sealer(ORIGIN).seal(batches, head), `round ${round}`);
  }
});

test("the checksum beside a record is that of its bytes", () => {
  const { records } = seal([batch(1000, [1, 1], [3, "Available"]), batch(2000, [1, 7.25])]);
  assert.deepEqual(
    records.map(({ crc }) => crc),
    records.map(({ plain }) => crc32(plain)),
  );
});

test("packed rows become the same records as their batches, whatever the shorter way of good numbers takes", () => {
  const random = new Random(7, "seal");
  const kinds: (() => Batch["values"][number])[] = [
    () => Math.round(random.between(-4000, 4000)) / 10 ** Math.floor(random.between(0, 6)),
    () => Math.round(random.between(-(2 ** 40), 2 ** 40)),
    () => "Ladevorgang läuft",
    () => null,
  ];
  const lists = [[1, 2], [3, 4], [4], [1, 2, 3], [1, 1], [1, 99]];
  for (const odd of [0, 0.02, 0.5]) {
    const batches = Array.from({ length: 600 }, (_, i): Batch => {
      const numbers = lists[Math.floor(random.next() * (odd === 0 ? 3 : lists.length))] as number[];
      const values = numbers.map(() =>
        (kinds[random.next() < odd ? Math.floor(random.between(0, 4)) : 0] as () => number)(),
      );
      const quality = numbers.map(() => (random.next() < odd ? (random.next() < 0.5 ? BAD : STALE) : GOOD));
      return { tUs: 1_795_226_000_000_000 + 250_000 * i, numbers, values, quality };
    });
    const writer = new PackWriter(1024 * 1024);
    for (const one of batches) assert.equal(writer.add(one), true);
    const sealer = new Sealer(ORIGIN);
    const rows = [writer.take()];
    const plain = new Sealer(ORIGIN).seal(batches, HEAD);
    // Twice: the second time it knows the lists from the start.
    for (let round = 0; round < 2; round++) assert.deepEqual(sealer.seal(new PackedBatches(rows), HEAD), plain);
    assert.ok(plain.records.length > 1);
  }
});
