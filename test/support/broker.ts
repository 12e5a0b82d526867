/** Real brokers as processes, and somebody who takes down everything that reaches them. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, type MqttClient } from "mqtt";
import { answers, freePort, until } from "./wait.ts";

const CLOUD = fileURLToPath(new URL("../../hw-sim/cloud.ts", import.meta.url));
const MOSQUITTO = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"].find(existsSync);

/** Why tests with Mosquitto are skipped, or false. */
export const NO_MOSQUITTO: string | false =
  MOSQUITTO === undefined ? "mosquitto is not installed (apt-get install mosquitto)" : false;

export interface Arrival {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
}

export interface Broker extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Everything published under `busbar/`, in order of arrival, over all restarts. */
  arrivals(): readonly Arrival[];
  /** Ends it in order, keeping what it holds. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** On the same port, with what it kept. */
  start(): Promise<void>;
}

export interface MosquittoOptions {
  readonly maxInflight?: number;
  readonly user?: { readonly name: string; readonly password: string };
  /** Further lines of its configuration. */
  readonly extra?: readonly string[];
  readonly record?: boolean;
}

export async function startMosquitto(options: MosquittoOptions = {}): Promise<Broker> {
  const dir = mkdtempSync(join(tmpdir(), "busbar-mosquitto-"));
  const port = await freePort();
  const config = join(dir, "mosquitto.conf");
  writeFileSync(config, mosquittoConfig(dir, port, options).join("\n"));
  const daemon = new BrokerProcess(port, () => spawn(MOSQUITTO ?? "mosquitto", ["-c", config], { stdio: "ignore" }));
  await daemon.start();
  const recorder = options.record === false ? undefined : await Recorder.begin(port, options.user);
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    arrivals: () => recorder?.arrivals ?? [],
    stop: () => daemon.end("SIGTERM"),
    kill: () => daemon.end("SIGKILL"),
    start: () => daemon.start(),
    async [Symbol.asyncDispose]() {
      recorder?.end();
      await daemon.end("SIGKILL");
      rmSync(dir, { recursive: true });
    },
  };
}

/** hw-sim/cloud.ts as a process; what arrived is read from its log. */
export async function startCloudProcess(): Promise<Broker> {
  const dir = mkdtempSync(join(tmpdir(), "busbar-cloud-"));
  const log = join(dir, "cloud.jsonl");
  const port = await freePort();
  const daemon = new BrokerProcess(port, () =>
    spawn(process.execPath, [CLOUD, "--port", String(port), "--log", log], { stdio: ["ignore", "ignore", "inherit"] }),
  );
  await daemon.start();
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    arrivals: () => readCloudLog(log),
    stop: () => daemon.end("SIGTERM"),
    kill: () => daemon.end("SIGKILL"),
    start: () => daemon.start(),
    async [Symbol.asyncDispose]() {
      await daemon.end("SIGKILL");
      rmSync(dir, { recursive: true });
    },
  };
}

/** The publishes in a log of hw-sim/cloud.ts; a last line that a SIGKILL cut short is left out. */
export function readCloudLog(path: string): Arrival[] {
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => {
    const { topic, payload, qos, retain, dup } = JSON.parse(line) as Omit<Arrival, "payload"> & { payload: string };
    return { topic, payload: Buffer.from(payload, "base64"), qos, retain, dup };
  });
}

class BrokerProcess {
  readonly #port: number;
  readonly #spawn: () => ChildProcess;
  #child: ChildProcess | undefined;

  constructor(port: number, start: () => ChildProcess) {
    this.#port = port;
    this.#spawn = start;
  }

  async start(): Promise<void> {
    this.#child = this.#spawn();
    await until(`a broker listens on ${this.#port}`, () => answers(this.#port), 10_000);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }
}

/** A persistent session, so that what it was owed survives the broker's restart in order. */
class Recorder {
  readonly arrivals: Arrival[] = [];
  readonly #client: MqttClient;

  constructor(client: MqttClient) {
    this.#client = client;
    client.on("message", (topic, payload, { qos, retain, dup }) => {
      this.arrivals.push({ topic, payload, qos, retain, dup });
    });
    client.on("error", () => {});
  }

  static async begin(port: number, user: MosquittoOptions["user"]): Promise<Recorder> {
    const client = connect(`mqtt://127.0.0.1:${port}`, {
      clientId: "recorder",
      clean: false,
      protocolVersion: 5,
      reconnectPeriod: 50,
      properties: { sessionExpiryInterval: 3600, receiveMaximum: 10_000 },
      ...(user === undefined ? {} : { username: user.name, password: user.password }),
    });
    const recorder = new Recorder(client);
    await client.subscribeAsync("busbar/#", { qos: 2 });
    return recorder;
  }

  end(): void {
    this.#client.end(true);
  }
}

function mosquittoConfig(dir: string, port: number, options: MosquittoOptions): string[] {
  const lines = [
    `listener ${port} 127.0.0.1`,
    "persistence true",
    `persistence_location ${dir}/`,
    `max_inflight_messages ${options.maxInflight ?? 20}`,
    // The recorder must not lose what the broker queues for it.
    "max_queued_messages 0",
    "log_dest none",
    // Started as root it would become another user, who cannot write here.
    `user ${process.env.USER ?? "root"}`,
    ...(options.extra ?? []),
  ];
  if (options.user === undefined) return [...lines, "allow_anonymous true"];
  const passwords = join(dir, "passwords");
  writeFileSync(passwords, "");
  spawnSync("mosquitto_passwd", ["-b", passwords, options.user.name, options.user.password]);
  return [...lines, "allow_anonymous false", `password_file ${passwords}`];
}
