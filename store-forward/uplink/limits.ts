/** What a server allows, and what a publish takes of it. Pure. */

/** What a server allows: its CONNACK properties, or what holds without. */
export interface ServerLimits {
  readonly receiveMaximum: number;
  readonly maximumPacketBytes: number;
  readonly maximumQos: 0 | 1 | 2;
  readonly retain: boolean;
  /** MQTT 5 3.2.2.3.8; 0: none. */
  readonly topicAliasMaximum: number;
}

/** One of the 65,535 packet identifiers is for SUBSCRIBE. */
const MOST_PUBLISHES = 65_534;

export function limitsOf(properties: Readonly<Record<string, unknown>> | undefined): ServerLimits {
  const { receiveMaximum, maximumPacketSize, maximumQoS, retainAvailable, topicAliasMaximum } = properties ?? {};
  return {
    // MQTT 5 3.2.2.3.3: 65,535 when absent, zero is a protocol error.
    receiveMaximum: Math.min(Number(receiveMaximum) || MOST_PUBLISHES, MOST_PUBLISHES),
    maximumPacketBytes: typeof maximumPacketSize === "number" ? maximumPacketSize : 268_435_455,
    maximumQos: maximumQoS === 0 || maximumQoS === 1 ? maximumQoS : 2,
    retain: retainAvailable !== false,
    topicAliasMaximum: typeof topicAliasMaximum === "number" ? topicAliasMaximum : 0,
  };
}

/** What the server would say to a publish above its maximum packet size, which it is not sent (MQTT-3.2.2-15). */
export const TOO_LARGE = 0x95;

/** Most bytes that a PUBLISH takes on the wire: fixed header (5), topic length, packet id, properties (4). */
export function publishBytes(topic: string, payload: Uint8Array): number {
  return payload.length + topic.length + 13;
}

/** What the server cannot do and the configuration asks for: warnings, by what they are about. */
export function shortcomings(
  { limits, protocol }: { readonly limits: ServerLimits; readonly protocol: "5" | "3.1.1" },
  { critical, telemetry }: { readonly critical: number; readonly telemetry: number },
): readonly (readonly [key: string, text: string])[] {
  const { maximumQos, retain } = limits;
  const found: [string, string][] = [];
  if (Math.max(critical, telemetry) > maximumQos) found.push(["qos", `the server offers QoS ${maximumQos} at most`]);
  if (!retain) found.push(["retain", "the server keeps no retained messages; state and birth are lost"]);
  if (protocol === "3.1.1" && telemetry === 2) {
    const text = "over MQTT 3.1.1 QoS 2 goes one at a time; set uplink.qos.telemetry to 1, or use MQTT 5";
    found.push(["qos", text]);
  }
  return found;
}
