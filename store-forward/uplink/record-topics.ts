/** Topics of records; of samples' made once for each asset: a drain asks for thousands a second. */
import { recordTopicTail } from "../../core/topics.ts";
import type { SealedRecord } from "../queue.ts";

export class RecordTopics {
  readonly #prefix: string;
  /** Of data records, by asset. */
  readonly #known = new Map<string, string>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  of({ kind, asset }: Pick<SealedRecord, "kind" | "asset">): string {
    const known = kind === "data" && asset !== undefined ? this.#known.get(asset) : undefined;
    if (known !== undefined) return known;
    const topic = `${this.#prefix}/${recordTopicTail(kind, asset)}`;
    if (kind === "data" && asset !== undefined) this.#known.set(asset, topic);
    return topic;
  }
}
