/** What a session and the uplink around it decide in the same way. */
import { STREAMS, type Stream } from "../../core/record.ts";
import { publishIntervalMs, type UplinkConfig } from "../config.ts";
import type { Lane } from "./lane.ts";
import type { ServerLimits } from "./limits.ts";
import type { UplinkOptions } from "./options.ts";

/** The oldest unacknowledged record was sealed more than three publish intervals ago. Throws what the queue throws. */
export function backlogStands(lanes: readonly Lane[], { clock, config }: UplinkOptions): boolean {
  const times = lanes.map((lane) => lane.oldestSealedMs()).filter((time) => time !== undefined);
  const age = (ms: number): number => clock.ageMs?.(ms) ?? clock.wallUs() / 1000 - ms;
  return times.length > 0 && age(Math.min(...times)) > 3 * publishIntervalMs(config);
}

/** Bulk does not go over a metered link: it waits in the outbox. */
export function streamsOf({ link }: UplinkConfig): readonly Stream[] {
  return link === "metered" ? STREAMS.filter((stream) => stream !== "b") : STREAMS;
}

/** As configured, as far as the server offers it. */
export function qosOf(stream: Stream, { qos }: UplinkConfig, { maximumQos }: ServerLimits): 1 | 2 {
  const wanted = stream === "c" ? qos.critical : qos.telemetry;
  return maximumQos === 2 ? wanted : 1;
}
