/** The configuration files of `npm run demo:kafka`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";

export const PARTITIONS = 16;

export interface BridgeWays {
  readonly id: string;
  readonly port: number;
  readonly mqtt: string;
  readonly brokers: readonly string[];
}

export function writeBridgeConfig(file: string, { id, port, mqtt, brokers }: BridgeWays): void {
  const config = {
    version: 1,
    bridge: { id, receipt_interval: "5 s" },
    mqtt: { url: mqtt },
    kafka: { brokers, partitions: PARTITIONS },
    http: { listen: `127.0.0.1:${port}` },
  };
  writeFileSync(file, stringify(config));
}

export interface GatewayWays {
  readonly mqtt: string;
  readonly page: string;
  readonly localMqtt: string;
  readonly sources: unknown;
}

/** Records stay in the outbox until Kafka has them. Returns the file. */
export function writeGatewayConfig(dir: string, { mqtt, page, localMqtt, sources }: GatewayWays): string {
  const file = join(dir, "busbar.yaml");
  const config = {
    version: 1,
    gateway: { id: "demo-depot" },
    uplink: { url: mqtt, publish_interval: "2 s", prune_on: "receipt" },
    store: { path: join(dir, "outbox.db"), max_size: "256 MiB" },
    fast_path: { to: [] },
    local: { mqtt: { listen: localMqtt }, http: { listen: page.replace("http://", "") } },
    sources,
  };
  writeFileSync(file, stringify(config));
  return file;
}
