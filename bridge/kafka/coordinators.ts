/**
 * kafkajs asks anew who coordinates a transaction for each of its steps: three of the eight requests of a transaction.
 * Who it was a second ago, it nearly always still is. Where it is another, that one refuses, and the partition is opened
 * again with a new client, as after any error.
 */

export interface Asked {
  readonly groupId: string;
  /** 0: of a consumer group, 1: of transactions. */
  readonly coordinatorType: number;
}

export interface Finder {
  findGroupCoordinatorMetadata(of: Asked): Promise<unknown>;
}

interface Known {
  readonly groupId: string;
  readonly answer: unknown;
  readonly untilMs: number;
}

const OF_TRANSACTIONS = 1;
const KEPT_MS = 1000;

/** From now on each client (`prototype` is that of kafkajs's) remembers whom it was told; `monoMs` is a monotonic clock. */
export function keepCoordinators(prototype: Finder, monoMs: () => number): void {
  const { findGroupCoordinatorMetadata: find } = prototype;
  const known = new WeakMap<Finder, Known>();
  prototype.findGroupCoordinatorMetadata = async function (of) {
    if (of.coordinatorType !== OF_TRANSACTIONS) return await find.call(this, of);
    const kept = known.get(this);
    if (kept?.groupId === of.groupId && monoMs() < kept.untilMs) return kept.answer;
    const answer = await find.call(this, of);
    known.set(this, { groupId: of.groupId, answer, untilMs: monoMs() + KEPT_MS });
    return answer;
  };
}
