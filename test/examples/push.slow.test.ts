/** The app server's pushes over real sockets; Kafka is in test/kafka/examples.test.ts. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { test } from "node:test";
import WebSocket from "ws";
import { Push, type PushOptions } from "../../examples/app-server/push.ts";
import { answer } from "../../examples/app-server/rest.ts";
import { State } from "../../examples/app-server/state.ts";
import { type BusbarRecord, readRecord } from "../../examples/common/record.ts";
import { contract } from "../support/contracts.ts";
import { until } from "../support/wait.ts";

const WAIT_MS = 10_000;
const ASSETS = 20;
/** As long as a record's texts can be: a socket's buffers in the kernel are full soon. */
const FILLING = "x".repeat(200_000);

interface Started extends AsyncDisposable {
  readonly push: Push;
  readonly port: number;
  /** One value of each asset. */
  change(v: number | string): void;
}

async function start(options: Partial<PushOptions> = {}): Promise<Started> {
  const state: State = new State({
    values: (gateway, asset, signals) => push.values(gateway, asset, signals),
    session: (session) => push.session(session),
  });
  const push = new Push(state, { bufferBytes: 1 << 18, patienceMs: 60_000, ...options });
  const server = createServer((request, response) => answer(request, response, { state, ready: false }));
  server.on("upgrade", (request, socket, head) => push.upgrade(request, socket, head));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const example = readRecord(contract("record-data.json")) as BusbarRecord;
  let seq = 0;
  return {
    push,
    port: (server.address() as AddressInfo).port,
    change: (v) => {
      seq++;
      const g = [{ t: [seq], s: { Value: [v] } }];
      for (let i = 0; i < ASSETS; i++) state.takeRecord({ ...example, asset: `a-${i}`, seq, g });
    },
    async [Symbol.asyncDispose]() {
      push[Symbol.dispose]();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

test("a client that does not read costs no more than its buffer, and gets the latest values when it reads again", async () => {
  await using server = await start();
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/changes`);
  const last = new Map<string, unknown>();
  let messages = 0;
  socket.on("message", (text) => {
    const { asset, values } = JSON.parse(String(text));
    messages++;
    last.set(asset, values.Value.v);
  });
  await once(socket, "open");
  socket.pause();
  const rounds = 12;
  const before = server.push.bufferedBytes;
  for (let round = 1; round <= rounds; round++) {
    server.change(`${round} ${FILLING}`);
    // The server's next push.
    await until("pushed", () => server.push.flushes > round, WAIT_MS);
  }
  // All of it would be 48 MB.
  assert.ok(before === 0 && server.push.bufferedBytes < 1_000_000, `${server.push.bufferedBytes} bytes wait`);
  server.change("the latest");
  socket.resume();
  await until("the latest of all", () => last.size === ASSETS && new Set(last.values()).size === 1, WAIT_MS);
  assert.deepEqual(new Set(last.values()), new Set(["the latest"]));
  assert.ok(messages < (rounds * ASSETS) / 2, `${messages} of ${rounds * ASSETS} messages`);
  socket.terminate();
});

test("a client that never reads again is let go, the others are served", async () => {
  await using server = await start({ patienceMs: 300 });
  const stuck = new WebSocket(`ws://127.0.0.1:${server.port}/changes`);
  const fine = new WebSocket(`ws://127.0.0.1:${server.port}/changes?asset=a-3`);
  const seen = new Set<string>();
  fine.on("message", (text) => seen.add(JSON.parse(String(text)).asset));
  await Promise.all([once(stuck, "open"), once(fine, "open")]);
  stuck.pause();
  stuck.on("error", () => undefined);
  let round = 0;
  await until(
    "it is let go",
    () => {
      server.change(`${round++} ${FILLING}`);
      return server.push.clients === 1;
    },
    WAIT_MS,
  );
  server.change("after");
  assert.equal(fine.readyState, WebSocket.OPEN);
  assert.deepEqual(seen, new Set(["a-3"]), "only what it asked for");
  for (const socket of [stuck, fine]) socket.terminate();
});

test("what is no request for changes is refused; nobody is served before the state is there", async () => {
  await using server = await start();
  for (const [path, headers, status] of [
    ["/elsewhere", {}, 404],
    ["/changes?gateway=UPPER", {}, 400],
    ["/changes?who=me", {}, 400],
    ["/changes", { origin: "http://elsewhere.example" }, 403],
  ] as const) {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, { headers });
    const [, response] = await once(socket, "unexpected-response");
    assert.equal(response.statusCode, status, path);
    response.resume();
  }
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/changes`);
  await once(socket, "open");
  socket.send("x".repeat(2000));
  const [code] = await once(socket, "close");
  assert.equal(code, 1009, "too long");
  const raw = connect(server.port, "127.0.0.1");
  raw.end("GET // HTTP/1.1\r\nHost: x\r\n\r\n");
  const [reply] = (await once(raw, "data")) as [Buffer];
  assert.match(reply.toString(), /^HTTP\/1.1 (400|404|503) /);
  const health = await fetch(`http://127.0.0.1:${server.port}/health`);
  assert.deepEqual([health.status, await health.json()], [503, { status: "loading" }]);
  assert.equal((await fetch(`http://127.0.0.1:${server.port}/assets`)).status, 503);
});
