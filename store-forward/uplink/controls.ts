/** Publishes of presence on one link: births and `state`, retained at QoS 1, before all records and in their order. */
import type { Link } from "./connection.ts";

export interface Control {
  readonly topic: string;
  readonly payload: Buffer;
  /** Gets the reason code of its acknowledgement. */
  readonly done: (reasonCode: number) => void;
}

export class Controls {
  readonly #link: Pick<Link, "publish" | "limits">;
  readonly #waiting: Control[] = [];
  /** When they were sent, in that order. */
  readonly #sent = new Set<{ readonly sentMs: number }>();

  constructor(link: Pick<Link, "publish" | "limits">) {
    this.#link = link;
  }

  get inFlight(): number {
    return this.#sent.size;
  }

  /** Monotonic milliseconds at which the oldest without acknowledgement was sent. */
  get oldestSentMs(): number | undefined {
    return this.#sent.values().next().value?.sentMs;
  }

  add(control: Control): void {
    this.#waiting.push(control);
  }

  /** False: there is none. */
  sendNext(nowMs: number): boolean {
    const control = this.#waiting.shift();
    if (control === undefined) return false;
    const sent = { sentMs: nowMs };
    this.#sent.add(sent);
    const done = (reasonCode: number): void => {
      this.#sent.delete(sent);
      control.done(reasonCode);
    };
    const { topic, payload } = control;
    this.#link.publish({ topic, payload, qos: 1, retain: this.#link.limits.retain, done });
    return true;
  }
}
