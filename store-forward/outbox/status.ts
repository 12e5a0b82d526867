/** The outbox as its status tells it. */
import { statSync } from "node:fs";
import type { OutboxStatus } from "../protocol.ts";
import type { OutboxOptions } from "./options.ts";
import type { Session } from "./session.ts";
import type { Watermark } from "./watermark.ts";

export type BriefStatus = Pick<OutboxStatus, "state" | "error" | "durable_until" | "clock_jumps">;

export interface StatusParts extends Pick<OutboxStatus, "boot" | "epoch" | "drops"> {
  /** Undefined while the file cannot be read. */
  readonly summary: ReturnType<Session["summary"]> | undefined;
}

const NONE = { next: 1, acked: 0 };

/** `error`: it cannot be written now; `notice`: what became of an earlier file. */
export function briefStatus(
  error: string | undefined,
  notice: string | undefined,
  { durableUntil, durableEra }: Pick<Watermark, "durableUntil" | "durableEra">,
): BriefStatus {
  const told = error ?? notice;
  return {
    state: error === undefined ? "ok" : "unwritable",
    ...(told === undefined ? {} : { error: told }),
    durable_until: durableUntil,
    ...(durableEra === 0 ? {} : { clock_jumps: durableEra }),
  };
}

/** What it takes questions to SQLite and to the system to tell. */
export function outboxStatus(
  { path, budget, writes }: OutboxOptions,
  { boot, epoch, summary, drops }: StatusParts,
): Omit<OutboxStatus, keyof BriefStatus> {
  return {
    epoch,
    boot,
    streams: summary?.streams ?? { c: NONE, t: NONE, b: NONE },
    waiting: summary?.waiting ?? 0,
    bytes: sizeOf(path) + sizeOf(`${path}-wal`) + sizeOf(`${path}-shm`),
    max_bytes: budget.maxBytes,
    oldest_age_s: summary?.oldestAgeS ?? 0,
    ...(summary?.salvage === undefined ? {} : { salvage: summary.salvage }),
    ...(summary?.renewing ? { renewing: true as const } : {}),
    drops,
    ...writes?.status(),
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
