/** When a record is settled: with the server's acknowledgement, or (unreceipted.ts) with the cloud's receipt. */
import type { Stream } from "../../core/record.ts";
import type { Position, RecordQueue, SealedRecord } from "../queue.ts";

export interface Settlement {
  /** The server has it. Throws what the queue throws; then it counts as not acknowledged. */
  acked(record: SealedRecord): void;
  /** The server has it, and it is not to be sent now. */
  waits(record: SealedRecord): boolean;
  /** Nothing up to here is to be sent now: reading may begin behind it. */
  floor(stream: Stream): Position | undefined;
  /** More records of the stream may be sent. */
  open(stream: Stream): boolean;
}

/** `prune_on: puback`: an acknowledged record leaves the queue. */
export class SettledByServer implements Settlement {
  readonly #queue: RecordQueue;

  constructor(queue: RecordQueue) {
    this.#queue = queue;
  }

  acked(record: SealedRecord): void {
    this.#queue.ack(record.stream, record);
  }

  waits(): boolean {
    return false;
  }

  floor(): undefined {
    return undefined;
  }

  open(): boolean {
    return true;
  }
}
