import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { report } from "../../bench/latency/report.ts";
import { median, percentile, spreadOf } from "../../bench/support/percentiles.ts";
import { replaceSection } from "../../bench/support/results.ts";
import { markdownTable } from "../../bench/support/table.ts";

describe("benchmark figures", () => {
  it("are percentiles by nearest rank", () => {
    const thousand = Array.from({ length: 1000 }, (_, i) => 1000 - i);
    assert.deepEqual(spreadOf(thousand), { count: 1000, p50: 500, p99: 990, p999: 999, max: 1000 });
    assert.deepEqual(spreadOf([7]), { count: 1, p50: 7, p99: 7, p999: 7, max: 7 });
    assert.ok(Number.isNaN(spreadOf([]).p50));
    assert.equal(percentile([10, 20], 0.5), 10);
    assert.equal(percentile([10, 20], 0.51), 20);
    assert.equal(median([3, 1, 2]), 2);
    // Text order would put 10 before 9.
    assert.equal(spreadOf([9, 10, 100]).p50, 10);
  });

  it("stand in a table that is readable as text", () => {
    const table = markdownTable(
      ["", "p50"],
      [
        ["bare C", "0.1"],
        ["busbar", "12.34"],
      ],
    );
    assert.equal(table, "|        |   p50 |\n|--------|------:|\n| bare C |   0.1 |\n| busbar | 12.34 |");
  });

  it("replace their own section and no other", () => {
    const one = replaceSection("# Results\n", "latency", "first");
    assert.equal(one, "# Results\n\n<!-- latency:begin -->\nfirst\n<!-- latency:end -->\n");
    const two = replaceSection(one, "store", "other");
    const three = replaceSection(two, "latency", "second\n");
    assert.equal(
      three,
      "# Results\n\n<!-- latency:begin -->\nsecond\n<!-- latency:end -->\n\n<!-- store:begin -->\nother\n<!-- store:end -->\n",
    );
  });

  it("tell loss, the limit and the ratios of a round", () => {
    const sent = { fromUs: 0, toUs: 1, frames: 3, blocked: 0 };
    const one = (variant: string, latencies: number[], round = 0) => {
      return { variant, rate: 1000, round, sent, latenciesUs: Float64Array.from(latencies), othersCores: 0.25 };
    };
    const measured = [
      one("busbar", [200, 400, 12_000]),
      one("bare C forwarder", [100, 100, 100]),
      one("bare Node forwarder", [200, 200]),
    ];
    const text = report(measured, { rounds: 1, measureMs: 1000, rates: [1000], notes: ["a note"] });
    const row = text.split("\n").find((line) => line.startsWith("| busbar "));
    const cells = row
      ?.split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
    assert.deepEqual(cells, ["busbar", "3", "0", "0.40", "12.00", "12.00", "12.00", "4.00", "2.00", "60.00", "0.25"]);
    assert.match(text, /\| bare Node forwarder +\| +3 \| +1 \|/);
    assert.match(
      text,
      /- busbar: worst p99\.9 of any round 12\.00 ms, limit 10 ms: NOT held\.\n- The machine was not quiet: .* 0\.25 cores .*\n- a note\./,
    );
  });
});
