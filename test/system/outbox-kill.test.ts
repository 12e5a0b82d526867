/**
 * A process that writes through the outbox is killed (SIGKILL) at random moments, many times, on the same files. What it
 * had told before each kill must hold afterwards: values up to `durable_until` are there, numbers have no holes, and a
 * record that was read once has the same bytes for ever. The child runs this same file.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parseRecord } from "../../core/record.ts";
import { Outbox } from "../../store-forward/outbox/outbox.ts";
import { all, batch, defaults, FakeClock, give, T0 } from "../store-forward/outbox/support.ts";

const KILLS = 40;
const FOR_MS = 15_000;
const EVENT = '"event":{"type":"test"}';

/** One value per millisecond of a clock that never repeats one: value v was taken at T0 + v. */
function child(path: string, first: number): void {
  const tell = (message: unknown): void => void writeSync(1, `${JSON.stringify(message)}\n`);
  const clock = new FakeClock();
  clock.wall = T0 + first;
  const outbox = new Outbox({ ...defaults(path, clock, []), publishIntervalMs: 20 });
  outbox.open();
  for (let value = first; ; value++) {
    clock.pass(1);
    give(outbox, batch(T0 + value, [(value % 2) + 1, value]));
    if (value % 16 === 0) outbox.takeCritical({ kind: "event", t0: T0 + value, body: EVENT });
    if (value % 4 !== 0) continue;
    outbox.commit();
    tell({ durable: outbox.status().durable_until });
    if (value % 40 !== 0) continue;
    for (const stream of ["c", "t"] as const) {
      const records = outbox.read(stream, undefined, 50);
      tell({ records: records.map(({ plain }) => plain.toString()) });
      for (const record of records.slice(0, value % 3)) outbox.ack(stream, record);
    }
  }
}

interface Known {
  durable: number;
  /** By epoch, stream and number. */
  readonly bytes: Map<string, string>;
  readonly values: Map<number, string>;
}

function note(known: Known, plain: string): void {
  const { epoch, c, seq, g = [] } = parseRecord(Buffer.from(plain));
  const id = `${epoch} ${c} ${seq}`;
  assert.equal(plain, known.bytes.get(id) ?? plain, `${id} changed`);
  known.bytes.set(id, plain);
  for (const value of g.flatMap(({ s }) => Object.values(s).flat())) {
    assert.equal(known.values.get(Number(value)) ?? id, id, `value ${value} in two records`);
    known.values.set(Number(value), id);
  }
}

/** Opens what the kill left and compares; returns the first value that the next child may use. */
function inspect(path: string, known: Known): number {
  const clock = new FakeClock();
  clock.wall = Math.max(T0, known.durable) + 1;
  const outbox = new Outbox(defaults(path, clock, []));
  outbox.open();
  assert.equal(outbox.status().state, "ok");
  outbox.commit({ seal: true });
  for (const stream of ["c", "t"] as const)
    for (const { plain } of all(outbox, stream, 64)) note(known, plain.toString());
  outbox.close();
  for (const stream of ["c", "t"]) {
    const ids = [...known.bytes.keys()].filter((id) => id.startsWith(`${outbox.epoch} ${stream}`));
    assert.equal(Math.max(0, ...ids.map((id) => Number(id.split(" ")[2]))), ids.length, `holes in ${stream}`);
  }
  for (let value = 1; T0 + value <= known.durable; value++) {
    assert.ok(known.values.has(value), `value ${value} is durable and gone`);
  }
  return Math.max(0, ...known.values.keys()) + 1;
}

async function runUntilKilled(path: string, first: number, known: Known): Promise<void> {
  const process_ = spawn(process.execPath, [import.meta.filename, "child", path, String(first)]);
  let text = "";
  process_.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const errors: Buffer[] = [];
  process_.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
  const closed = new Promise((resolve) => process_.once("close", resolve));
  const deadline = performance.now() + 5000;
  while (text === "" && performance.now() < deadline) await sleep(5);
  await sleep(Math.random() * 150);
  process_.kill("SIGKILL");
  await closed;
  assert.notEqual(text, "", Buffer.concat(errors).toString());
  for (const line of text.split("\n").slice(0, -1)) {
    const message = JSON.parse(line) as { durable?: number; records?: string[] };
    known.durable = Math.max(known.durable, message.durable ?? 0);
    for (const plain of message.records ?? []) note(known, plain);
  }
}

async function killMany(t: TestContext): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "busbar-kill-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "outbox.db");
  const known: Known = { durable: 0, bytes: new Map(), values: new Map() };
  const begin = performance.now();
  let first = 1;
  let kills = 0;
  for (; kills < KILLS && performance.now() - begin < FOR_MS; kills++) {
    await runUntilKilled(path, first, known);
    first = inspect(path, known);
  }
  t.diagnostic(`${kills} kills, ${known.values.size} values, ${known.bytes.size} records`);
  assert.ok(kills >= 5 && known.values.size > 100);
}

const [, , role, path = "", first = "1"] = process.argv;
if (role === "child") child(path, Number(first));
else test("killed at random moments: what was told to be durable is there, and no record ever changes", killMany);
