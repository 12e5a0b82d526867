/** kafkajs's errors by what to do about them; they are told apart by the names and types that Kafka's protocol gives. */
import { BusbarError, messageOf } from "../../core/errors.ts";

const FENCED = [
  "INVALID_PRODUCER_EPOCH",
  "PRODUCER_FENCED",
  "INVALID_PRODUCER_ID_MAPPING",
  "TRANSACTION_COORDINATOR_FENCED",
];
const LEADERLESS = ["NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "UNKNOWN_TOPIC_OR_PARTITION"];
const UNAUTHORISED = [
  "TOPIC_AUTHORIZATION_FAILED",
  "GROUP_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
  "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  "SASL_AUTHENTICATION_FAILED",
];
const REMEDIES: readonly (readonly [types: readonly string[], remedy: string])[] = [
  [UNAUTHORISED, "give the Kafka user the rights that docs/BRIDGE.md lists"],
  [["UNKNOWN_TOPIC_OR_PARTITION"], "it is created again if the Kafka user may; else create it as docs/BRIDGE.md says"],
  [["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"], "raise the topic's max.message.bytes or lower kafka.batch.bytes"],
  [["NOT_ENOUGH_REPLICAS", "NOT_ENOUGH_REPLICAS_AFTER_APPEND"], "bring the missing brokers back"],
  [["KAFKA_STORAGE_ERROR"], "free or repair the broker's disk"],
  [["KafkaJSConnectionError", "KafkaJSConnectionClosedError"], "check kafka.brokers and that the brokers run"],
  [["KafkaJSSASLAuthenticationError"], "check kafka.sasl"],
  // What kafkajs makes of a missing right, too.
  [
    ["KafkaJSGroupCoordinatorNotFound"],
    "check that the brokers run, and that the Kafka user has the rights that docs/BRIDGE.md lists",
  ],
];

/** OpenSSL's and Node's codes. */
const TLS_CODE = /CERT|SSL|TLS|SIGNATURE/;

/** Another producer with the same transactional id has begun: the partition is somebody else's now. */
export function isFenced(error: unknown): boolean {
  return namesOf(error).some((name) => FENCED.includes(name));
}

export function isTopicGone(error: unknown): boolean {
  return namesOf(error).includes("UNKNOWN_TOPIC_OR_PARTITION");
}

/** A partition that nobody serves now: its topic is young, or its leader has moved. */
export function isLeaderless(error: unknown): boolean {
  return namesOf(error).some((name) => LEADERLESS.includes(name));
}

export function isTooLarge(error: unknown): boolean {
  return namesOf(error).some((name) => name === "MESSAGE_TOO_LARGE" || name === "RECORD_LIST_TOO_LARGE");
}

/** The same in our words: what failed, why, and the remedy. */
export function kafkaError(what: string, cause: unknown): BusbarError {
  if (cause instanceof BusbarError) return cause;
  if (isFenced(cause)) {
    return new BusbarError("BRIDGE_FENCED", `${what}: another instance has taken over`, { cause });
  }
  const names = namesOf(cause);
  const remedy = names.some((name) => TLS_CODE.test(name))
    ? "check kafka.tls and the brokers' certificates"
    : REMEDIES.find(([types]) => types.some((type) => names.includes(type)))?.[1];
  return new BusbarError("BRIDGE_KAFKA", `${what}: ${messageOf(cause)}`, {
    cause,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

/** Names, protocol types and system codes of an error and of what caused it. */
function namesOf(error: unknown): string[] {
  const names: string[] = [];
  for (let at = error; at instanceof Error && names.length < 20; at = at.cause) {
    const { name, type, code } = at as { name: string; type?: unknown; code?: unknown };
    names.push(...[name, type, code].filter((one) => typeof one === "string"));
  }
  return names;
}
