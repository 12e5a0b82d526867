import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { Logger } from "../../../core/log.ts";
import type { CanFrame } from "../../../drivers/can/bus.ts";
import { SocketCanBus } from "../../../drivers/can/socketcan.ts";
import type { Addon, Message } from "../../../drivers/can/socketcan-addon.ts";
import type { Loss } from "../../../drivers/driver.ts";
import { HandClock } from "./fakes.ts";

const wanted = [
  { id: 0x257, extended: false },
  { id: 0x18fef100, extended: true },
];
const setup = (name: string) => ({
  label: `can socketcan:${name}`,
  clock: new HandClock(),
  log: new Logger("test", () => {}),
  wanted,
  onLost: (loss: Loss) => void losses.push(loss),
});
let losses: Loss[] = [];
beforeEach(() => {
  losses = [];
});
const forever = new AbortController().signal;

describe("the real addon: only its errors, because frames need AF_CAN, which this machine may lack", () => {
  test("an interface that is not there is named, with the command that shows it", async () => {
    await assert.rejects(
      new SocketCanBus("nocan9", setup("nocan9")).run(() => {}, forever),
      {
        code: "BUS_MISSING",
        message: /^can socketcan:nocan9: .*; (see `ip link show nocan9`|install g\+\+)/,
      },
    );
  });
});

/** Does what native/can.cc 4.3.1 does to its caller, without a kernel. */
class FakeChannel {
  readonly log: unknown[] = [];
  onMessage: (message: Message) => void = () => {};
  onStopped: () => void = () => {};
  addListener(event: string, callback: (message: Message) => void): void {
    if (event === "onMessage") this.onMessage = callback;
    else this.onStopped = callback as () => void;
  }
  start(): void {
    this.log.push("start");
  }
  stop(): void {
    this.log.push("stop");
  }
  setRxFilters(filters: unknown): void {
    this.log.push(filters);
  }
  setErrorFilters(mask: number): void {
    this.log.push({ errors: mask });
  }
}

describe("a stand-in for the addon and the interface, in a folder", { timeout: 5000 }, () => {
  let interfaces: string;
  let channel: FakeChannel;
  beforeEach(async () => {
    interfaces = await mkdtemp(join(tmpdir(), "busbar-net-"));
    channel = new FakeChannel();
    await mkdir(join(interfaces, "can0"));
    await writeFile(join(interfaces, "can0", "type"), "280\n");
    await writeFile(join(interfaces, "can0", "flags"), "0x40081\n");
  });
  afterEach(() => rm(interfaces, { recursive: true }));

  const addon: Addon = { createRawChannel: () => channel };
  const bus = (load = async () => addon, name = "can0") =>
    new SocketCanBus(name, setup(name), {
      load,
      interfaces,
      counters: interfaces,
      pollMs: 10,
    });
  async function started(): Promise<void> {
    while (!channel.log.includes("start")) await new Promise((resolve) => setImmediate(resolve));
  }

  test("an addon that was not compiled is named, with what it takes", async () => {
    await assert.rejects(
      bus(() => Promise.reject(new Error("no such module"))).run(() => {}, forever),
      {
        code: "BUS_MISSING",
        message:
          "can socketcan:can0: the socketcan addon is not installed; install g++, make and python3, then run npm ci again",
      },
    );
  });

  test("an interface that is down, or of another kind, is not opened", async () => {
    await writeFile(join(interfaces, "can0", "flags"), "0x40080\n");
    const message = /^can socketcan:can0: the interface is down; bring it up: `ip link set can0 up type can/;
    await assert.rejects(
      bus().run(() => {}, forever),
      { code: "BUS_CLOSED", message },
    );
    await writeFile(join(interfaces, "can0", "type"), "1\n");
    await assert.rejects(
      bus().run(() => {}, forever),
      { code: "BUS_MISSING", message: /this is no CAN interface/ },
    );
    assert.deepEqual(channel.log, []);
  });

  test("an addon that cannot open the channel: the kernel or the permission is named", async () => {
    const load = async (): Promise<Addon> => ({
      createRawChannel: () => {
        throw new Error("Error while creating channel");
      },
    });
    const message = existsSync("/proc/net/can") ? /cannot be opened; see `ip -details/ : /no CAN \(AF_CAN\); load/;
    await assert.rejects(
      bus(load).run(() => {}, forever),
      { code: "BUS_MISSING", message },
    );
  });

  test("frames keep the kernel's stamp, error frames their mark, and filters are exactly the wanted ids", async () => {
    const abort = new AbortController();
    const seen: CanFrame[] = [];
    const running = bus().run((frame) => seen.push({ ...frame }), abort.signal);
    await started();
    // linux/can.h: CAN_EFF_FLAG 0x80000000, CAN_RTR_FLAG 0x40000000, CAN_SFF_MASK 0x7FF, CAN_EFF_MASK 0x1FFFFFFF.
    assert.deepEqual(channel.log, [
      [
        { id: 0x257, mask: 0xc00007ff },
        { id: 0x98fef100, mask: 0xdfffffff },
      ],
      "start",
    ]);
    const data = Buffer.from([1, 2]);
    channel.onMessage({ id: 0x257, data, ts_sec: 1_795_226_000, ts_usec: 123_456 });
    channel.onMessage({ id: 4, err: true, data, ts_sec: 1_795_226_001, ts_usec: 0 });
    channel.onMessage({ id: 0x18fef100, ext: true, rtr: true, data: Buffer.alloc(12) });
    abort.abort();
    await running;
    const plain = { extended: false, fd: false, remote: false, error: false, data };
    assert.deepEqual(seen, [
      { ...plain, id: 0x257, tUs: 1_795_226_000_123_456 },
      { ...plain, id: 4, error: true, tUs: 1_795_226_001_000_000 },
      // Without a stamp the time is that of reading it.
      {
        id: 0x18fef100,
        extended: true,
        remote: true,
        error: false,
        fd: true,
        data: Buffer.alloc(12),
        tUs: 1_795_226_001_000_000,
      },
    ]);
    assert.equal(channel.log.at(-1), "stop");
  });

  test("a stopped channel, whose socket lives on until it is collected, matches nothing any more", async () => {
    const abort = new AbortController();
    const running = bus().run(() => {}, abort.signal);
    await started();
    abort.abort();
    await running;
    // A remote frame with the last 29-bit id: CAN_EFF_FLAG, CAN_RTR_FLAG, CAN_EFF_MASK.
    assert.deepEqual(channel.log.slice(-3), [[{ id: 0xdfffffff, mask: 0xdfffffff }], { errors: 0 }, "stop"]);
  });

  test("the first frame, which the kernel stamps when it is read, is not later than the next that waited with it", async () => {
    const abort = new AbortController();
    const seen: number[] = [];
    const running = bus().run(({ tUs }) => seen.push(tUs), abort.signal);
    await started();
    const data = Buffer.alloc(1);
    channel.onMessage({ id: 0x257, data, ts_sec: 1000, ts_usec: 700_000 });
    channel.onMessage({ id: 0x257, data, ts_sec: 1000, ts_usec: 100_000 });
    channel.onMessage({ id: 0x257, data, ts_sec: 1000, ts_usec: 200_000 });
    assert.deepEqual(seen, [1_000_100_000, 1_000_100_000, 1_000_200_000]);
    abort.abort();
    await running;
  });

  test("a first frame that comes alone is handed over at once", async () => {
    const abort = new AbortController();
    const arrived = Promise.withResolvers<number>();
    const running = bus().run(({ tUs }) => arrived.resolve(tUs), abort.signal);
    await started();
    channel.onMessage({ id: 0x257, data: Buffer.alloc(1), ts_sec: 1000, ts_usec: 700_000 });
    assert.equal(await arrived.promise, 1_000_700_000);
    abort.abort();
    await running;
  });

  for (const [what, fault, message] of [
    [
      "goes down",
      () => writeFile(join(interfaces, "can0", "flags"), "0x40080\n"),
      /the interface went down; bring it up/,
    ],
    ["vanishes", () => rm(join(interfaces, "can0"), { recursive: true }), /the interface was removed; plug/],
    ["is stopped by the addon", async () => channel.onStopped(), /the interface was removed; plug/],
  ] as const) {
    test(`an interface that ${what} ends the run, and the channel is stopped`, async () => {
      const running = bus().run(() => {}, forever);
      const rejected = assert.rejects(running, { code: "BUS_CLOSED", message });
      await started();
      await fault();
      await rejected;
      assert.equal(channel.log.at(-1), "stop");
    });
  }

  test("what the kernel has dropped is told as it is found, and what is known by then when the run ends", async () => {
    const abort = new AbortController();
    const matched = async (count: number): Promise<void> => {
      const head = "  device   can_id   can_mask      function          userdata       matches  ident";
      const entry = `    can0     257    c00007ff  00000000b4d8833c  0000000073ef144a  ${count}  raw`;
      for (const list of ["all", "fil", "inv", "eff", "err"]) await writeFile(join(interfaces, `rcvlist_${list}`), "");
      await writeFile(join(interfaces, "rcvlist_sff"), [head, entry, ""].join("\n"));
    };
    await matched(0);
    const running = bus().run(() => {}, abort.signal);
    await started();
    await matched(5);
    while (losses.length === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    await running;
    assert.deepEqual(
      losses.map(({ frames }) => frames),
      [5],
    );
  });

  test("an exception over a frame ends the run instead of the process", async () => {
    const running = bus().run(() => {
      throw new Error("broken");
    }, forever);
    const rejected = assert.rejects(running, { message: "broken" });
    await started();
    channel.onMessage({ id: 1, data: Buffer.alloc(0) });
    await rejected;
  });
});
