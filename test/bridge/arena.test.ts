import assert from "node:assert/strict";
import { test } from "node:test";
import { Arena } from "../../bridge/arena.ts";
import { Random } from "../../hw-sim/random.ts";

/** `count` pieces of bytes of all sizes, some larger than a slab; each differs from the others. */
function pieces(random: Random, count: number): Buffer[] {
  return Array.from({ length: count }, (_, at) => {
    const length = Math.floor(random.between(0, at % 50 === 49 ? 600_000 : 9000));
    return Buffer.alloc(length, `piece ${at} ${random.next()};`);
  });
}

test("every copy holds until the memory is used again, and after that the next ones do", () => {
  const random = new Random(Date.now() % 1_000_000, "arena");
  const arena = new Arena();
  for (let round = 0; round < 5; round++) {
    // More than is kept in some rounds, less in others.
    const originals = pieces(random, round % 2 === 0 ? 400 : 60);
    const passing = Buffer.alloc(600_000);
    const copies = originals.map((original) => {
      // The source is written over by the next, as a decompressor's output is.
      original.copy(passing);
      return arena.keep(passing.subarray(0, original.length));
    });
    for (const [at, copy] of copies.entries()) assert.ok(copy.equals(originals[at] as Buffer), `piece ${at}`);
    arena.reuse();
  }
});

test("the same memory serves again, and what a large batch took is let go", () => {
  const arena = new Arena();
  const bytes = Buffer.alloc(100_000, 1);
  const first = Array.from({ length: 20 }, () => arena.keep(bytes).buffer);
  assert.equal(new Set(first).size, 10);
  arena.reuse();
  const second = Array.from({ length: 20 }, () => arena.keep(bytes).buffer);
  assert.equal(second.filter((memory) => first.includes(memory)).length, 8);
});
