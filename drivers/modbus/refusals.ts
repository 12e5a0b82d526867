/** What a device was found to refuse (exceptions 1 to 3), so that one bad register does not fail the others. Pure. */
import { type Block, blockOf, breakKey, type PlanLimits, type PlanObstacles, planBlocks, splitsOf } from "./plan.ts";
import type { RegisterSignal } from "./profile.ts";

const FIRST_RETRY_MS = 60_000;
const MAX_RETRY_MS = 3_600_000;
/** Illegal function, illegal data address, illegal data value (Modbus Application Protocol 1.1b3, section 7). */
const REFUSING_CODES = new Set([1, 2, 3]);

export function isRefusal(exceptionCode: number): boolean {
  return REFUSING_CODES.has(exceptionCode);
}

/** A request to be made, and the splits that led to it. */
export interface Task {
  readonly block: Block;
  readonly breaks: readonly string[];
}

interface Refusal {
  retryAtMs: number;
  delayMs: number;
}

export class Refusals {
  readonly #limits: PlanLimits;
  readonly #refused = new Map<RegisterSignal, Refusal>();
  readonly #breaks = new Set<string>();

  constructor(limits: PlanLimits) {
    this.#limits = limits;
  }

  /** Every register is read, in the largest requests there are. */
  get none(): boolean {
    return this.#refused.size === 0 && this.#breaks.size === 0;
  }

  /** Requests for these signals: merged where that is known to work, refused ones alone and only now and then. */
  plan(signals: readonly RegisterSignal[], nowMs: number): Task[] {
    const obstacles: PlanObstacles = { refused: [...this.#refused.keys()], breaks: this.#breaks };
    const readable = signals.filter((signal) => !this.#refused.has(signal));
    const again = signals.filter((signal) => (this.#refused.get(signal)?.retryAtMs ?? nowMs + 1) <= nowMs);
    const blocks = [...planBlocks(readable, this.#limits, obstacles), ...again.map((signal) => blockOf([signal]))];
    return blocks.map((block) => ({ block, breaks: [] }));
  }

  /** What to ask instead; none when the block was a single place, whose signals are now left out. */
  refuse(task: Task, nowMs: number): Task[] {
    const halves = splitsOf(task.block)[0];
    if (halves === undefined) {
      for (const signal of task.block.signals) this.#leaveOut(signal, nowMs);
      // The bad register is known: what had to be cut to find it can be merged again.
      for (const key of task.breaks) this.#breaks.delete(key);
      return [];
    }
    const key = breakKey(halves[1]);
    this.#breaks.add(key);
    return halves.map((block) => ({ block, breaks: [...task.breaks, key] }));
  }

  /** No register of it is known to be refused. */
  allows(block: Block): boolean {
    return !block.signals.some((signal) => this.#refused.has(signal));
  }

  /** These registers were read. */
  accept(block: Block): void {
    if (this.#refused.size === 0) return;
    for (const signal of block.signals) this.#refused.delete(signal);
  }

  /** All of it was refused, so it says nothing about single registers. */
  forget(signals: readonly RegisterSignal[]): void {
    for (const signal of signals) this.#refused.delete(signal);
  }

  #leaveOut(signal: RegisterSignal, nowMs: number): void {
    const delayMs = Math.min((this.#refused.get(signal)?.delayMs ?? FIRST_RETRY_MS / 2) * 2, MAX_RETRY_MS);
    this.#refused.set(signal, { delayMs, retryAtMs: nowMs + delayMs });
  }
}
