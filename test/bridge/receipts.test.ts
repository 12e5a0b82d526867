import assert from "node:assert/strict";
import { test } from "node:test";
import { Holdings } from "../../bridge/holdings.ts";
import { Receipts } from "../../bridge/receipts.ts";
import { contract } from "../support/contracts.ts";
import { EPOCH } from "./records.ts";

const INTERVAL_MS = 30_000;
const GW = { gateway: "gw-1", epoch: EPOCH };

class Bench {
  readonly holdings = new Holdings();
  readonly receipts = new Receipts(this.holdings, INTERVAL_MS);

  receive(seq: number, epoch = EPOCH): void {
    this.holdings.gateway("gw-1").progress.receive(epoch, "t", seq);
    this.receipts.advance({ gateway: "gw-1", epoch });
  }

  due(nowMs: number): string[] {
    return this.receipts.due(nowMs).map(({ payload }) => payload);
  }
}

test("the payload is the contract's", () => {
  const bench = new Bench();
  const { progress } = bench.holdings.gateway("gw-1");
  for (let seq = 1; seq <= 91; seq++) progress.receive(EPOCH, "c", seq);
  for (let seq = 1; seq <= 4711; seq++) progress.receive(EPOCH, "t", seq);
  bench.receipts.advance(GW);
  assert.deepEqual(bench.due(0), [contract("receipt.json").toString()]);
});

test("the first at once, the next after the interval with all that came meanwhile", () => {
  const bench = new Bench();
  bench.receive(1);
  assert.equal(bench.due(0).length, 1);
  bench.receive(2);
  bench.receive(3);
  assert.deepEqual(bench.due(INTERVAL_MS - 1), []);
  assert.match(bench.due(INTERVAL_MS)[0] ?? "", /"t":3/);
  assert.deepEqual(bench.due(10 * INTERVAL_MS), [], "nothing new");
});

test("what does not move the mark is not told, what was sent again is", () => {
  const bench = new Bench();
  bench.receive(1);
  bench.due(0);
  bench.receive(3);
  assert.deepEqual(bench.due(INTERVAL_MS), [], "2 is missing");
  bench.receipts.repeat(GW);
  assert.equal(bench.due(INTERVAL_MS).length, 1);
});

test("an older epoch's receipt is followed by the current one's, which stays retained", () => {
  const bench = new Bench();
  bench.receive(1, "aaaabbbb");
  bench.receive(1);
  const told = [0, 1, 2, 3].flatMap((turn) => bench.due(turn * INTERVAL_MS)).map((text) => text.slice(10, 18));
  assert.deepEqual(told, ["aaaabbbb", EPOCH]);
  bench.receive(2, "aaaabbbb");
  const later = [4, 5, 6].flatMap((turn) => bench.due(turn * INTERVAL_MS)).map((text) => text.slice(10, 18));
  assert.deepEqual(later, ["aaaabbbb", EPOCH]);
});

test("after an opening everybody is told once, spread over an interval", () => {
  const bench = new Bench();
  bench.holdings.gateway("gw-1").progress.receive(EPOCH, "t", 1);
  bench.receipts.tellAll(1000, () => 0.5);
  assert.deepEqual(bench.due(1000 + INTERVAL_MS / 2 - 1), []);
  assert.equal(bench.due(1000 + INTERVAL_MS / 2).length, 1);
});
