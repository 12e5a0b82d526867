/** What the cloud has: per epoch and stream a contiguous mark, and numbers above it that came early. */
import type { Stream } from "../../core/record.ts";
import type { MarkRow } from "./schema.ts";
import { RottedSeal } from "./seal-sum.ts";
import type { Store } from "./store.ts";

interface Track {
  readonly epoch: number;
  readonly stream: Stream;
  next: number;
  /** Every number up to it is acknowledged, or gone with a gap in its place. */
  mark: number;
  readonly early: Set<number>;
  /** Dropped under a gap: nobody will ever acknowledge them. Counts only where nothing is stored. */
  gone: readonly Range[];
  dirty: boolean;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Critical records that are neither stored nor acknowledged nor told: the file lost them. */
export interface Vanished extends Range {
  readonly epoch: number;
}

export class Acks {
  readonly #tracks = new Map<string, Track>();
  /** The one that was asked for last: a drain asks for the same one thousands of times. */
  #found: Track | undefined;

  load(rows: readonly MarkRow[]): void {
    this.#tracks.clear();
    this.#found = undefined;
    for (const { epoch, stream, next, acked } of rows) {
      this.#tracks.set(`${epoch}${stream}`, trackOf({ epoch, stream, next, acked }, true));
    }
  }

  /** Something is there for `flush` to write. */
  get dirty(): boolean {
    return this.#tracks.values().some((track) => track.dirty);
  }

  /** Takes the number as delivered; what was never given out or is known already is ignored. */
  ack(stream: Stream, epoch: number, seq: number): boolean {
    const track = this.#track(stream, epoch);
    if (track === undefined || seq >= track.next || hasIn(track, seq)) return false;
    if (seq > track.mark + 1) track.early.add(seq);
    else {
      track.dirty = true;
      do track.mark++;
      while (track.early.size > 0 && track.early.delete(track.mark + 1));
    }
    return true;
  }

  /** Whatever was given out, up to that number. */
  ackUpTo(stream: Stream, epoch: number, upto: number): void {
    const { next, acked } = this.mark(stream, epoch);
    for (let seq = acked + 1; seq < next && seq <= upto; seq++) this.ack(stream, epoch, seq);
  }

  has(stream: Stream, epoch: number, seq: number): boolean {
    const track = this.#track(stream, epoch);
    return track !== undefined && hasIn(track, seq);
  }

  mark(stream: Stream, epoch: number): { readonly next: number; readonly acked: number } {
    const track = this.#track(stream, epoch);
    return { next: track?.next ?? 1, acked: track?.mark ?? 0 };
  }

  /** Given out and not acknowledged, over all streams and epochs. */
  get waiting(): number {
    return this.#tracks.values().reduce((sum, { next, mark, early }) => sum + next - 1 - mark - early.size, 0);
  }

  /** The mark may have to pass over what is not stored. */
  touch(stream: Stream, epoch: number): void {
    const track = this.#track(stream, epoch);
    if (track !== undefined) track.dirty = true;
  }

  /** Whatever is not stored of these numbers was dropped under a gap. */
  dropped(stream: Stream, epoch: number, range: Range): void {
    const track = this.#track(stream, epoch);
    if (track === undefined) return;
    const last = track.gone.at(-1);
    const joins = last !== undefined && range.from >= last.from && range.from <= last.to + 1;
    if (joins) track.gone = [...track.gone.slice(0, -1), { from: last.from, to: Math.max(last.to, range.to) }];
    else track.gone = [...track.gone, range];
    track.dirty = true;
  }

  /**
   * Inside the transaction: writes marks, deletes what lies below. The result goes to `settle` after the commit. Throws
   * RottedSeal where a seal is not there any more that nobody dropped.
   */
  flush(store: Store, onVanished: (lost: Vanished) => void): readonly MarkRow[] {
    const flushed: MarkRow[] = [];
    for (const track of this.#tracks.values()) {
      if (!track.dirty) continue;
      const { epoch, stream } = track;
      const { next } = store.mark(epoch, stream);
      const acked = passGone(store, track, next, onVanished);
      store.setMark({ epoch, stream, next, acked });
      deleteUpTo(store, stream, epoch, acked);
      flushed.push({ epoch, stream, next, acked });
    }
    return flushed;
  }

  /** After the commit: the marks that were written, and how far numbers are given out now. */
  settle(flushed: readonly MarkRow[], marks: readonly MarkRow[]): void {
    for (const { epoch, stream, next, acked } of marks) {
      const track = this.#track(stream, epoch);
      if (track !== undefined) track.next = next;
      else this.#tracks.set(`${epoch}${stream}`, trackOf({ epoch, stream, next, acked }, false));
    }
    for (const { epoch, stream, acked } of flushed) {
      const track = this.#track(stream, epoch);
      if (track === undefined) continue;
      track.dirty = false;
      for (const seq of track.early) if (seq <= acked) track.early.delete(seq);
      track.gone = track.gone.filter(({ to }) => to > acked);
      track.mark = Math.max(track.mark, acked);
    }
  }

  #track(stream: Stream, epoch: number): Track | undefined {
    if (this.#found?.epoch === epoch && this.#found.stream === stream) return this.#found;
    this.#found = this.#tracks.get(`${epoch}${stream}`);
    return this.#found;
  }
}

function hasIn({ mark, early }: Track, seq: number): boolean {
  return seq <= mark || early.has(seq);
}

function trackOf({ epoch, stream, next, acked }: MarkRow, dirty: boolean): Track {
  return { epoch, stream, next, mark: acked, early: new Set(), gone: [], dirty };
}

/** The mark behind what is acknowledged, and behind what is gone with a gap in its place. */
function passGone(store: Store, track: Track, next: number, onVanished: (lost: Vanished) => void): number {
  const { epoch, stream, mark, early, gone } = track;
  let passed = mark;
  while (passed < next - 1) {
    const seq = passed + 1;
    const stored = early.has(seq) ? seq : (store.firstSeqAfter(stream, epoch, passed) ?? next);
    if (stored === seq && !early.has(seq)) break;
    const known = gone.find(({ from, to }) => from <= seq && seq <= to);
    if (stored === seq) passed = seq;
    else if (known !== undefined) passed = Math.min(known.to, stored - 1);
    // Of a file that was set aside only part came over, and its gap was told then.
    else if (store.isSalvaged(epoch)) passed = stored - 1;
    else if (stream !== "c") throw new RottedSeal(`outbox seal ${stream} after ${passed}: it is gone`);
    else {
      passed = vanishedTo(track, seq, stored);
      onVanished({ epoch, from: seq, to: passed });
    }
  }
  return passed;
}

/** The last one in a row that nothing is known of. */
function vanishedTo({ early, gone }: Track, from: number, stored: number): number {
  let to = from;
  while (to + 1 < stored && !early.has(to + 1) && !gone.some((range) => range.from === to + 1)) to++;
  return to;
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
