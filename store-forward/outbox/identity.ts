/** Who we are in this file from now on: boot, epoch, and what an older life of it lost. */
import { randomInt } from "node:crypto";
import type { Gap, Stream } from "../../core/record.ts";
import { STREAMS } from "../../core/record.ts";
import { type BootState, nextBoot } from "../boot.ts";
import { dropRottedBirths } from "./births.ts";
import { noteUnsent } from "./renew.ts";
import type { EpochRow } from "./schema.ts";
import { FIRST_EPOCH, type Store } from "./store.ts";

const LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz";
/** For gaps of a file whose epoch nobody knows any more. */
const UNKNOWN_EPOCH = "00000000";

/** Eight random characters of [0-9a-z]. */
export function newEpoch(): string {
  return Array.from({ length: 8 }, () => LETTERS[randomInt(LETTERS.length)]).join("");
}

export interface Beginning {
  readonly previous: BootState | undefined;
  /** The boot that was told before the file could be opened. */
  readonly toldBoot: number | undefined;
  readonly wallMs: number;
  readonly hardware: string;
  readonly birthId: string;
  readonly birth: Uint8Array;
  /** Where the file went that was damaged, if one was. */
  readonly quarantined: string | undefined;
  /** This process used the outbox before: if it is the same file, this is no new start. */
  readonly resumed: boolean;
  /** The epoch's name if a new one begins. */
  readonly epoch: string;
}

export interface Identity {
  readonly boot: number;
  readonly epoch: EpochRow;
  /** Told first of all in the new epoch. */
  readonly losses: readonly Gap[];
  /** Why a new epoch began, if one did. */
  readonly renewed?: string;
}

/** Inside a transaction: notes this start. */
export function beginRun(store: Store, beginning: Beginning): Identity {
  dropRottedBirths(store);
  const identity = identify(store, beginning);
  noteUnsent(store, identity.epoch);
  return identity;
}

function identify(store: Store, beginning: Beginning): Identity {
  const { previous, toldBoot = 0, wallMs, hardware, birthId, birth } = beginning;
  const newest = store.newestBoot();
  const resumed = beginning.resumed && toldBoot === newest ? store.epochs().at(-1) : undefined;
  if (resumed !== undefined) return { boot: newest, epoch: resumed, losses: [] };
  const boot = toldBoot > newest ? toldBoot : nextBoot(previous, newest, wallMs);
  store.beginRun(boot, birthId, birth);
  const current = store.epochs().at(-1);
  const renewed = reasonToRenew(store, current, beginning);
  store.setMeta("hardware", hardware);
  if (renewed === undefined && current !== undefined) return { boot, epoch: current, losses: [] };
  const losses = lossesOf(store, beginning, current);
  return {
    boot,
    epoch: store.addEpoch(beginning.epoch, beginning.quarantined === undefined ? null : FIRST_EPOCH),
    losses,
    ...(renewed === undefined ? {} : { renewed }),
  };
}

function reasonToRenew(store: Store, current: EpochRow | undefined, beginning: Beginning): string | undefined {
  const { previous, hardware, quarantined } = beginning;
  if (quarantined !== undefined) return "the outbox file was damaged";
  if (current === undefined) return previous === undefined ? undefined : "the outbox file was gone";
  if (store.meta("hardware") !== hardware) return "machine id, board or gateway id changed";
  if (previous === undefined) return undefined;
  if (!store.epochs().some(({ name }) => name === previous.epoch)) return "the outbox file is not the one last used";
  return isBehind(store, current, previous) ? "the outbox file is older than what was acknowledged" : undefined;
}

/** Numbers above what this file ever gave out are acknowledged: it is a copy from the past, and would use them again. */
function isBehind(store: Store, current: EpochRow, previous: BootState): boolean {
  if (current.name !== previous.epoch) return false;
  return STREAMS.some((stream) => previous.acked[stream] >= store.mark(current.n, stream).next);
}

function lossesOf(store: Store, beginning: Beginning, current: EpochRow | undefined): Gap[] {
  const { previous, quarantined, wallMs } = beginning;
  if (current !== undefined && previous !== undefined) {
    const known = store.epochs().some(({ name }) => name === previous.epoch);
    if (known && !isBehind(store, current, previous)) return [];
    return STREAMS.map((stream) => lost(stream, previous, known ? store.mark(current.n, stream).next : undefined));
  }
  if (previous !== undefined) return STREAMS.map((stream) => lost(stream, previous, undefined));
  if (quarantined === undefined) return [];
  const t = { t0: 0, t1: wallMs };
  return STREAMS.map((c) => ({ c, epoch: UNKNOWN_EPOCH, from: 1, to: null, samples: null, reason: "corrupt", ...t }));
}

/** `next`: what the file at hand would have given out next; what lies below it is there or was acknowledged. */
function lost(c: Stream, { epoch, acked, oldestMs, wallMs, newestMs = 0 }: BootState, next = 1): Gap {
  const from = Math.max(acked[c] + 1, next);
  const span = { t0: Math.min(oldestMs, wallMs), t1: Math.max(wallMs, newestMs) };
  return { c, epoch, from, to: null, samples: null, reason: "corrupt", ...span };
}
