/** The checks are no use if they cannot fail: each promise is broken here once, on a file that a real outbox wrote. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseRecord } from "../../core/record.ts";
import { bootFileOf } from "../../store-forward/boot.ts";
import { hardwareHash } from "../../store-forward/outbox/hardware.ts";
import { Outbox } from "../../store-forward/outbox/outbox.ts";
import { all, batch, defaults, FakeClock, GATEWAY, give, T0 } from "../store-forward/outbox/support.ts";
import { check, PROMISED, type Promised } from "./check.ts";
import { Known } from "./known.ts";
import type { ToldEntry } from "./order.ts";
import { idOf, numbersIn, sumOf } from "./record-tap.ts";

/** Two samples and an event, sealed, sent, not acknowledged; and what was told of them. */
function written(t: TestContext): { readonly path: string; readonly told: readonly ToldEntry[] } {
  const dir = mkdtempSync(join(tmpdir(), "busbar-powercut-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "outbox.db");
  const outbox = new Outbox({ ...defaults(path, new FakeClock(), []), hardware: hardwareHash(GATEWAY) });
  outbox.open();
  give(outbox, batch(T0, [1, 1], [2, 2]));
  outbox.takeCritical({ kind: "event", asset: "meter-1", t0: T0, body: '"event":{"type":"test","n":3}' });
  outbox.commit({ seal: true });
  const { boot, epoch } = outbox;
  const told: ToldEntry[] = [
    { kind: "booted", boot, epoch },
    { kind: "handed", boot, numbers: [1, 2, 3], watermark: T0 },
    { kind: "durable", boot, until: T0 },
  ];
  for (const { plain } of [...all(outbox, "c"), ...all(outbox, "t")]) {
    const record = parseRecord(plain);
    told.push({ kind: "sent", id: idOf(record), sum: sumOf(plain), numbers: numbersIn(record) });
  }
  outbox.close();
  return { path, told };
}

function brokenBy(path: string, told: readonly ToldEntry[]): Promised[] {
  const known = new Known();
  for (const entry of told) known.note(entry);
  const broken = new Set(check(path, known).map(({ promised }) => promised));
  return PROMISED.filter((promised) => broken.has(promised));
}

test("an outbox that lost nothing keeps every promise", (t) => {
  const { path, told } = written(t);
  assert.deepEqual(brokenBy(path, told), []);
});

test("nothing at all was told: an empty folder is as good", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-powercut-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  assert.deepEqual(brokenBy(join(dir, "outbox.db"), []), []);
});

test("the database is gone: epoch, records and samples are missed, and a gap is no excuse", (t) => {
  const { path, told } = written(t);
  for (const end of ["", "-wal"]) rmSync(`${path}${end}`, { force: true });
  assert.deepEqual(brokenBy(path, told), ["boot", "opening", "sent", "sequence", "durable"]);
});

test("the boot file is gone", (t) => {
  const { path, told } = written(t);
  rmSync(bootFileOf(path));
  assert.deepEqual(brokenBy(path, told), ["boot"]);
});

test("a later boot was told than the file knows", (t) => {
  const { path, told } = written(t);
  const epoch = told[0]?.kind === "booted" ? told[0].epoch : "";
  assert.deepEqual(brokenBy(path, [...told, { kind: "booted", boot: 4_000_000_000, epoch }]), ["boot"]);
});

test("a sample that was told to be durable is not there", (t) => {
  const { path, told } = written(t);
  const boot = told[0]?.kind === "booted" ? told[0].boot : 0;
  const more = { kind: "handed", boot, numbers: [4], watermark: T0 + 1 } as const;
  assert.deepEqual(brokenBy(path, [...told, more]), []);
  assert.deepEqual(brokenBy(path, [...told, more, { kind: "durable", boot, until: T0 + 1 }]), ["durable"]);
});

test("a record was sent with other bytes, or under a number that is not there", (t) => {
  const { path, told } = written(t);
  const changed = told.map((entry) => (entry.kind === "sent" ? { ...entry, sum: "other" } : entry));
  assert.deepEqual(brokenBy(path, changed), ["sent"]);
  const id = idOf({ epoch: told[0]?.kind === "booted" ? told[0].epoch : "", c: "t", seq: 2 });
  assert.deepEqual(brokenBy(path, [...told, { kind: "sent", id, sum: "any", numbers: [] }]), ["sent"]);
});

test("a sample stands in an acknowledged record and in one that is still here", (t) => {
  const { path, told } = written(t);
  const id = "00000000 t 1";
  const other: ToldEntry[] = [
    { kind: "sent", id, sum: "any", numbers: [1] },
    { kind: "acked", id },
  ];
  assert.deepEqual(brokenBy(path, [...told, ...other]), ["once"]);
});

test("a number below is missing", (t) => {
  const { path, told } = written(t);
  const outbox = new Outbox({ ...defaults(path, new FakeClock(), []), hardware: hardwareHash(GATEWAY) });
  outbox.open();
  const [first] = all(outbox, "t");
  assert.ok(first !== undefined);
  outbox.ack("t", first);
  give(outbox, batch(T0 + 1, [1, 4]));
  outbox.commit({ seal: true });
  outbox.close();
  const handed = { kind: "handed", boot: outbox.boot, numbers: [4], watermark: T0 + 1 } as const;
  assert.deepEqual(brokenBy(path, [...told, handed]), ["sent", "sequence", "durable"]);
  assert.deepEqual(brokenBy(path, [...told, handed, { kind: "acked", id: idOf({ ...first, c: "t" }) }]), []);
});
