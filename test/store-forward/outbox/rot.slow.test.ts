/**
 * Flipped bits outside of what carries a checksum of its own: births, marks, the schema, SQLite's header. Whatever they
 * say, no record changes or is invented, what is gone is told, and the outbox goes on.
 */
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { type TestContext, test } from "node:test";
import Sqlite from "better-sqlite3";
import { type Gap, parseRecord, STREAMS } from "../../../core/record.ts";
import { birthIdOf } from "../../../core/signals.ts";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { randomOf } from "../../support/fake-machine.ts";
import { all, type Bench, BIRTH, batch, bench, give, samplesIn } from "./support.ts";

const FLIPS = 120;
const POWER = "meter-1 Power.Active.Import";

interface Filled extends Bench {
  /** What every record was that left or may leave, by `epoch stream seq`. */
  readonly bytes: ReadonlyMap<string, string>;
  /** Of these, those that the cloud does not have. */
  readonly waiting: ReadonlySet<string>;
  /** Samples in rows that no seal covers. */
  readonly unsealed: readonly string[];
  readonly given: ReadonlySet<string>;
}

/** Two boots; some of both streams acknowledged; three rows not sealed; everything in the database file. */
function filled(t: TestContext): Filled {
  const made = bench(t);
  const [given, bytes] = [new Set<string>(), new Map<string, string>()];
  const sample = (outbox: Outbox, value: number): string => {
    give(outbox, batch(made.clock.wall, [1, value]));
    const text = `${POWER} ${made.clock.wall} ${value}`;
    given.add(text);
    made.clock.pass(100);
    return text;
  };
  let outbox = made.open();
  for (let i = 0; i < 12; i++) {
    if (i === 6) outbox = made.open();
    sample(outbox, i);
    if (i % 3 === 0) outbox.takeCritical({ kind: "event", t0: made.clock.wall, body: `"event":{"type":"n${i}"}` });
    outbox.commit({ seal: true });
  }
  for (const stream of STREAMS) for (const record of all(outbox, stream)) bytes.set(idOf(record), String(record.plain));
  for (const record of all(outbox, "t").slice(0, 4)) outbox.ack("t", record);
  for (const record of all(outbox, "c").slice(0, 1)) outbox.ack("c", record);
  outbox.release();
  const unsealed = [100, 101, 102].map((value) => {
    const text = sample(outbox, value);
    outbox.commit();
    return text;
  });
  const waiting = new Set(STREAMS.flatMap((stream) => all(outbox, stream)).map(idOf));
  outbox.close();
  made.clock.pass(1000);
  return { ...made, bytes, waiting, unsealed, given };
}

function idOf({ epoch, stream, seq }: { epoch: string; stream: string; seq: number }): string {
  return `${epoch} ${stream} ${seq}`;
}

/** Opens what rot left, goes on for a while, takes all of it, and judges. */
function expectHonest(made: Filled, how: string): Outbox {
  const seen = new Map<string, string>();
  const outbox = made.open();
  const given = new Set(made.given);
  const take = (): void => {
    for (const stream of STREAMS) {
      for (const record of all(outbox, stream)) {
        const [id, plain] = [idOf(record), String(record.plain)];
        assert.equal(plain, seen.get(id) ?? made.bytes.get(id) ?? plain, `${how}: ${id} changed`);
        seen.set(id, plain);
        const { kind, asset } = record;
        assert.deepEqual(
          [kind, asset],
          [parseRecord(record.plain).k, parseRecord(record.plain).asset],
          `${how}: ${id}`,
        );
        for (const text of samplesIn([parseRecord(record.plain)]))
          assert.ok(given.has(text), `${how}: ${text} invented`);
        outbox.ack(stream, record);
      }
    }
  };
  for (let i = 0; i < 12; i++) {
    give(outbox, batch(made.clock.wall, [1, 1000 + i]));
    given.add(`${POWER} ${made.clock.wall} ${1000 + i}`);
    made.clock.pass(4000);
    outbox.commit({ seal: i % 2 === 1, final: i > 5 });
    take();
  }
  for (let i = 0; i < 3; i++) {
    outbox.commit({ final: true });
    take();
  }
  assert.equal(outbox.status().state, "ok", `${how}: ${outbox.status().error}`);
  const records = [...seen.values()].map((plain) => parseRecord(Buffer.from(plain)));
  const gaps = records.flatMap(({ gap }) => gap ?? []);
  for (const id of made.waiting) assert.ok(seen.has(id) || isTold(gaps, id), `${how}: ${id} vanished`);
  const arrived = new Set(samplesIn(records));
  const gone = [...made.unsealed, ...[...given].filter((text) => !made.given.has(text))].filter((s) => !arrived.has(s));
  const told = gaps.reduce((sum, { samples }) => sum + (samples ?? Number.POSITIVE_INFINITY), 0);
  assert.ok(gone.length <= told, `${how}: ${gone} vanished`);
  for (const { samples } of gaps) assert.ok(samples === null || samples >= 0, `${how}: a gap of ${samples} samples`);
  return outbox;
}

function isTold(gaps: readonly Gap[], id: string): boolean {
  const [epoch, stream, seq] = id.split(" ");
  return gaps.some(
    ({ c, epoch: of, from, to }) =>
      c === stream &&
      of === epoch &&
      from !== null &&
      from <= Number(seq) &&
      (to ?? Number.POSITIVE_INFINITY) >= Number(seq),
  );
}

test("random bits of the file: no record changes, none is invented, what is gone is told, the outbox goes on", (t) => {
  const seed = Number(process.env.BUSBAR_SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);
  const made = filled(t);
  const files = ["", ".boot"].map((suffix) => [made.path + suffix, readFileSync(made.path + suffix)] as const);
  const { wall, mono } = made.clock;
  for (let n = 0; n < FLIPS; n++) {
    made.open().close();
    Object.assign(made.clock, { wall, mono });
    for (const [path, bytes] of files) writeFileSync(path, bytes);
    const [path, bytes] = files[n % 8 === 7 ? 1 : 0]!;
    const bit = Math.floor(random() * bytes.length * 8);
    flip(path, bytes, bit);
    expectHonest(made, `seed ${seed} bit ${bit} of ${path === made.path ? "the file" : "the boot file"}`).close();
  }
});

function flip(path: string, bytes: Uint8Array, bit: number): void {
  const file = openSync(path, "r+");
  writeSync(file, Uint8Array.of(bytes[bit >> 3]! ^ (1 << (bit & 7))), 0, 1, bit >> 3);
  closeSync(file);
}

/** Each of them is one flipped bit, or makes what one can make. */
const ROT: Readonly<Record<string, string>> = {
  "a mark above what waits": "UPDATE mark SET acked = acked + 4 WHERE stream = 't'",
  "a critical mark above what waits": "UPDATE mark SET acked = acked + 2 WHERE stream = 'c'",
  "a mark above what was given out": "UPDATE mark SET acked = acked + 64 WHERE stream = 't'",
  "numbers that were given out": "UPDATE mark SET next = next - 8 WHERE stream = 't'",
  "a mark of no stream": "UPDATE mark SET stream = 'u' WHERE stream = 't'",
  "a mark of no epoch": "UPDATE mark SET epoch = 3",
  "an epoch's number": "UPDATE epoch SET n = 3",
  "an epoch's name": "UPDATE epoch SET name = 'a' || substr(name, 2)",
  "the boot of a run": "UPDATE run SET boot = boot + 1024",
  "a boot out of range": "UPDATE run SET boot = boot + (1 << 40)",
  "the birth of a run": "UPDATE run SET birth = '00000000'",
  "a row of no stream": "UPDATE packed SET stream = 'u' WHERE id = (SELECT max(id) FROM packed)",
  "a row's count": "UPDATE packed SET samples = -2 WHERE id = (SELECT max(id) FROM packed)",
  "a critical record's number": "UPDATE record SET seq = seq + 16 WHERE seq = 3",
  "a critical record's number, that of another":
    "DELETE FROM record WHERE seq = 4; UPDATE record SET seq = 4 WHERE seq = 3",
  "a critical record's kind": "UPDATE record SET kind = 'evens'",
  "a critical record's asset": "UPDATE record SET asset = 'meter-9'",
};
for (const [what, sql] of Object.entries(ROT)) {
  test(`rot in ${what}`, (t) => {
    const made = filled(t);
    new Sqlite(made.path).exec(sql).close();
    expectHonest(made, what);
  });
}

test("rot in the schema", (t) => {
  const made = filled(t);
  const bytes = readFileSync(made.path);
  flip(made.path, bytes, 8 * bytes.indexOf("INTEGER PRIMARY KEY, name"));
  expectHonest(made, "schema");
});

test("rot in the header that makes SQLite open the file for reading only: set aside, not taken for a bad medium", (t) => {
  const made = filled(t);
  flip(made.path, readFileSync(made.path), 8 * 18);
  const outbox = expectHonest(made, "write version");
  assert.match(outbox.status().error ?? "", /set aside \(its header says that it may only be read\)/);
});

const ROTTEN_BIRTH = "UPDATE birth SET payload = CAST(replace(payload, 'Active.Import', 'Active.Export') AS BLOB)";

test("our own birth rotted: it is put right, nothing is lost, and no sample gets another's name", (t) => {
  const made = filled(t);
  new Sqlite(made.path).exec(ROTTEN_BIRTH).close();
  const outbox = made.open();
  const here = new Set(all(outbox, "t").map(idOf));
  for (const id of made.waiting) assert.ok(here.has(id) || id.includes(" c "), `${id} is lost`);
  outbox.close();
  expectHonest(made, "birth");
});

test("an older birth rotted, or is no JSON any more: its rows are told, sealed or not, and the outbox goes on", (t) => {
  for (const sql of [ROTTEN_BIRTH, "UPDATE birth SET payload = x'7b00'", "DELETE FROM birth"]) {
    const made = filled(t);
    new Sqlite(made.path).exec(sql).close();
    const birth = Buffer.from(BIRTH.toString().replace("wallbox-1", "wallbox-9"));
    const open = made.open;
    const outbox = expectHonest({ ...made, open: () => open({ birth, birthId: birthIdOf(birth) }) }, sql);
    assert.equal(outbox.status().waiting, 0);
    assert.equal(outbox.status().drops.corrupt, 8, "the sealed ones");
  }
});
