/** The .deb and its unit under a real systemd: two lives of one Debian, with a power cut between them. */
import { constants, copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Random } from "../../hw-sim/random.ts";
import { SURVIVALS } from "../powercut/cut.ts";
import { buildDebianRoot } from "./debian-root.ts";
import { ForgetfulDisk } from "./forgetful-disk.ts";
import { buildInitramfs } from "./initramfs.ts";
import { findKernel, type Kernel } from "./kernel.ts";
import { type End, live } from "./machine.ts";
import { providePackages } from "./packages.ts";
import { ROOT, type Suite } from "./suite.ts";
import { run } from "./tools.ts";

const CONTENTS = {
  init: fileURLToPath(new URL("init-root.sh", import.meta.url)),
  modules: ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "9pnet_virtio", "9p", "can_raw", "vcan"],
};
const LIMITS = { boot: 180_000, suite: 900_000 };
const DATA_DISK = "96M";
/** Test files of the life after the cut; the others are of the one before. */
const SECOND_LIFE = /second/;

interface Rig {
  readonly kernel: Kernel;
  readonly initramfs: string;
  readonly rootDisk: string;
  /** What the guest writes here is there at once, whatever becomes of it. */
  readonly results: string;
}

export const PACKAGE_SUITE: Suite = {
  folder: "package",
  packages: {
    "qemu-system-x86_64": "qemu-system-x86",
    busybox: "busybox-static",
    cpio: "cpio",
    mmdebstrap: "mmdebstrap",
    mke2fs: "e2fsprogs",
  },
  run: async (cache, tests) => {
    const kernel = findKernel(cache);
    const initramfs = buildInitramfs(cache, kernel, CONTENTS);
    const image = buildDebianRoot(cache);
    const results = join(cache, "results");
    rmSync(results, { recursive: true, force: true });
    mkdirSync(results);
    await using opened = new AsyncDisposableStack();
    const work = mkdtempSync(join(tmpdir(), "busbar-vm-"));
    opened.defer(() => rmSync(work, { recursive: true }));
    const rootDisk = join(work, "root.ext4");
    copyFileSync(image, rootDisk, constants.COPYFILE_FICLONE);
    providePackages(results);
    const rig = { kernel, initramfs, rootDisk, results };
    // Awaited here: what is opened above is needed until then.
    return await runLives(rig, work, tests);
  },
};

async function runLives(rig: Rig, work: string, tests: readonly string[]): Promise<number> {
  const files = tests.flatMap((pattern) => globSync(pattern, { cwd: ROOT })).sort();
  const [one, other] = [
    files.filter((file) => !SECOND_LIFE.test(file)),
    files.filter((file) => SECOND_LIFE.test(file)),
  ];
  await using first = await ForgetfulDisk.plugIn(emptyDisk(work), work, "first");
  const before = await oneLife(rig, {
    name: "first",
    disk: first,
    tests: one,
    after: other.length > 0 ? "cut" : "off",
  });
  if (before !== "cut") return before.exitCode;
  const seed = Date.now() % 2 ** 31;
  const random = new Random(seed, "survival");
  const survival = SURVIVALS[Math.floor(random.next() * SURVIVALS.length)] ?? "nothing";
  const { image, unflushed } = first.afterCut(survival, random);
  console.log(
    `vm package: the mains failed with ${unflushed} writes not flushed; ${survival} of them arrived (seed ${seed})`,
  );
  await using second = await ForgetfulDisk.plugIn(image, work, "second");
  const after = await oneLife(rig, { name: "second", disk: second, tests: other, after: "off" });
  return after === "cut" ? 1 : after.exitCode;
}

interface Life {
  readonly name: string;
  readonly disk: ForgetfulDisk;
  readonly tests: readonly string[];
  readonly after: "cut" | "off";
}

function oneLife(rig: Rig, { name, disk, tests, after }: Life): Promise<End> {
  const { kernel, initramfs, rootDisk, results } = rig;
  const variables = {
    BUSBAR_DIR: ROOT,
    BUSBAR_NODE: process.execPath,
    BUSBAR_TESTS: tests.join(" "),
    BUSBAR_AFTER: after,
  };
  return live({
    kernel,
    initramfs,
    console: join(results, `console-${name}.log`),
    // systemd hands nothing of its own environment on.
    parameters: Object.entries(variables).map(([key, value]) => `systemd.setenv="${key}=${value}"`),
    devices: [
      // The host does not fail: what the guest has written there survives its end without a flush.
      ["-drive", `if=virtio,format=raw,cache=unsafe,file=${rootDisk}`],
      disk.device,
      ["-fsdev", `local,id=results,path=${results},security_model=none`],
      ["-device", "virtio-9p-pci,fsdev=results,mount_tag=results"],
    ].flat(),
    limits: LIMITS,
    chooseCut: (cut) => disk.onNextWrite(cut),
  });
}

function emptyDisk(work: string): Buffer {
  const file = join(work, "data.ext4");
  run("mke2fs", ["-q", "-t", "ext4", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", file, DATA_DISK]);
  const image = readFileSync(file);
  rmSync(file);
  return image;
}
