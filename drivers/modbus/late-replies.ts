/**
 * A request that nobody answered in time may be answered later, and on a serial line nothing in that reply tells which
 * request it is for: only unit, function and length do, its shape. Two rules keep such a reply from becoming data:
 *  1. After silence a unit is first asked for a span of another shape, the probe. Devices answer in order: when that
 *     comes back, nothing older can come any more, however slow the device was.
 *  2. Something between that does not keep the order (a gateway that queues) is not proven to be empty by that. So for
 *     three timeouts after a request without answer nothing of its shape is asked: what would be is cut in two.
 * Transaction ids (TCP) are no substitute: behind a gateway there is a serial line again, and cheap ones put the id of
 * the newest request on whatever comes. Pure.
 */
import { type Block, blockOf, splitsOf } from "./plan.ts";
import type { Span } from "./profile.ts";

/** No device is that slow. */
const FORGET_MS = 60_000;
const QUARANTINE_TIMEOUTS = 3;
const LEAST_QUARANTINE_MS = 2000;

interface Unanswered {
  readonly shape: string;
  readonly atMs: number;
  readonly proven: boolean;
}

export class LateReplies {
  readonly #probes: readonly Block[];
  readonly #quarantineMs: number;
  #unanswered: readonly Unanswered[] = [];

  /** `blocks`: all that is ever asked of the device. */
  constructor(blocks: readonly Block[], timeoutMs: number) {
    this.#probes = blocks.flatMap(partsOf).toSorted((a, b) => a.words - b.words);
    this.#quarantineMs = Math.max(LEAST_QUARANTINE_MS, QUARANTINE_TIMEOUTS * timeoutMs);
  }

  /** Until when something may come that was not asked for; in the past: nothing can. */
  get quarantineUntilMs(): number {
    return (this.#unanswered.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY) + this.#quarantineMs;
  }

  /** No request is without its answer. */
  get inStep(): boolean {
    return this.#unanswered.length === 0;
  }

  unanswered(span: Span, nowMs: number): void {
    this.#forget(nowMs);
    this.#unanswered = [...this.#unanswered, { shape: shapeOf(span), atMs: nowMs, proven: false }];
  }

  /**
   * A request whose reply cannot be mistaken; `wait` where there is none (until `quarantineUntilMs`). Undefined: there
   * is nothing to prove.
   */
  probe(nowMs: number, allowed: (block: Block) => boolean): Block | "wait" | undefined {
    this.#forget(nowMs);
    if (this.#unanswered.every(({ proven }) => proven)) return undefined;
    const probe = this.#probes.find((block) => !this.#isTaken(block) && allowed(block));
    if (probe !== undefined) return probe;
    if (nowMs < this.quarantineUntilMs) return "wait";
    this.#unanswered = [];
    return undefined;
  }

  /** A probe was answered. */
  proven(): void {
    this.#unanswered = this.#unanswered.map((entry) => ({ ...entry, proven: true }));
  }

  /** The same registers in requests whose replies cannot be mistaken; none where there is only one way to ask. */
  disguise(block: Block, nowMs: number): readonly Block[] {
    this.#forget(nowMs);
    if (!this.#isTaken(block)) return [block];
    return splitsOf(block).find((halves) => !halves.some((half) => this.#isTaken(half))) ?? [];
  }

  #isTaken(span: Span): boolean {
    const shape = shapeOf(span);
    return this.#unanswered.some((entry) => entry.shape === shape);
  }

  #forget(nowMs: number): void {
    if (this.#unanswered.length === 0) return;
    this.#unanswered = this.#unanswered.filter(({ atMs, proven }) => {
      return nowMs - atMs < (proven ? this.#quarantineMs : FORGET_MS);
    });
  }
}

function shapeOf(span: Span): string {
  return `${span.fc}:${span.words}`;
}

function partsOf(block: Block): Block[] {
  const firsts = block.signals.map((_, i) => blockOf(block.signals.slice(0, i + 1)));
  const lasts = block.signals.map((_, i) => blockOf(block.signals.slice(i)));
  return [...firsts, ...lasts];
}
