/** One Kafka node as a process: broker and controller in one (KRaft), its data in a folder that outlives its restarts. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkRun } from "./check-run.ts";

export interface KafkaParts {
  /** Where `lib` with the jars is. */
  readonly folder: string;
  /** Classes as they lie in memory. Java does without where it is missing or made by another Java. */
  readonly archive: string;
  /** What `StorageTool format` leaves in a new node's folder beside its name. */
  readonly bootstrap: string;
}

/** Somebody who logs in by SCRAM-SHA-256 and SCRAM-SHA-512. */
export interface KafkaUser {
  readonly name: string;
  readonly password: string;
}

export interface NodePorts {
  readonly client: number;
  readonly controller: number;
}

export interface KafkaNodeOptions {
  /** From 1. */
  readonly id: number;
  /** Where its folder is made. */
  readonly dir: string;
  /** Of all nodes, its own at `id - 1`. */
  readonly ports: readonly NodePorts[];
  /** Kafka's own, beside or instead of those below. */
  readonly settings: Readonly<Record<string, string>>;
  /** Known from the first start on: SCRAM's secrets stand in what Kafka keeps, not in its settings. */
  readonly users: readonly KafkaUser[];
  readonly parts: KafkaParts;
}

/** 16 bytes, as Kafka writes them. */
const CLUSTER_ID = Buffer.from("busbar's cluster").toString("base64url");
const READY = "Kafka Server started";
const READY_LIMIT_MS = 60_000;
const END_LIMIT_MS = 30_000;
const FORMAT_LIMIT_MS = 60_000;
const TAIL_LINES = 20;
const SCRAM = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
/** Classes are compiled quickly rather than well: these nodes live for minutes and share two cores with what they test. */
const JAVA = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
const LOGGING = [
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
  "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
  "-Dorg.slf4j.simpleLogger.showDateTime=true",
  "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
];

export class KafkaNode {
  readonly #options: KafkaNodeOptions;
  readonly dataDir: string;
  readonly #log: string;
  #child: ChildProcess | undefined;

  constructor(options: KafkaNodeOptions) {
    this.#options = options;
    this.dataDir = join(options.dir, `node-${options.id}`);
    this.#log = join(options.dir, `node-${options.id}.log`);
  }

  get #own(): NodePorts {
    return this.#options.ports[this.#options.id - 1] as NodePorts;
  }

  get address(): string {
    return `127.0.0.1:${this.#own.client}`;
  }

  /** Makes its folder where there is none. Ready when it serves clients. Throws, with its log's tail, when it ends or hangs. */
  async start(
    javaOptions: readonly string[] = [`-XX:SharedArchiveFile=${this.#options.parts.archive}`],
  ): Promise<void> {
    if (!existsSync(this.dataDir)) this.#format();
    const log = openSync(this.#log, "w");
    // It dies with us, whatever kills us, but not of a Ctrl-C: others still need it while they end in order.
    const java = ["java", ...javaOptions, ...JAVA, ...LOGGING, "-cp", "lib/*", "kafka.Kafka", this.writeProperties()];
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...java], {
      // The archive holds only for the same class path, letter for letter.
      cwd: this.#options.parts.folder,
      detached: true,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#child = child;
    await this.#untilReady(child);
  }

  /** SIGKILL and SIGTERM wait for its end; SIGSTOP and SIGCONT do not. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || hasEnded(child)) return;
    if (signal === "SIGSTOP" || signal === "SIGCONT") {
      child.kill(signal);
      return;
    }
    const ended = once(child, "exit");
    child.kill(signal);
    const hard = setTimeout(() => child.kill("SIGKILL"), END_LIMIT_MS);
    await ended;
    clearTimeout(hard);
  }

  /** The last lines of its log. */
  logTail(): string {
    if (!existsSync(this.#log)) return "(nothing)";
    return readFileSync(this.#log, "utf8").trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
  }

  async #untilReady(child: ChildProcess): Promise<void> {
    const failed = new Promise<Error>((resolve) => child.once("error", resolve));
    const deadline = performance.now() + READY_LIMIT_MS;
    while (!readFileSync(this.#log, "utf8").includes(READY)) {
      const step = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 50));
      const error = await Promise.race([failed, step]);
      if (error !== undefined) throw new Error(`Kafka node ${this.#options.id}: ${error.message}`);
      if (!hasEnded(child) && performance.now() < deadline) continue;
      const why = hasEnded(child) ? "ended before it was ready" : `was not ready in ${READY_LIMIT_MS / 1000} s`;
      child.kill("SIGKILL");
      throw new Error(`Kafka node ${this.#options.id} ${why}; its log's last lines:\n${this.logTail()}`);
    }
  }

  /** `StorageTool format` of Kafka itself. Throws when it fails. */
  formatByKafka(): void {
    const { parts, users } = this.#options;
    const secrets = users.flatMap(({ name, password }) => {
      return SCRAM.flatMap((mechanism) => ["--add-scram", `${mechanism}=[name=${name},password=${password}]`]);
    });
    const tool = ["-cp", "lib/*", "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", this.writeProperties()];
    const options = { cwd: parts.folder, encoding: "utf8", timeout: FORMAT_LIMIT_MS } as const;
    checkRun("Kafka's StorageTool", spawnSync("java", [...tool, ...secrets], options));
  }

  /** As `StorageTool format` does, without another second of Java. */
  #format(): void {
    if (this.#options.users.length > 0) {
      this.formatByKafka();
      return;
    }
    mkdirSync(this.dataDir);
    copyFileSync(this.#options.parts.bootstrap, join(this.dataDir, "bootstrap.checkpoint"));
    const directoryId = Buffer.concat([Buffer.from([1]), randomBytes(15)]).toString("base64url");
    const lines = [
      "version=1",
      `cluster.id=${CLUSTER_ID}`,
      `node.id=${this.#options.id}`,
      `directory.id=${directoryId}`,
    ];
    writeFileSync(join(this.dataDir, "meta.properties"), `${lines.join("\n")}\n`);
  }

  writeProperties(): string {
    const file = join(this.#options.dir, `node-${this.#options.id}.properties`);
    const text = Object.entries(this.#settings()).map(([key, value]) => `${key}=${value}\n`);
    writeFileSync(file, text.join(""));
    return file;
  }

  #settings(): Record<string, string> {
    const { id, ports, settings } = this.#options;
    const copies = String(Math.min(3, ports.length));
    const inSync = ports.length < 3 ? "1" : "2";
    return {
      "process.roles": "broker,controller",
      "node.id": String(id),
      listeners: `PLAINTEXT://${this.address},CONTROLLER://127.0.0.1:${this.#own.controller}`,
      "controller.listener.names": "CONTROLLER",
      "controller.quorum.voters": ports.map((port, i) => `${i + 1}@127.0.0.1:${port.controller}`).join(","),
      "log.dirs": this.dataDir,
      "default.replication.factor": copies,
      "min.insync.replicas": inSync,
      "offsets.topic.replication.factor": copies,
      "offsets.topic.num.partitions": "4",
      "transaction.state.log.replication.factor": copies,
      "transaction.state.log.min.isr": inSync,
      "transaction.state.log.num.partitions": "4",
      "auto.create.topics.enable": "false",
      "group.initial.rebalance.delay.ms": "0",
      // By default it takes 160 MiB more, and a dead node stays leader, and its restart waits, for nine seconds.
      "log.cleaner.dedupe.buffer.size": "4194304",
      "broker.session.timeout.ms": "3000",
      "broker.heartbeat.interval.ms": "500",
      ...settings,
    };
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
