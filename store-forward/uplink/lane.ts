/** One stream's way through the window: what to send next, what awaits its acknowledgement, what is held. Pure. */
import type { Stream } from "../../core/record.ts";
import type { Position, RecordQueue, SealedRecord } from "../queue.ts";
import { Hold } from "./hold.ts";
import { SettledByServer, type Settlement } from "./settlement.ts";

export interface InFlight {
  readonly record: SealedRecord;
  readonly bytes: number;
  /** Monotonic milliseconds. */
  readonly sentMs: number;
}

export interface LaneOptions {
  readonly queue: RecordQueue;
  readonly stream: Stream;
  readonly qos: 1 | 2;
  /** Default: with the server's acknowledgement. */
  readonly settlement?: Settlement;
  /** Default: one of this link's own, without a wait. */
  readonly hold?: Hold;
  /** Records read at once: bounds what a lane keeps in memory beside the window. */
  readonly readAhead?: number;
}

/** Of at most 32 KiB each. */
const READ_AHEAD = 100;

export class Lane {
  readonly stream: Stream;
  readonly qos: 1 | 2;
  readonly #queue: RecordQueue;
  readonly #settlement: Settlement;
  readonly #hold: Hold;
  readonly #readAhead: number;
  /** In the order in which they were sent. */
  readonly #inFlight = new Map<SealedRecord, InFlight>();
  #ahead: SealedRecord[] = [];
  /** What the last read gave: when `#ahead` is empty again, all of it was sent. */
  #given: readonly SealedRecord[] = [];
  #cursor: Position | undefined;
  #mayHaveMore = true;
  /** What is read may be under way. */
  #readsAgain = false;
  /** The one record that is tried while refused. */
  #probe: SealedRecord | undefined;

  constructor({ queue, stream, qos, settlement, hold, readAhead = READ_AHEAD }: LaneOptions) {
    this.#queue = queue;
    this.#settlement = settlement ?? new SettledByServer(queue);
    this.stream = stream;
    this.qos = qos;
    this.#hold = hold ?? new Hold(0);
    this.#readAhead = readAhead;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** The server refused the last answer of this stream: one record at a time until it takes one. */
  get refused(): boolean {
    return this.#hold.stands;
  }

  /** The queue may have new records. */
  wake(): void {
    this.#mayHaveMore = true;
  }

  /** The next record to send, or undefined: nothing there, or held. Throws what the queue throws. */
  next(nowMs: number): SealedRecord | undefined {
    return this.#open(nowMs) ? this.#peek() : undefined;
  }

  /** `next` would have to ask the queue. */
  mustRead(nowMs: number): boolean {
    return this.#ahead.length === 0 && this.#mayHaveMore && this.#open(nowMs);
  }

  /** Has the next record in memory before it may be sent. Throws what the queue throws. */
  lookAhead(): void {
    if (!this.refused && this.#inFlight.size > 0 && this.#settlement.open(this.stream)) this.#peek();
  }

  /** Records that were acknowledged are to be sent again: reads from the first on. */
  again(): void {
    this.#rewind();
  }

  /** `record`, which is the one that `next` gave, is on its way. */
  sent(record: SealedRecord, bytes: number, sentMs: number): void {
    this.#ahead.shift();
    this.#inFlight.set(record, { record, bytes, sentMs });
    if (this.refused) this.#probe = record;
  }

  /**
   * The server has it. What is known of its flight, or undefined when it was not in flight any more. Throws what the
   * queue throws; then it stays in flight, and goes again with the next link.
   */
  acked(record: SealedRecord): InFlight | undefined {
    const flight = this.#inFlight.get(record);
    if (flight === undefined) return undefined;
    this.#settlement.acked(record);
    this.#inFlight.delete(record);
    // Others that were under way together with the refused one say nothing about it.
    if (record === this.#probe) this.#recovered();
    return flight;
  }

  /** The server refused it and the queue still has it: it and all behind it are read again after a wait. */
  hold(record: SealedRecord, nowMs: number): void {
    this.#inFlight.delete(record);
    this.#hold.begin(nowMs);
    this.#rewind();
  }

  /** It is out of the queue without having been taken: the dead letters have it. */
  forget(record: SealedRecord): void {
    this.#inFlight.delete(record);
    if (record === this.#probe) this.#recovered();
  }

  /** Milliseconds since 1970 at which the oldest unacknowledged record was sealed. Throws what the queue throws. */
  oldestSealedMs(): number | undefined {
    return (this.oldest()?.record ?? this.#peek())?.sealedMs;
  }

  oldest(): InFlight | undefined {
    return this.#inFlight.values().next().value;
  }

  /** Nothing in flight and nothing to send. Throws what the queue throws. */
  get empty(): boolean {
    return this.#inFlight.size === 0 && this.#peek() === undefined;
  }

  #open(nowMs: number): boolean {
    if (this.refused && (this.#inFlight.size > 0 || this.#hold.waits(nowMs))) return false;
    return this.#settlement.open(this.stream);
  }

  #recovered(): void {
    this.#probe = undefined;
    this.#hold.end();
  }

  #rewind(): void {
    this.#ahead = [];
    this.#given = [];
    this.#cursor = undefined;
    this.#mayHaveMore = true;
    this.#readsAgain = true;
  }

  #peek(): SealedRecord | undefined {
    if (this.#ahead.length === 0 && this.#mayHaveMore) this.#read();
    return this.#ahead[0];
  }

  #read(): void {
    const underWay = new Set(this.#readsAgain ? [...this.#inFlight.keys()].map(keyOf) : []);
    const isUnderWay = underWay.size === 0 ? () => false : (record: SealedRecord) => underWay.has(keyOf(record));
    this.#readsAgain = underWay.size > 0;
    do {
      if (this.#given.length > 0) this.#queue.spent?.(this.#given);
      this.#given = [];
      const after = this.#cursor ?? this.#settlement.floor(this.stream);
      const records = this.#queue.read(this.stream, after, this.#readAhead);
      this.#given = records;
      this.#mayHaveMore = records.length === this.#readAhead;
      this.#cursor = records.at(-1) ?? this.#cursor;
      this.#ahead = records.filter((record) => !isUnderWay(record) && !this.#settlement.waits(record));
    } while (this.#ahead.length === 0 && this.#mayHaveMore);
  }
}

function keyOf({ epoch, seq }: Position): string {
  return `${epoch}/${seq}`;
}
