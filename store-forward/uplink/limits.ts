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

/** Most bytes that a PUBLISH takes on the wire: fixed header (5), topic length, packet id, properties (4). */
export function publishBytes(topic: string, payload: Buffer): number {
  return payload.length + topic.length + 13;
}
