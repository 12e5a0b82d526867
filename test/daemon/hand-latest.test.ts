import assert from "node:assert/strict";
import { test } from "node:test";
import { BAD, GOOD, STALE } from "../../core/sample.ts";
import { type AssetSpec, buildSignalTable } from "../../core/signals.ts";
import { handLatest } from "../../daemon/hand-latest.ts";
import { LatestValues } from "../../daemon/pipeline/latest.ts";

const WALL_MS = 1_795_226_000_000;

function end(...ids: string[]) {
  const assets = ids.map((id): AssetSpec => {
    const signal = (name: string) => ({ name, type: "number", maxAgeMs: 5000, collect: "every" }) as const;
    return { id, kind: "meter", source: id, signals: [signal("A"), signal("B"), signal("C")] };
  });
  const { signals } = buildSignalTable("gw", "test", assets);
  return { signals, latest: new LatestValues(signals) };
}

test("values that go over keep time, quality and age, under the numbers of the other table", () => {
  const from = end("gone", "kept");
  const to = end("new", "fresh", "kept");
  const [read, old] = [(WALL_MS - 3000) * 1000, (WALL_MS - 60_000) * 1000];
  from.latest.update({ tUs: read, numbers: [1], values: [1], quality: [GOOD] }, 7000);
  from.latest.update({ tUs: read, numbers: [4, 5], values: [40, null], quality: [GOOD, BAD] }, 7000);
  from.latest.update({ tUs: old, numbers: [6], values: [60], quality: [STALE] }, 0);
  // Told to the status thread already: it goes over all the same.
  from.latest.takeChanged();
  handLatest(from, to, { assets: new Set(["kept"]), now: { wallMs: WALL_MS, monoMs: 10_000 } });
  assert.deepEqual(to.latest.takeChanged(), {
    numbers: [7, 8, 9],
    values: [40, null, 60],
    quality: [GOOD, BAD, STALE],
    times: [WALL_MS - 3000, WALL_MS - 3000, WALL_MS - 60_000],
  });
  assert.deepEqual(to.latest.goneStale(12_000), []);
  // Read at 7 s on this clock, stale after five more; what was stale or bad before is not told again.
  assert.deepEqual(
    to.latest.goneStale(12_001).map(({ tUs, numbers, values }) => ({ tUs, numbers, values })),
    [{ tUs: read, numbers: [7], values: [40] }],
  );
});
