/**
 * The simulated site and its foreign peers as units of their own, so that they go on from one test file to the next: the
 * simulator, its van on vcan0, candump beside it, the cloud's broker, and who takes down what reaches the two brokers.
 */
import { existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseDocument } from "yaml";
import { until } from "../../support/wait.ts";
import { receiveList } from "../guest/can.ts";
import { CONFIG, RESULTS, run, SOON_MS } from "./guest.ts";

const DIR = "/run/site";
const TTY = join(DIR, "rs485.tty");
const BUS = "vcan0";
const SIMULATOR = fileURLToPath(new URL("../../../hw-sim/main.ts", import.meta.url));
const STEADY = fileURLToPath(new URL("../steady-wasm.mjs", import.meta.url));
const SCENARIO = fileURLToPath(new URL("site.yaml", import.meta.url));
const CLOUD_PORT = "18883";

/** A reply that the slow machine delays longer than this is served and not taken: to the oracle a loss. */
const POLLED = { poll_interval: "2 s", timeout: "10 s" };
/** As in site.yaml; `sim:depot` reaches the gateway as frames on vcan0. */
const SOURCES = [
  {
    id: "rs485",
    driver: "modbus",
    rtu: { port: TTY, baud: 19200, format: "8E1" },
    devices: [
      { id: "wallbox-3", unit: 1, profile: "heidelberg-energy-control", ...POLLED },
      { id: "meter-1", unit: 2, profile: "eastron-sdm630", ...POLLED },
    ],
  },
  {
    id: "can0",
    driver: "can",
    interface: `socketcan:${BUS}`,
    transmit: "none",
    devices: [{ id: "van-7", profile: "busbar-sim-van" }],
  },
];
const UPLINK = { url: `mqtt://127.0.0.1:${CLOUD_PORT}`, publish_interval: "2 s" };
/** The disk under it is small, and a cut is to hit a write. */
const STORE = { path: "/var/lib/busbar/outbox.db", max_size: "32 MiB", min_free: "0 B", commit_interval: "250 ms" };

export const CAN_ASSETS = ["van-7"];
export const ASSETS = ["wallbox-3", "meter-1", ...CAN_ASSETS];

/** The names of the files in the results that one life of the machine fills. */
export function filesOf(life: string) {
  const file = (name: string): string => join(RESULTS, `${life}-${name}`);
  return {
    ledger: file("ledger.jsonl"),
    frames: file("frames.log"),
    cloud: file("cloud.log"),
    local: file("local.log"),
  };
}
export type LifeFiles = ReturnType<typeof filesOf>;

/** Everything but the gateway. */
export async function startSite(life: string): Promise<void> {
  const { ledger, frames } = filesOf(life);
  await run("ip", "link", "add", BUS, "type", "vcan");
  await run("ip", "link", "set", BUS, "up");
  await unit("frames", `exec candump -L ${BUS} >${frames}`);
  await until("candump listens", () => receiveList("all", BUS).length > 0, SOON_MS);
  await startCloud();
  await recordCloud(life);
  await unit(
    "simulator",
    `exec ${process.execPath} --import ${STEADY} ${SIMULATOR} --scenario ${SCENARIO} --ledger ${ledger} --dir ${DIR}`,
  );
  await until("the simulator is ready", () => existsSync(TTY) && existsSync(join(DIR, "depot.sock")), SOON_MS);
  // As udev does for a real port.
  await run("chgrp", "dialout", realpathSync(TTY));
  await run("chmod", "660", realpathSync(TTY));
  await unit("van", `socat -u UNIX-CONNECT:${DIR}/depot.sock STDOUT | canplayer -t ${BUS}=sim0`);
}

/** Mosquitto with all that it kept. */
export async function startCloud(): Promise<void> {
  await run("systemctl", "start", "mosquitto.service");
}

/** Takes down what reaches the cloud; its session outlives it and the broker. */
async function recordCloud(life: string): Promise<void> {
  const subscribe = `mosquitto_sub -h 127.0.0.1 -p ${CLOUD_PORT} -i recorder -c -q 2 -t 'busbar/#' -F '%t %x'`;
  await unit("cloud", `exec ${subscribe} >>${filesOf(life).cloud}`);
}

export async function stopCloud(): Promise<void> {
  await run("systemctl", "stop", "mosquitto.service");
}

/** Takes down what the gateway tells to be durable. */
export async function followGateway(life: string): Promise<void> {
  const subscribe = "mosquitto_sub -h 127.0.0.1 -p 1883 -t busbar/bridge/outbox -F '%p'";
  await unit("local", `exec ${subscribe} >>${filesOf(life).local}`);
}

/** No more frames and replies; what was served is in the ledger. */
export async function stopSite(): Promise<void> {
  await run("systemctl", "stop", "simulator.service", "van.service");
}

/** What an installer does: the sources, the uplink and the small disk in the file that the package brought. */
export function editConfiguration(change: Readonly<Record<string, unknown>> = {}): void {
  const document = parseDocument(readFileSync(CONFIG, "utf8"));
  const edited = { gateway: { id: "gw-in-guest" }, uplink: UPLINK, store: STORE, sources: SOURCES, ...change };
  for (const [key, value] of Object.entries(edited)) document.set(key, value);
  writeFileSync(CONFIG, document.toString());
}

/** A process that systemd starts again when it ends, such as a subscriber before its broker listens. */
async function unit(name: string, script: string): Promise<void> {
  const options = [`--unit=${name}`, "--property=Restart=always", "--property=RestartSec=1s", "--quiet"];
  await run("systemd-run", ...options, "--property=StartLimitIntervalSec=0", "/bin/sh", "-c", script);
}
