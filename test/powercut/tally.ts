/** What came of the cuts, by who wrote to which disk. */
import { PROMISED, type Promised } from "./check.ts";
import { SURVIVALS, type Survival } from "./cut.ts";
import type { Cut } from "./series.ts";

/** A control must fail: a rig that cannot see a loss proves nothing. */
export type Expected = "no failure" | "failures";

export class Tally {
  readonly name: string;
  readonly expected: Expected;
  cuts = 0;
  failed = 0;
  readonly #failedAfter = new Map<Survival, number>();
  readonly #broken = new Map<Promised, number>();

  constructor(name: string, expected: Expected) {
    this.name = name;
    this.expected = expected;
  }

  add({ survival, problems }: Pick<Cut, "survival" | "problems">): void {
    this.cuts++;
    if (problems.length === 0) return;
    this.failed++;
    this.#failedAfter.set(survival, (this.#failedAfter.get(survival) ?? 0) + 1);
    for (const promised of new Set(problems.map(({ promised }) => promised))) {
      this.#broken.set(promised, (this.#broken.get(promised) ?? 0) + 1);
    }
  }

  get holds(): boolean {
    return this.cuts > 0 && (this.expected === "failures" ? this.failed > 0 : this.failed === 0);
  }

  cells(): string[] {
    const after = SURVIVALS.map((survival) => this.#failedAfter.get(survival) ?? 0);
    const broken = PROMISED.map((promised) => this.#broken.get(promised) ?? 0);
    const verdict = this.holds ? this.expected : `NOT ${this.expected}`;
    return [this.name, ...[this.cuts, this.failed, ...after, ...broken].map(String), verdict];
  }
}

/** Cuts that failed: in all, by what had arrived, by the promise that was broken (a cut may break several). */
export function tableOf(tallies: readonly Tally[]): string {
  const head = ["writer and disk", "cuts", "failed", ...SURVIVALS, ...PROMISED, "expected"];
  const rows = [head, ...tallies.map((tally) => tally.cells())];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const cell = (text: string, column: number): string => {
    const width = widths[column] ?? 0;
    return column === 0 || column === head.length - 1 ? text.padEnd(width) : text.padStart(width);
  };
  return rows.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}
