/** Debian's Mosquitto as a process of a demo, in place of a cloud's MQTT server. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

const PROGRAM = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"].find(existsSync);
const START_MS = 10_000;

/** What to do where it is not installed, or undefined. */
export function whatMosquittoMisses(): string | undefined {
  return PROGRAM === undefined ? "Mosquitto is not installed (apt-get install mosquitto)" : undefined;
}

/** On the loopback interface; keeps its sessions in `dir`. Throws when it does not start. */
export async function startMosquitto(dir: string, port: number): Promise<AsyncDisposable & { readonly url: string }> {
  mkdirSync(dir, { recursive: true });
  const config = join(dir, "mosquitto.conf");
  const lines = [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    "persistence true",
    `persistence_location ${dir}/`,
    `log_dest file ${join(dir, "mosquitto.log")}`,
    // What it may send without an acknowledgement, and what it keeps for a bridge that is away.
    "max_inflight_messages 2000",
    "max_queued_messages 0",
    // Started as root it would become another user, who cannot write here.
    `user ${process.env.USER ?? "root"}`,
  ];
  writeFileSync(config, `${lines.join("\n")}\n`);
  // It dies with us, but not of a Ctrl-C: the bridges still need it while they end in order.
  const command = ["--pdeathsig", "KILL", PROGRAM ?? "mosquitto", "-c", config];
  const child = spawn("setpriv", command, { stdio: "ignore", detached: true });
  const deadline = performance.now() + START_MS;
  while (!(await listens(port))) {
    if (child.exitCode === null && performance.now() < deadline) continue;
    child.kill("SIGKILL");
    throw new Error(`mosquitto does not listen on port ${port}; see ${join(dir, "mosquitto.log")}`);
  }
  return {
    url: `mqtt://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return false;
  } finally {
    socket.destroy();
  }
}
