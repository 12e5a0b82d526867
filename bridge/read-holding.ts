/** Opening a partition: what Kafka holds of its gateways, read from the two compacted topics. */
import { Holdings } from "./holdings.ts";
import type { KafkaMessage } from "./kafka/client.ts";
import type { Membership } from "./kafka/membership.ts";
import { placeOfKey } from "./topics.ts";

export async function readHolding(
  membership: Pick<Membership, "read">,
  partition: number,
  mark: string,
): Promise<Holdings> {
  const holdings = new Holdings();
  await membership.read(partition, mark, (topic, message) => {
    if (topic === "progress") takeProgress(holdings, message);
    else takeGateway(holdings, message);
  });
  return holdings;
}

function takeProgress(holdings: Holdings, { key, value }: KafkaMessage): void {
  if (key !== null && value !== null) holdings.readProgress(key.toString(), value.toString());
}

function takeGateway(holdings: Holdings, { key, value }: KafkaMessage): void {
  const place = placeOfKey(key?.toString() ?? "");
  if (place === undefined || value === null) return;
  if (place.birth !== undefined) {
    holdings.addBirth(place.gateway, place.birth, value);
    return;
  }
  const { boot, conn } = JSON.parse(value.toString()) as { boot: number; conn: number };
  holdings.setState(place.gateway, { boot, conn, payload: value });
}
