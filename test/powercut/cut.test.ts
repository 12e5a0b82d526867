import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../hw-sim/random.ts";
import { CutDisk, SECTOR_BYTES, SUPERBLOCK_END } from "./cut.ts";
import type { Entry } from "./order.ts";

const FIRST = SUPERBLOCK_END / SECTOR_BYTES;
/** Sectors are counted from the end of the superblock's block. */
const write = (sector: number, sectors: number, byte: number): Entry => {
  return { kind: "write", offset: (FIRST + sector) * SECTOR_BYTES, data: Buffer.alloc(sectors * SECTOR_BYTES, byte) };
};
/** The first byte of every sector. */
const bytesOf = (disk: Buffer): number[] =>
  [...disk.subarray(SUPERBLOCK_END)].filter((_, index) => index % SECTOR_BYTES === 0);

const ENTRIES: readonly Entry[] = [write(0, 2, 1), write(1, 1, 2), { kind: "flush" }, write(2, 2, 3), write(0, 1, 4)];
const IMAGE = Buffer.alloc((FIRST + 4) * SECTOR_BYTES);

test("what was flushed survives, later writes over earlier ones, and the image is left alone", () => {
  const disk = new CutDisk(IMAGE, ENTRIES, "honoured");
  disk.advance(2);
  assert.deepEqual(bytesOf(disk.durable), [0, 0, 0, 0]);
  disk.advance(3);
  assert.deepEqual(bytesOf(disk.durable), [1, 2, 0, 0]);
  disk.advance(5);
  assert.deepEqual(bytesOf(disk.durable), [1, 2, 0, 0]);
  assert.deepEqual(bytesOf(IMAGE), [0, 0, 0, 0]);
});

test("of what was not flushed nothing, whole writes, or sectors arrive", () => {
  const disk = new CutDisk(IMAGE, ENTRIES, "honoured");
  disk.advance(5);
  const random = new Random(1, "test");
  assert.deepEqual(disk.survivors("nothing", random), []);
  const writes = new Set<string>();
  const sectors = new Set<string>();
  const seen = (pieces: ReturnType<CutDisk["survivors"]>): string => {
    return pieces.map(({ offset, data }) => `${offset / SECTOR_BYTES - FIRST}+${data.length / SECTOR_BYTES}`).join(" ");
  };
  for (let i = 0; i < 300; i++) {
    writes.add(seen(disk.survivors("some writes", random)));
    sectors.add(seen(disk.survivors("some sectors", random)));
  }
  assert.deepEqual([...writes].sort(), ["", "0+1", "2+2", "2+2 0+1"]);
  assert.deepEqual([...sectors].sort(), ["", "0+1", "2+1", "2+1 0+1", "2+1 3+1", "2+1 3+1 0+1", "3+1", "3+1 0+1"]);
});

test("the superblock's block arrives as a whole or not at all", () => {
  const disk = new CutDisk(IMAGE, [write(-2, 4, 1)], "honoured");
  disk.advance(1);
  const random = new Random(1, "test");
  const lengths = new Set<number>();
  for (let i = 0; i < 100; i++) for (const { data } of disk.survivors("some sectors", random)) lengths.add(data.length);
  assert.deepEqual([...lengths].sort(), [2 * SECTOR_BYTES, SECTOR_BYTES]);
});

test("a disk that ignores flushes has none of it until its cache lets go", () => {
  const disk = new CutDisk(IMAGE, [...ENTRIES, ...Array.from({ length: 398 }, () => write(3, 1, 5))], "ignored");
  disk.advance(5);
  assert.deepEqual(bytesOf(disk.durable), [0, 0, 0, 0]);
  disk.advance(403);
  assert.deepEqual(bytesOf(disk.durable), [1, 2, 0, 0]);
});
