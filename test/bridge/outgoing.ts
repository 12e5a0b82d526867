/** Messages for Kafka of every shape that the bridge writes, and lengths around which a varint grows. */
import type { Outgoing } from "../../bridge/kafka/records.ts";

const LONG = "x".repeat(70);
export const MESSAGES: readonly Outgoing[] = [
  { key: "gw-1/meter-1", value: Buffer.from('{"v":1}'), headers: { gateway: "gw-1", seq: "1" } },
  { key: "gw-1", value: "text", headers: {} },
  { key: "", value: null },
  { key: LONG, value: LONG, headers: { [LONG]: LONG, ä: "ö€😀" } },
  { key: "é".repeat(40), value: "😀".repeat(50) },
  { key: "k", value: Buffer.alloc(300, 7), headers: { h: "" } },
  { key: "large", value: Buffer.alloc(70_000, 9) },
  { key: "x".repeat(63), value: Buffer.alloc(8100, 1), headers: { é: "a", ["y".repeat(64)]: "z".repeat(63) } },
];
