/** The one line that `systemctl status` shows: enough for a technician to know whether to look further. */
import type { OutboxStatus, UplinkStatus } from "../../store-forward/protocol.ts";
import type { SourceStatus } from "../status/protocol.ts";

const UPLINK: Readonly<Record<UplinkStatus["state"], string>> = {
  up: "uplink connected",
  connecting: "uplink connecting",
  down: "uplink down",
  refused: "uplink refused by the server",
  stalled: "uplink without acknowledgements",
};
const MAX_NAMES = 3;

export interface StatusParts {
  readonly sources: readonly Pick<SourceStatus, "id" | "state">[];
  readonly uplink: Pick<UplinkStatus, "state"> | undefined;
  readonly outbox: Pick<OutboxStatus, "state" | "waiting"> | undefined;
}

/** `6 of 7 sources live (not: rs485), uplink connected, 0 records waiting` */
export function statusLine({ sources, uplink, outbox }: StatusParts): string {
  const dead = sources.filter(({ state }) => state === "down" || state === "starting").map(({ id }) => id);
  const live = `${sources.length - dead.length} of ${sources.length} sources live${deadNames(dead)}`;
  const up = uplink === undefined ? "uplink not started" : UPLINK[uplink.state];
  return `${live}, ${up}, ${waiting(outbox)}`;
}

function deadNames(ids: readonly string[]): string {
  if (ids.length === 0) return "";
  const more = ids.length > MAX_NAMES ? ", …" : "";
  return ` (not: ${ids.slice(0, MAX_NAMES).join(", ")}${more})`;
}

function waiting(outbox: StatusParts["outbox"]): string {
  if (outbox === undefined) return "outbox opening";
  const stuck = outbox.state === "unwritable" ? ", outbox cannot be written" : "";
  return `${outbox.waiting} record${outbox.waiting === 1 ? "" : "s"} waiting${stuck}`;
}
