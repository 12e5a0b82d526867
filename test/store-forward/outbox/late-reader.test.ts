/** Readers that go on while salvage puts older epochs behind them. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Stream, sealRecord } from "../../../core/record.ts";
import { birthIdOf } from "../../../core/signals.ts";
import { Acks } from "../../../store-forward/outbox/acks.ts";
import { LateReader } from "../../../store-forward/outbox/late-reader.ts";
import { Reader } from "../../../store-forward/outbox/reader.ts";
import type { EpochRow } from "../../../store-forward/outbox/schema.ts";
import { openSqlite } from "../../../store-forward/outbox/sqlite.ts";
import { FIRST_EPOCH, Store } from "../../../store-forward/outbox/store.ts";
import type { SealedRecord } from "../../../store-forward/queue.ts";
import { BIRTH, bench, GATEWAY, T0 } from "./support.ts";

const NUMBERS = { older: 1, old: 2, own: FIRST_EPOCH, next: FIRST_EPOCH + 1 };
type Name = keyof typeof NUMBERS;

interface Rig {
  /** Stores critical records under these numbers. */
  put(epoch: Name, ...seqs: number[]): void;
  /** A reader that begins at `from`, else at the oldest; each call gives what follows, as `epoch seq`. */
  reader(from?: [epoch: Name, seq: number], stream?: Stream): (limit: number) => string[];
}

/** Every stream holds what stream c does, under the same numbers. */
class SameInAll extends Reader {
  override read(_stream: Stream, ...where: [after: { epoch: number; seq: number }, limit: number]): SealedRecord[] {
    return super.read("c", ...where);
  }
  override hasBefore(_stream: Stream, ...where: [after: { epoch: number; seq: number }, end: number]): boolean {
    return super.hasBefore("c", ...where);
  }
}

function rig(t: TestContext): Rig {
  const store = new Store(openSqlite(bench(t).path));
  t.after(() => store.close());
  const epochs = new Map<number, EpochRow>();
  const reader = new SameInAll({
    ...{ store, epochs, acks: new Acks(), gateway: GATEWAY },
    onCorrupt: (lost) => assert.fail(JSON.stringify(lost)),
  });
  const numberOf = (name: string): number | undefined => NUMBERS[name as Name];
  const late = new LateReader(reader, numberOf);
  return {
    put: (name, ...seqs) => {
      const epoch = NUMBERS[name];
      epochs.set(epoch, { n: epoch, name });
      for (const seq of seqs) {
        const header = { k: "event", gw: GATEWAY, epoch: name, c: "c", seq, boot: 1, sync: true, t0: T0 } as const;
        const plain = sealRecord({ ...header, birth: birthIdOf(BIRTH) }, '"event":{"type":"test"}');
        store.addRecord({ epoch, seq, boot: 1, kind: "event", asset: null, sealed_ms: T0, plain });
      }
    },
    reader: (from, stream = "c") => {
      let at = from === undefined ? { epoch: 0, seq: 0 } : { epoch: NUMBERS[from[0]], seq: from[1] };
      return (limit) => {
        const found = late.read(stream, at, limit);
        const last = found.at(-1);
        if (last !== undefined) at = { epoch: NUMBERS[last.epoch as Name], seq: last.seq };
        return found.map(({ epoch, seq }) => `${epoch} ${seq}`);
      };
    },
  };
}

test("what comes late is given next, in order, each once, and then the reader goes on where it was", (t) => {
  const { put, reader } = rig(t);
  put("own", 1, 2, 3, 4, 5);
  const read = reader();
  assert.deepEqual(read(2), ["own 1", "own 2"]);
  put("old", 1, 2, 3);
  assert.deepEqual(read(2), ["old 1", "old 2"]);
  // What salvage brings of an epoch that is being read, and of one that sorts behind it.
  put("old", 4);
  assert.deepEqual(read(3), ["old 3", "old 4", "own 3"]);
  put("old", 5, 7);
  assert.deepEqual(read(9), ["old 5", "old 7", "own 4", "own 5"]);
  assert.deepEqual(read(9), []);
  put("next", 1);
  put("old", 8);
  assert.deepEqual(read(9), ["old 8", "next 1"]);
  put("next", 2);
  assert.deepEqual(read(9), ["next 2"]);
  put("old", 9);
  assert.deepEqual(read(9), ["old 9"]);
});

test("who begins anew gets all of it in order, and takes nothing from who is ahead", (t) => {
  const { put, reader } = rig(t);
  put("own", 1, 2, 3);
  const ahead = reader();
  assert.deepEqual(ahead(2), ["own 1", "own 2"]);
  put("older", 1, 2);
  put("old", 1);
  assert.deepEqual(reader()(1), ["older 1"]);
  assert.deepEqual(ahead(2), ["older 1", "older 2"]);
  assert.deepEqual(reader()(9), ["older 1", "older 2", "old 1", "own 1", "own 2", "own 3"]);
  assert.deepEqual(ahead(9), ["old 1", "own 3"]);
  const behind = reader();
  assert.deepEqual(behind(3), ["older 1", "older 2", "old 1"]);
  assert.deepEqual(behind(9), ["own 1", "own 2", "own 3"]);
});

test("what one stream's reader had is not taken for what another's had", (t) => {
  const { put, reader } = rig(t);
  put("own", 1, 2);
  const telemetry = reader(undefined, "t");
  assert.deepEqual(telemetry(2), ["own 1", "own 2"]);
  put("old", 1);
  assert.deepEqual(reader()(9), ["old 1", "own 1", "own 2"]);
  assert.deepEqual(telemetry(9), ["old 1"]);
});

test("a reader that is not known goes on behind its record; what it may have had of the other side comes again", (t) => {
  const { put, reader } = rig(t);
  put("own", 1, 2, 3);
  put("old", 1, 2);
  assert.deepEqual(reader(["own", 2])(9), ["old 1", "old 2", "own 3"]);
  assert.deepEqual(reader(["old", 1])(9), ["old 2", "own 1", "own 2", "own 3"]);
});

test("sixteen readers are known at once; the place that was come to longest ago is forgotten first", (t) => {
  const { put, reader } = rig(t);
  const seqs = Array.from({ length: 17 }, (_, i) => i + 1);
  put("own", ...seqs, 18);
  put("old", 1);
  const readers = seqs.map(() => reader());
  const come = (seq: number): void => {
    assert.equal(readers[seq - 1]?.(seq + 1).at(-1), `own ${seq}`);
  };
  for (const seq of seqs.slice(0, 16)) come(seq);
  assert.equal(reader()(2).at(-1), "own 1", "another one comes to where the first is");
  come(17);
  assert.deepEqual(readers[2]?.(1), ["own 4"], "known: the late one is not given again");
  assert.deepEqual(readers[1]?.(1), ["old 1"], "forgotten");
  assert.deepEqual(readers[0]?.(1), ["own 2"], "known");
});
