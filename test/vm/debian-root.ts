/** A minimal Debian with systemd as an ext4 image: from the cache, or built by mmdebstrap. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Missing, run } from "./tools.ts";

/** The Debian under test; BUSBAR_VM_DEBIAN=trixie tries another. */
const SUITE = process.env.BUSBAR_VM_DEBIAN ?? "bookworm";
/** What a gateway's Debian has, what the package depends on (the guest has no network), and the site's other parts. */
const PACKAGES = [
  ...["systemd", "systemd-sysv", "udev", "dbus", "iproute2", "kmod", "procps", "e2fsprogs", "util-linux"],
  ...["libstdc++6", "libgcc-s1", "adduser", "init-system-helpers"],
  ...["mosquitto", "mosquitto-clients", "can-utils", "socat"],
];
/** Nothing that costs time at boot and no test looks at; the broker is started by the tests. */
const MASKED = [
  ...["getty@.service", "serial-getty@.service", "console-getty.service", "systemd-logind.service"],
  ...["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "e2scrub_all.timer"],
  ...["e2scrub_reap.service", "systemd-random-seed.service", "systemd-update-utmp.service", "ldconfig.service"],
  ...["systemd-timesyncd.service", "systemd-networkd-wait-online.service"],
];
/** Fixed, so that the first boot has nothing to set up. */
const MACHINE_ID = "0b5ba40b5ba40b5ba40b5ba40b5ba400";
const IMAGE_MIB = 1200;
const BUILD_LIMIT_MS = 600_000;
const FILES = fileURLToPath(new URL("root", import.meta.url));

/** The path of an image to be copied, not written. Throws Missing. */
export function buildDebianRoot(cache: string): string {
  const hash = createHash("sha256").update(readFileSync(fileURLToPath(import.meta.url)));
  for (const path of filesIn(FILES)) hash.update(path).update(readFileSync(join(FILES, path)));
  const image = join(cache, `debian-${SUITE}-${hash.digest("hex").slice(0, 12)}.ext4`);
  if (existsSync(image)) return image;
  if (process.getuid?.() !== 0)
    throw new Missing("building a Debian root needs root: run it as root or in a container");
  console.log(`vm: building a ${SUITE} root`);
  const work = mkdtempSync(join(cache, "debian-"));
  // The guest's root folder gets this folder's mode.
  chmodSync(work, 0o755);
  try {
    const tree = join(work, "tree");
    const options = [
      "--variant=minbase",
      "--mode=root",
      "--quiet",
      "--skip=check/empty",
      `--include=${PACKAGES.join()}`,
    ];
    run("mmdebstrap", [...options, SUITE, tree], { limitMs: BUILD_LIMIT_MS });
    furnish(tree);
    run("mke2fs", ["-q", "-t", "ext4", "-d", tree, join(work, "image"), `${IMAGE_MIB}M`], { limitMs: BUILD_LIMIT_MS });
    renameSync(join(work, "image"), image);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return image;
}

function furnish(tree: string): void {
  for (const folder of ["host", "results", "var/lib/busbar"]) mkdirSync(join(tree, folder), { recursive: true });
  for (const path of filesIn(FILES)) {
    mkdirSync(join(tree, path, ".."), { recursive: true });
    writeFileSync(join(tree, path), readFileSync(join(FILES, path)));
  }
  writeFileSync(join(tree, "etc/machine-id"), `${MACHINE_ID}\n`);
  writeFileSync(join(tree, "etc/hostname"), "gateway\n");
  const units = join(tree, "etc/systemd/system");
  for (const unit of MASKED) {
    rmSync(join(units, unit), { force: true });
    symlinkSync("/dev/null", join(units, unit));
  }
  rmSync(join(units, "multi-user.target.wants/mosquitto.service"));
  symlinkSync("../guest.service", join(units, "multi-user.target.wants/guest.service"));
}

function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1)).sort();
}
