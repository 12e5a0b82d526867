/**
 * `npm run demo:kafka`: the simulated depot, its gateway, Mosquitto, two bridges and a real Kafka, and what arrives there.
 * Needs Java, Maven and Mosquitto; says so where they are missing. Every start begins with nothing.
 */
import { createWriteStream, mkdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadBridge } from "../bridge/load.ts";
import { messageOf } from "../core/errors.ts";
import { formatText, Logger } from "../core/log.ts";
import type { Snapshot } from "../daemon/status/protocol.ts";
import { startBusbar, stopBusbar } from "./busbar-process.ts";
import { DemoBridge } from "./demo-kafka-bridge.ts";
import { PARTITIONS, writeBridgeConfig, writeGatewayConfig } from "./demo-kafka-config.ts";
import { type Reader, startReader } from "./demo-kafka-reader.ts";
import { introduction, type Picture, pictureLine, pictureText } from "./demo-kafka-view.ts";
import { freePort } from "./free-port.ts";
import { startCluster } from "./kafka/cluster.ts";
import { isKafkaThere, provideKafka, whatKafkaMisses } from "./kafka/parts.ts";
import { startMosquitto, whatMosquittoMisses } from "./mosquitto.ts";
import { loadScenario } from "./scenario.ts";
import { startSite } from "./site.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Where everything is written; `--dir DIR` for another. */
const DIR = dirOption() ?? join(ROOT, ".busbar", "demo-kafka");
const START_MS = 60_000;
const REFRESH_MS = 1000;
const LINE_EVERY_MS = 5000;
const HOME_AND_CLEAR = "\x1b[H\x1b[J";

/** Ends when aborted. Throws when a part does not start. */
async function demo(stop: AbortSignal): Promise<void> {
  await using opened = new AsyncDisposableStack();
  rmSync(DIR, { recursive: true, force: true });
  mkdirSync(join(DIR, "kafka"), { recursive: true });
  const notes = createWriteStream(join(DIR, "sim.log"));
  const log = new Logger("sim", (entry) => notes.write(`${formatText(entry)}\n`));
  if (!isKafkaThere()) say("Maven fetches Kafka (44 MB, once) …");
  await provideKafka();
  if (stop.aborted) return;
  say("Kafka and Mosquitto start …");
  const kafka = opened.use(await startCluster({ nodes: 1, dir: join(DIR, "kafka"), port: 9092 }));
  if (stop.aborted) return;
  const mosquitto = opened.use(await startMosquitto(join(DIR, "mosquitto"), await freePort(1884)));
  say("two bridges start …");
  const ways = { mqtt: mosquitto.url, brokers: kafka.brokers };
  const first = opened.use(await startBridge("a", await freePort(8067), ways));
  const second = opened.use(await startBridge("b", await freePort(8068), ways));
  await untilOk([first, second], stop);
  if (stop.aborted) return;
  const reader = opened.use(await openReader(log));
  say("the depot and its gateway start …");
  const scenario = loadScenario(join(ROOT, "hw-sim", "scenarios", "depot.yaml"));
  const site = opened.use(await startSite(scenario, { ledgerPath: join(DIR, "ledger.jsonl"), dir: DIR, log }));
  const page = `http://127.0.0.1:${await freePort(8066)}`;
  const localMqtt = `127.0.0.1:${await freePort(1883)}`;
  const configFile = writeGatewayConfig(DIR, { mqtt: mosquitto.url, page, localMqtt, sources: site.sources });
  const gateway = startBusbar(["run", "--config", configFile], join(DIR, "gateway.log"));
  opened.defer(() => stopBusbar(gateway));
  const [brokers, config, logs] = [kafka.brokers.join(","), shown(bridgeFile("a")), shown(DIR)];
  const intro = introduction({ page, mqtt: mosquitto.url, kafka: brokers, config, logs });
  await show(stop, intro, async () => ({
    snapshot: await fetchSnapshot(page),
    bridges: await Promise.all([first, second].map((bridge) => bridge.state())),
    arrivals: reader.arrivals(),
    streams: reader.streams(),
    nowMs: Date.now(),
  }));
  say("\nstopping …");
}

const bridgeFile = (id: string): string => join(DIR, `bridge-${id}.yaml`);

async function startBridge(id: string, port: number, ways: { mqtt: string; brokers: readonly string[] }) {
  writeBridgeConfig(bridgeFile(id), { id, port, ...ways });
  const files = { configFile: bridgeFile(id), logFile: join(DIR, `bridge-${id}.log`) };
  const bridge = new DemoBridge({ id, page: `http://127.0.0.1:${port}`, ...files });
  bridge.start();
  return bridge;
}

/** All that they write to is there, and every partition has one of them. */
async function untilOk(bridges: readonly DemoBridge[], stop: AbortSignal): Promise<void> {
  const deadline = performance.now() + START_MS;
  const ready = async (): Promise<boolean> => {
    const states = await Promise.all(bridges.map((bridge) => bridge.state()));
    const owned = new Set(states.flatMap((state) => state.owned));
    return owned.size === PARTITIONS && states.every(({ status }) => status === "ok");
  };
  while (!(await ready()) && !stop.aborted) {
    if (performance.now() > deadline) throw new Error(`the bridges are not ready; see ${shown(DIR)}/bridge-*.log`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function openReader(log: Logger): Promise<Reader> {
  const loaded = loadBridge(bridgeFile("a"));
  if (!loaded.ok) throw new Error(`the demo's own ${bridgeFile("a")} is wrong`);
  return await startReader(loaded.value, log);
}

async function fetchSnapshot(page: string): Promise<Snapshot | undefined> {
  try {
    const response = await fetch(`${page}/api/status`, { signal: AbortSignal.timeout(REFRESH_MS) });
    return (await response.json()) as Snapshot;
  } catch {
    return undefined;
  }
}

/** A terminal shows a picture that redraws itself, anything else gets a line now and then. */
async function show(stop: AbortSignal, intro: string, look: () => Promise<Picture>): Promise<void> {
  const live = process.stdout.isTTY === true;
  if (!live) say(intro);
  for (let next = 0; !stop.aborted; ) {
    const picture = await look();
    if (live) process.stdout.write(`${HOME_AND_CLEAR}${intro}\n${pictureText(picture)}\nCtrl-C ends it all.\n`);
    else if (picture.nowMs >= next) {
      next = picture.nowMs + LINE_EVERY_MS;
      say(pictureLine(picture));
    }
    await new Promise<void>((resolve) => {
      setTimeout(resolve, REFRESH_MS);
      stop.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}

function dirOption(): string | undefined {
  return parseArgs({ options: { dir: { type: "string" } } }).values.dir;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function shown(path: string): string {
  const way = relative(process.cwd(), path);
  return way.startsWith("..") ? path : way;
}

async function main(): Promise<number> {
  const missing = [whatKafkaMisses(), whatMosquittoMisses()].filter((one) => one !== undefined);
  if (missing.length > 0) {
    process.stderr.write(`demo:kafka cannot start here. ${missing.join("; ")}\n`);
    return 1;
  }
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(name, () => stop.abort());
  try {
    await demo(stop.signal);
    return 0;
  } catch (error) {
    process.stderr.write(`demo:kafka: ${messageOf(error)}\n`);
    return 1;
  }
}

process.exitCode = await main();
