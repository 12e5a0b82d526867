/**
 * A seal that rotted is made anew from what surrounds it, so that it costs what it covers at most, and mostly nothing.
 *
 * Sealed numbers have no holes: what a rotted seal covered lies between its neighbours, its rows too, and marks say where
 * the last one ends. Boot and sync stand in the packed rows. So several seals are proposed, and the one is taken of which
 * most records come out as the stored checksums say; a wrong proposal makes other bytes and proves nothing. Records that
 * no proposal proves are found by the next read, which tells them in a gap of reason `corrupt`.
 */
import { BusbarError, messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { Stream } from "../../core/record.ts";
import type { MarkRow, SealRow } from "./schema.ts";
import { ENCODER } from "./seal.ts";
import { isSound, RottedSeal } from "./seal-sum.ts";
import type { Store } from "./store.ts";

type Edge = Pick<SealRow, "epoch" | "seq_from" | "seq_to" | "row_from" | "row_to">;
type Draft = Omit<SealRow, "crc">;

/** A proposal, and how many of its records come out as its checksums say. */
interface Proven {
  readonly seal: Draft;
  readonly proven: number;
}

/** Numbers that no sound seal covers, with the rows that no sound seal names. */
interface Hole extends Edge {
  readonly stream: Stream;
  /** Nothing sound comes before: the number it began with may be acknowledged and forgotten. */
  readonly first: boolean;
  /** Nothing sound comes after: rows behind it may be unsealed ones. */
  readonly last: boolean;
}

export interface MendOptions {
  readonly store: Store;
  /** How many of a seal's records come out as its checksums say. */
  readonly proven: (seal: SealRow) => number;
  /** The epoch whose rows come first although it is not the oldest (renewal.ts). */
  readonly first?: number | undefined;
}

interface Mended {
  readonly seals: number;
  readonly records: number;
  readonly proven: number;
}

/** Does `work` again when a seal that rotted was in the way and is mended now. Throws what `work` and mending throw. */
export function orMended<T>(
  work: () => T,
  options: MendOptions & { readonly log: Logger; readonly inTransaction: boolean },
): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RottedSeal)) throw error;
    const { store, log, inTransaction } = options;
    const mended = inTransaction ? mendSeals(options) : store.transaction(() => mendSeals(options));
    log.warn("outbox seals rotted and were made anew", { ...mended, found: messageOf(error) });
    return work();
  }
}

/** Inside a transaction. Throws BusbarError STORE_CORRUPT when there is nothing that it could mend. */
function mendSeals({ store, proven, first }: MendOptions): Mended {
  const mended = { seals: 0, records: 0, proven: 0 };
  for (const stream of ["t", "b"] as const) {
    const { edges, rotted } = survey(store, stream, first);
    const spare = [...rotted];
    const drafts = holesOf(marksOf(store, stream, first), edges).flatMap((hole) => filled(store, hole, spare, proven));
    if (drafts.length === 0 && rotted.length > 0) throw beyondRepair(`${stream}: a seal covers nothing`);
    for (const seal of rotted) if (!store.dropSealRow(seal)) throw beyondRepair(`${stream}: seals are out of order`);
    for (const draft of drafts) {
      store.addSeal(draft.seal);
      mended.seals++;
      mended.records += draft.seal.seq_to - draft.seal.seq_from + 1;
      mended.proven += draft.proven;
    }
  }
  if (mended.seals === 0) throw beyondRepair("no seal is missing");
  return mended;
}

function beyondRepair(what: string): BusbarError {
  return new BusbarError("STORE_CORRUPT", `outbox seals cannot be mended: ${what}`);
}

/** In the order of their rows. */
function marksOf(store: Store, stream: Stream, first: number | undefined): MarkRow[] {
  const rank = ({ epoch }: MarkRow): number => (epoch === first ? 0 : 1);
  return store
    .marks()
    .filter((mark) => mark.stream === stream)
    .sort((one, other) => rank(one) - rank(other));
}

function survey(
  store: Store,
  stream: Stream,
  first: number | undefined,
): { readonly edges: readonly Edge[]; readonly rotted: readonly SealRow[] } {
  const edges: Edge[] = [];
  const rotted: SealRow[] = [];
  for (const seal of store.scanSeals(stream)) {
    const { epoch, seq_from, seq_to, row_from, row_to } = seal;
    if (isSound(seal)) edges.push({ epoch, seq_from, seq_to, row_from, row_to });
    else rotted.push(seal);
  }
  const isFirst = ({ epoch }: Edge): boolean => epoch === first;
  return { edges: [...edges.filter(isFirst), ...edges.filter((edge) => !isFirst(edge))], rotted };
}

function holesOf(marks: readonly MarkRow[], edges: readonly Edge[]): Hole[] {
  const holes: Hole[] = [];
  let before: Edge | undefined;
  const add = ({ epoch, stream }: MarkRow, seq_from: number, seq_to: number, after: Edge | undefined): void => {
    if (seq_from > seq_to) return;
    const row_from = before === undefined ? Number.MIN_SAFE_INTEGER : before.row_to + 1;
    const row_to = after === undefined ? Number.MAX_SAFE_INTEGER : after.row_from - 1;
    const ends = { first: before?.epoch !== epoch, last: after === undefined };
    holes.push({ stream, epoch, seq_from, seq_to, row_from, row_to, ...ends });
  };
  for (const [at, mark] of marks.entries()) {
    const { epoch, next, acked } = mark;
    let expected = acked + 1;
    for (const edge of edges.filter((other) => other.epoch === epoch)) {
      add(mark, expected, edge.seq_from - 1, edge);
      expected = Math.max(expected, edge.seq_to + 1);
      before = edge;
    }
    const later = marks.slice(at + 1).map((other) => other.epoch);
    add(
      mark,
      expected,
      next - 1,
      edges.find((edge) => later.includes(edge.epoch)),
    );
  }
  return holes;
}

/** What fills the hole, the way that proves more. Takes the rotted seals that it uses from `spare`. */
function filled(store: Store, hole: Hole, spare: SealRow[], proven: MendOptions["proven"]): readonly Proven[] {
  const inside = ({ epoch, seq_from, row_from }: SealRow): boolean =>
    epoch === hole.epoch && seq_from <= hole.seq_to && row_from >= hole.row_from && row_from <= hole.row_to;
  const claims = spare.filter(inside).sort((a, b) => a.seq_from - b.seq_from);
  // A seal whose first number rotted does not say that it is this one's; one that is gone says nothing.
  const own = claims.find(({ seq_from }) => seq_from <= hole.seq_from);
  const begin = own ?? claims[0] ?? spare[0];
  const used = [...new Set([...claims, ...(begin === undefined ? [] : [begin])])];
  for (const claim of used) spare.splice(spare.indexOf(claim), 1);
  const ways = [cut(hole, begin, claims), cut(hole, own, claims)].map((parts) =>
    parts.map(({ part, claim }) => best(store, part, claim, proven)),
  );
  return ways.reduce((one, other) => (provenOf(other) > provenOf(one) ? other : one));
}

/** Two rotted neighbours leave one hole; where the second begins it says itself. */
function cut(hole: Hole, begin: SealRow | undefined, claims: readonly SealRow[]) {
  const cuts = claims.filter((claim) => claim !== begin && claim.seq_from > hole.seq_from);
  return [begin, ...cuts].map((claim, index) => {
    const [own, next] = [cuts[index - 1], cuts[index]];
    const part = {
      ...hole,
      ...(own === undefined ? {} : { seq_from: own.seq_from, row_from: own.row_from, first: false }),
      ...(next === undefined ? {} : { seq_to: next.seq_from - 1, row_to: next.row_from - 1, last: false }),
    };
    return { part, claim };
  });
}

function provenOf(seals: readonly Proven[]): number {
  return seals.reduce((sum, { proven }) => sum + proven, 0);
}

function best(store: Store, part: Hole, claim: SealRow | undefined, proven: MendOptions["proven"]): Proven {
  const rows = store.outlineOf(part.stream, part.row_from, part.row_to);
  let found: Proven | undefined;
  for (const seq_from of firstNumbers(part, claim)) {
    for (const row_from of firstRows(part, claim, rows)) {
      for (const row_to of lastRows(part, claim, rows, row_from)) {
        const seal = draftOf(part, claim, rows, { seq_from, row_from, row_to });
        const proof = proven({ ...seal, crc: 0 });
        if (found === undefined || proof > found.proven) found = { seal, proven: proof };
        if (proof === seal.seq_to - seal.seq_from + 1) return found;
      }
    }
  }
  return found ?? { seal: draftOf(part, claim, rows, { ...part, row_from: 0, row_to: 0 }), proven: 0 };
}

type Outline = ReturnType<Store["outlineOf"]>;

function firstNumbers({ first, seq_from, seq_to }: Hole, claim: SealRow | undefined): readonly number[] {
  if (!first || claim === undefined) return [seq_from];
  // Part of the seal may be acknowledged already: its records are numbered from where it began.
  const begins = [claim.seq_from, seq_to + 1 - countOf(claim)];
  return [...new Set([...begins.filter((seq) => seq >= 1 && seq < seq_from), seq_from])];
}

function firstRows({ first }: Hole, claim: SealRow | undefined, rows: Outline): readonly number[] {
  const ids = rows.map(({ id }) => id);
  const lowest = ids.slice(0, 1);
  return first && claim !== undefined && ids.includes(claim.row_from)
    ? [...new Set([claim.row_from, ...lowest])]
    : lowest;
}

/** Rows behind the last seal may be unsealed: it ends where it says, or where its samples are all there. */
function lastRows(part: Hole, claim: SealRow | undefined, rows: Outline, rowFrom: number): readonly number[] {
  const own = rows.filter(({ id }) => id >= rowFrom);
  const end = own.slice(-1).map(({ id }) => id);
  if (!part.last || claim === undefined) return end;
  const wanted = samplesOf(claim);
  let samples = 0;
  const counted = own.find((row) => {
    samples += row.samples;
    return samples >= wanted;
  });
  const said = own.filter(({ id }) => id === claim.row_to);
  return [...new Set([...said, ...(counted === undefined ? [] : [counted])].map(({ id }) => id).concat(end))];
}

function draftOf(
  { stream, epoch, seq_to }: Hole,
  claim: SealRow | undefined,
  rows: Outline,
  ends: Pick<Edge, "seq_from" | "row_from" | "row_to">,
): Draft {
  const { seq_from, row_from, row_to } = ends;
  const own = rows.filter(({ id }) => id >= row_from && id <= row_to);
  const { boot = 0, sync = 0, t_min = 0 } = own[0] ?? {};
  return {
    stream,
    epoch,
    seq_from,
    seq_to,
    row_from,
    row_to,
    boot,
    sync,
    sealed_ms: own.at(-1)?.t_max ?? t_min,
    t_min: own.reduce((least, row) => Math.min(least, row.t_min), t_min),
    t_max: own.reduce((most, row) => Math.max(most, row.t_max), t_min),
    encoder: ENCODER,
    sums: claim?.sums instanceof Uint8Array ? claim.sums : new Uint8Array(0),
  };
}

function countOf({ sums }: SealRow): number {
  return sums instanceof Uint8Array ? Math.floor(sums.byteLength / 8) : 0;
}

function samplesOf(claim: SealRow): number {
  if (!(claim.sums instanceof Uint8Array)) return 0;
  const view = new DataView(claim.sums.buffer, claim.sums.byteOffset, claim.sums.byteLength);
  let samples = 0;
  for (let at = 4; at + 4 <= view.byteLength; at += 8) samples += view.getUint32(at, true);
  return samples;
}
