/** Records, cuts, compares; the controls run beside the first recording. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { Random } from "../../hw-sim/random.ts";
import { Known } from "./known.ts";
import type { Entry } from "./order.ts";
import { freshImage } from "./parts.ts";
import { record, type Writer } from "./recording.ts";
import { type Cut, cutMany, cutOnce, type Recording } from "./series.ts";
import { Tally, tableOf } from "./tally.ts";

export interface RoundsOptions {
  readonly cuts: number;
  readonly seed: number;
  readonly workDir: string;
  /** Disks of cuts that failed are kept here. */
  readonly failuresDir: string;
}

/** Cuts through one pair of recordings. */
const ROUND_CUTS = 150;
const CONTROL_CUTS = 30;
/** Milliseconds of load: of a life that is stopped in order, one that just ends, one stopped in order. */
const LIVES_MS = [3000, 2500, 2500];
const KEPT_FAILURES = 3;
const SHOWN_PROBLEMS = 5;

const product = (): Tally => new Tally("synchronous=FULL (the product), flushes honoured", "no failure");

/** The exit code. */
export async function runRounds(options: RoundsOptions): Promise<number> {
  const startedMs = performance.now();
  console.log(`power cuts: ${options.cuts}, seed ${options.seed}`);
  const rounds = new Rounds(options);
  const begun = await rounds.begin();
  rounds.controls(begun);
  await rounds.cutProduct(begun.product);
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  console.log(`\n${tableOf(rounds.tallies)}\n`);
  const holds = rounds.tallies.every((tally) => tally.holds);
  console.log(`power cuts: ${holds ? "passed" : "FAILED"} after ${seconds} s, seed ${options.seed}`);
  return holds ? 0 : 1;
}

interface Begun {
  readonly product: Recording;
  readonly normal: Recording;
  readonly off: Recording;
}

class Rounds {
  readonly tallies: Tally[] = [];
  readonly #o: RoundsOptions;
  readonly #random: Random;
  readonly #fresh: Buffer;
  #recordings = 0;
  #kept = 0;

  constructor(options: RoundsOptions) {
    this.#o = options;
    this.#random = new Random(options.seed, "cuts");
    this.#fresh = freshImage(options.workDir);
  }

  /** The first recordings, side by side: most of their time is waiting. */
  async begin(): Promise<Begun> {
    const empty = { image: this.#fresh, before: [] };
    const [first, normal, off] = await Promise.all([
      this.#record("FULL", empty),
      this.#record("NORMAL", empty),
      this.#record("OFF", empty),
    ]);
    return { product: first, normal, off };
  }

  controls({ product, normal, off }: Begun): void {
    const honoured = { flushes: "honoured", cuts: CONTROL_CUTS } as const;
    this.#cut(new Tally("control: synchronous=NORMAL", "failures"), { recording: normal, ...honoured });
    this.#cut(new Tally("control: synchronous=OFF", "failures"), { recording: off, ...honoured });
    const ignored = { flushes: "ignored", cuts: CONTROL_CUTS } as const;
    this.#cut(new Tally("control: the product on a disk that ignores flushes", "failures"), {
      recording: product,
      ...ignored,
    });
  }

  /** Each round: half the cuts through a life that began on an empty disk, half through one that began after a cut. */
  async cutProduct(first: Recording): Promise<void> {
    const { cuts } = this.#o;
    const tally = product();
    let recording = first;
    for (let left = cuts; left > 0; left -= ROUND_CUTS) {
      if (recording !== first || left < cuts)
        recording = await this.#record("FULL", { image: this.#fresh, before: [] });
      const half = Math.ceil(Math.min(left, ROUND_CUTS) / 2);
      this.#cut(tally, { recording, flushes: "honoured", cuts: half });
      const again = Math.min(left, ROUND_CUTS) - half;
      if (again === 0) continue;
      const after = await this.#record("FULL", cutOnce(recording, this.#random));
      this.#cut(tally, { recording: after, flushes: "honoured", cuts: again });
    }
  }

  async #record(writer: Writer, beginning: Omit<Recording, "entries">): Promise<Recording> {
    const known = new Known();
    for (const entry of beginning.before) known.note(entry);
    const number = ++this.#recordings;
    const random = new Random(this.#o.seed, `recording ${number}`);
    const workDir = join(this.#o.workDir, `recording-${number}`);
    const firstNumber = known.lastNumber + 1;
    const entries = await record({ image: beginning.image, writer, random, livesMs: LIVES_MS, firstNumber, workDir });
    const what = beginning.before.length > 0 ? `${writer}, on a disk after a cut` : writer;
    console.log(`recording ${number} (${what}): ${summaryOf(entries)}`);
    return { ...beginning, entries };
  }

  #cut(tally: Tally, series: { recording: Recording; flushes: "honoured" | "ignored"; cuts: number }): void {
    const startedMs = performance.now();
    if (!this.tallies.includes(tally)) this.tallies.push(tally);
    const { workDir } = this.#o;
    const onCut = (cut: Cut): void => {
      tally.add(cut);
      if (tally.expected === "no failure" && cut.problems.length > 0) this.#tell(tally, cut);
    };
    cutMany({ ...series, random: this.#random, workDir, onCut });
    const perCutMs = Math.round((performance.now() - startedMs) / series.cuts);
    console.log(`${tally.name}: ${tally.cuts} cuts, ${tally.failed} failed (${perCutMs} ms each)`);
  }

  /** The disk as the cut left it says more than any message: `zstd -d`, `mount -o loop`. */
  #tell({ cuts }: Tally, { survival, at, durable, survivors, problems }: Cut): void {
    console.log(`cut ${cuts}, before entry ${at}, ${survival} of ${survivors.length} arrived:`);
    for (const { promised, text } of problems.slice(0, SHOWN_PROBLEMS)) console.log(`  ${promised}: ${text}`);
    if (problems.length > SHOWN_PROBLEMS) console.log(`  and ${problems.length - SHOWN_PROBLEMS} more`);
    if (this.#kept++ >= KEPT_FAILURES) return;
    const image = Buffer.from(durable);
    for (const { offset, data } of survivors) data.copy(image, offset);
    const file = join(this.#o.failuresDir, `seed-${this.#o.seed}-cut-${cuts}.img.zst`);
    writeFileSync(file, zstdCompressSync(image));
    console.log(`  the disk is kept in ${file}`);
  }
}

function summaryOf(entries: readonly Entry[]): string {
  const of = (kind: Entry["kind"]): number => entries.filter((entry) => entry.kind === kind).length;
  const bytes = entries.reduce((sum, entry) => sum + (entry.kind === "write" ? entry.data.length : 0), 0);
  const disk = `${(bytes / 2 ** 20).toFixed(1)} MiB in ${of("write")} writes, ${of("flush")} flushes`;
  return `${disk}, ${of("handed")} hand-offs, ${of("sent")} records sent, ${of("acked")} acknowledged`;
}
