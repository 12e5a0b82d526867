/** What the fleet sees of this gateway beside its records: `state` with its last will, births, receipts (DESIGN §6). */
import { messageOf } from "../../core/errors.ts";
import { reasonText } from "./faults.ts";
import type { Receipt, UplinkOptions } from "./options.ts";
import { parseObject, parseReceipt } from "./receipts.ts";
import type { Sender } from "./sender.ts";

export interface Incarnation {
  readonly boot: number;
  readonly conn: number;
}

/** `{"state":"online","boot":17,"conn":3,"ts":1795226000000}`; `ts` in milliseconds since 1970. */
export function statePayload(state: "online" | "offline", { boot, conn }: Incarnation, ts: number): Buffer {
  return Buffer.from(JSON.stringify({ state, boot, conn, ts }));
}

/** What our own `state` topic holds, seen from here. `later`: readers will ignore us, its (boot, conn) is above ours. */
export type SeenState = "ours" | "foreign" | "later";

export function judgeState(payload: Buffer, own: Incarnation): SeenState {
  const { state, boot, conn } = parseObject(payload);
  if (typeof boot !== "number" || typeof conn !== "number") return "foreign";
  if (boot > own.boot || (boot === own.boot && conn > own.conn)) return "later";
  return state === "online" && boot === own.boot && conn === own.conn ? "ours" : "foreign";
}

export interface PresenceOptions {
  readonly uplink: UplinkOptions;
  readonly prefix: string;
  readonly own: Incarnation;
  readonly sender: Sender;
  /** The server has `online`; once. */
  onUp(): void;
  /** Undefined: something that is no receipt. */
  onReceipt(receipt: Receipt | undefined): void;
  /** The bridge is alive. */
  onAlive(): void;
  onWarning(key: string, text: string): void;
}

const CORRECT_EVERY_MS = 1000;

/** `busbar/v1/<slot>/bridge/alive` of a gateway's prefix `busbar/v1/<slot>/<gateway>`. */
function aliveTopic(prefix: string): string {
  return prefix.replace(/[^/]+$/, "bridge/alive");
}

/**
 * Publishes births and `online`, and `online` again when a late last will or somebody else's `offline` stands on our
 * topic. The server echoes our own publishes, so whatever came last is what stands there.
 */
export class Presence {
  readonly #o: PresenceOptions;
  #seen: SeenState | undefined;
  #up = false;
  #birthTaken: Uint8Array | undefined;
  #leaving = false;
  #publishedMs = Number.NEGATIVE_INFINITY;
  #correctedMs = Number.NEGATIVE_INFINITY;

  constructor(options: PresenceOptions) {
    this.#o = options;
  }

  /** The server has acknowledged `online`. */
  get up(): boolean {
    return this.#up;
  }

  /** The newest birth that the server acknowledged on this link. */
  get birthTaken(): Uint8Array | undefined {
    return this.#birthTaken;
  }

  get topics(): readonly string[] {
    const { prefix, uplink } = this.#o;
    const own = [`${prefix}/receipt`, `${prefix}/state`];
    return uplink.config.prune_on === "receipt" ? [...own, aliveTopic(prefix)] : own;
  }

  /** Births, oldest first, then `online`. */
  announce(births: readonly Uint8Array[]): void {
    for (const birth of births) {
      this.#publish("birth", Buffer.from(birth), () => {
        this.#birthTaken = birth;
      });
    }
    this.#online();
  }

  /** Resolves when the server has `offline`, or refused it. */
  leave(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    // Our own `offline` is echoed, too, and must stand.
    this.#leaving = true;
    this.#o.sender.control(`${this.#o.prefix}/state`, this.#state("offline"), () => resolve());
    return promise;
  }

  message(topic: string, payload: Buffer): void {
    const [receipt, state, alive] = this.topics;
    if (topic === state) this.#stateSeen(payload);
    else if (topic === alive) this.#o.onAlive();
    else if (topic === receipt && payload.length > 0) this.#receipt(payload);
  }

  /** Called often: a server may hold our own `online` back for a while before it echoes it. */
  tick(): void {
    if (this.#o.uplink.clock.monoMs() - this.#publishedMs >= CORRECT_EVERY_MS) this.#correct();
  }

  /** At most once a second, so that two who both insist do not fill the link. */
  #correct(): void {
    const nowMs = this.#o.uplink.clock.monoMs();
    const wrong = this.#seen !== undefined && this.#seen !== "ours";
    if (!this.#up || this.#leaving || !wrong || nowMs - this.#correctedMs < CORRECT_EVERY_MS) return;
    this.#correctedMs = nowMs;
    this.#online();
  }

  #stateSeen(payload: Buffer): void {
    this.#seen = judgeState(payload, this.#o.own);
    if (this.#seen === "later") {
      const text = "another device, or a later start, publishes state for this gateway id; give each its own";
      this.#o.onWarning("state", text);
    }
    this.#correct();
  }

  #receipt(payload: Buffer): void {
    const receipt = parseReceipt(payload);
    if (receipt === undefined) {
      this.#o.onReceipt(undefined);
      this.#o.onWarning("receipt", "the receipt topic holds something that is no receipt");
      return;
    }
    try {
      this.#o.onReceipt(receipt);
    } catch (error) {
      this.#o.uplink.log.error("receipt could not be handled", { reason: messageOf(error) });
    }
  }

  #online(): void {
    this.#publishedMs = this.#o.uplink.clock.monoMs();
    this.#publish("state", this.#state("online"), () => {
      if (this.#up) return;
      this.#up = true;
      this.#o.onUp();
    });
  }

  #state(state: "online" | "offline"): Buffer {
    return statePayload(state, this.#o.own, Math.floor(this.#o.uplink.clock.wallUs() / 1000));
  }

  #publish(tail: string, payload: Buffer, onTaken: () => void = () => {}): void {
    this.#o.sender.control(`${this.#o.prefix}/${tail}`, payload, (reasonCode) => {
      if (reasonCode < 0x80) {
        onTaken();
        return;
      }
      const { what, remedy } = reasonText(reasonCode);
      this.#o.onWarning(tail, `the server refuses ${tail}: ${what}; ${remedy}`);
    });
  }
}
