/** What a start may meet in the data folder: a read-only mount, another gateway, a damaged file and SIGKILL. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import type { Snapshot } from "../../daemon/status/protocol.ts";
import { rootOfGaps, tear } from "../store-forward/outbox/tear.ts";
import { randomOf } from "../support/fake-machine.ts";
import { GatewayProcess } from "../support/gateway-process.ts";
import { startTrial, type Trial } from "../support/trial.ts";
import { until } from "../support/wait.ts";

const CLOUD = "the stand-in cloud";
const QUICK = { publish_interval: "1 s" };
const KILLS = 6;
/** A device at a port where nobody listens. */
const DEVICES = [{ id: "meter-9", unit: 1, profile: "eastron-sdm630" }];
const NOBODY = [{ id: "nobody", driver: "modbus", tcp: { host: "127.0.0.1", port: 1 }, devices: DEVICES }];

async function outboxOf(gateway: GatewayProcess, what: string, wanted: (outbox: Outbox) => boolean): Promise<Outbox> {
  let seen: Outbox | undefined;
  const holds = async (): Promise<boolean> => {
    seen = (await gateway.snapshot())?.outbox;
    return seen !== undefined && wanted(seen);
  };
  await until(what, holds, 20_000).catch((error: unknown) => assert.fail(`${error}: ${JSON.stringify(seen)}`));
  return seen as Outbox;
}
type Outbox = NonNullable<Snapshot["outbox"]>;

const isDurable =
  (since: number) =>
  (outbox: Outbox): boolean =>
    outbox.state === "ok" && outbox.durable_until > since;

/** A folder for the store; undefined, with the reason printed, where it cannot be a mount of its own. */
function mounted(t: TestContext): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), "busbar-start-"));
  t.after(() => {
    spawnSync("umount", ["-l", dir], { stdio: "ignore" });
    rmSync(dir, { recursive: true, force: true });
  });
  const done = spawnSync("mount", ["-t", "tmpfs", "-o", "size=32m", "tmpfs", dir], { encoding: "utf8" });
  if (done.status === 0) return dir;
  t.skip(`mount -t tmpfs does not work here: ${done.stderr ?? done.error?.message}`);
  return undefined;
}

function remount(dir: string, how: "ro" | "rw"): void {
  const { status, stderr } = spawnSync("mount", ["-o", `remount,${how}`, dir], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
}

describe("starts in trouble", { concurrency: true }, () => {
  test("on a read-only mount, with records in it: told with the remedy; once it is writable nothing is missing", async (t) => {
    const dir = mounted(t);
    if (dir === undefined) return;
    await using trial = await startTrial(CLOUD, { uplink: QUICK, store: { path: join(dir, "outbox.db") } });
    const { gateway, broker } = trial;
    await outboxOf(gateway, "samples are durable", isDurable(0));
    await broker.kill();
    await outboxOf(gateway, "records wait", ({ streams }) => streams.t.next - streams.t.acked > 5);
    await gateway.end("SIGKILL");
    remount(dir, "ro");
    await gateway.start();
    const { error } = await outboxOf(gateway, "unwritable is told", ({ state }) => state === "unwritable");
    assert.match(
      error ?? "",
      /^outbox \S+\/outbox\.db: .*; \S+ is on a read-only file system: check the medium and remount it$/,
    );
    await broker.start();
    remount(dir, "rw");
    await outboxOf(gateway, "it recovers by itself", isDurable(Date.now()));
    await expectNothingMissing(trial);
  });

  test("a second gateway on the same store is kept out, told why, and takes over when the first has ended", async () => {
    await using trial = await startTrial(CLOUD, { uplink: QUICK });
    const { gateway, dir } = trial;
    await outboxOf(gateway, "samples are durable", isDurable(0));
    const other = join(dir, "other");
    mkdirSync(other);
    const store = { path: join(dir, "outbox.db") };
    // Its own link would take the session from the first one: nobody listens there.
    const uplink = { ...QUICK, url: "mqtt://127.0.0.1:1" };
    await using second = new GatewayProcess({ dir: other, sources: NOBODY, uplink, store, simDir: dir });
    await second.start();
    const { error } = await outboxOf(second, "it is told", ({ state }) => state === "unwritable");
    assert.match(error ?? "", /another process has it open: stop the other gateway, or change store\.path/);
    await outboxOf(gateway, "the first goes on", isDurable(Date.now()));
    assert.equal(
      readdirSync(dir).some((name) => name.includes("corrupt")),
      false,
    );
    await expectNothingMissing(trial);
    await outboxOf(second, "the second takes over", ({ state }) => state === "ok");
  });

  test("a damaged file, and SIGKILL at random moments of the starts after it: nothing missing, all else told", async (t) => {
    const seed = Number(process.env.BUSBAR_SEED ?? Math.floor(Math.random() * 2 ** 31));
    t.diagnostic(`seed ${seed}`);
    const random = randomOf(seed);
    await using trial = await startTrial(CLOUD, { uplink: QUICK });
    const { gateway, broker, dir } = trial;
    const path = join(dir, "outbox.db");
    await outboxOf(gateway, "samples are durable", isDurable(0));
    await broker.kill();
    const { epoch } = await outboxOf(gateway, "records wait", ({ streams }) => streams.t.next - streams.t.acked > 5);
    await gateway.end("SIGTERM");
    tear(path, [rootOfGaps(path)]);
    for (let kill = 0; kill < KILLS; kill++) {
      await gateway.start(300 + random() * 700).catch(() => undefined);
      await gateway.end("SIGKILL");
    }
    // The boot file is what says which epoch there was: one that is empty must not stop anything either.
    writeFileSync(`${path}.boot`, "");
    await broker.start();
    await gateway.start();
    const last = await outboxOf(gateway, "it goes on", isDurable(Date.now()));
    assert.notEqual(last.epoch, epoch);
    await outboxOf(gateway, "what was set aside came over", ({ salvage }) => salvage === undefined);
    const verdict = await trial.conclude();
    assert.deepEqual(verdict.violations, []);
    // When no start came so far as to begin a new epoch, nobody knows whose the file was: the boot file would have told.
    assert.ok(verdict.gaps.some(({ reason, epoch: of }) => reason === "corrupt" && [epoch, "00000000"].includes(of)));
    const asides = readdirSync(dir).filter((name) => /corrupt-\d+$/.test(name));
    assert.equal(asides.length, 1, asides.join());
  });
});

async function expectNothingMissing(trial: Trial): Promise<void> {
  const verdict = await trial.conclude();
  assert.deepEqual(verdict.violations, []);
  assert.deepEqual(verdict.gaps, []);
  assert.ok(verdict.samples > 50, `${verdict.samples} samples`);
}
