/** Our bus on real vcan interfaces, with can-utils as the other nodes. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { SystemClock } from "../../../core/clock.ts";
import { Logger } from "../../../core/log.ts";
import type { CanFrame } from "../../../drivers/can/bus.ts";
import { SocketCanBus } from "../../../drivers/can/socketcan.ts";
import type { Loss } from "../../../drivers/driver.ts";
import { until } from "../../support/wait.ts";
import { addVcan, Candump, cangen, canplayer, cansend, ip, NOT_GUEST, receiveList, SOON_MS } from "./can.ts";

const NAME = "vcan0";
/** Whether the kernel tells whose its counters are: 0, or 2 for nobody. */
const RESTRICTION = "/proc/sys/kernel/kptr_restrict";
const WANTED = [
  { id: 0x123, extended: false },
  { id: 0x124, extended: false },
  { id: 0x18fef100, extended: true },
];

/** A running bus and what came of it. */
class Listening implements AsyncDisposable {
  readonly frames: CanFrame[] = [];
  readonly losses: Loss[] = [];
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;

  private constructor() {
    const log = new Logger("test", () => undefined);
    const onLost = (loss: Loss): void => void this.losses.push(loss);
    const setup = { label: `can socketcan:${NAME}`, clock: new SystemClock(), log, wanted: WANTED, onLost };
    const bus = new SocketCanBus(NAME, setup);
    this.#running = bus.run((frame) => this.frames.push({ ...frame }), this.#abort.signal);
  }

  /** Resolves when the kernel has its filters. */
  static async start(): Promise<Listening> {
    const listening = new Listening();
    const filters = (): boolean => receiveList("sff", NAME).length === 2 && receiveList("eff", NAME).length === 1;
    await until("the filters are set", filters, SOON_MS);
    return listening;
  }

  /** As candump writes them. */
  texts(): string[] {
    return this.frames.map(({ id, extended, fd, remote, error, data }) => {
      const name = id.toString(16).padStart(extended ? 8 : 3, "0");
      return `${error ? "error " : ""}${name}${fd ? "##" : "#"}${remote ? "R" : Buffer.from(data).toString("hex")}`;
    });
  }

  get lost(): number {
    return this.losses.reduce((sum, { frames }) => sum + frames, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }
}

describe("SocketCanBus on a real interface", { skip: NOT_GUEST, timeout: 120_000 }, () => {
  beforeEach(() => addVcan(NAME));
  afterEach(() => ip("del", NAME));

  test("frames of either id length and FD frames arrive with the stamp that candump gets", async () => {
    await using dump = await Candump.start(NAME);
    await using bus = await Listening.start();
    await cansend(
      NAME,
      "123#",
      "123#1122",
      "124#0102030405060708",
      "18FEF100#FF",
      "18FEF100##10102030405060708090A0B0C",
    );
    await until("five frames", () => bus.frames.length === 5 && dump.lines().length === 5, SOON_MS);
    assert.deepEqual(bus.texts(), [
      "123#",
      "123#1122",
      "124#0102030405060708",
      "18fef100#ff",
      "18fef100##0102030405060708090a0b0c",
    ]);
    const stamps = dump.lines().map(({ tUs }) => tUs);
    const ours = bus.frames.map(({ tUs }) => tUs);
    assert.deepEqual(ours.slice(1), stamps.slice(1));
    // The kernel keeps stamps from the second frame on (see FrameReader): the first has the time of reading.
    assert.ok(ours[0]! >= stamps[0]! && ours[0]! < stamps[1]!, `${ours[0]} for ${stamps[0]}`);
  });

  test("the first frame, when it has waited for us, is not later than the one behind it", async () => {
    await using dump = await Candump.start(NAME);
    await using bus = await Listening.start();
    for (const frame of ["123#01", "123#02"]) execFileSync("cansend", [NAME, frame]);
    await until("both frames", () => bus.frames.length === 2 && dump.lines().length === 2, SOON_MS);
    const [first, second] = bus.frames.map(({ tUs }) => tUs);
    assert.equal(second, dump.lines()[1]!.tUs);
    assert.equal(first, second);
  });

  test("the kernel has exactly the wanted ids as filters; nothing else reaches us", async () => {
    await using bus = await Listening.start();
    const filters = [...receiveList("sff", NAME), ...receiveList("eff", NAME)].map(([id, mask]) => [id, mask]);
    assert.deepEqual(filters, [
      ["123", "c00007ff"],
      ["124", "c00007ff"],
      ["98fef100", "dfffffff"],
    ]);
    // Another id, the same number in the other format, remote frames, and one of ours at the end.
    await cansend(NAME, "125#00", "00000123#00", "123#R", "18FEF100#R", "124#07");
    await until("the last frame", () => bus.frames.length > 0, SOON_MS);
    assert.deepEqual(bus.texts(), ["124#07"]);
  });

  test("error frames come marked as such", async () => {
    await using bus = await Listening.start();
    await cansend(NAME, "20000040#0000000000000000", "20000004#0004000000000000", "123#01");
    await until("three frames", () => bus.frames.length === 3, SOON_MS);
    assert.deepEqual(bus.texts(), ["error 040#0000000000000000", "error 004#0004000000000000", "123#01"]);
  });

  test("a log that canplayer plays arrives whole and in order", async () => {
    const dir = mkdtempSync(join(tmpdir(), "busbar-vm-"));
    const numbers = Array.from({ length: 300 }, (_, index) => index.toString(16).padStart(4, "0"));
    const lines = numbers.map(
      (data, index) => `(1795226000.${String(index * 3000).padStart(6, "0")}) sim0 123#${data}`,
    );
    writeFileSync(join(dir, "drive.log"), `${lines.join("\n")}\n`);
    await using bus = await Listening.start();
    await canplayer(NAME, join(dir, "drive.log"));
    await until("the last frame", () => bus.texts().at(-1) === `123#${numbers.at(-1)}`, SOON_MS);
    assert.deepEqual(
      bus.texts(),
      numbers.map((data) => `123#${data}`),
    );
    assert.equal(bus.lost, 0);
    rmSync(dir, { recursive: true });
  });

  for (const [owners, restriction] of [
    ["shown", "0"],
    ["hidden", "2"],
  ] as const) {
    test(`frames that the kernel drops while our thread is busy are counted to the last one, owners ${owners}`, async () => {
      const sent = 3000;
      const before = readFileSync(RESTRICTION, "utf8");
      writeFileSync(RESTRICTION, restriction);
      try {
        await using bus = await Listening.start();
        const fromMs = performance.now();
        // Blocks our own event loop, as a busy field thread would; the socket's queue holds some 280 frames.
        execFileSync("cangen", [NAME, "-g", "0", "-n", String(sent), "-I", "123", "-L", "8"]);
        const blockedUntilMs = performance.now();
        await until("received and lost frames are all", () => bus.frames.length + bus.lost === sent, SOON_MS);
        assert.ok(bus.lost > 0);
        const [first, last] = [bus.losses[0]!, bus.losses.at(-1)!];
        assert.ok(
          first.fromMs <= fromMs && last.toMs >= blockedUntilMs,
          JSON.stringify({ fromMs, blockedUntilMs, first }),
        );
        assert.match(first.why, /^the kernel's receive queue was full; raise net\.core\.rmem_default/);
      } finally {
        writeFileSync(RESTRICTION, before);
      }
    });
  }

  test("under a bus load beyond all measure no frame goes unaccounted", async () => {
    const sent = 10_000;
    await using bus = await Listening.start();
    await cangen(NAME, "-g", "0", "-n", String(sent), "-I", "124", "-L", "8");
    const matched = receiveList("sff", NAME)
      .find(([id]) => id === "124")
      ?.at(4);
    assert.equal(matched, String(sent));
    await until("received and lost frames are all", () => bus.frames.length + bus.lost === sent, SOON_MS);
  });

  test("a bus that was stopped leaves no filter behind that matches frames", async () => {
    {
      await using bus = await Listening.start();
      assert.deepEqual(bus.frames, []);
    }
    await cansend(NAME, "123#01", "18FEF100#01", "20000040#0000000000000000");
    const lists = ["all", "fil", "inv", "sff", "eff", "err"].flatMap((list) => receiveList(list, NAME));
    assert.deepEqual(
      lists.filter(([, , , , matches]) => matches !== "0"),
      [],
    );
  });
});
