/** A stored seal that rotted costs what it covers at most; what can be proven leaves as it was sealed. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import Sqlite from "better-sqlite3";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { all, type Bench, batch, bench, give, parsed, samplesIn } from "./support.ts";

interface Filled extends Bench {
  readonly epoch: string;
  /** Of the records that are not acknowledged, by number. */
  readonly bytes: ReadonlyMap<number, string>;
  readonly unsealed: readonly string[];
}

/** Six seals of two records (the first record acknowledged), and two rows that no seal covers, after a kill. */
function filled(t: TestContext): Filled {
  const made = bench(t);
  const outbox = made.open();
  for (let i = 0; i < 6; i++) {
    give(outbox, batch(made.clock.wall, [1, i], [3, "Available"]));
    give(outbox, batch(made.clock.wall + 1, [2, i]));
    outbox.commit({ seal: true });
    made.clock.pass(1000);
  }
  outbox.ack("t", { epoch: outbox.epoch, seq: 1 });
  for (const value of [100, 101]) {
    give(outbox, batch(made.clock.wall, [1, value]));
    outbox.commit();
    made.clock.pass(1000);
  }
  const bytes = new Map(all(outbox, "t").map(({ seq, plain }) => [seq, plain.toString()]));
  assert.deepEqual([...bytes.keys()], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  outbox.close();
  return { ...made, epoch: outbox.epoch, bytes, unsealed: ["100", "101"] };
}

function change(path: string, sql: string): void {
  const db = new Sqlite(path);
  db.exec(sql);
  db.close();
}

function expectGoingOn({ epoch, bytes, unsealed, files }: Filled, outbox: Outbox, lost: readonly number[]): void {
  assert.equal(outbox.epoch, epoch, "no new epoch");
  assert.deepEqual(
    files().filter((name) => name.includes("corrupt")),
    [],
  );
  all(outbox, "t");
  outbox.commit({ final: true });
  const records = all(outbox, "t");
  const old = records.filter(({ seq }) => seq <= 12);
  assert.deepEqual(
    old.map(({ seq }) => seq),
    [...bytes.keys()].filter((seq) => !lost.includes(seq)),
  );
  for (const { seq, plain } of old) assert.equal(plain.toString(), bytes.get(seq));
  const rest = samplesIn(parsed(outbox, "t").filter(({ seq }) => seq > 12));
  assert.deepEqual(
    rest.map((text) => text.split(" ").at(-1)),
    unsealed,
  );
  const gaps = parsed(outbox, "c").map(({ gap }) => gap);
  const covered = gaps.flatMap((gap) => {
    assert.deepEqual([gap?.c, gap?.epoch, gap?.reason], ["t", epoch, "corrupt"]);
    return Array.from({ length: (gap?.to ?? 0) - (gap?.from ?? 0) + 1 }, (_, i) => (gap?.from ?? 0) + i);
  });
  assert.deepEqual(covered, lost);
  for (const record of records) outbox.ack("t", record);
  outbox.commit();
  assert.equal(outbox.status().streams.t.acked, outbox.status().streams.t.next - 1);
}

const ROT: Readonly<Record<string, string>> = {
  "its last number": "seq_to = seq_to + 1000",
  "its first row": "row_from = row_from + 1",
  "its last row": "row_to = row_to + 1",
  "its last row, backwards": "row_to = 0",
  "its boot": "boot = 7",
  "its sync": "sync = 1 - sync",
  "its time": "t_min = 0",
  "its encoder": "encoder = 9",
  "its checksum": "crc = crc + 1",
  "its first number": "seq_from = seq_from + 400",
  "its first number, backwards": "seq_from = seq_from - 1",
  "its epoch": "epoch = 5",
  "a word where a number was": "row_to = 'many'",
};

for (const [what, set] of Object.entries(ROT)) {
  for (const [which, where] of [
    ["first", "row_from = 1"],
    ["a middle", "seq_from = 5"],
    ["the last", "seq_from = 11"],
  ]) {
    test(`${which} seal's rot in ${what} costs nothing`, (t) => {
      const made = filled(t);
      change(made.path, `UPDATE OR REPLACE seal SET ${set} WHERE ${where}`);
      expectGoingOn(made, made.open(), []);
    });
  }
}

test("a checksum of one record rotted: that record is lost, told, and nothing else", (t) => {
  const made = filled(t);
  change(made.path, "UPDATE seal SET sums = unhex(hex(substr(sums, 1, 8)) || '0000000000000000') WHERE seq_from = 5");
  expectGoingOn(made, made.open(), [6]);
});

test("all checksums of a seal rotted: its records are lost, told, and nothing else", (t) => {
  const made = filled(t);
  change(made.path, "UPDATE seal SET sums = zeroblob(3) WHERE seq_from = 7");
  expectGoingOn(made, made.open(), [7, 8]);
});

test("two neighbours rotted, and a third one elsewhere", (t) => {
  const made = filled(t);
  change(made.path, "UPDATE seal SET seq_to = 99 WHERE seq_from IN (5, 7, 11)");
  expectGoingOn(made, made.open(), []);
});

test("a seal and its rows rotted: from and to are told", (t) => {
  const made = filled(t);
  change(made.path, "UPDATE packed SET crc = 0 WHERE id = (SELECT row_from FROM seal WHERE seq_from = 5)");
  change(made.path, "UPDATE seal SET seq_to = 99 WHERE seq_from = 5");
  expectGoingOn(made, made.open(), [5, 6]);
});

test("a seal that is gone: what it covered is told", (t) => {
  for (const [from, lost] of [
    [5, [5, 6]],
    [11, [11, 12]],
  ] as const) {
    const made = filled(t);
    change(made.path, `DELETE FROM seal WHERE seq_from = ${from}; UPDATE seal SET crc = 0 WHERE seq_from = 7`);
    if (from === 5) expectGoingOn(made, made.open(), [...lost]);
    else {
      // Where the last seal ended nobody knows: rows behind it must not get numbers a second time.
      expectGoingOn({ ...made, unsealed: [] }, made.open(), [...lost]);
    }
  }
});

test("rot in the middle is found and mended by a read, or by a commit that deletes", (t) => {
  for (const first of ["read", "commit"]) {
    const made = filled(t);
    change(made.path, "UPDATE seal SET seq_to = 99 WHERE seq_from = 1");
    const outbox = made.open();
    if (first === "commit") {
      outbox.ack("t", { epoch: made.epoch, seq: 2 });
      outbox.commit();
      assert.equal(outbox.status().streams.t.acked, 2);
    }
    assert.equal(
      all(outbox, "t")
        .find(({ seq }) => seq === 3)
        ?.plain.toString(),
      made.bytes.get(3),
    );
    assert.equal(outbox.status().error, undefined);
    assert.match(made.logs.map(({ text }) => text).join(), /seals rotted and were made anew/);
  }
});
