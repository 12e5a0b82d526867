/** Frames that the kernel drops while a whole gateway stands still: counted, told, and covered by a gap record. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Logger } from "../../../core/log.ts";
import { parseRecord, plainRecord } from "../../../core/record.ts";
import type { SourceStatus } from "../../../daemon/status/protocol.ts";
import { startCloud } from "../../../hw-sim/cloud.ts";
import { readCloudLog } from "../../support/broker.ts";
import { GatewayProcess } from "../../support/gateway-process.ts";
import { judge } from "../../support/oracle.ts";
import { drained } from "../../support/trial.ts";
import { until } from "../../support/wait.ts";
import { addVcan, Candump, canplayer, cansend, ip, NOT_GUEST, receiveList, SOON_MS } from "./can.ts";
import { SPOILT, servedOf, vanLog, vanSource } from "./van-log.ts";

const NAME = "vcan3";
/** Under TCG, on a busy machine. */
const START_MS = 60_000;
/** Much longer than the collection rule may keep a change back. */
const DRIVE_MS = 6000;
/** Of a socket that is opened from now on: room for a second of the van. */
const QUEUE = "/proc/sys/net/core/rmem_default";
const SMALL_QUEUE = "16384";

/** What the kernel had for the gateway's filters. */
function matched(): number {
  return receiveList("sff", NAME).reduce((sum, entry) => sum + Number(entry[4]), 0);
}

test("a gateway that stood still: the status has the kernel's figure, the cloud an event and a gap", {
  skip: NOT_GUEST,
  timeout: 180_000,
}, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-vm-"));
  const queue = readFileSync(QUEUE, "utf8");
  const cloudLog = join(dir, "cloud.jsonl");
  const drive = vanLog(DRIVE_MS);
  writeFileSync(join(dir, "drive.log"), drive.text);
  addVcan(NAME);
  t.after(() => {
    writeFileSync(QUEUE, queue);
    ip("del", NAME);
    rmSync(dir, { recursive: true });
  });
  await using dump = await Candump.start(NAME);
  const log = new Logger("cloud", () => undefined);
  await using cloud = await startCloud({ host: "127.0.0.1", port: 0, logPath: cloudLog, log });
  const sources = [vanSource("bus", NAME, "van-7")];
  await using gateway = new GatewayProcess({ dir, sources, uplink: { url: cloud.url } });
  const status = async (): Promise<SourceStatus | undefined> => (await gateway.snapshot())?.sources[0];
  // The guest's files go with it: a failure brings the gateway's word along.
  const soon = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
    await until(what, holds, SOON_MS).catch(async (cause: unknown) => {
      const word = `exit code ${gateway.exitCode}, ${JSON.stringify(await status())}\n${gateway.stderr.slice(-3000)}`;
      throw new Error(`waited in vain: ${what}; ${matched()} frames matched; ${word}`, { cause });
    });
  };
  writeFileSync(QUEUE, SMALL_QUEUE);
  await gateway.start(START_MS);
  await soon("the filters are set", () => receiveList("sff", NAME).length === 6);
  await cansend(NAME, SPOILT, drive.frames[0] as string);
  await soon("they are read", async () => (await status())?.batches === 2);
  assert.equal((await status())?.lost, 0);

  process.kill(gateway.pid, "SIGSTOP");
  await canplayer(NAME, join(dir, "drive.log"));
  process.kill(gateway.pid, "SIGCONT");
  const accounted = async (): Promise<boolean> => {
    const { batches, lost } = (await status()) ?? { batches: 0, lost: 0 };
    return batches + lost === matched();
  };
  await soon("received and lost frames are all that the kernel had", accounted);
  const toldUntil = Date.now();
  const whileStill = (await status())?.lost ?? 0;
  assert.ok(whileStill > drive.frames.length / 2, `${whileStill} of ${drive.frames.length} frames lost`);
  await canplayer(NAME, join(dir, "drive.log"));
  const playedUntil = Date.now();
  await soon("the second drive is on disk", () => gateway.intervals[0]!.until > playedUntil);
  await soon("received and lost frames are still all", accounted);
  const { lost = 0 } = (await status()) ?? {};
  await drained(gateway);
  assert.equal(await gateway.end("SIGTERM"), 0, gateway.stderr.slice(-2000));

  const received = readCloudLog(cloudLog);
  const events = received
    .filter(({ topic }) => topic.endsWith("/event/gateway"))
    .map(({ payload }) => parseRecord(plainRecord(payload)).event)
    .filter((event) => event?.type === "frames-lost");
  assert.equal(
    events.reduce((sum, event) => sum + Number(event?.frames), 0),
    lost,
  );
  assert.match(String(events[0]?.text), /^can socketcan:vcan3: \d+ frames lost: the kernel's receive queue was full; /);
  t.diagnostic(
    `${whileStill} and then ${lost - whileStill} of ${drive.frames.length} frames lost, ${events.length} event(s)`,
  );

  const input = { intervals: gateway.intervals, canAssets: ["van-7"], ownAssets: ["gateway"] };
  const ledger = servedOf(dump.lines(), drive, "van-7");
  const { gaps, violations } = judge({ ...input, ledger, received });
  assert.deepEqual(violations, []);
  assert.equal(gaps.length, events.length);
  for (const { c, from, to, samples, reason } of gaps)
    assert.deepEqual([c, from, to, samples, reason], ["t", null, null, null, "overload"]);
  // It does not cover the second drive, unless the machine was too busy for that one, too.
  if (lost === whileStill) assert.ok(Math.max(...gaps.map(({ t1 }) => t1)) <= toldUntil, JSON.stringify(gaps));
  const untold = judge({ ...input, ledger, received: received.filter(({ topic }) => !topic.endsWith("/gap")) });
  assert.ok(
    untold.violations.some((text) => /sent, last sample \d+ ms before/.test(text)),
    "without the gap the oracle misses changes",
  );
});
