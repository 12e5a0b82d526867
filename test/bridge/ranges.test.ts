import assert from "node:assert/strict";
import { test } from "node:test";
import { RangeSet } from "../../bridge/ranges.ts";
import { Random } from "../../hw-sim/random.ts";

test("numbers in order are one range", () => {
  const set = new RangeSet();
  for (let seq = 1; seq <= 1000; seq++) set.add(seq);
  assert.deepEqual(set.edges, [1, 1000]);
  assert.equal(set.last, 1000);
});

test("late numbers close the hole that they left", () => {
  const set = new RangeSet([1, 3, 7, 9]);
  set.add(5);
  assert.deepEqual(set.edges, [1, 3, 5, 5, 7, 9]);
  set.add(4);
  set.add(6);
  assert.deepEqual(set.edges, [1, 9]);
  set.add(2, 20);
  assert.deepEqual(set.edges, [1, 20]);
});

test("as a plain set has it, whatever order they come in", () => {
  const random = new Random(7, "ranges");
  for (let round = 0; round < 200; round++) {
    const set = new RangeSet();
    const model = new Set<number>();
    for (let step = 0; step < 60; step++) {
      const from = 1 + Math.floor(random.next() * 80);
      const to = from + (random.next() < 0.3 ? Math.floor(random.next() * 12) : 0);
      set.add(from, to);
      for (let seq = from; seq <= to; seq++) model.add(seq);
    }
    const { edges } = set;
    for (let seq = 0; seq <= 100; seq++)
      assert.equal(set.has(seq), model.has(seq), `round ${round}, ${seq} in ${edges}`);
    edges.forEach((edge, at) => {
      if (at > 0) assert.ok(edge > (edges[at - 1] as number) + (at % 2 === 0 ? 1 : -1), `touching ranges: ${edges}`);
    });
    assert.equal(set.last, Math.max(...model));
    assert.deepEqual(new RangeSet(edges).edges, edges);
  }
});
