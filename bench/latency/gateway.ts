/** What the gateway under test needs around it: its configuration, and a broker for the uplink where there is one. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePort } from "../../test/support/wait.ts";
import { Running } from "../support/process.ts";

const MOSQUITTO = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"].find(existsSync);
const BUS = "bench";

/** The unix socket of the simulated bus, in the folder that BUSBAR_SIM_DIR names. */
export function busSocket(dir: string): string {
  return join(dir, `${BUS}.sock`);
}

/** A broker that takes everything, on a port of its own; undefined where mosquitto is not installed. */
export async function startBroker(dir: string): Promise<{ broker: Running; port: number } | undefined> {
  if (MOSQUITTO === undefined) return undefined;
  const port = await freePort();
  const file = join(dir, "mosquitto.conf");
  // Without no-delay an acknowledgement may wait 40 ms for the other side's TCP to acknowledge the one before.
  const settings = ["allow_anonymous true", "persistence false", "max_inflight_messages 0", "set_tcp_nodelay true"];
  writeFileSync(file, `listener ${port} 127.0.0.1\n${settings.join("\n")}\n`);
  return { broker: new Running({ name: "mosquitto", command: MOSQUITTO, args: ["-c", file] }), port };
}

export interface GatewayPlace {
  /** A folder of this run alone. */
  readonly dir: string;
  readonly uplinkPort: number;
  readonly fastPathPort: number;
}

/** Writes the configuration and returns its path. */
export async function writeConfig({ dir, uplinkPort, fastPathPort }: GatewayPlace): Promise<string> {
  mkdirSync(dir, { recursive: true });
  const file = join(dir, "busbar.yaml");
  const [mqttPort, httpPort] = [await freePort(), await freePort()];
  const site = {
    version: 1,
    gateway: { id: "bench" },
    uplink: { url: `mqtt://127.0.0.1:${uplinkPort}`, publish_interval: "1 s" },
    store: { path: join(dir, "outbox.db"), min_free: "0 B" },
    fast_path: { to: [`127.0.0.1:${fastPathPort}`] },
    local: { mqtt: { listen: `127.0.0.1:${mqttPort}` }, http: { listen: `127.0.0.1:${httpPort}` } },
    sources: [
      {
        id: "can0",
        driver: "can",
        interface: `sim:${BUS}`,
        devices: [{ id: "van-7", profile: "busbar-sim-van" }],
      },
    ],
  };
  writeFileSync(file, stringify(site));
  return file;
}
