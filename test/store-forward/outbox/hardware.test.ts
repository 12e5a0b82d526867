import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { STREAMS } from "../../../core/record.ts";
import { hardwareHash } from "../../../store-forward/outbox/hardware.ts";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import { all, batch, bench, GATEWAY, give, parsed, restored, samplesIn, T0 } from "./support.ts";

/** A root file system's machine id and board serial. */
function board(t: TestContext, machineId: string, serial?: string): string[] {
  const dir = mkdtempSync(join(tmpdir(), "busbar-board-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, "machine-id"), machineId);
  if (serial !== undefined) writeFileSync(join(dir, "serial-number"), serial);
  return [join(dir, "machine-id"), join(dir, "serial-number")];
}

test("the hash changes with machine id, board serial and gateway id, and with nothing else", (t) => {
  const hash = hardwareHash(GATEWAY, board(t, "0123abcd\n", "10000000aabb\0"));
  assert.equal(hardwareHash(GATEWAY, board(t, "0123abcd", "10000000aabb\n")), hash, "how the text ends");
  const others = [
    hardwareHash(GATEWAY, board(t, "0123abce\n", "10000000aabb\0")),
    hardwareHash(GATEWAY, board(t, "0123abcd\n", "10000000aabc\0")),
    hardwareHash("depot-berlin-02", board(t, "0123abcd\n", "10000000aabb\0")),
    hardwareHash(GATEWAY, board(t, "0123abcd\n")),
    hardwareHash(GATEWAY, board(t, "", "0123abcd10000000aabb\0")),
    hardwareHash(GATEWAY, []),
  ];
  assert.equal(new Set([hash, ...others]).size, 7);
  assert.match(hash, /^[0-9a-f]{64}$/);
});

test("this machine has a hash, and it does not change", () => {
  assert.equal(hardwareHash(GATEWAY), hardwareHash(GATEWAY));
});

test("a cloned card in two boards: no number ever stands for two contents", (t) => {
  const [one, two] = [bench(t), bench(t)];
  const hardware = {
    first: hardwareHash(GATEWAY, board(t, "aaaa", "1")),
    clone: hardwareHash(GATEWAY, board(t, "bbbb", "1")),
  };
  const first = one.open({ hardware: hardware.first });
  give(first, batch(T0, [1, 1]));
  first.takeCritical({ kind: "event", t0: T0, body: `"event":{"type":"test"}` });
  first.commit();
  give(first, batch(T0 + 1000, [1, 2]));
  first.commit();
  first.close();
  cpSync(one.dir, two.dir, { recursive: true });

  const devices = [one.open({ hardware: hardware.first }), two.open({ hardware: hardware.clone })];
  const values = devices.map((device, index) => goOn(device, 10 * (index + 1)));
  const [original, clone] = devices as [Outbox, Outbox];
  assert.equal(original.epoch, first.epoch);
  assert.notEqual(clone.epoch, first.epoch);
  assert.deepEqual(values, [
    [1, 2, 10],
    [1, 2, 20],
  ]);
  const bytes = new Map<string, string>();
  let shared = 0;
  for (const device of devices) {
    for (const { epoch, stream, seq, plain } of STREAMS.flatMap((stream) => all(device, stream))) {
      const id = `${epoch} ${stream} ${seq}`;
      if (bytes.has(id)) shared++;
      assert.equal(bytes.get(id) ?? plain.toString(), plain.toString(), id);
      bytes.set(id, plain.toString());
    }
  }
  assert.equal(shared, 2, "what was sealed before the copy keeps its identity on both");

  const again = two.open({ hardware: hardware.clone });
  assert.equal(again.epoch, clone.epoch, "one change, one new epoch");
});

/** One more value; all values of telemetry. */
function goOn(outbox: Outbox, value: number): number[] {
  give(outbox, batch(T0 + 60_000 + value, [1, value]));
  outbox.commit({ final: true });
  return samplesIn(parsed(outbox, "t")).map((text) => Number(text.split(" ").at(-1)));
}

test("a card that is put back, older by a single acknowledged record: its number is not given out again", (t) => {
  const { open, path } = bench(t);
  const put = (outbox: Outbox, value: number): void => {
    give(outbox, batch(T0 + value, [1, value]));
    outbox.commit({ seal: true });
    for (const record of all(outbox, "t")) outbox.ack("t", record);
    outbox.commit({ final: true });
    outbox.close();
  };
  const first = open();
  put(first, 1);
  cpSync(path, `${path}.image`);
  put(open(), 2);
  cpSync(`${path}.image`, path);
  const restored = open();
  assert.notEqual(restored.epoch, first.epoch);
  assert.deepEqual(
    parsed(restored, "c").flatMap(({ gap }) => (gap?.c === "t" ? [[gap.epoch, gap.from, gap.to]] : [])),
    [[first.epoch, 3, null]],
  );
});

test("a restored card: what it holds itself is not told as lost, in any stream", (t) => {
  const { open, path, clock } = bench(t);
  let outbox = open();
  give(outbox, batch(T0, [1, 1]));
  for (const type of ["one", "two"]) outbox.takeCritical({ kind: "event", t0: T0, body: `"event":{"type":"${type}"}` });
  outbox.commit();
  outbox.close();
  cpSync(path, `${path}.backup`);
  outbox = open();
  clock.pass(10_000);
  give(outbox, batch(T0 + 10_000, [1, 2]));
  outbox.commit();
  // Telemetry alone reaches the cloud: of critical the card has what nobody else has.
  const { epoch } = outbox;
  outbox = restored({ open, path }, outbox);
  assert.notEqual(outbox.epoch, epoch);
  const critical = parsed(outbox, "c");
  assert.deepEqual(
    critical.flatMap(({ gap }) => (gap === undefined ? [] : [[gap.c, gap.epoch, gap.from, gap.to]])),
    [
      ["c", epoch, 3, null],
      ["t", epoch, 3, null],
      ["b", epoch, 1, null],
    ],
  );
  assert.deepEqual(
    critical.slice(0, 2).map((record) => [record.epoch, record.seq, record.k]),
    [
      [epoch, 1, "event"],
      [epoch, 2, "event"],
    ],
  );
});
