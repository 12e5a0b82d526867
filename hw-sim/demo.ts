/**
 * `npm start`: the simulated depot, a stand-in for the cloud broker, and the gateway between them, without hardware,
 * root or any service. A terminal shows a live table, anything else gets lines.
 */
import { once } from "node:events";
import { createWriteStream, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { formatText, Logger } from "../core/log.ts";
import type { Snapshot } from "../daemon/status/protocol.ts";
import { startBusbar, stopBusbar } from "./busbar-process.ts";
import { startCloud } from "./cloud.ts";
import { type Addresses, lineView, tableView, type View } from "./demo-view.ts";
import { freePort } from "./free-port.ts";
import { loadScenario } from "./scenario.ts";
import { startSite } from "./site.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** What of the last run is still there is found again. */
const DIR = parseArgs({ options: { dir: { type: "string", default: join(ROOT, ".busbar", "demo") } } }).values.dir;
const REFRESH_MS = 1000;
/** A ledger of a few days is enough to compare with; the one before is kept beside it. */
const MAX_LEDGER_BYTES = 256 * 1024 ** 2;

function rotateLedger(path: string): string {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes > MAX_LEDGER_BYTES) renameSync(path, `${path}.old`);
  return path;
}

function gatewayConfig(addresses: Addresses, sources: unknown): string {
  return stringify({
    version: 1,
    gateway: { id: "demo-depot" },
    uplink: { url: addresses.cloud, publish_interval: "5 s" },
    store: { path: join(DIR, "outbox.db"), max_size: "256 MiB" },
    fast_path: { to: [addresses.udp] },
    local: {
      mqtt: { listen: addresses.localMqtt.replace("mqtt://", "") },
      http: { listen: addresses.page.replace("http://", "") },
    },
    sources,
  });
}

async function fetchSnapshot(page: string): Promise<Snapshot | undefined> {
  try {
    const response = await fetch(`${page}/api/status`, { signal: AbortSignal.timeout(REFRESH_MS) });
    return (await response.json()) as Snapshot;
  } catch {
    return undefined;
  }
}

async function showUntil(signal: AbortSignal, view: View, page: string): Promise<void> {
  while (!signal.aborted) {
    view.show(await fetchSnapshot(page));
    await new Promise<void>((resolve) => {
      setTimeout(resolve, REFRESH_MS);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}

/** Ends when the gateway ended by itself (exit code 1) or on SIGTERM or Ctrl-C (0). */
async function main(): Promise<number> {
  mkdirSync(DIR, { recursive: true });
  const interactive = process.stdout.isTTY === true;
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(name, () => stop.abort());
  const notes = createWriteStream(join(DIR, "sim.log"));
  const log = new Logger("sim", (entry) => notes.write(`${formatText(entry)}\n`));

  await using cloud = await startCloud({ host: "127.0.0.1", port: await freePort(1884), log: log.for("cloud") });
  const ledgerPath = rotateLedger(join(DIR, "ledger.jsonl"));
  await using site = await startSite(loadScenario(join(ROOT, "hw-sim", "scenarios", "depot.yaml")), {
    ledgerPath,
    dir: DIR,
    log,
    onCommand: async (verb, target) => {
      if (target !== "uplink") return false;
      await (verb === "cut" ? cloud.cut() : cloud.restore());
      return true;
    },
  });
  const addresses: Addresses = {
    cloud: cloud.url,
    localMqtt: `mqtt://127.0.0.1:${await freePort(1883)}`,
    page: `http://127.0.0.1:${await freePort(8066)}`,
    udp: "127.0.0.1:47066",
    ledger: ledgerPath,
    control: site.controlUrl,
    outbox: join(DIR, "outbox.db"),
    log: relative(process.cwd(), join(DIR, "gateway.log")),
  };
  const configFile = join(DIR, "busbar.yaml");
  writeFileSync(configFile, gatewayConfig(addresses, site.sources));
  const gateway = startBusbar(["run", "--config", configFile], interactive ? join(DIR, "gateway.log") : undefined);
  const ended = once(gateway, "exit").then(() => stop.abort());
  const view = interactive ? tableView(addresses) : lineView(addresses);
  await showUntil(stop.signal, view, addresses.page);
  view.close();
  const unexpected = gateway.exitCode !== null;
  if (unexpected)
    process.stderr.write(`the gateway ended by itself (exit code ${gateway.exitCode}); see ${addresses.log}\n`);
  await stopBusbar(gateway);
  await ended;
  return unexpected ? 1 : 0;
}

process.exitCode = await main();
