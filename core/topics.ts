import { createHash } from "node:crypto";

/** DESIGN §6: two hex digits, the first byte of SHA-256 of the gateway id. */
export function slotOf(gateway: string): string {
  return createHash("sha256").update(gateway).digest("hex").slice(0, 2);
}

/** `busbar/v1/<slot>/<gateway>`, the head of every uplink topic of a gateway. */
export function uplinkPrefix(gateway: string): string {
  return `busbar/v1/${slotOf(gateway)}/${gateway}`;
}

/** Tail of a record's topic: `data/<asset>`, `event/<asset>`, `session/<asset>`, `gap`, `time`. */
export function recordTopicTail(kind: string, asset: string | undefined): string {
  return asset === undefined ? kind : `${kind}/${asset}`;
}

export const LOCAL_PREFIX = "busbar/bridge";
