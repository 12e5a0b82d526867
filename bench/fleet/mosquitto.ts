import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answers, freePort, until } from "../../test/support/wait.ts";
import { Running } from "../support/process.ts";

const PROGRAM = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"].find(existsSync);
const START_MS = 30_000;

export interface Mosquitto {
  readonly process: Running;
  readonly port: number;
}

/** Why there is none, or undefined. */
export function whatMosquittoMisses(): string | undefined {
  return PROGRAM === undefined ? "mosquitto is not installed (apt-get install mosquitto)" : undefined;
}

/** Listens when it is returned. */
export async function startMosquitto(dir: string): Promise<Mosquitto> {
  const port = await freePort();
  const file = join(dir, "mosquitto.conf");
  const lines = [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    "persistence false",
    "max_inflight_messages 2000",
    "max_queued_messages 0",
    "set_tcp_nodelay true",
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const process = new Running({ name: "mosquitto", command: PROGRAM ?? "mosquitto", args: ["-c", file] });
  await until(`mosquitto listens on ${port}`, () => answers(port), START_MS);
  return { process, port };
}
