import assert from "node:assert/strict";
import { test } from "node:test";
import { Inbox, type Item } from "../../bridge/inbox.ts";

const LIMITS = { records: 3, bytes: 100, ageMs: 20 };
const never = new AbortController().signal;

class Bench {
  nowMs = 0;
  readonly inbox = new Inbox({ monoMs: () => this.nowMs, birthWaitMs: 1000 });
  life = this.inbox.begin();
  readonly acked: string[] = [];

  push(name: string, bytes = 1): void {
    this.inbox.push(this.item(name, bytes));
  }

  item(name: string, bytes = 1): Item {
    const ack = (): void => void this.acked.push(name);
    return { topic: name, payload: Buffer.alloc(bytes), life: this.life, arrivedMs: this.nowMs, ack };
  }

  async batch(limits = LIMITS): Promise<string> {
    return (await this.inbox.batch(limits, never)).map(({ topic }) => topic).join("");
  }
}

test("a batch is due when it has enough messages, enough bytes, or an old one", async () => {
  const bench = new Bench();
  for (const name of "abcd") bench.push(name);
  assert.equal(await bench.batch(), "abc");
  bench.push("e", 100);
  assert.equal(await bench.batch(), "d", "the next would be too many bytes");
  assert.equal(await bench.batch(), "e", "enough bytes");
  bench.push("g", 500);
  assert.equal(await bench.batch(), "g", "one that is larger than a batch goes alone");
  bench.push("h");
  bench.nowMs += 20;
  assert.equal(await bench.batch(), "h", "old enough");
});

test("who waits for a batch gets it when it fills", async () => {
  const bench = new Bench();
  const due = bench.batch({ ...LIMITS, ageMs: 60_000 });
  for (const name of "abc") bench.push(name);
  assert.equal(await due, "abc");
});

test("an abort ends the wait with nothing", async () => {
  const stop = new AbortController();
  const bench = new Bench();
  const due = bench.inbox.batch(LIMITS, stop.signal);
  stop.abort();
  assert.deepEqual(await due, []);
});

test("what a transaction did not write comes back first", async () => {
  const bench = new Bench();
  for (const name of "abcd") bench.push(name);
  const items = await bench.inbox.batch(LIMITS, never);
  bench.inbox.putBack(items);
  assert.deepEqual([bench.inbox.length, bench.inbox.bytes], [4, 8]);
  assert.equal(await bench.batch(), "abc");
});

test("what came with a connection that is gone is forgotten: it comes again", async () => {
  const bench = new Bench();
  for (const name of "abc") bench.push(name);
  const items = await bench.inbox.batch(LIMITS, never);
  bench.push("d");
  bench.inbox.park(bench.item("p"), "gw");
  bench.life = bench.inbox.begin();
  bench.inbox.putBack(items);
  bench.inbox.unpark("gw");
  assert.deepEqual([bench.inbox.length, bench.inbox.bytes, bench.inbox.oldestMs], [0, 0, undefined]);
});

test("what waits for a birth comes back when it is there, or without it when it is late", async () => {
  const bench = new Bench();
  bench.inbox.park(bench.item("a"), "gw-1");
  bench.inbox.park(bench.item("b"), "gw-2");
  assert.equal(bench.inbox.length, 0);
  bench.inbox.unpark("gw-1");
  bench.nowMs += 999;
  bench.inbox.expire();
  const [first] = await bench.inbox.batch(LIMITS, never);
  assert.deepEqual([first?.topic, first?.birthMissed], ["a", undefined]);
  bench.nowMs += 1;
  bench.inbox.expire();
  bench.nowMs += 20;
  const [late] = await bench.inbox.batch(LIMITS, never);
  assert.deepEqual([late?.topic, late?.birthMissed], ["b", true]);
  // Its gateway has shown that its births do not come: no more waiting, until one does.
  bench.inbox.park(bench.item("c"), "gw-2");
  assert.equal(bench.inbox.length, 1);
  bench.inbox.unpark("gw-2");
  bench.inbox.park(bench.item("d"), "gw-2");
  assert.equal(bench.inbox.length, 1);
});
