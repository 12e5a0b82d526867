import { crc32 } from "node:zlib";
import type { RecordKind, Stream } from "../../core/record.ts";
import type { Position, RecordQueue, SealedRecord } from "../../store-forward/queue.ts";

/** An outbox of arrays: what the uplink is tested against. Counts what it is asked, remembers what was acknowledged. */
export class MemoryQueue implements RecordQueue {
  onSealed: (() => void) | undefined;
  /** Default: its memory is its own. */
  spent: (records: readonly SealedRecord[]) => void = () => {};
  readonly ackOrder: string[] = [];
  birthPayloads: Uint8Array[] = [Buffer.from('{"v":1}')];
  reads = 0;
  /** The next reads throw it. */
  failure: Error | undefined;
  readonly #records: Record<Stream, SealedRecord[]> = { c: [], t: [], b: [] };
  readonly #gone = new Set<string>();
  readonly #epoch: string;

  constructor(epoch = "k3f9a1c2") {
    this.#epoch = epoch;
  }

  /** Seals one record, by default a data record of now (an event on the critical stream); `asset` null: none. */
  seal(
    stream: Stream,
    options: { asset?: string | null; sealedMs?: number; fill?: string; kind?: RecordKind } = {},
  ): void {
    const seq = this.#records[stream].length + 1;
    const { asset = "meter-1", sealedMs = Date.now(), fill = "", kind = stream === "c" ? "event" : "data" } = options;
    const head = `{"v":1,"k":"${kind}","epoch":"${this.#epoch}","c":"${stream}","seq":${seq},"fill":"${fill}"`;
    const plain = Buffer.from(`${head},"crc":"${crc32(head).toString(16).padStart(8, "0")}"}`);
    this.#records[stream].push({
      epoch: this.#epoch,
      stream,
      seq,
      kind,
      ...(asset === null ? {} : { asset }),
      sealedMs,
      plain,
    });
    this.onSealed?.();
  }

  read(stream: Stream, after: Position | undefined, limit: number): SealedRecord[] {
    this.reads++;
    if (this.failure !== undefined) throw this.failure;
    const from = after?.seq ?? 0;
    const found: SealedRecord[] = [];
    for (const record of this.#records[stream].slice(from)) {
      if (found.length === limit) break;
      if (!this.#gone.has(keyOf(stream, record))) found.push(record);
    }
    return found;
  }

  ack(stream: Stream, at: Position): void {
    const key = keyOf(stream, at);
    if (this.#gone.has(key)) throw new Error(`acknowledged twice: ${key}`);
    this.#gone.add(key);
    this.ackOrder.push(key);
  }

  /** Moves it to the dead letters. */
  reject(stream: Stream, at: Position): void {
    this.#gone.add(keyOf(stream, at));
  }

  births(): Uint8Array[] {
    return this.birthPayloads;
  }

  plain(stream: Stream, seq: number): Buffer {
    return this.#records[stream][seq - 1]!.plain;
  }

  waiting(): number {
    return Object.values(this.#records).reduce((sum, records) => sum + records.length, 0) - this.#gone.size;
  }
}

function keyOf(stream: Stream, { seq }: Position): string {
  return `${stream}${seq}`;
}
