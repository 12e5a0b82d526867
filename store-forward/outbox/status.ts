/** The outbox as its status tells it. */
import { statSync } from "node:fs";
import type { OutboxStatus } from "../protocol.ts";
import type { OutboxOptions } from "./options.ts";
import type { Session } from "./session.ts";
import type { Watermark } from "./watermark.ts";

export interface StatusParts extends Pick<OutboxStatus, "boot" | "epoch" | "drops"> {
  readonly error: string | undefined;
  readonly notice: string | undefined;
  readonly watermark: Pick<Watermark, "durableUntil" | "durableEra">;
  /** Undefined while the file cannot be read. */
  readonly summary: ReturnType<Session["summary"]> | undefined;
}

const NONE = { next: 1, acked: 0 };

export function outboxStatus({ path, budget, writes }: OutboxOptions, parts: StatusParts): OutboxStatus {
  const { error, notice, boot, epoch, watermark, summary, drops } = parts;
  const told = error ?? notice;
  return {
    state: error === undefined ? "ok" : "unwritable",
    ...(told === undefined ? {} : { error: told }),
    epoch,
    boot,
    durable_until: watermark.durableUntil,
    ...(watermark.durableEra === 0 ? {} : { clock_jumps: watermark.durableEra }),
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
