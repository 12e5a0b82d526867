/** One drain as a process of its own: `uplink DIR | bare FILE`, then port, MQTT version, QoS, window and records. */
import { join } from "node:path";
import { connectAsync, type MqttClient } from "mqtt";
import { Logger } from "../../core/log.ts";
import type { Stream } from "../../core/record.ts";
import { uplinkConfig } from "../../store-forward/config.ts";
import { CommitLoop } from "../../store-forward/outbox/commit-loop.ts";
import type { Outbox } from "../../store-forward/outbox/outbox.ts";
import { StorageClock } from "../../store-forward/outbox/storage-clock.ts";
import type { Position, RecordQueue, SealedRecord } from "../../store-forward/queue.ts";
import { Uplink } from "../../store-forward/uplink/uplink.ts";
import { type Publish, readPayloads } from "./backlog.ts";
import { GATEWAY } from "./load.ts";
import { openOutbox } from "./outbox.ts";
import { between, ownUsage, type Usage } from "./usage.ts";

const COMMIT_INTERVAL_MS = 1000;

interface Drain {
  readonly port: number;
  readonly protocolVersion: 4 | 5;
  readonly qos: 1 | 2;
  readonly window: number;
  readonly records: number;
}

/** The outbox as the uplink sees it; tells when the first record was read and when the last was acknowledged. */
class WatchedQueue implements RecordQueue {
  readonly #outbox: Outbox;
  readonly #done = Promise.withResolvers<Usage>();
  #from: Usage | undefined;
  #left: number;

  constructor(outbox: Outbox, records: number) {
    this.#outbox = outbox;
    this.#left = records;
  }

  get used(): Promise<Usage> {
    return this.#done.promise;
  }
  get onSealed(): (() => void) | undefined {
    return this.#outbox.onSealed;
  }
  set onSealed(told: (() => void) | undefined) {
    this.#outbox.onSealed = told;
  }

  read(stream: Stream, after: Position | undefined, limit: number): SealedRecord[] {
    if (stream === "t") this.#from ??= ownUsage();
    return this.#outbox.read(stream, after, limit);
  }

  spent(records: readonly SealedRecord[]): void {
    this.#outbox.spent(records);
  }

  ack(stream: Stream, at: Position): void {
    this.#outbox.ack(stream, at);
    this.#left--;
    if (this.#left === 0 && this.#from !== undefined) this.#done.resolve(between(this.#from, ownUsage()));
  }

  births(): Uint8Array[] {
    return this.#outbox.births();
  }
}

/** Outbox, commits and uplink as store-forward/thread.ts wires them. */
async function drainByUplink(dir: string, { port, protocolVersion, qos, window, records }: Drain): Promise<Usage> {
  const clock = new StorageClock(true);
  const outbox = openOutbox(join(dir, "outbox.db"), clock);
  const queue = new WatchedQueue(outbox, records);
  const config = uplinkConfig.parse({
    url: `mqtt://127.0.0.1:${port}`,
    protocol: protocolVersion === 5 ? "5" : "3.1.1",
    qos: { telemetry: qos },
    window,
  });
  const log = new Logger("uplink", ({ text }) => process.stderr.write(`${text}\n`));
  const uplink = new Uplink({ gateway: GATEWAY, boot: outbox.boot, config, queue, log, clock });
  const commits = new CommitLoop({ outbox, commitIntervalMs: COMMIT_INTERVAL_MS, monoMs: () => clock.monoMs() });
  const stop = new AbortController();
  const running = Promise.all([uplink.run(stop.signal), commits.run(stop.signal)]);
  const used = await queue.used;
  stop.abort();
  await running;
  outbox.commit({ final: true });
  const { waiting } = outbox.status();
  outbox.close();
  if (waiting !== 0) throw new Error(`${waiting} records were left in the outbox`);
  return used;
}

/** The same payloads from memory, the same window, nothing stored and nothing deleted. */
async function drainBare(file: string, { port, protocolVersion, qos, window }: Drain): Promise<Usage> {
  const publishes = readPayloads(file);
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
    protocolVersion,
    reconnectPeriod: 0,
    clientId: "bare",
  });
  // As the uplink does: Nagle would make the limit look lower than it is.
  (client.stream as { setNoDelay?: (on: boolean) => void }).setNoDelay?.(true);
  const from = ownUsage();
  await publishAll(client, publishes, { qos, window });
  const used = between(from, ownUsage());
  await client.endAsync(true);
  return used;
}

function publishAll(client: MqttClient, publishes: readonly Publish[], { qos, window }: Pick<Drain, "qos" | "window">) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let [next, acknowledged] = [0, 0];
  const answered = (error?: unknown): void => {
    if (error !== undefined && error !== null) reject(error);
    acknowledged++;
    if (acknowledged === publishes.length) resolve();
    else send();
  };
  const send = (): void => {
    const publish = publishes[next++];
    if (publish !== undefined) client.publish(publish.topic, publish.payload, { qos }, answered);
  };
  client.on("close", () => reject(new Error("the broker closed the connection of the bare loop")));
  for (let i = 0; i < window; i++) send();
  return promise;
}

const [mode, place = "", ...numbers] = process.argv.slice(2);
const [port = 0, version, qos, window = 100, records = 0] = numbers.map(Number);
const drain: Drain = { port, protocolVersion: version === 4 ? 4 : 5, qos: qos === 2 ? 2 : 1, window, records };
const used = await (mode === "uplink" ? drainByUplink(place, drain) : drainBare(place, drain));
process.send?.(used);
// Run by hand, under a profiler.
if (process.send === undefined) process.stdout.write(`${JSON.stringify(used)}\n`);
else process.disconnect();
