import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { PollSchedule } from "../../../drivers/modbus/schedule.ts";
import { Turns } from "../../../drivers/modbus/turns.ts";
import { Random } from "../../../hw-sim/random.ts";

interface Item {
  readonly name: string;
  dueMs: number;
}

suite("turns on a line", () => {
  test("who is due first comes first; of equals the one that was named first, again and again", () => {
    const items: Item[] = ["a", "b", "c"].map((name) => ({ name, dueMs: 0 }));
    const turns = new Turns(items);
    const order: string[] = [];
    for (let turn = 0; turn < 7; turn++) {
      const item = turns.take();
      assert.ok(item !== undefined);
      order.push(item.name);
      item.dueMs += item.name === "b" ? 20 : 10;
      turns.giveBack(item);
    }
    assert.deepEqual(order, ["a", "b", "c", "a", "c", "a", "b"]);
  });

  test("agrees with a search of all items, whatever happens to the times", () => {
    const random = new Random(7, "turns");
    const items: Item[] = Array.from({ length: 20 }, (_, i) => ({
      name: String(i),
      dueMs: Math.floor(random.next() * 5),
    }));
    const turns = new Turns(items);
    for (let turn = 0; turn < 500; turn++) {
      const expected = items.reduce((first, item) => (item.dueMs < first.dueMs ? item : first));
      const taken = turns.take();
      assert.equal(taken?.name, expected.name, `turn ${turn}`);
      expected.dueMs += Math.floor(random.next() * 6);
      turns.giveBack(expected);
    }
  });

  test("what is taken does not come before it is given back", () => {
    const turns = new Turns([{ name: "a", dueMs: 0 }]);
    const item = turns.take();
    assert.equal(turns.take(), undefined);
    assert.ok(item !== undefined);
    turns.giveBack(item);
    assert.equal(turns.take(), item);
  });
});

suite("when a device is due", () => {
  const groups = [
    { name: "fast", intervalMs: 1000 },
    { name: "slow", intervalMs: 2500 },
  ];

  test("the earliest of its groups, each on its grid", () => {
    const schedule = new PollSchedule(groups, { startMs: 0, firstDelayMs: 500, random: () => 0.5 });
    const turns: [number, string | undefined][] = [];
    for (let turn = 0; turn < 6; turn++) {
      const { dueMs } = schedule;
      turns.push([dueMs, schedule.start(dueMs)?.name]);
    }
    const expected = [
      [0, "fast"],
      [0, "slow"],
      [1000, "fast"],
      [2000, "fast"],
      [2500, "slow"],
      [3000, "fast"],
    ];
    assert.deepEqual(turns, expected);
  });

  test("a failure puts all of it off, an answer brings it back", () => {
    const schedule = new PollSchedule(groups, { startMs: 0, firstDelayMs: 500, random: () => 0.5 });
    const group = schedule.start(0);
    assert.ok(group !== undefined);
    schedule.failed(group, 10);
    assert.ok(schedule.dueMs > 10, "asked less often");
    schedule.answered();
    assert.equal(schedule.dueMs, 0, "the slow group's first turn still stands");
  });
});
