/** The examples as an app team runs them, as processes, on a real Kafka that holds what a bridge would have written. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { CompressionTypes, type Message } from "../../bridge/kafka/client.ts";
import { birthKey, partitionOf, recordHeaders, recordKey, stateKey, topicName } from "../../bridge/topics.ts";
import { type BusbarRecord, parseRecord, sealRecord } from "../../core/record.ts";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { ChargerRun } from "../examples/charger-run.ts";
import { contract } from "../support/contracts.ts";
import { freePort, until } from "../support/wait.ts";
import { ExampleProcess } from "./example-process.ts";
import { NO_KAFKA, startKafka } from "./kafka.ts";
import { openWriter, type Writer } from "./records.ts";

const skip = NO_KAFKA;
const PARTITIONS = 4;
const GATEWAY = "depot-berlin-01";
const DAY_MS = 86_400_000;
const TOPICS = ["telemetry", "events", "gaps", "sessions", "gateways"] as const;
const WAIT_MS = 30_000;
let kafka: KafkaCluster;
let writer: Writer;
let brokers: string;
before(async () => {
  if (skip !== false) return;
  kafka = await startKafka({ nodes: 1 });
  writer = await openWriter(kafka.brokers, "examples");
  brokers = kafka.brokers.join();
});
after(async () => {
  await writer?.[Symbol.asyncDispose]();
  await kafka?.[Symbol.asyncDispose]();
});

async function makeTopics(prefix: string): Promise<void> {
  const configEntries = [{ name: "message.timestamp.type", value: "LogAppendTime" }];
  await writer.admin.createTopics({
    waitForLeaders: true,
    topics: TOPICS.map((topic) => ({ topic: topicName(prefix, topic), numPartitions: PARTITIONS, configEntries })),
  });
}

/** As the bridge does it: in one transaction, compressed, all of a gateway in one partition. */
async function write(
  topic: string,
  messages: readonly Message[],
  outcome: "commit" | "abort" = "commit",
): Promise<void> {
  const transaction = await writer.producer.transaction();
  const partition = partitionOf(GATEWAY, PARTITIONS);
  const placed = messages.map((message) => ({ ...message, partition }));
  await transaction.send({ topic, messages: placed, compression: CompressionTypes.ZSTD });
  await transaction[outcome]();
}

function messageOf(value: Buffer): Message {
  const record = parseRecord(value);
  return { key: recordKey(record), value, headers: recordHeaders(record) };
}

/** The contract's example with other members, sealed anew. */
function record(file: string, changes: Partial<BusbarRecord>): Message {
  const { v: _, crc: __, g, gap, time, event, session, ...header } = { ...parseRecord(contract(file)), ...changes };
  const body = Object.entries({ g, gap, time, event, session }).find(([, value]) => value !== undefined)!;
  return messageOf(sealRecord(header, `${JSON.stringify(body[0])}:${JSON.stringify(body[1])}`));
}

test("derating: 100 healthy sessions raise no alarm, 10 % less is found and told", { skip }, async () => {
  const topic = topicName("derating", "telemetry");
  await makeTopics("derating");
  const run = new ChargerRun({ seed: 5, gateway: GATEWAY, asset: "wallbox-1", fromMs: Date.UTC(2026, 10, 1) });
  const args = ["--brokers", brokers, "--prefix", "derating", "--least-plateau", "10s", "--once"];
  await write(topic, [...run.sessions(100)].map(messageOf));
  const healthy = await ExampleProcess.run("derating", args);
  assert.equal(healthy.code, 0, healthy.stderr);
  assert.match(healthy.stderr, /100 finished sessions/);
  assert.deepEqual(healthy.lines, [], "no alarm");
  run.box.deratedPercent = 10;
  await write(topic, [...run.sessions(12)].map(messageOf));
  // What no transaction committed is not there.
  const unread = new ChargerRun({ seed: 6, gateway: GATEWAY, asset: "wallbox-2", fromMs: Date.UTC(2026, 10, 1) });
  await write(topic, [...unread.sessions(1)].map(messageOf), "abort");
  const derated = await ExampleProcess.run("derating", args);
  assert.match(derated.stderr, /112 finished sessions/);
  const [news, ...more] = derated.lines;
  assert.deepEqual(more, []);
  assert.match(
    news?.says ?? "",
    /^depot-berlin-01\/wallbox-1 at 16 A offered: delivers 10 % less than it used to: \d+ sessions/,
  );
  console.log(news?.says);
});

/** Of all answers, what tests look at. */
interface Body {
  readonly status?: string;
  readonly assets?: readonly { readonly asset: string; readonly state: string }[];
  readonly values?: Readonly<Record<string, { readonly v: number }>>;
  readonly sessions?: readonly { readonly source: string }[];
}

/** JSON of `GET path`, with its status. */
async function get(url: string, path: string): Promise<{ status: number; body: Body }> {
  const response = await fetch(`${url}${path}`);
  return { status: response.status, body: (await response.json()) as Body };
}

test("app server: what is in Kafka at a start, changes from then on, the same after a restart", { skip }, async () => {
  const prefix = "app";
  await makeTopics(prefix);
  const t0 = Date.now() - 60_000;
  const power = (seq: number, v: number, t: number): Message =>
    record("record-data.json", { seq, t0: t0 + t, g: [{ t: [0], s: { "Power.Active.Import": [v] } }] });
  await write(topicName(prefix, "gateways"), [
    { key: birthKey(GATEWAY, "164043ef"), value: contract("birth.json") },
    { key: stateKey(GATEWAY), value: contract("state.json") },
  ]);
  await write(topicName(prefix, "sessions"), [messageOf(contract("record-session.json"))]);
  await write(topicName(prefix, "telemetry"), [power(2, 200, 2000), power(1, 100, 1000)]);
  const port = await freePort();
  const args = ["--brokers", brokers, "--prefix", prefix, "--listen", `127.0.0.1:${port}`];
  const url = `http://127.0.0.1:${port}`;
  const value = async () => (await get(url, `/assets/${GATEWAY}/meter-1`)).body.values;
  const start = async (): Promise<ExampleProcess> => {
    const server = new ExampleProcess("app-server", args);
    await until("it is ready", () => server.stderr.includes("ready\n"), WAIT_MS);
    return server;
  };
  {
    await using _server = await start();
    assert.deepEqual(await get(url, "/health"), { status: 200, body: { status: "ok" } });
    const { body } = await get(url, "/assets");
    assert.deepEqual(
      body.assets?.map(({ asset, state }) => [asset, state]),
      [
        ["meter-1", "online"],
        ["wallbox-1", "online"],
      ],
    );
    const latest = { "Power.Active.Import": { v: 200, q: "good", t: t0 + 2000, synced: true, unit: "W" } };
    assert.deepEqual(await value(), latest);
    const { sessions } = (await get(url, `/sessions?gateway=${GATEWAY}`)).body;
    assert.deepEqual(
      sessions?.map(({ source }) => source),
      ["record"],
    );
    await assertPushed(url, async () => {
      await write(topicName(prefix, "telemetry"), [power(4, 400, 4000), power(3, 300, 3000)]);
    });
    await assertRefusals(url);
  }
  await using _again = await start();
  assert.equal((await value())?.["Power.Active.Import"]?.v, 400);
});

async function assertPushed(url: string, change: () => Promise<void>): Promise<void> {
  const seen: number[] = [];
  const socket = new WebSocket(`${url.replace("http", "ws")}/changes?asset=meter-1`);
  socket.on("message", (text) => {
    const { type, values } = JSON.parse(String(text));
    if (type === "values") seen.push(values["Power.Active.Import"].v);
  });
  try {
    await until("the snapshot", () => seen.length > 0, WAIT_MS);
    assert.deepEqual(seen, [200]);
    await change();
    await until("the change", () => seen.includes(400), WAIT_MS);
    assert.ok(!seen.includes(300), "what came late was pushed");
  } finally {
    socket.terminate();
  }
}

async function assertRefusals(url: string): Promise<void> {
  for (const [path, status] of [
    ["/assets/depot-berlin-01/nobody", 404],
    ["/assets/UPPER/meter-1", 404],
    ["/sessions?gateway=../etc", 400],
    ["/sessions?limit=1e9", 400],
    ["/sessions?who=me", 400],
    ["/elsewhere", 404],
  ] as const) {
    assert.equal((await get(url, path)).status, status, path);
  }
  assert.equal((await fetch(`${url}/assets`, { method: "POST" })).status, 405);
  assert.equal((await fetch(`${url}/assets`, { headers: { origin: "http://elsewhere.example" } })).status, 403);
}

test("replay: yesterday of one vehicle, which arrived today", { skip }, async () => {
  const prefix = "replay";
  await makeTopics(prefix);
  const midnight = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAY_MS;
  const speed = (seq: number, t: number, asset = "van-7"): Message =>
    record("record-data.json", {
      seq,
      asset,
      t0: midnight + t,
      g: [{ t: [0, 1000], s: { "Vehicle.Speed": [seq, 0] } }],
    });
  const telemetry = [speed(3, 7000), speed(2, 5000), speed(4, 8000, "meter-1"), speed(1, -5000), speed(9, 20_000)];
  await write(topicName(prefix, "telemetry"), [...telemetry, speed(10, DAY_MS + 1)]);
  const gap = { ...parseRecord(contract("record-gap.json")).gap!, from: 5, to: 6, t0: midnight, t1: midnight + 9000 };
  await write(topicName(prefix, "gaps"), [record("record-gap.json", { gap })]);
  const session = { sid: "s", rev: 1, begin: midnight, end: midnight + 9000, energy: 5 };
  const revision = (rev: number, energy: number): Message =>
    record("record-session.json", { asset: "van-7", seq: 100 + rev, session: { ...session, rev, energy } });
  await write(topicName(prefix, "sessions"), [revision(1, 5), revision(3, 7), revision(2, 6)]);
  const day = new Date(midnight).toISOString().slice(0, 10);
  const args = ["--brokers", brokers, "--prefix", prefix, "--asset", `${GATEWAY}/van-7`, "--day", day];
  const { code, lines, stderr } = await ExampleProcess.run("replay", [...args, "--late", "2d"]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    lines.flatMap(({ v }) => v ?? []),
    [2, 0, 3, 0, 9, 0],
  );
  assert.equal(lines[0]?.t, `${day}T00:00:05.000Z`);
  assert.deepEqual(
    lines.flatMap(({ session }) => session?.energyWh ?? []),
    [7],
    "the last revision, once",
  );
  assert.match(stderr, /^gap: records 5 to 6 of stream t, epoch k3f9a1c2: full$/m);
  assert.match(stderr, /^gap: records 7 to 8 of stream t, epoch k3f9a1c2: not in Kafka so far$/m);
  assert.doesNotMatch(stderr, /--late/);

  const tooEarly = await ExampleProcess.run("replay", [...args, "--late", "0s"]);
  assert.match(tooEarly.stderr, /^nothing newer than the day came within 0s after it.*\n0 samples, /m);
  const wrong = await ExampleProcess.run("replay", [...args, "--prefix", "nothing"]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /^replay: no topic nothing\.telemetry, .*; check --prefix/);
});

test("app server: goes on where it was after the broker was killed", { skip }, async () => {
  const prefix = "killed";
  await makeTopics(prefix);
  const event = (seq: number): Message => record("record-data.json", { seq, t0: Date.now() });
  await write(topicName(prefix, "telemetry"), [event(1)]);
  const port = await freePort();
  await using server = new ExampleProcess("app-server", [
    ...["--brokers", brokers, "--prefix", prefix, "--listen", `127.0.0.1:${port}`],
  ]);
  await until("it is ready", () => server.stderr.includes("ready\n"), WAIT_MS);
  const assets = async () => (await get(`http://127.0.0.1:${port}`, "/assets")).body.assets?.map(({ asset }) => asset);
  assert.deepEqual(await assets(), ["meter-1"]);
  await kafka.kill(1, "SIGKILL");
  assert.deepEqual(await assets(), ["meter-1"], "what is known is served meanwhile");
  await kafka.restart(1);
  await write(topicName(prefix, "telemetry"), [record("record-data.json", { seq: 2, asset: "meter-2" })]);
  await until("what came after it", async () => (await assets())?.includes("meter-2") ?? false, WAIT_MS);
});
