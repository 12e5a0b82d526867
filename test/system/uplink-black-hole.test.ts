/**
 * Outages that swallow packets: nothing is refused, nothing is reset. The way to the broker leads through a process that
 * is stopped (SIGSTOP) with a full accept queue: the kernel drops SYNs, and takes bytes of open connections unread.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RawServer } from "../store-forward/uplink/raw-server.ts";
import { Rig, soon } from "../store-forward/uplink/rig.ts";
import { until } from "../support/wait.ts";

const RELAY = `
const net = require("node:net");
const server = net.createServer((client) => {
  const broker = net.connect(Number(process.argv[1]), "127.0.0.1");
  for (const [from, to] of [[client, broker], [broker, client]]) {
    from.on("data", (chunk) => to.write(chunk)).on("close", () => to.destroy()).on("error", () => {});
  }
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(server.address().port));
`;
/** The kernel takes one more than the backlog. */
const FILLERS = 4;

class Path implements AsyncDisposable {
  readonly port: number;
  readonly #relay: ChildProcess;
  #fillers: Socket[] = [];

  private constructor(relay: ChildProcess, port: number) {
    this.#relay = relay;
    this.port = port;
  }

  static async to(url: string): Promise<Path> {
    const relay = spawn(process.execPath, ["-e", RELAY, new URL(url).port], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(relay.stdout!, "data")) as [Buffer];
    return new Path(relay, Number(line.toString()));
  }

  async swallow(): Promise<void> {
    this.#relay.kill("SIGSTOP");
    this.#fillers = Array.from({ length: FILLERS }, () => connect(this.port, "127.0.0.1").on("error", () => {}));
    await until("the accept queue fills", () => this.#fillers.some((socket) => !socket.connecting), 5000);
  }

  restore(): void {
    for (const socket of this.#fillers) socket.destroy();
    this.#relay.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#fillers) socket.destroy();
    const exited = once(this.#relay, "exit");
    this.#relay.kill("SIGKILL");
    await exited;
  }
}

const ATTEMPTS = [
  // Milliseconds after the link was given up. Linux repeats a SYN after 1, 3, 7 s; newer kernels after 1, 2, 3, 4, 6, 10 s.
  { name: "short", outageMs: 3400 },
  { name: "longer", outageMs: 7400 },
];

for (const { name, outageMs } of ATTEMPTS) {
  test(`records flow within two seconds of a swallowed path's return (${name})`, { timeout: 60_000 }, async () => {
    await using server = await RawServer.start();
    await using path = await Path.to(server.url);
    const timing = { stallMs: 300, backoffFirstMs: 250, backoffMaxMs: 1500, connectTimeoutMs: 10_000, heldMs: 10_000 };
    await using rig = new Rig({ url: `mqtt://127.0.0.1:${path.port}`, uplink: { timing } });
    await rig.up();
    await path.swallow();
    rig.queue.seal("t");
    await rig.until("the stall is seen", () => rig.uplink.status().state === "stalled");
    await sleep(outageMs);
    assert.equal(rig.uplink.status().state, "stalled", "one attempt waits all the while");
    const backMs = performance.now();
    path.restore();
    await soon("the record is acknowledged", () => rig.queue.waiting() === 0, 15_000);
    const flowsAfterMs = Math.round(performance.now() - backMs);
    assert.ok(flowsAfterMs < 2000, `records flowed ${flowsAfterMs} ms after the path's return`);
    assert.equal(rig.uplink.status().state, "up");
  });
}
