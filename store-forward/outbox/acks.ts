/** What the cloud has: per epoch and stream a contiguous mark, and numbers above it that came early. */
import type { Stream } from "../../core/record.ts";
import type { MarkRow } from "./schema.ts";
import type { Store } from "./store.ts";

interface Track {
  readonly epoch: number;
  readonly stream: Stream;
  next: number;
  /** Every number up to it is acknowledged, or gone with a gap in its place. */
  mark: number;
  readonly early: Set<number>;
  dirty: boolean;
}

export class Acks {
  readonly #tracks = new Map<string, Track>();

  load(rows: readonly MarkRow[]): void {
    this.#tracks.clear();
    for (const { epoch, stream, next, acked } of rows) {
      const track = { epoch, stream, next, mark: acked, early: new Set<number>(), dirty: true };
      this.#tracks.set(`${epoch}${stream}`, track);
    }
  }

  /** Something is there for `flush` to write. */
  get dirty(): boolean {
    return this.#tracks.values().some((track) => track.dirty);
  }

  /** Takes the number as delivered; what was never given out or is known already is ignored. */
  ack(stream: Stream, epoch: number, seq: number): boolean {
    const track = this.#tracks.get(`${epoch}${stream}`);
    if (track === undefined || seq >= track.next || this.has(stream, epoch, seq)) return false;
    track.early.add(seq);
    for (; track.early.delete(track.mark + 1); track.mark++) track.dirty = true;
    return true;
  }

  has(stream: Stream, epoch: number, seq: number): boolean {
    const track = this.#tracks.get(`${epoch}${stream}`);
    return track !== undefined && (seq <= track.mark || track.early.has(seq));
  }

  mark(stream: Stream, epoch: number): { readonly next: number; readonly acked: number } {
    const track = this.#tracks.get(`${epoch}${stream}`);
    return { next: track?.next ?? 1, acked: track?.mark ?? 0 };
  }

  /** Given out and not acknowledged, over all streams and epochs. */
  get waiting(): number {
    return this.#tracks.values().reduce((sum, { next, mark, early }) => sum + next - 1 - mark - early.size, 0);
  }

  /** Rows were dropped: the mark may have to pass over what is no more. */
  touch(stream: Stream, epoch: number): void {
    const track = this.#tracks.get(`${epoch}${stream}`);
    if (track !== undefined) track.dirty = true;
  }

  /** Inside the transaction: writes marks, deletes what lies below. The result goes to `settle` after the commit. */
  flush(store: Store): readonly MarkRow[] {
    const flushed: MarkRow[] = [];
    for (const track of this.#tracks.values()) {
      if (!track.dirty) continue;
      const { epoch, stream } = track;
      const { next } = store.mark(epoch, stream);
      const acked = passHoles(store, track, next);
      store.setMark({ epoch, stream, next, acked });
      deleteUpTo(store, stream, epoch, acked);
      flushed.push({ epoch, stream, next, acked });
    }
    return flushed;
  }

  /** After the commit: the marks that were written, and how far numbers are given out now. */
  settle(flushed: readonly MarkRow[], marks: readonly MarkRow[]): void {
    for (const { epoch, stream, next, acked } of marks) {
      const track = this.#tracks.get(`${epoch}${stream}`);
      if (track !== undefined) track.next = next;
      else this.#tracks.set(`${epoch}${stream}`, { epoch, stream, next, mark: acked, early: new Set(), dirty: false });
    }
    for (const { epoch, stream, acked } of flushed) {
      const track = this.#tracks.get(`${epoch}${stream}`);
      if (track === undefined) continue;
      track.dirty = false;
      for (const seq of track.early) if (seq <= acked) track.early.delete(seq);
      track.mark = Math.max(track.mark, acked);
    }
  }
}

/** Numbers whose records are not stored any more were dropped under a gap: nobody will ever acknowledge them. */
function passHoles(store: Store, { epoch, stream, mark, early }: Track, next: number): number {
  let passed = mark;
  while (passed < next - 1) {
    const stored = store.firstSeqAfter(stream, epoch, passed) ?? next;
    if (stored === passed + 1 && !early.has(stored)) break;
    passed = stored === passed + 1 ? stored : stored - 1;
  }
  return passed;
}

function deleteUpTo(store: Store, stream: Stream, epoch: number, acked: number): void {
  if (stream === "c") {
    store.dropRecordsUpTo(epoch, acked);
    return;
  }
  for (;;) {
    const seal = store.sealAfter(stream, epoch, 0);
    if (seal === undefined || seal.epoch !== epoch || seal.seq_to > acked) return;
    store.dropSeal(seal);
  }
}
