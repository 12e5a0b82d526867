/** The fault proxy itself, by hand and in tests; then an uplink through its worst. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { plainRecord } from "../../core/record.ts";
import { answerPublish, RawServer } from "../store-forward/uplink/raw-server.ts";
import { Rig } from "../store-forward/uplink/rig.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { until } from "../support/wait.ts";

const PROXY = fileURLToPath(new URL("../support/fault-proxy.ts", import.meta.url));
const LOCAL = "127.0.0.1";

/** Sends back what comes, and keeps it. */
async function echo(t: { after(fn: () => unknown): void }) {
  const got: Buffer[] = [];
  let ended = 0;
  const server = createServer((socket: Socket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      got.push(chunk);
      socket.write(chunk);
    });
    socket.on("end", () => ended++);
  });
  server.listen(0, LOCAL);
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  return { port, bytes: () => Buffer.concat(got).toString(), ended: () => ended };
}

test("by hand: help, an unknown word, truncate and count", async (t) => {
  const help = spawn(process.execPath, [PROXY, "--help"], { stdio: ["ignore", "pipe", "inherit"] });
  const text = (await help.stdout.toArray()).join("");
  for (const word of ["cut", "half-open", "delay MS", "rate", "loss PERCENT", "truncate BYTES", "restore"])
    assert.ok(text.includes(word), `${word} in:\n${text}`);
  const behind = await echo(t);
  const proxy = spawn(process.execPath, [PROXY, "--to", `${LOCAL}:${behind.port}`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => proxy.kill());
  let out = "";
  proxy.stdout.on("data", (chunk) => {
    out += chunk;
  });
  await until("it listens", () => /listening on .*:\d+/.test(out), 10_000);
  proxy.stdin.write("what\ntruncate 4\n");
  await until("help for what it does not know", () => out.includes("Commands on stdin"), 5000);
  const socket = connect(Number(/:(\d+)/.exec(out)?.[1]), LOCAL).on("error", () => {});
  const closed = once(socket, "close");
  socket.write("0123456789");
  await closed;
  proxy.stdin.write("count\n");
  await until("the count", () => out.includes("connections 1 up 4 "), 5000);
  assert.equal(behind.bytes(), "0123");
  const exited = once(proxy, "exit");
  proxy.stdin.end();
  assert.deepEqual(await exited, [0, null]);
});

test("truncate lets so many bytes pass, ends the link, and only that one", async (t) => {
  const behind = await echo(t);
  await using proxy = await new FaultProxy({ to: { host: LOCAL, port: behind.port } }).start();
  proxy.truncate(3, "down");
  const socket = connect(proxy.port, LOCAL).on("error", () => {});
  let back = "";
  socket.on("data", (chunk) => {
    back += chunk;
  });
  const closed = once(socket, "close");
  socket.write("abcdef");
  await closed;
  assert.equal(back, "abc");
  const next = connect(proxy.port, LOCAL);
  next.write("ghi");
  assert.equal(String((await once(next, "data"))[0]), "ghi");
  next.destroy();
});

test("loss pauses a piece for its retransmissions, and what follows waits behind it", async (t) => {
  const behind = await echo(t);
  // Lost twice, then never again.
  const draws = [0, 0];
  const random = (): number => draws.shift() ?? 0.99;
  await using proxy = await new FaultProxy({ to: { host: LOCAL, port: behind.port }, random }).start();
  proxy.loss(50);
  const socket = connect(proxy.port, LOCAL);
  await once(socket, "connect");
  const startMs = performance.now();
  socket.write("first");
  await until("it is drawn", () => draws.length === 0, 1000);
  socket.write("second");
  await until("both came", () => behind.bytes() === "firstsecond", 5000);
  assert.ok(performance.now() - startMs >= 600, "200 and 400 ms");
  socket.destroy();
});

test("records cut in the middle, over and over, with loss: each arrives whole, none is taken that was not", async () => {
  const taken = new Map<string, string>();
  await using server = await RawServer.start({
    onPublish: (publish) => {
      if (!publish.topic.includes("/data/")) return answerPublish(publish);
      const text = plainRecord(publish.payload as Buffer).toString();
      const { seq } = JSON.parse(text) as { seq: number };
      assert.equal(taken.get(`${seq}`) ?? text, text, "a resend is identical");
      taken.set(`${seq}`, text);
      return answerPublish(publish);
    },
  });
  const { port } = new URL(server.url);
  let draw = 0;
  const random = (): number => (draw++ % 10) / 10;
  await using proxy = await new FaultProxy({ to: { host: LOCAL, port: Number(port) }, random }).start();
  await using rig = new Rig({ url: `mqtt://${LOCAL}:${proxy.port}` });
  proxy.loss(10);
  for (let round = 0; round < 8; round++) {
    await rig.until("up", () => rig.uplink.status().state === "up", 10_000);
    const { conn } = rig.uplink.status();
    // In the middle of the next record, or of the acknowledgement of it.
    proxy.truncate(round % 2 === 0 ? 37 : 3, round % 2 === 0 ? "up" : "down");
    rig.queue.seal("t");
    await rig.until("the link ended", () => rig.uplink.status().conn > conn, 10_000);
  }
  await rig.until("all acknowledged", () => rig.queue.waiting() === 0, 20_000);
  assert.deepEqual(
    [...taken.keys()].map(Number).sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
});
