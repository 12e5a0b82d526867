/** A real gateway process under test, watched as a technician would: its status page and its local broker. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import mqtt, { type MqttClient } from "mqtt";
import { stringify } from "yaml";
import type { Snapshot } from "../../daemon/status/protocol.ts";
import type { Interval } from "./oracle.ts";
import { freePort, until } from "./wait.ts";

const MAIN = fileURLToPath(new URL("../../daemon/cli/main.ts", import.meta.url));

export interface GatewayUnderTest {
  readonly dir: string;
  /** The `sources:` part, and anything else that differs from the defaults of these tests. */
  readonly sources: unknown;
  readonly uplink: Readonly<Record<string, unknown>>;
  readonly store?: Readonly<Record<string, unknown>>;
  readonly fastPathTo?: readonly string[];
  /** Where simulated CAN buses are. */
  readonly simDir?: string;
  /** Ports of its own broker and page; default: two that are free. */
  readonly local?: { readonly mqttPort: number; readonly httpPort: number };
  readonly nodeArgs?: readonly string[];
  /** A program that runs Node as its argument. */
  readonly launcher?: readonly string[];
  /** Beside this process's own. */
  readonly env?: Readonly<Record<string, string>>;
}

export class GatewayProcess {
  #options: GatewayUnderTest;
  readonly configFile: string;
  /** For each boot: from its start to the last `durable_until` that it told, or to the signal of an ordered stop. */
  readonly intervals: Interval[] = [];
  page = "";
  localMqtt = "";
  #child: ChildProcess | undefined;
  #watcher: MqttClient | undefined;
  stderr = "";

  constructor(options: GatewayUnderTest) {
    this.#options = options;
    this.configFile = join(options.dir, "busbar.yaml");
  }

  /** Starts it and waits until its status page answers, for `pageMs` at most. */
  async start(pageMs = 15_000): Promise<void> {
    await this.#configure();
    const from = Date.now();
    const node = [process.execPath, ...(this.#options.nodeArgs ?? []), MAIN, "run", "--config", this.configFile];
    const [command, ...args] = [...(this.#options.launcher ?? []), ...node] as [string, ...string[]];
    const child = spawn(command, args, {
      stdio: ["ignore", "inherit", "pipe"],
      env: { ...process.env, ...this.#options.env, BUSBAR_SIM_DIR: this.#options.simDir ?? this.#options.dir },
    });
    this.#child = child;
    const log = createWriteStream(join(this.#options.dir, "gateway.log"), { flags: "a" });
    child.stderr?.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString();
      log.write(chunk);
    });
    this.#watch(from);
    await until("the status page answers", async () => (await this.snapshot()) !== undefined, pageMs);
  }

  /** Changes its file and has it read, on the same ports; resolves when the gateway took it. */
  async reload(change: Partial<Pick<GatewayUnderTest, "sources" | "uplink" | "store" | "fastPathTo">>): Promise<void> {
    const [mqttPort = 0, httpPort = 0] = [this.localMqtt, this.page].map((url) => Number(new URL(url).port));
    this.#options = { ...this.#options, ...change, local: { mqttPort, httpPort } };
    await this.#configure();
    const taken = (): number => this.stderr.split('"configuration reloaded"').length;
    const before = taken();
    process.kill(this.pid, "SIGHUP");
    await until("the file was taken", () => taken() > before, 20_000);
  }

  async snapshot(): Promise<Snapshot | undefined> {
    try {
      const response = await fetch(`${this.page}/api/status`, { signal: AbortSignal.timeout(2000) });
      return (await response.json()) as Snapshot;
    } catch {
      return undefined;
    }
  }

  get exitCode(): number | null {
    return this.#child?.exitCode ?? null;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Ends it with that signal and returns its exit code (null when a signal ended it). */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, "exit");
    this.#watcher?.end(true);
    const last = this.intervals.length - 1;
    const { from } = this.intervals[last] as Interval;
    // An ordered stop loses nothing that was served before it.
    if (signal !== "SIGKILL") this.intervals[last] = { from, until: Date.now() };
    child.kill(signal);
    const [code] = (await exited) as [number | null];
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
    this.#watcher?.end(true);
  }

  async #configure(): Promise<void> {
    const { dir, sources, uplink, store, fastPathTo } = this.#options;
    const { mqttPort, httpPort } = this.#options.local ?? { mqttPort: await freePort(), httpPort: await freePort() };
    this.page = `http://127.0.0.1:${httpPort}`;
    this.localMqtt = `mqtt://127.0.0.1:${mqttPort}`;
    const site = {
      version: 1,
      gateway: { id: "gw-under-test" },
      uplink: { publish_interval: "2 s", ...uplink },
      store: { path: join(dir, "outbox.db"), min_free: "0 B", commit_interval: "250 ms", ...store },
      fast_path: { to: fastPathTo ?? [] },
      local: { mqtt: { listen: `127.0.0.1:${mqttPort}` }, http: { listen: `127.0.0.1:${httpPort}` } },
      sources,
    };
    writeFileSync(this.configFile, stringify(site));
  }

  /** Follows `busbar/bridge/outbox` on the local broker: what it told to be durable is what a test may insist on. */
  #watch(from: number): void {
    this.#watcher?.end(true);
    const boot = this.intervals.push({ from, until: 0 }) - 1;
    const client = mqtt.connect(this.localMqtt, { protocolVersion: 4, reconnectPeriod: 100 });
    this.#watcher = client;
    client.on("error", () => undefined);
    client.on("connect", () => client.subscribe("busbar/bridge/outbox"));
    client.on("message", (_topic, payload) => {
      const { durable_until: durableUntil } = JSON.parse(payload.toString()) as { durable_until: number };
      const known = this.intervals[boot] as Interval;
      if (!client.disconnecting) this.intervals[boot] = { from, until: Math.max(known.until, durableUntil) };
    });
  }
}
