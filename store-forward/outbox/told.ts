/**
 * Records that are lost one by one while older ones still wait, rotted or refused: their gap is told at once, the mark
 * passes them much later. Until then the file remembers them, so that no later start sends or tells them again.
 */
import type { Stream } from "../../core/record.ts";
import type { Acks } from "./acks.ts";
import type { LostRecords } from "./reader.ts";
import { droppedCritical } from "./retention.ts";
import type { EpochRow } from "./schema.ts";
import type { Store } from "./store.ts";

const TOLD = "told";

interface Told {
  readonly stream: Stream;
  /** epoch.n */
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
}

/** What the file knows, beside the marks, of numbers that nobody will acknowledge. */
export function recall(store: Store, acks: Acks): void {
  for (const [epoch, to] of Object.entries(droppedCritical(store))) acks.dropped("c", Number(epoch), { from: 1, to });
  for (const told of toldRecords(store)) passTold(acks, told);
}

/** Nobody will acknowledge these: a gap tells them, or is about to. */
export function passTold(acks: Acks, { stream, epoch, from, to }: Told): void {
  for (let seq = from; seq <= to; seq++) acks.ack(stream, epoch, seq);
}

/** Inside the transaction that tells them, after its marks are written. `epochs` are the file's, by `n`. */
export function noteTold(store: Store, lost: readonly LostRecords[], epochs: ReadonlyMap<number, EpochRow>): void {
  // A file that was set aside since then has taken its epochs with it.
  const here = lost.filter(({ epoch }) => epochs.get(epoch.n)?.name === epoch.name);
  if (here.length === 0) return;
  const known: Told[] = [];
  const told = here.map(({ stream, epoch, from, to }) => ({ stream, epoch: epoch.n, from, to }));
  for (const next of [...toldRecords(store), ...told]) {
    if (next.to <= store.mark(next.epoch, next.stream).acked) continue;
    const last = known.at(-1);
    const joins = last?.stream === next.stream && last.epoch === next.epoch && last.to + 1 === next.from;
    if (joins) known.splice(-1, 1, { ...last, to: next.to });
    else known.push(next);
  }
  store.setMeta(TOLD, JSON.stringify(known));
}

function toldRecords(store: Store): readonly Told[] {
  return JSON.parse(store.meta(TOLD) ?? "[]") as Told[];
}
