/**
 * What becomes of a record that the server will not take (DESIGN invariant 4). Into the dead letters lead a reason of its
 * own (topic, size, payload format), connections closed on it (suspect.ts), and four sends without a receipt; any other refusal
 * holds its stream.
 */
import { messageOf } from "../../core/errors.ts";
import type { Stream } from "../../core/record.ts";
import type { Position } from "../queue.ts";
import { isPoison, reasonText } from "./faults.ts";
import type { UplinkOptions } from "./options.ts";

type Name = Position & { readonly stream: Stream };

export class Rejections {
  readonly #o: Pick<UplinkOptions, "onRejected" | "log" | "config">;
  #held: string | undefined;

  constructor(options: Pick<UplinkOptions, "onRejected" | "log" | "config">) {
    this.#o = options;
  }

  /** Why a stream is held: the last refusal that held one. */
  get held(): string | undefined {
    return this.#held;
  }

  /** The server's answer to it, or our own to one above the server's packet limit. `gone`: the dead letters have it. */
  refused(record: Name, reasonCode: number): "gone" | "held" {
    const { what, remedy } = reasonText(reasonCode);
    if (isPoison(reasonCode) && this.#giveUp(record, what, reasonCode)) return "gone";
    this.#held = `uplink ${this.#o.config.url}: ${nameOf(record)}: ${what}; ${remedy}`;
    return "held";
  }

  /** True when the dead letters have it. */
  unreceipted(record: Name): boolean {
    return this.#giveUp(record, "sent four times without a receipt");
  }

  /** Undefined when the dead letters have it, else what to tell. */
  closedOn(record: Name, connections: number): string | undefined {
    const what = `${connections} connections were closed on it`;
    return this.#giveUp(record, what) ? undefined : `${nameOf(record)}: ${what}; read the server's log`;
  }

  #giveUp(record: Name, what: string, reasonCode?: number): boolean {
    const { onRejected, log } = this.#o;
    const { stream, epoch, seq } = record;
    const text = `${nameOf(record)}: ${what}`;
    try {
      return onRejected?.({ stream, at: { epoch, seq }, reasonCode, text }) === true;
    } catch (error) {
      log.error("a rejected record could not be set aside", { record: text, reason: messageOf(error) });
      return false;
    }
  }
}

function nameOf({ stream, epoch, seq }: Name): string {
  return `stream ${stream} record ${epoch}/${seq}`;
}
