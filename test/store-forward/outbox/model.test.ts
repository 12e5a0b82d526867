/**
 * Random operations against a model that is too simple to be wrong: a list of samples handed over, a set of numbers
 * acknowledged. BUSBAR_SEED repeats a run.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BusbarRecord } from "../../../core/record.ts";
import { parseRecord } from "../../../core/record.ts";
import type { Outbox } from "../../../store-forward/outbox/outbox.ts";
import type { SealedRecord } from "../../../store-forward/queue.ts";
import { all, batch, bench, give, samplesIn } from "./support.ts";

const STEPS = 200;
const SIGNALS = ["", "meter-1 Power.Active.Import", "meter-1 Energy.Active.Import.Register"];

/** mulberry32 */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("random operations: nothing is lost, doubled, renumbered or changed", (t) => {
  const seed = Number(process.env.BUSBAR_SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  const next = random(seed);
  const { open, clock } = bench(t);
  let outbox = open({ publishIntervalMs: 3000 });
  /** What was committed must come out; what was only handed over may be lost by a kill. */
  const committed = new Set<string>();
  let handed: string[] = [];
  const acked = new Set<string>();
  const bytes = new Map<string, Buffer>();
  const delivered = new Map<string, BusbarRecord>();
  let value = 0;

  const look = (from: Outbox): void => {
    const last = new Map<string, number>();
    const limit = 1 + Math.floor(next() * 40);
    let some: SealedRecord[] = [];
    do {
      some = from.read("t", some.at(-1), limit);
      for (const { epoch, seq, plain } of some) {
        const id = `${epoch} ${seq}`;
        assert.ok((last.get(epoch) ?? 0) < seq, `seed ${seed}: ${id} out of order`);
        last.set(epoch, seq);
        assert.deepEqual(plain, bytes.get(id) ?? plain, `seed ${seed}: ${id} changed`);
        bytes.set(id, Buffer.from(plain));
        delivered.set(id, parseRecord(plain));
      }
      // From now on others may be built in their place.
      if (next() < 0.7) from.spent(some);
    } while (some.length === limit);
  };
  const operations: (() => void)[] = [
    () => {
      const n = 1 + Math.floor(next() * 2);
      give(outbox, batch(clock.wall, [n, ++value]));
      handed.push(`${SIGNALS[n]} ${clock.wall} ${value}`);
    },
    () => clock.pass(Math.floor(next() * 2000)),
    () => {
      outbox.commit({ seal: next() < 0.1 });
      for (const sample of handed) committed.add(sample);
      handed = [];
    },
    () => {
      look(outbox);
      for (const record of all(outbox, "t")) {
        if (next() > 0.4) continue;
        outbox.ack("t", record);
        acked.add(`${record.epoch} ${record.seq}`);
      }
    },
    () => {
      if (next() > 0.3) return;
      handed = [];
      clock.pass(1000);
      outbox = open({ publishIntervalMs: 3000, hardware: next() < 0.3 ? `board-${value}` : "board-1" });
      look(outbox);
    },
  ];
  for (let step = 0; step < STEPS; step++) operations[Math.floor(next() * operations.length)]?.();
  outbox.commit({ final: true });
  for (const sample of handed) committed.add(sample);
  look(outbox);

  const seqs = Map.groupBy(delivered.keys(), (id) => id.split(" ")[0] ?? "");
  for (const [epoch, ids] of seqs) {
    const numbers = ids.map((id) => Number(id.split(" ")[1])).sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i + 1),
      `seed ${seed}: holes in ${epoch}`,
    );
  }
  assert.deepEqual(samplesIn([...delivered.values()]).sort(), [...committed].sort(), `seed ${seed}`);
  for (const record of all(outbox, "t")) outbox.ack("t", record);
  outbox.commit();
  assert.equal(outbox.status().waiting, 0, `seed ${seed}`);
});
