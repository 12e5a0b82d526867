/** The gateway as its technician sees it: the unit, and the status page. */
import type { Snapshot } from "../../../daemon/status/protocol.ts";
import { until } from "../../support/wait.ts";
import { receiveList } from "../guest/can.ts";
import { markReady } from "./evidence.ts";
import { mainPid, SOON_MS } from "./guest.ts";

const PAGE = "http://127.0.0.1:8066/api/status";
/** A start under TCG, after the time that systemd waits. */
const START_MS = 120_000;
const VAN_FILTERS = 6;

export async function snapshot(): Promise<Snapshot | undefined> {
  try {
    const response = await fetch(PAGE, { signal: AbortSignal.timeout(5000) });
    return (await response.json()) as Snapshot;
  } catch {
    return undefined;
  }
}

/** The first answer of the status page. */
export async function answered(): Promise<Snapshot> {
  let answer: Snapshot | undefined;
  const holds = async (): Promise<boolean> => {
    answer = await snapshot();
    return answer !== undefined;
  };
  await until("the status page answers", holds, START_MS);
  return answer as unknown as Snapshot;
}

/** Waits until every source is up and notes when: from then on nothing may be missing. */
export async function ready(): Promise<void> {
  const holds = async (): Promise<boolean> => {
    const sources = (await snapshot())?.sources ?? [];
    return sources.length > 0 && sources.every(({ state }) => state === "up");
  };
  await until("every source is up", holds, START_MS);
  await until("the kernel has the van's filters", () => receiveList("sff", "vcan0").length === VAN_FILTERS, SOON_MS);
  markReady();
}

/** Waits for a process that is not that one, for `limitMs` at most. */
export async function restarted(oldPid: number, limitMs: number): Promise<void> {
  await until("systemd has started it again", () => ![0, oldPid].includes(mainPid()), limitMs);
}

/** The broker has next to everything. */
export async function drained(): Promise<void> {
  const holds = async (): Promise<boolean> => {
    const now = await snapshot();
    return now?.uplink?.state === "up" && (now.outbox?.oldest_age_s ?? 99) < 6 && !now.uplink.backlog;
  };
  await until("the outbox has drained", holds, START_MS);
}

/** `durable_until` of the process that runs now has passed this moment. */
export async function durableSince(wallMs: number): Promise<void> {
  const holds = async (): Promise<boolean> => ((await snapshot())?.outbox?.durable_until ?? 0) > wallMs;
  await until("what was read until now is on disk", holds, SOON_MS);
}
