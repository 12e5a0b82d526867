/**
 * `prune_on: receipt`: what the server acknowledged and the cloud's receipt does not cover yet. It stays in the queue, is
 * not sent again with every connection, but when it had no receipt for `dueMs` of the bridge being alive. The oldest of
 * a stream without receipt after three such resends counts as rejected: receipts are contiguous, so it is what holds up
 * all the others, which its gap then lets through. One per stream and `dueMs`, so that a bridge that is alive without
 * Kafka does not empty the outbox into the dead letters. Memory only: after a restart all without receipt go again.
 */
import { STREAMS, type Stream } from "../../core/record.ts";
import type { Position, RecordQueue, SealedRecord } from "../queue.ts";
import type { Receipt, UplinkOptions, UplinkTiming } from "./options.ts";
import { SettledByServer, type Settlement } from "./settlement.ts";

const MAX_RESENDS = 3;
/** Per stream; about 3 MB. */
const MOST_WAITING = 20_000;

interface Entry extends Position {
  readonly stream: Stream;
  ackedMs: number;
  resends: number;
  /** False while it is sent again. */
  waiting: boolean;
}

export interface UnreceiptedOptions {
  readonly queue: RecordQueue;
  readonly monoMs: () => number;
  readonly dueMs: number;
  /** Without a sign of life for longer, the bridge is not alive. */
  readonly aliveMs: number;
}

export interface Due {
  /** Streams with records to be sent again. */
  readonly again: ReadonlySet<Stream>;
  /** Records that count as rejected. */
  readonly rejected: readonly (Position & { readonly stream: Stream })[];
}

export class Unreceipted implements Settlement {
  readonly #o: UnreceiptedOptions;
  readonly #entries: Readonly<Record<Stream, Map<string, Entry>>> = { c: new Map(), t: new Map(), b: new Map() };
  readonly #floors: Partial<Record<Stream, Position>> = {};
  readonly #rejectedMs: Partial<Record<Stream, number>> = {};
  #aliveSinceMs = Number.POSITIVE_INFINITY;
  #aliveMs = Number.NEGATIVE_INFINITY;

  constructor(options: UnreceiptedOptions) {
    this.#o = options;
  }

  acked({ stream, epoch, seq }: SealedRecord): void {
    const key = keyOf({ epoch, seq });
    const known = this.#entries[stream].get(key);
    const entry = { stream, epoch, seq, ackedMs: this.#o.monoMs(), resends: known?.resends ?? 0, waiting: true };
    this.#entries[stream].set(key, entry);
  }

  waits(record: SealedRecord): boolean {
    return this.#entries[record.stream].get(keyOf(record))?.waiting === true;
  }

  floor(stream: Stream): Position | undefined {
    const entries = this.#entries[stream];
    let floor = this.#floors[stream] ?? this.#o.queue.read(stream, undefined, 1)[0];
    if (floor === undefined || entries.get(keyOf(floor))?.waiting !== true) {
      // A floor below which a receipt has pruned holds as before.
      return this.#floors[stream];
    }
    for (;;) {
      const next: Position = { epoch: floor.epoch, seq: floor.seq + 1 };
      if (entries.get(keyOf(next))?.waiting !== true) break;
      floor = next;
    }
    this.#floors[stream] = { epoch: floor.epoch, seq: floor.seq };
    return this.#floors[stream];
  }

  open(stream: Stream): boolean {
    return this.#entries[stream].size < MOST_WAITING || this.#entries[stream].values().some(({ waiting }) => !waiting);
  }

  /** The queue takes note by itself. */
  receipt({ epoch, upto }: Receipt): void {
    for (const stream of STREAMS) {
      const entries = this.#entries[stream];
      for (const [key, entry] of entries) if (entry.epoch === epoch && entry.seq <= upto[stream]) entries.delete(key);
    }
  }

  /** The bridge gave a sign of life. */
  bridgeAlive(): void {
    const nowMs = this.#o.monoMs();
    if (nowMs - this.#aliveMs > this.#o.aliveMs) this.#aliveSinceMs = nowMs;
    this.#aliveMs = nowMs;
  }

  /** What is to be done now; it counts as done. */
  due(): Due {
    const nowMs = this.#o.monoMs();
    const again = new Set<Stream>();
    const rejected: Entry[] = [];
    if (nowMs - this.#aliveMs > this.#o.aliveMs) return { again, rejected };
    for (const stream of STREAMS) {
      const head = headOf(this.#entries[stream].values());
      for (const entry of this.#entries[stream].values()) {
        if (!entry.waiting || nowMs - Math.max(entry.ackedMs, this.#aliveSinceMs) < this.#o.dueMs) continue;
        if (entry.resends < MAX_RESENDS) {
          entry.waiting = false;
          entry.resends++;
          again.add(stream);
        } else if (entry === head && this.#mayReject(stream, nowMs)) rejected.push(entry);
      }
      if (again.has(stream)) delete this.#floors[stream];
    }
    return { again, rejected };
  }

  /** It left the queue as a dead letter. */
  forget({ stream, epoch, seq }: Position & { readonly stream: Stream }): void {
    this.#entries[stream].delete(keyOf({ epoch, seq }));
  }

  /** All was sealed anew. */
  clear(): void {
    for (const stream of STREAMS) {
      this.#entries[stream].clear();
      delete this.#floors[stream];
    }
  }

  #mayReject(stream: Stream, nowMs: number): boolean {
    if (nowMs - (this.#rejectedMs[stream] ?? Number.NEGATIVE_INFINITY) < this.#o.dueMs) return false;
    this.#rejectedMs[stream] = nowMs;
    return true;
  }
}

/** As `uplink.prune_on` says. */
export function settlementFor({ queue, config, clock }: UplinkOptions, timing: UplinkTiming): Settlement {
  if (config.prune_on === "puback") return new SettledByServer(queue);
  const { receiptDueMs: dueMs, bridgeAliveMs: aliveMs } = timing;
  return new Unreceipted({ queue, monoMs: () => clock.monoMs(), dueMs, aliveMs });
}

/** The lowest number of the epoch that was acknowledged first: older epochs go first. */
function headOf(entries: Iterable<Entry>): Entry | undefined {
  let head: Entry | undefined;
  for (const entry of entries)
    if (head === undefined || (entry.epoch === head.epoch && entry.seq < head.seq)) head = entry;
  return head;
}

function keyOf({ epoch, seq }: Position): string {
  return `${epoch}/${seq}`;
}
