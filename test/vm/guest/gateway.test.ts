/** A real gateway on real interfaces: what happens to them is told, heals by itself, and nothing is ever sent. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { Logger } from "../../../core/log.ts";
import { parseRecord, plainRecord } from "../../../core/record.ts";
import type { SourceStatus } from "../../../daemon/status/protocol.ts";
import { type Cloud, startCloud } from "../../../hw-sim/cloud.ts";
import { readCloudLog } from "../../support/broker.ts";
import { GatewayProcess } from "../../support/gateway-process.ts";
import { judge } from "../../support/oracle.ts";
import { drained } from "../../support/trial.ts";
import { until } from "../../support/wait.ts";
import { addVcan, Candump, canplayer, cansend, ip, NOT_GUEST, receiveList, SOON_MS } from "./can.ts";
import { SPOILT, servedOf, type VanLog, vanLog, vanSource } from "./van-log.ts";

const TOLD_WITHIN_MS = 2000;
/** Under TCG, on a busy machine. */
const START_MS = 60_000;
const DRIVE_MS = 5000;
/** `busy` is there all the time, `late` comes and goes. */
const [BUSY, LATE] = ["vcan1", "vcan2"];

describe("the gateway on real interfaces", { skip: NOT_GUEST, timeout: 180_000 }, () => {
  let dir: string;
  let drive: VanLog;
  let cloud: Cloud;
  let cloudLog: string;
  let gateway: GatewayProcess;
  let dump: Candump;
  let pid: number;
  /** What we have put on the bus that is there all the time. */
  const sent: string[] = [];
  /** When the other interface was taken away; what the cloud must have been told of it. */
  const faults: { readonly ts: number; readonly text: RegExp }[] = [];

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "busbar-vm-"));
    drive = vanLog(DRIVE_MS);
    addVcan(BUSY);
    dump = await Candump.start(BUSY);
    cloudLog = join(dir, "cloud.jsonl");
    cloud = await startCloud({ host: "127.0.0.1", port: 0, logPath: cloudLog, log: new Logger("cloud", () => {}) });
    const sources = [vanSource("busy", BUSY, "van-7"), vanSource("late", LATE, "van-9")];
    gateway = new GatewayProcess({ dir, sources, uplink: { url: cloud.url } });
    await gateway.start(START_MS);
    pid = gateway.pid;
  });
  after(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await dump?.[Symbol.asyncDispose]();
    await cloud?.[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  });

  // The guest's files go with it.
  afterEach(async (t) => {
    if (!("passed" in t) || t.passed) return;
    t.diagnostic(`the gateway's log:\n${gateway.stderr.slice(-4000)}`);
    t.diagnostic(`its exit code: ${gateway.exitCode}; its status: ${JSON.stringify(await gateway.snapshot())}`);
  });

  async function status(id: string): Promise<SourceStatus | undefined> {
    return (await gateway.snapshot())?.sources.find((source) => source.id === id);
  }

  /** Waits until the source is down with such an error; how long it took. */
  async function told(id: string, error: RegExp): Promise<number> {
    const from = performance.now();
    const holds = async (): Promise<boolean> => {
      const source = await status(id);
      return source?.state === "down" && error.test(source.error ?? "");
    };
    await until(`status tells ${error} of ${id}`, holds, SOON_MS);
    return performance.now() - from;
  }

  /** Sends a frame of the van again and again, until the source is up. */
  async function heals(name: string, id: string): Promise<void> {
    const holds = async (): Promise<boolean> => {
      await put(name, drive.frames[0] as string);
      return (await status(id))?.state === "up";
    };
    await until(`${id} is up again`, holds, SOON_MS);
    assert.equal(gateway.pid, pid);
    assert.equal(gateway.exitCode, null);
  }

  async function put(name: string, frame: string): Promise<void> {
    if (name === BUSY) sent.push(frame);
    await cansend(name, frame);
  }

  test("an interface that is missing at the start is told, and the other source works", async () => {
    await told("late", /^can socketcan:vcan2: there is no such interface; see `ip link show vcan2`$/);
    await put(BUSY, SPOILT);
    await heals(BUSY, "busy");
  });

  test("it appears later: the source comes up by itself", async () => {
    addVcan(LATE);
    await until("the filters are set", () => receiveList("sff", LATE).length === 6, SOON_MS);
    await heals(LATE, "late");
  });

  test("down and up again: told within two seconds, healed without a restart", async (t) => {
    faults.push({ ts: Date.now(), text: /the interface went down/ });
    ip("set", LATE, "down");
    const tookMs = await told("late", /the interface went down; bring it up: `ip link set vcan2 up/);
    t.diagnostic(`told after ${tookMs.toFixed(0)} ms`);
    assert.ok(tookMs < TOLD_WITHIN_MS, `${tookMs} ms`);
    ip("set", LATE, "up");
    await until("the filters are set", () => receiveList("sff", LATE).length >= 6, SOON_MS);
    await heals(LATE, "late");
  });

  test("deleted and created again: told within two seconds, healed without a restart", async (t) => {
    faults.push({ ts: Date.now(), text: /the interface was removed|there is no such interface/ });
    ip("del", LATE);
    const tookMs = await told("late", /the interface was removed|there is no such interface/);
    t.diagnostic(`told after ${tookMs.toFixed(0)} ms`);
    assert.ok(tookMs < TOLD_WITHIN_MS, `${tookMs} ms`);
    addVcan(LATE);
    await until("the filters are set", () => receiveList("sff", LATE).length === 6, SOON_MS);
    await heals(LATE, "late");
  });

  test("error frames are the bus's state and no data", async () => {
    const before = await status("busy");
    // CAN_ERR_BUSOFF: its bits would be a valid frame of 8 bytes.
    await put(BUSY, "20000040#0000000000000000");
    const told = async (): Promise<boolean> => /bus-off/.test((await status("busy"))?.devices[0]?.error ?? "");
    await until("status tells bus-off of van-7", told, SOON_MS);
    const after = await status("busy");
    assert.equal(after?.batches, before?.batches);
    assert.match(gateway.stderr, /bus state: bus-off/);
    await heals(BUSY, "busy");
  });

  test("a drive of the simulated van reaches the cloud with the log's values and the kernel's times", async (t) => {
    writeFileSync(join(dir, "drive.log"), drive.text);
    sent.push(...drive.frames);
    await canplayer(BUSY, join(dir, "drive.log"));
    const playedUntil = Date.now();
    await until("the drive is on disk", () => gateway.intervals[0]!.until > playedUntil, SOON_MS);
    await drained(gateway);
    assert.equal(await gateway.end("SIGTERM"), 0, gateway.stderr.slice(-2000));

    const frames = dump.lines().filter(({ frame }) => drive.signalsOf.has(frame));
    assert.ok(frames.length >= drive.frames.length);
    const verdict = judge({
      ledger: servedOf(frames, drive, "van-7"),
      received: readCloudLog(cloudLog),
      intervals: gateway.intervals,
      canAssets: ["van-7"],
      ownAssets: ["gateway", "van-9"],
    });
    assert.deepEqual(verdict.violations, []);
    assert.deepEqual(verdict.gaps, []);
    t.diagnostic(`${frames.length} frames, ${verdict.samples} samples, ${verdict.records} records`);
    // Eleven signals, of which those that change come once a second; that each is among them says the oracle.
    assert.ok(verdict.samples >= 30, `${verdict.samples} samples`);
  });

  test("each loss and each return of an interface is an event in the cloud, at its time", () => {
    const events = readCloudLog(cloudLog).flatMap(({ topic, payload }) => {
      if (!topic.includes("/event/")) return [];
      const { t0, event } = parseRecord(plainRecord(payload));
      return event?.source === "late" ? [{ ts: t0, type: String(event.type), text: String(event.text) }] : [];
    });
    const sources = events.filter(({ type }) => type.startsWith("source-"));
    // While it is down its error may change, which is told, too.
    assert.deepEqual(
      sources.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1]),
      ["source-down", "source-up", "source-down", "source-up", "source-down", "source-up"],
    );
    for (const { ts, text } of faults) {
      const event = sources.find((one) => one.type === "source-down" && one.ts >= ts);
      assert.ok(event !== undefined && event.ts - ts < TOLD_WITHIN_MS, `${event?.ts} for ${ts}`);
      assert.match(event.text, text);
    }
  });

  test("transmit none: candump has seen our frames, in our order, and nothing else", () => {
    assert.deepEqual(
      dump.lines().map(({ frame }) => frame),
      sent,
    );
    assert.deepEqual(gateway.stderr.match(/frames lost/g), null);
  });
});
