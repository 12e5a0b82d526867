/** The simulator as a process: its pseudo terminal, its end, and the command line that talks to it. */
import assert from "node:assert/strict";
import { type ChildProcessByStdio, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { SerialPort } from "serialport";
import { hex, RawClient, readLedger, until } from "../hw-sim/raw-client.ts";

const path = (file: string): string => new URL(`../../${file}`, import.meta.url).pathname;
const noSocat = spawnSync("socat", ["-V"]).status === 0 ? false : "socat is not installed (apt-get install socat)";

type Child = ChildProcessByStdio<null, Readable, Readable>;
interface Ready {
  sources: { id: string; rtu?: { port: string }; tcp?: { host: string; port: number } }[];
  control: string;
}

class SimProcess implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "busbar-sim-process-"));
  readonly ledger = join(this.dir, "ledger.jsonl");
  readonly child: Child;
  said = "";
  complained = "";

  constructor(...more: string[]) {
    const args = [
      "--scenario",
      path("hw-sim/scenarios/depot.yaml"),
      "--ledger",
      this.ledger,
      "--dir",
      this.dir,
      ...more,
    ];
    const { BUSBAR_SIM_DIR: _, ...env } = process.env;
    this.child = spawn(process.execPath, [path("hw-sim/main.ts"), ...args], { stdio: ["ignore", "pipe", "pipe"], env });
    this.child.stdout.on("data", (bytes) => {
      this.said += bytes;
    });
    this.child.stderr.on("data", (bytes) => {
      this.complained += bytes;
    });
  }

  async ready(): Promise<Ready> {
    await until("the ready line", () => this.said.includes("\n") || this.child.exitCode !== null, 15_000);
    assert.ok(this.said.includes("\n"), `it ended: ${this.complained}`);
    return (JSON.parse(this.said) as { ready: Ready }).ready;
  }

  /** Exit code or signal, and how long it took. */
  async end(signal: NodeJS.Signals): Promise<{ code: number | null; tookMs: number }> {
    const started = performance.now();
    const ended = once(this.child, "exit");
    this.child.kill(signal);
    const [code] = (await ended) as [number | null];
    return { code, tookMs: performance.now() - started };
  }

  /** socat processes that hold this simulator's terminal. */
  socats(): string[] {
    return readdirSync("/proc").filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(`link=${this.dir}`);
      } catch {
        return false;
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.end("SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }
}

async function openSerial(port: string): Promise<SerialPort> {
  const serial = new SerialPort({
    path: port,
    baudRate: 19_200,
    parity: "even",
    dataBits: 8,
    stopBits: 1,
    autoOpen: false,
  });
  await new Promise<void>((resolve, reject) => serial.open((error) => (error ? reject(error) : resolve())));
  return serial;
}

async function askSerial(serial: SerialPort, request: string, replyBytes: number): Promise<Buffer> {
  let received = Buffer.alloc(0);
  const take = (bytes: Buffer): void => {
    received = Buffer.concat([received, bytes]);
  };
  serial.on("data", take);
  serial.write(hex(request));
  await until("reply over the terminal", () => received.length >= replyBytes);
  serial.off("data", take);
  return received;
}

const READ_ENERGY_CONTROL = "01 04 0005 000E 61CF";

test("a pseudo terminal serves like a UART, again after it was closed, and after it was pulled", {
  skip: noSocat,
}, async () => {
  await using sim = new SimProcess();
  const { sources, control } = await sim.ready();
  const port = sources.find(({ id }) => id === "rs485")!.rtu!.port;
  for (let round = 0; round < 2; round++) {
    const serial = await openSerial(port);
    const reply = await askSerial(serial, READ_ENERGY_CONTROL, 33);
    assert.equal(reply.subarray(0, 3).toString("hex"), "01041c");
    assert.ok(reply.readUInt16BE(13) > 200 && reply.readUInt16BE(13) < 250, "volts");
    await new Promise((resolve) => serial.close(resolve));
  }
  await fetch(`${control}/unplug/rs485`, { method: "POST" });
  assert.equal(existsSync(port), false);
  assert.deepEqual(sim.socats(), []);
  await fetch(`${control}/plug/rs485`, { method: "POST" });
  const [socat] = sim.socats();
  process.kill(Number(socat), "SIGKILL");
  await until("socat started again", () => existsSync(port) && sim.socats().some((pid) => pid !== socat));
  const serial = await openSerial(port);
  await askSerial(serial, READ_ENERGY_CONTROL, 33);
  await new Promise((resolve) => serial.close(resolve));
});

test("SIGTERM ends it within 2 s, with every line in the ledger and nothing left behind", async () => {
  await using sim = new SimProcess();
  const { sources } = await sim.ready();
  using client = await RawClient.to(sources.find(({ id }) => id === "lan-1")!.tcp!);
  using bus = await RawClient.to(join(sim.dir, "depot.sock"));
  let replies = 0;
  for (let ask = 0; ask < 50; ask++) {
    await client.ask("0007 0000 0006 01 03 4000 0020", 73);
    replies++;
  }
  const { code, tookMs } = await sim.end("SIGTERM");
  assert.equal(code, 0, sim.complained);
  assert.ok(tookMs < 2000, `${tookMs} ms`);
  await until("end of the bus", () => bus.closed);
  const ledger = readLedger(sim.ledger);
  assert.equal(ledger.filter(({ asset }) => asset === "wallbox-1").length, replies);
  const frames = bus.received.toString("latin1").split("\n").length - 1;
  assert.equal(ledger.filter(({ asset }) => asset === "van-7").length, frames);
  assert.deepEqual(sim.socats(), []);
  assert.deepEqual(readdirSync(sim.dir), ["ledger.jsonl"]);
});

test("a killed simulator leaves no socat, and the next one starts in its folder", { skip: noSocat }, async () => {
  await using sim = new SimProcess();
  await sim.ready();
  assert.equal(sim.socats().length, 1);
  await sim.end("SIGKILL");
  await until("socat gone", () => sim.socats().length === 0);
  assert.ok(existsSync(join(sim.dir, "depot.sock")), "the killed one's socket file is still there");
  await using next = new SimProcess("--dir", sim.dir);
  await next.ready();
});

test("the command line talks to the running simulator, and says what is wrong", async () => {
  await using sim = new SimProcess("--no-pty");
  await sim.ready();
  const run = (simDir: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    return new Promise((resolve) => {
      const env = { ...process.env, BUSBAR_SIM_DIR: simDir };
      const child = execFile(process.execPath, [path("hw-sim/cli.ts"), ...args], { env }, (_error, out, err) => {
        resolve({ code: child.exitCode ?? -1, out, err });
      });
    });
  };
  assert.deepEqual(await run(sim.dir, "cut", "wallbox-1"), { code: 0, out: "done\n", err: "" });
  const [state, unknown, usage, absent] = await Promise.all([
    run(sim.dir, "state"),
    run(sim.dir, "cut", "nobody"),
    run(sim.dir, "cut"),
    run("/nowhere", "cut", "wallbox-1"),
  ]);
  assert.deepEqual((JSON.parse(state.out) as { assets: { faults: string[] }[] }).assets[0]!.faults, ["cut"]);
  assert.deepEqual(
    [unknown.code, unknown.err.startsWith("nobody is no device or line of this site; allowed: ")],
    [1, true],
  );
  assert.deepEqual([usage.code, usage.err.startsWith("cut needs one device or line\n")], [64, true]);
  assert.deepEqual([absent.code, absent.err.startsWith("no simulator is running here; start one with ")], [69, true]);
});
