import assert from "node:assert/strict";
import { test } from "node:test";
import { StatusFeed } from "../../daemon/status-feed.ts";

const TICK_MS = 100;

/** A feed, and what it told: `v` values, `s` sources, in order. */
function feed() {
  const told: string[] = [];
  const statusFeed = new StatusFeed({
    latest: {
      takeChanged: () => ({ numbers: [], values: [], quality: [], times: [] }),
      tellAll: () => told.push("all"),
    },
    sources: () => [],
    fastPath: () => ({ targets: [], datagrams: 0, errors: 0 }),
    tell: ({ type }) => told.push(type === "values" ? "v" : "s"),
  });
  const during = (ms: number): Record<string, number> => {
    told.length = 0;
    for (let passed = 0; passed < ms; passed += TICK_MS) statusFeed.tick(TICK_MS);
    const count = (kind: string): number => told.filter((one) => one === kind).length;
    return { values: count("v"), sources: count("s") };
  };
  return { told, statusFeed, during };
}

test("values go five times a second while somebody looks, else every two seconds", () => {
  const { told, statusFeed, during } = feed();
  assert.deepEqual(during(10_000), { values: 5, sources: 5 });
  told.length = 0;
  statusFeed.watched(true);
  assert.deepEqual(told, ["v", "s"], "whoever comes is not kept waiting");
  assert.deepEqual(during(10_000), { values: 50, sources: 10 });
  told.length = 0;
  statusFeed.watched(false);
  assert.deepEqual(told, []);
  assert.deepEqual(during(10_000), { values: 5, sources: 5 });
});

test("a status thread that is new is told everything, and is not watched", () => {
  const { told, statusFeed, during } = feed();
  statusFeed.watched(true);
  told.length = 0;
  statusFeed.restart();
  assert.deepEqual(told, ["all", "v", "s"]);
  assert.deepEqual(during(4000), { values: 2, sources: 2 });
});

test("what happened to a source is told at once, looked at or not", () => {
  const { told, statusFeed } = feed();
  statusFeed.tellSources();
  assert.deepEqual(told, ["s"]);
});
