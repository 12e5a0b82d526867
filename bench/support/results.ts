import { readFileSync, writeFileSync } from "node:fs";
import { describeCommit, describeMachine } from "./machine.ts";

const RESULTS = new URL("../RESULTS.md", import.meta.url);
const HEAD = "# Results\n\nWritten by the benchmarks themselves (bench/README.md); not to be edited by hand.\n";

/** Puts a benchmark's section into bench/RESULTS.md, between its markers, with date, machine and commit. */
export function writeResults(name: string, body: string): void {
  const date = new Date().toISOString().slice(0, 10);
  const measured = `Measured ${date} at commit ${describeCommit()} on ${describeMachine()}.`;
  writeFileSync(RESULTS, replaceSection(readResults(), name, `${measured}\n\n${body}`));
}

/** `text` with what stands between the markers of `name` replaced; appended where there are none. */
export function replaceSection(text: string, name: string, body: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const section = `${begin}\n${body.trim()}\n${end}`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from === -1 || to === -1) return `${text.trimEnd()}\n\n${section}\n`;
  return text.slice(0, from) + section + text.slice(to + end.length);
}

function readResults(): string {
  try {
    return readFileSync(RESULTS, "utf8");
  } catch {
    return HEAD;
  }
}
