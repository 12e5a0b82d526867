/** Kafka's disk is full: the broker gives up; given room and started again it goes on where it was. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startCluster } from "../../hw-sim/kafka/cluster.ts";
import { startLine } from "./line.ts";
import { NO_RIG } from "./rig.ts";
import { assertAll, becomes, publishRange, told } from "./trouble.ts";

const MOUNTABLE = process.getuid?.() === 0 && mount(["--fake", "-t", "tmpfs", "tmpfs", tmpdir()]);
const skip = NO_RIG !== false ? NO_RIG : MOUNTABLE ? false : "to mount a small disk for Kafka takes root";

function mount(args: readonly string[]): boolean {
  return spawnSync("mount", args).status === 0;
}

/** A disk of its own, in memory. */
function smallDisk(size: string): Disposable & { readonly dir: string } {
  const dir = mkdtempSync(join(tmpdir(), "busbar-disk-"));
  if (!mount(["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", dir])) throw new Error(`${dir}: a tmpfs cannot be mounted`);
  return {
    dir,
    [Symbol.dispose]() {
      spawnSync("umount", ["-l", dir]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

test("Kafka's disk is full", { skip }, async () => {
  using disk = smallDisk("400m");
  await using cluster = await startCluster({ nodes: 1, dir: disk.dir });
  await using line = await startLine({ cluster, name: "full" });
  await line.bridge.start();
  await line.ready();
  await publishRange(line, 1, 10);
  await line.arrived("telemetry", 10);
  const ballast = join(disk.dir, "ballast");
  // As much as there is.
  spawnSync("dd", ["if=/dev/zero", `of=${ballast}`, "bs=64k"]);
  let last = 10;
  const fill = async (): Promise<void> => {
    await publishRange(line, last + 1, last + 200);
    last += 200;
    // What no record is goes to Kafka byte by byte.
    await line.publish("gw-1", "data/meter-1", randomBytes(200_000));
  };
  for (let round = 0; round < 20 && (await line.bridge.health())?.status === "ok"; round++) await fill();
  await becomes(line, "failed");
  await cluster.kill(1, "SIGKILL");
  rmSync(ballast);
  await cluster.restart(1);
  told("Kafka's disk full, from its restart", await becomes(line, "ok"));
  await line.arrived("telemetry", last);
  await assertAll(line, last);
});
