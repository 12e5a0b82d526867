/** What storage tells of itself: what counts at once, what costs once a second. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutboxStatus, StorageReport, UplinkStatus } from "../../store-forward/protocol.ts";
import { Reports } from "../../store-forward/reports.ts";

const UPLINK: UplinkStatus = {
  state: "connecting",
  url: "mqtt://cloud",
  since: 0,
  conn: 0,
  inflight: 0,
  window: 16,
  oldest_unacked_s: 0,
  records_acked: 0,
  bytes_sent: 0,
  backlog: false,
};
const NONE = { next: 1, acked: 0 };

function rig() {
  const clock = { mono: 5000, monoMs: () => clock.mono, wallMs: () => 1_000_000 + clock.mono };
  const now = { uplink: UPLINK, error: undefined as string | undefined, durable: 0, waiting: 0, asked: 0 };
  const brief = () => ({
    state: now.error === undefined ? ("ok" as const) : ("unwritable" as const),
    ...(now.error === undefined ? {} : { error: now.error }),
    durable_until: now.durable,
  });
  const status = (): OutboxStatus => {
    now.asked++;
    const drops = { full: 0, overload: 0, corrupt: 0, rejected: 0, expired: 0 };
    const sizes = { bytes: 0, max_bytes: 0, waiting: now.waiting, oldest_age_s: 0 };
    return { ...brief(), ...sizes, epoch: "k3f9a1c2", boot: 1, streams: { c: NONE, t: NONE, b: NONE }, drops };
  };
  const outbox = { status, brief, linkUp: false };
  const posted: Extract<StorageReport, { type: "store" }>[] = [];
  const post = (report: StorageReport): void => {
    if (report.type === "store") posted.push(report);
  };
  const reports = new Reports({
    outbox,
    uplink: { status: () => now.uplink, brief: () => ({ error: undefined, ...now.uplink }) },
    clock,
    post,
  });
  const look = (afterMs: number) => {
    clock.mono += afterMs;
    posted.length = 0;
    reports.look();
    return posted.at(-1);
  };
  return { now, outbox, posted, reports, look };
}

test("what costs is asked for once a second, while every commit is told at once", () => {
  const { now, look } = rig();
  let reports = 0;
  for (let ms = 0; ms < 10_000; ms += 50) {
    now.durable = ms;
    now.waiting = ms;
    const report = look(50);
    assert.equal(report?.outbox.durable_until, ms);
    reports++;
    assert.ok(ms - report.outbox.waiting < 1000, `${report.outbox.waiting} waiting, told at ${ms}`);
  }
  assert.equal(reports, 200);
  assert.equal(now.asked, 10);
});

test("nothing new: told once a second all the same, complete", () => {
  const { now, look } = rig();
  assert.ok(look(0));
  now.waiting = 7;
  for (let looks = 0; looks < 4; looks++) assert.equal(look(200), undefined);
  assert.equal(look(200)?.outbox.waiting, 7);
  assert.equal(now.asked, 2);
});

test("a change of state is told at once, its cause with it, and gone with it", () => {
  const { now, outbox, look } = rig();
  look(0);
  now.error = "disk is full";
  assert.deepEqual([look(10)?.outbox.state, look(1000)?.outbox.error], ["unwritable", "disk is full"]);
  now.error = undefined;
  const recovered = look(10)?.outbox;
  assert.equal(recovered?.state, "ok");
  assert.ok(recovered !== undefined && !("error" in recovered));
  now.uplink = { ...UPLINK, state: "up", conn: 1 };
  assert.equal(look(10)?.uplink.state, "up");
  assert.equal(outbox.linkUp, true);
});

test("the last report is complete, however shortly it follows", () => {
  const { now, posted, reports, look } = rig();
  look(0);
  now.waiting = 3;
  posted.length = 0;
  reports.finish();
  assert.deepEqual(
    posted.map(({ outbox }) => outbox.waiting),
    [3],
  );
});
