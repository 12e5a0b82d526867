import assert from "node:assert/strict";
import { test } from "node:test";
import { assignSticky, type Member } from "../../bridge/kafka/sticky.ts";
import { Random } from "../../hw-sim/random.ts";

function member(id: string, held: readonly number[] = [], confirmedAt = 1): Member {
  return { id, held, confirmedAt };
}

function moves(before: ReadonlyMap<string, number[]>, after: ReadonlyMap<string, number[]>): number {
  return [...after].flatMap(([id, list]) => list.filter((one) => !before.get(id)?.includes(one))).length;
}

test("one member gets all, two get half, more members than partitions leave some with none", () => {
  assert.deepEqual(assignSticky([member("a")], 4).get("a"), [0, 1, 2, 3]);
  const sizes = (n: number) =>
    [
      ...assignSticky(
        Array.from({ length: n }, (_, i) => member(`m${i}`)),
        4,
      ).values(),
    ].map((l) => l.length);
  assert.deepEqual(sizes(2), [2, 2]);
  assert.deepEqual(sizes(6).sort(), [0, 0, 1, 1, 1, 1]);
});

test("who joins takes only its share, who leaves gives only its own", () => {
  const before = new Map([["a", [0, 1, 2, 3, 4, 5, 6, 7]]]);
  const joined = assignSticky([member("a", before.get("a")), member("b")], 8);
  assert.equal(moves(before, joined), 4);
  const left = assignSticky([member("b", joined.get("b"))], 8);
  assert.equal(moves(joined, left), 4);
});

test("of two that claim the same partition the one confirmed later keeps it", () => {
  const assigned = assignSticky([member("sleeper", [0, 1], 1), member("owner", [0, 1, 2, 3], 2)], 4);
  const kept = assigned.get("owner") ?? [];
  assert.deepEqual([kept.length, kept.every((one) => one < 4)], [2, true]);
  assert.deepEqual(
    assignSticky([member("sleeper", [2, 3], 1), member("owner", [2, 3], 2)], 4)
      .get("owner")
      ?.sort(),
    [2, 3],
  );
});

test("whatever members claim: every partition to one, evenly, the same on whoever computes it", () => {
  const random = new Random(3, "sticky");
  for (let round = 0; round < 500; round++) {
    const partitions = 2 ** Math.floor(random.next() * 7);
    const members = Array.from({ length: 1 + Math.floor(random.next() * 6) }, (_, i) => {
      const held = Array.from({ length: Math.floor(random.next() * 20) }, () => Math.floor(random.next() * 80) - 2);
      return member(`m${i}`, held, Math.floor(random.next() * 3));
    });
    const assigned = assignSticky(members, partitions);
    assert.deepEqual(assignSticky([...members].reverse(), partitions), assigned);
    const all = [...assigned.values()].flat().sort((a, b) => a - b);
    assert.deepEqual(
      all,
      Array.from({ length: partitions }, (_, partition) => partition),
    );
    const sizes = [...assigned.values()].map(({ length }) => length);
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `uneven: ${sizes}`);
  }
});
