import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { client, connectPacket, rawClient, start } from "./harness.ts";
import { METER_VALUES, sources, store, until } from "./messages.ts";

test("a late subscriber to everything gets each snapshot topic retained, in DESIGN's shapes", async (t) => {
  const running = await start(t);
  running.status.receive(METER_VALUES);
  running.status.receive(sources(true));
  running.status.receive(store(1795226001123));
  running.status.receive({ type: "signals", json: '[{"n":1}]' });
  const early = await client(t, running);
  await early.connection.subscribeAsync("busbar/bridge/sources");
  await until(() => early.seen.get("busbar/bridge/sources")?.payload.includes("rs485"));
  const { connection, seen } = await client(t, running);
  await connection.subscribeAsync("#");
  const topics = ["state", "info", "health", "sources", "outbox", "uplink", "signals"].map(
    (name) => `busbar/bridge/${name}`,
  );
  await until(() => [...topics, "busbar/meter-1", "busbar/meter-1/availability"].every((topic) => seen.has(topic)));
  for (const topic of topics) assert.equal(seen.get(topic)?.retain, true, topic);
  assert.equal(seen.get("busbar/bridge/state")?.payload, '{"state":"online"}');
  assert.equal(seen.get("busbar/bridge/signals")?.payload, '[{"n":1}]');
  assert.equal(
    seen.get("busbar/meter-1")?.payload,
    '{"ts":1795226001123,"values":{"Power.Active.Import":{"v":7361,"u":"W","q":"good","ts":1795226001123},' +
      '"Energy.Active.Import.Register":{"v":1204334,"u":"Wh","q":"stale","ts":1795226000123}}}',
  );
  assert.equal(seen.get("busbar/meter-1/availability")?.payload, '{"state":"online"}');
  assert.equal(seen.get("busbar/wallbox-1/availability")?.payload, '{"state":"offline"}');
  const outbox = JSON.parse(seen.get("busbar/bridge/outbox")?.payload ?? "");
  assert.equal(outbox.durable_until, 1795226001123);
  assert.deepEqual(outbox.streams.t, { next: 4712, acked: 4711 });
});

test("values, durability, events, log lines and the goodbye arrive while they happen; events are not retained", async (t) => {
  const running = await start(t);
  running.status.receive(METER_VALUES);
  const { connection, seen } = await client(t, running);
  await connection.subscribeAsync("busbar/+");
  await connection.subscribeAsync("busbar/bridge/#");
  await until(() => seen.has("busbar/meter-1"));
  running.status.receive({ type: "values", numbers: [1], values: [null], quality: [2], times: [1795226002000] });
  running.status.receive(store(5));
  running.status.receive({ type: "event", event: { type: "clock-step" } });
  const entry = { ts: 1795226002000, level: "warn", part: "uplink", text: "gone", fields: { big: 1n } } as const;
  running.status.receive({ type: "log", entry });
  await until(() => seen.get("busbar/meter-1")?.payload.includes('"Power.Active.Import":{"v":null,"u":"W","q":"bad"'));
  await until(() => seen.get("busbar/bridge/outbox")?.payload.includes('"durable_until":5,'));
  assert.deepEqual(seen.get("busbar/bridge/event"), { payload: '{"type":"clock-step"}', retain: false });
  assert.match(seen.get("busbar/bridge/logging")?.payload ?? "", /"level":"warn","part":"uplink","msg":"gone"/);
  await running.stop();
  await until(() => seen.get("busbar/bridge/state")?.payload === '{"state":"offline"}');
});

test("requests are answered with their transaction; unknown operations and garbage get the list of operations", async (t) => {
  const running = await start(t);
  running.status.receive(METER_VALUES);
  const { connection, seen } = await client(t, running);
  await connection.subscribeAsync("busbar/bridge/response/#");
  const ask = async (op: string, payload: string | Buffer) => {
    seen.clear();
    await connection.publishAsync(`busbar/bridge/request/${op}`, payload, { qos: 1, retain: true });
    await until(() => seen.has(`busbar/bridge/response/${op}`));
    return JSON.parse(seen.get(`busbar/bridge/response/${op}`)?.payload ?? "");
  };
  assert.deepEqual(await ask("ping", '{"transaction":"a-7"}'), { status: "ok", data: "pong", transaction: "a-7" });
  const snapshot = await ask("snapshot", "");
  assert.equal(snapshot.data.gateway, "depot-berlin-01");
  assert.equal(snapshot.data.assets["meter-1"].values["Power.Active.Import"].v, 7361);
  assert.equal((await ask("assets", "{}")).data["wallbox-1"].kind, "ac-charger");
  assert.equal((await ask("health", "{}")).data.status, "ok");
  for (const [op, payload] of [
    ["reboot", '{"transaction":1}'],
    ["constructor", "{}"],
    ["ping", "{nonsense"],
    ["ping", Buffer.from([0xff, 0x00, 0xfe])],
    ["ping", "[1]"],
  ] as const) {
    const answer = await ask(op, payload);
    assert.equal(answer.status, "error", op);
    assert.match(answer.error, /ping, snapshot, health, assets/);
  }
  const late = await client(t, running);
  await late.connection.subscribeAsync("busbar/bridge/request/#");
  assert.equal((await late.connection.subscribeAsync("busbar/bridge/state"))[0]?.qos, 0);
  await until(() => late.seen.has("busbar/bridge/state"));
  assert.equal(late.seen.has("busbar/bridge/request/ping"), false, "a client's message must never be retained");
});

test("a client cannot publish values, overwrite or clear a snapshot, nor leave a will; it goes on reading", async (t) => {
  const running = await start(t);
  running.status.receive(METER_VALUES);
  const reader = await client(t, running);
  const said: string[] = [];
  reader.connection.on("message", (topic, payload) => said.push(`${topic} ${payload}`));
  await reader.connection.subscribeAsync("#");
  const will = { topic: "busbar/bridge/state", payload: Buffer.from("FORGED will"), retain: true, qos: 0 as const };
  const liar = await client(t, running, { will });
  await liar.connection.subscribeAsync("busbar/bridge/event");
  for (const qos of [0, 1, 2] as const)
    await liar.connection.publishAsync("busbar/meter-1", "FORGED value", { qos, retain: true });
  await liar.connection.publishAsync("busbar/bridge/state", "", { retain: true, qos: 1 });
  running.status.receive({ type: "event", event: { n: 1 } });
  await until(() => liar.seen.has("busbar/bridge/event"));
  liar.connection.stream.destroy();
  running.status.receive({ type: "event", event: { n: 2 } });
  await until(() => reader.seen.get("busbar/bridge/event")?.payload === '{"n":2}');
  const late = await client(t, running);
  await late.connection.subscribeAsync("#");
  await until(() => late.seen.has("busbar/meter-1") && late.seen.has("busbar/bridge/state"));
  assert.match(late.seen.get("busbar/meter-1")?.payload ?? "", /7361/);
  assert.equal(late.seen.get("busbar/bridge/state")?.payload, '{"state":"online"}');
  assert.deepEqual(
    said.filter((line) => line.includes("FORGED")),
    [],
  );
  const logged = said.filter((line) => line.includes("which is refused"));
  assert.equal(logged.length, 1, "refusals are told once per client");
});

test("$SYS messages that would make the broker close other clients are refused", async (t) => {
  const running = await start(t);
  const victim = await client(t, running, { clientId: "victim" });
  await victim.connection.subscribeAsync("busbar/bridge/event");
  const attacker = await client(t, running);
  attacker.connection.on("error", () => undefined);
  const closed = once(attacker.connection.stream, "close");
  attacker.connection.publish("$SYS/other/new/clients", "victim");
  await closed;
  running.status.receive({ type: "event", event: {} });
  await until(() => victim.seen.has("busbar/bridge/event"));
});

test("one subscriber that does not read freezes nobody, and is cut off", async (t) => {
  const running = await start(t);
  const socket = await rawClient(t, running);
  socket.write(connectPacket(4, "s"));
  await once(socket, "data");
  socket.write(Buffer.from([0x82, 6, 0, 1, 0, 1, 0x23, 0])); // SUBSCRIBE 1 "#" QoS 0
  await once(socket, "data");
  socket.pause();
  const closed = once(socket, "close");
  const reader = await client(t, running);
  await reader.connection.subscribeAsync("busbar/bridge/event");
  let largest = 0;
  reader.connection.on("message", (_topic, payload) => {
    largest = Math.max(largest, JSON.parse(payload.toString()).n);
  });
  // Fills the kernel's buffers first, so that the small ones behind must wait in the broker, each as one delivery.
  const load = "x".repeat(500_000);
  for (let n = 0; n < 8; n++) running.status.receive({ type: "event", event: { n, load } });
  await until(() => largest === 7);
  const from = performance.now();
  for (let n = 8; n < 400; n++) running.status.receive({ type: "event", event: { n } });
  await until(() => largest === 399);
  assert.ok(performance.now() - from < 1000, `${performance.now() - from} ms for the client that reads`);
  for (let n = 400; n < 440; n++) running.status.receive({ type: "event", event: { n, load } });
  await until(() => largest === 439);
  running.status.receive({ type: "event", event: { n: 440 } });
  await until(() => largest === 440);
  socket.resume();
  await closed;
});

test("a flood of requests is answered at a bounded rate and the broker stays usable", async (t) => {
  const running = await start(t);
  const flooder = await client(t, running);
  let answers = 0;
  flooder.connection.on("message", () => answers++);
  await flooder.connection.subscribeAsync("busbar/bridge/response/ping");
  for (let n = 0; n < 500; n++) flooder.connection.publish("busbar/bridge/request/ping", "");
  await flooder.connection.publishAsync("busbar/bridge/request/ping", "", { qos: 1 });
  const other = await client(t, running);
  await other.connection.subscribeAsync("busbar/bridge/state");
  await until(() => other.seen.has("busbar/bridge/state"));
  assert.ok(answers >= 1 && answers < 60, `${answers} answers to 501 requests`);
});

for (const [what, bytes] of [
  ["bytes that are not MQTT", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
  ["a packet that announces 200 MiB", Buffer.from([0x30, 0xff, 0xff, 0xff, 0x63])],
  ["a length of five bytes", Buffer.from([0x10, 0x80, 0x80, 0x80, 0x80, 0x01])],
  ["a PUBLISH before CONNECT", Buffer.from([0x30, 4, 0, 1, 0x61, 0x62])],
  [
    "a topic of 200 levels",
    Buffer.concat([connectPacket(4, "d"), Buffer.from([0x30, 0xca, 1, 0, 200]), Buffer.alloc(200, "/")]),
  ],
] as const) {
  test(`the broker closes on ${what} and goes on serving`, async (t) => {
    const running = await start(t);
    const socket = await rawClient(t, running);
    const closed = once(socket, "close");
    socket.resume().write(bytes);
    await closed;
    const { connection, seen } = await client(t, running);
    await connection.subscribeAsync("busbar/bridge/state");
    await until(() => seen.has("busbar/bridge/state"));
  });
}

test("MQTT 5 is refused with return code 1", async (t) => {
  const running = await start(t);
  const socket = await rawClient(t, running);
  socket.write(connectPacket(5, "a"));
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.deepEqual([...answer], [0x20, 2, 0, 1]);
});

test("with credentials configured only the right ones get in", async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), "busbar-")), "password");
  writeFileSync(file, "s3cret\nsecond line\n");
  const listen = { listen: { host: "127.0.0.1", port: 0 } };
  const local = { http: listen, mqtt: { ...listen, username: "tech", password_file: file } };
  const running = await start(t, { local });
  const wrong = [{ username: "tech", password: "S3cret" }, { username: "tec", password: "hs3cret" }, {}];
  const refused = wrong.map((options) => assert.rejects(client(t, running, options), /Not authorized|Bad username/));
  await Promise.all(refused);
  const { connection } = await client(t, running, { username: "tech", password: "s3cret" });
  assert.equal(connection.connected, true);
});

test("half a credential opens nothing and says what is missing", async (t) => {
  const listen = { listen: { host: "127.0.0.1", port: 0 } };
  const gone = { ...listen, username: "a", password_file: "/nonexistent/busbar-password" };
  const running = await start(t, { local: { mqtt: { ...listen, username: "a" }, http: gone } });
  assert.equal(running.ready.mqttPort, undefined);
  assert.equal(running.ready.httpPort, undefined);
  assert.deepEqual(running.ready.problems, [
    "local.mqtt.password_file is missing; set username and password_file, or neither",
    "local.http.password_file /nonexistent/busbar-password: cannot be read (ENOENT); create it and let the service's user read it",
  ]);
});

test("a port in use is told, the page works meanwhile, and the broker takes the port when it is free", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  const local = { mqtt: { listen: { host: "127.0.0.1", port } }, http: { listen: { host: "127.0.0.1", port: 0 } } };
  const running = await start(t, { local }, 20);
  const problem = `port ${port} on 127.0.0.1 is in use by another program; stop it or set local.mqtt.listen`;
  assert.deepEqual(running.ready.problems, [problem]);
  const page = `http://127.0.0.1:${running.ready.httpPort}/api/status`;
  const before = (await (await fetch(page)).json()) as { problems: string[]; health: { status: string } };
  assert.deepEqual(before.problems, [problem]);
  assert.equal(before.health.status, "degraded");
  other.close();
  await until(() => running.status.snapshot().problems.length === 0);
  const { connection, seen } = await client(t, { ...running, ready: { ...running.ready, mqttPort: port } });
  await connection.subscribeAsync("busbar/bridge/state");
  await until(() => seen.has("busbar/bridge/state"));
});
