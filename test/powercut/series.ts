/** Many cuts through one recording, each compared with what had been told before it. */
import type { Random } from "../../hw-sim/random.ts";
import type { Problem } from "./check.ts";
import { CutDisk, type Flushes, type Patch, SURVIVALS, type Survival } from "./cut.ts";
import { inspect } from "./inspection.ts";
import { Known } from "./known.ts";
import { type Entry, isTold, type ToldEntry } from "./order.ts";

const PROMISES = ["booted", "durable", "sent"] as const;

export interface Recording {
  /** The disk before the first entry. */
  readonly image: Buffer;
  readonly entries: readonly Entry[];
  /** What had been told when `image` was all that was left of an earlier recording. */
  readonly before: readonly ToldEntry[];
}

export interface SeriesOptions {
  readonly recording: Recording;
  readonly flushes: Flushes;
  readonly cuts: number;
  readonly random: Random;
  readonly workDir: string;
  /** Called after every cut. */
  readonly onCut: (cut: Cut) => void;
}

export interface Cut {
  readonly survival: Survival;
  /** Just before this entry. */
  readonly at: number;
  readonly durable: Buffer;
  readonly survivors: readonly Patch[];
  readonly problems: readonly Problem[];
}

export function cutMany({ recording, flushes, cuts, random, workDir, onCut }: SeriesOptions): void {
  const { image, entries, before } = recording;
  const disk = new CutDisk(image, entries, flushes);
  const known = new Known();
  for (const entry of before) known.note(entry);
  let toldUpTo = 0;
  for (const [index, at] of places(entries, cuts, random).entries()) {
    disk.advance(at);
    for (; toldUpTo < at; toldUpTo++) {
      const entry = entries[toldUpTo];
      if (entry !== undefined && isTold(entry)) known.note(entry);
    }
    const survival = SURVIVALS[index % SURVIVALS.length] ?? "nothing";
    const survivors = disk.survivors(survival, random);
    const problems = inspect(workDir, disk.durable, survivors, known);
    onCut({ survival, at, durable: disk.durable, survivors, problems });
  }
}

/** A recording's disk after a cut in its second half, for another recording to begin with. */
export function cutOnce({ image, entries, before }: Recording, random: Random): Omit<Recording, "entries"> {
  const at = Math.floor(random.between(entries.length / 2, entries.length));
  const disk = new CutDisk(image, entries, "honoured");
  disk.advance(at);
  for (const { offset, data } of disk.survivors("some sectors", random)) data.copy(disk.durable, offset);
  return { image: disk.durable, before: [...before, ...entries.slice(0, at).filter(isTold)] };
}

/** In order: half anywhere, half just after a promise of either kind, where one that was made too early shows. */
function places(entries: readonly Entry[], cuts: number, random: Random): number[] {
  const promises = PROMISES.map((kind) => [...entries.keys()].filter((index) => entries[index]?.kind === kind));
  const anyOf = <T>(list: readonly T[]): T | undefined => list[Math.floor(random.next() * list.length)];
  const place = (index: number): number => {
    const promise = index % 2 === 0 ? anyOf(anyOf(promises) ?? []) : undefined;
    return promise === undefined ? Math.floor(random.next() * (entries.length + 1)) : promise + 1;
  };
  return Array.from({ length: cuts }, (_, index) => place(index)).sort((a, b) => a - b);
}
