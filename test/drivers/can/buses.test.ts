import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { BusbarError, isRetryable } from "../../../core/errors.ts";
import { Logger } from "../../../core/log.ts";
import type { BusSetup, CanFrame } from "../../../drivers/can/bus.ts";
import { LogBus } from "../../../drivers/can/log.ts";
import { SimBus, simSocketPath } from "../../../drivers/can/sim.ts";
import { FIXTURES, HandClock } from "./fakes.ts";

const wanted = [{ id: 0x257, extended: false }];
function setup(label: string, over: Partial<BusSetup> = {}): BusSetup {
  const onLost = (): void => assert.fail("nothing is lost here");
  return { label, clock: new HandClock(), log: new Logger("test", () => {}), wanted, onLost, ...over };
}

const timeLimit = { timeout: 5000 };

describe("sim:<bus>, over a real unix socket", () => {
  let folder: string;
  let server: Server;
  let path: string;
  let clients: Socket[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "busbar-can-"));
    path = simSocketPath("depot", { BUSBAR_SIM_DIR: folder });
    clients = [];
    server = createServer((client) => clients.push(client));
    await new Promise<void>((resolve) => server.listen(path, resolve));
  });
  afterEach(async () => {
    for (const client of clients) client.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  });

  test("frames come over the socket with their own time, on the gateway's time base", timeLimit, async () => {
    const clock = new HandClock();
    clock.fromSystemUs = (systemUs) => systemUs + 5;
    const abort = new AbortController();
    const seen: unknown[] = [];
    server.on("connection", (client) => client.write("noise\n(1795226000.123456) sim0 1DB#0011\n"));
    const entries: unknown[] = [];
    const log = new Logger("test", ({ text, fields }) => entries.push([text, fields]));
    const bus = new SimBus(path, setup("can sim:depot", { clock, log }));
    await bus.run(({ id, data, tUs }) => {
      seen.push([id, [...data], tUs]);
      abort.abort();
    }, abort.signal);
    assert.deepEqual(seen, [[0x1db, [0, 0x11], 1_795_226_000_123_461]]);
    assert.deepEqual(entries, [["lines that are no CAN frames were discarded", { bus: "can sim:depot", lines: 1 }]]);
  });

  test("nothing is ever sent", timeLimit, async () => {
    const abort = new AbortController();
    let received = 0;
    server.on("connection", (client) => {
      client.on("data", (chunk) => (received += chunk.length));
      client.on("close", () => server.emit("client-closed"));
      client.write("(1.000000) sim0 257#00\n(1.000000) sim0 257#R\n");
    });
    const closed = new Promise((resolve) => server.once("client-closed", resolve));
    await new SimBus(path, setup("can sim:depot")).run(() => abort.abort(), abort.signal);
    await closed;
    assert.equal(received, 0);
  });

  test("the simulator's end is BUS_CLOSED, and a new run connects again", timeLimit, async () => {
    const bus = new SimBus(path, setup("can sim:depot"));
    const frames: number[] = [];
    server.on("connection", (client) => client.end("(1.000000) sim0 257#00\n"));
    for (const round of [1, 2]) {
      await assert.rejects(
        bus.run(({ id }) => frames.push(id), new AbortController().signal),
        (error) => error instanceof BusbarError && error.code === "BUS_CLOSED" && isRetryable(error),
      );
      assert.equal(frames.length, round);
    }
  });

  test("a missing socket is named, with what starts it", timeLimit, async () => {
    const absent = join(folder, "other.sock");
    await assert.rejects(
      new SimBus(absent, setup("can sim:other")).run(() => {}, new AbortController().signal),
      {
        code: "BUS_MISSING",
        message: `can sim:other: no simulated bus at ${absent}; start it with \`npm run sim\``,
      },
    );
  });

  test("a run that was stopped before it began opens nothing", timeLimit, async () => {
    await new SimBus(path, setup("can sim:depot")).run(() => assert.fail("no frame"), AbortSignal.abort());
    assert.equal(clients.length, 0);
  });

  test("the folder is the temp folder's busbar-sim unless BUSBAR_SIM_DIR names another", () => {
    assert.equal(simSocketPath("a", {}), join(tmpdir(), "busbar-sim", "a.sock"));
    assert.equal(simSocketPath("a", { BUSBAR_SIM_DIR: "/run/x" }), "/run/x/a.sock");
  });
});

describe("log:<file>", () => {
  const path = fileURLToPath(new URL("drive.candump", FIXTURES));

  test("frames come at the recorded pace, as if recorded now; then silence until the end", timeLimit, async () => {
    const clock = new HandClock();
    const real = performance.now();
    clock.monoMs = () => performance.now() - real;
    const startUs = clock.wallUs();
    const abort = new AbortController();
    const seen: { id: number; offsetMs: number; atMs: number }[] = [];
    const running = new LogBus(path, setup("can log:drive", { clock })).run(({ id, tUs }: CanFrame) => {
      seen.push({ id, offsetMs: (tUs - startUs) / 1000, atMs: clock.monoMs() });
      if (seen.length === 6) setImmediate(() => abort.abort());
    }, abort.signal);
    await running;
    // The fifth frame of the file jumps ten seconds back, as in two logs joined: it goes on from there.
    assert.deepEqual(
      seen.map(({ id, offsetMs }) => [id, offsetMs]),
      [
        [0x1db, 0],
        [0x257, 10],
        [0x18ff50e5, 20],
        [0x257, 30],
        [0x257, 30],
        [0x257, 40],
      ],
    );
    for (const { offsetMs, atMs } of seen) assert.ok(atMs >= offsetMs, `${offsetMs} ms came at ${atMs} ms`);
  });

  test("the frames' times move with a clock that jumps", timeLimit, async () => {
    const started = performance.now();
    let jumpedUs = 0;
    const clock = {
      synced: true,
      monoMs: (): number => performance.now() - started,
      wallUs: (): number => Math.floor(1_795_226_000_000_000 + (performance.now() - started) * 1000 + jumpedUs),
      fromSystemUs: (us: number): number => us,
    };
    const abort = new AbortController();
    const behindUs: number[] = [];
    await new LogBus(path, setup("can log:drive", { clock })).run(({ tUs }: CanFrame) => {
      behindUs.push(clock.wallUs() - tUs);
      jumpedUs = 3_600_000_000;
      if (behindUs.length === 6) abort.abort();
    }, abort.signal);
    for (const us of behindUs) assert.ok(us >= 0 && us < 3_000_000, `${us} us before now`);
  });

  test("it can be stopped while it waits for the next frame", timeLimit, async () => {
    const abort = new AbortController();
    await new LogBus(path, setup("can log:drive")).run(() => abort.abort(), abort.signal);
  });

  test("a missing file is BUS_MISSING", timeLimit, async () => {
    await assert.rejects(
      new LogBus("absent.candump", setup("can log:absent.candump")).run(() => {}, new AbortController().signal),
      {
        code: "BUS_MISSING",
        message: /^can log:absent\.candump: cannot be read \(ENOENT.*check the path/,
      },
    );
  });
});
