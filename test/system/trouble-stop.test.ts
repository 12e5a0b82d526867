/** Being told to stop, wrong configurations, taken ports, and what the log looks like to whom. */
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { startBlackHole } from "../support/black-hole.ts";
import { GatewayProcess } from "../support/gateway-process.ts";
import { startTrial, type Trial } from "../support/trial.ts";
import { freePort, until } from "../support/wait.ts";

const MAIN = fileURLToPath(new URL("../../daemon/cli/main.ts", import.meta.url));
const STOP_MS = 15_000;
/** Nobody listens on the discard port. */
const NOWHERE = { url: "mqtt://127.0.0.1:9" };
const NO_BUS = [
  { id: "bus", driver: "can", interface: "sim:none", devices: [{ id: "van-7", profile: "busbar-sim-van" }] },
];

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "busbar-trouble-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Signals it once or twice and demands exit code 0 in time. */
async function stops(gateway: GatewayProcess, signal: NodeJS.Signals, times: 1 | 2): Promise<void> {
  const startedMs = performance.now();
  const before = gateway.stderr.length;
  const ended = gateway.end(signal);
  if (times === 2) {
    await until("it has begun to stop", () => gateway.stderr.includes('"stopping"', before), 5000);
    process.kill(gateway.pid, signal);
  }
  assert.equal(await ended, 0, gateway.stderr.slice(-1000));
  assert.ok(performance.now() - startedMs < STOP_MS, `${performance.now() - startedMs} ms`);
}

/** All sources of the depot have been read, and some more besides. */
async function traffic({ gateway }: Trial): Promise<void> {
  const busy = async (): Promise<boolean> => {
    const sources = (await gateway.snapshot())?.sources.filter(({ id }) => id !== "black-hole") ?? [];
    return sources.length === 4 && sources.every(({ batches }) => batches > 3);
  };
  await until("traffic", busy, 15_000);
}

/** Something that listens and says nothing; `release` frees the port. */
async function squat(): Promise<{ port: number; release: () => Promise<void> } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const release = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { port, release, [Symbol.asyncDispose]: release };
}

describe("stopping and starting in trouble", { concurrency: true }, () => {
  test("SIGTERM and SIGINT, once and twice, broker down, a bus that hangs: exit 0, and all that was served arrives", async () => {
    await using hole = await startBlackHole();
    const devices = [{ id: "wallbox-8", unit: 1, profile: "abb-terra-ac" }];
    const tcp = { host: "127.0.0.1", port: hole.port };
    await using trial = await startTrial("the stand-in cloud", {
      uplink: { publish_interval: "1 s" },
      store: { commit_interval: "30 s" },
      moreSources: () => [{ id: "black-hole", driver: "modbus", tcp, devices }],
    });
    const { gateway, broker, sim } = trial;
    await traffic(trial);
    await stops(gateway, "SIGTERM", 1);

    await gateway.start();
    await broker.kill();
    await traffic(trial);
    await sim.command("cut", "rs485");
    await stops(gateway, "SIGTERM", 2);
    await sim.command("restore", "rs485");

    await gateway.start();
    await traffic(trial);
    await stops(gateway, "SIGINT", 2);

    await broker.start();
    await gateway.start();
    await traffic(trial);
    const verdict = await trial.conclude();
    assert.deepEqual(verdict.violations, []);
    assert.deepEqual(verdict.gaps, []);
    for (const line of gateway.stderr.trimEnd().split("\n")) {
      const { ts, level, part, msg } = JSON.parse(line) as Record<string, string>;
      assert.ok(Date.parse(ts ?? "") > 0 && level && part && msg, line);
    }
  });

  test("SIGTERM while nothing can be written: exit 0, and the log tells the loss", async (t) => {
    const dir = folder(t);
    writeFileSync(join(dir, "blocker"), "");
    await using gateway = new GatewayProcess({
      dir,
      sources: NO_BUS,
      uplink: NOWHERE,
      store: { path: join(dir, "blocker", "outbox.db") },
    });
    await gateway.start();
    await stops(gateway, "SIGTERM", 1);
    assert.match(gateway.stderr, /"level":"error".*could not be written: what was in memory is lost/);
  });

  test("ports in use: start-up goes on, the remedy is told, the ports are taken over once free", async (t) => {
    await using mqttSquatter = await squat();
    await using httpSquatter = await squat();
    const local = { mqttPort: mqttSquatter.port, httpPort: httpSquatter.port };
    await using gateway = new GatewayProcess({ dir: folder(t), sources: NO_BUS, uplink: NOWHERE, local });
    const started = gateway.start(40_000);
    const taken = (key: string, port: number): string => {
      return `port ${port} on 127.0.0.1 is in use by another program; stop it or set local.${key}.listen`;
    };
    await until(
      "both are logged",
      () =>
        gateway.stderr.includes(taken("mqtt", local.mqttPort)) &&
        gateway.stderr.includes(taken("http", local.httpPort)),
      10_000,
    );
    await until("the gateway runs all the same", () => gateway.stderr.includes('"running"'), 10_000);
    await httpSquatter.release();
    await started;
    assert.deepEqual((await gateway.snapshot())?.problems, [taken("mqtt", local.mqttPort)]);
    await mqttSquatter.release();
    await until("no problem is left", async () => (await gateway.snapshot())?.problems.length === 0, 15_000);
    assert.equal(await gateway.end("SIGTERM"), 0);
  });

  test("a wrong file: run and check end with 78, every error with its line, and nothing is opened", async (t) => {
    const dir = folder(t);
    const file = join(dir, "wrong.yaml");
    const httpPort = await freePort();
    const lines = [
      "version: 1",
      "gateway: { id: Not-Allowed }",
      "uplink: { url: http://broker.example.com }",
      `store: { path: ${join(dir, "data", "outbox.db")}, commit_interval: 1 ms }`,
      `local: { http: { listen: "127.0.0.1:${httpPort}" } }`,
      "sources:",
      "  - id: one",
      "    driver: can",
      "    interface: socketcan:can0",
      "    devices: [ { id: van-7, profile: nissan-leav } ]",
      "  - id: one",
      "    driver: modbus",
      "    tcp: { host: 127.0.0.1, port: 70000 }",
      "    devices: [ { id: m, unit: 300, profile: eastron-sdm630, speed: 5 } ]",
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    for (const verb of ["run", "check"]) {
      const { code, err } = await busbar(verb, "--config", file);
      assert.equal(code, 78, err);
      const found = err
        .trimEnd()
        .split("\n")
        .map((text) => /^(.*):(\d+): ([a-z_]+[\w.[\]]*): (.+)$/.exec(text) ?? assert.fail(text));
      assert.ok(found.every((match) => match[1] === file));
      const numbers = new Set(found.map((match) => Number(match[2])));
      for (const line of [2, 3, 4, 10, 11, 13, 14]) assert.ok(numbers.has(line), `${verb}: line ${line}\n${err}`);
    }
    assert.equal(existsSync(join(dir, "data")), false, "no outbox was made");
  });

  test("on a terminal the log is text, and Ctrl-C ends it in order", {
    skip: spawnSync("script", ["--version"]).status !== 0 && "script is not installed (apt-get install bsdutils)",
  }, async (t) => {
    const dir = folder(t);
    const file = join(dir, "site.yaml");
    const listen = async () => ({ listen: `127.0.0.1:${await freePort()}` });
    writeFileSync(
      file,
      stringify({
        version: 1,
        gateway: { id: "on-a-terminal" },
        uplink: NOWHERE,
        store: { path: join(dir, "outbox.db") },
        fast_path: { to: [] },
        local: { mqtt: await listen(), http: await listen() },
        sources: NO_BUS,
      }),
    );
    const { JOURNAL_STREAM: _, ...env } = process.env;
    // exec: a shell that waits beside the gateway would be ended by the same Ctrl-C.
    const command = `exec ${process.execPath} ${MAIN} run --config ${file}`;
    const terminal = spawn("script", ["-qec", command, "/dev/null"], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...env, BUSBAR_SIM_DIR: dir },
    });
    t.after(() => terminal.kill("SIGKILL"));
    let shown = "";
    terminal.stdout.on("data", (chunk: Buffer) => {
      shown += chunk.toString();
    });
    await until("the trouble is shown", () => shown.includes("no simulated bus"), 10_000);
    const exited = once(terminal, "exit");
    terminal.stdin.write("\x03");
    const [code] = (await exited) as [number | null];
    assert.equal(code, 0, shown);
    assert.match(shown, /^\d\d:\d\d:\d\d\.\d{3} info {2}daemon {2}running {2}sources=1/m);
    assert.match(shown, /\d\d:\d\d:\d\d\.\d{3} warn {2}bus {2}can sim:none: no simulated bus at .*; start it/);
    assert.match(shown, /info {2}daemon {2}stopping/);
    assert.doesNotMatch(shown, /\{"ts"/);
  });
});

function busbar(...args: string[]): Promise<{ code: number; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, _out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), err });
    });
  });
}
