/** CAN for real: a kernel, busybox, and the host's files over 9p. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildInitramfs } from "./initramfs.ts";
import { findKernel } from "./kernel.ts";
import { live } from "./machine.ts";
import { ROOT, type Suite } from "./suite.ts";

const CONTENTS = {
  init: fileURLToPath(new URL("init.sh", import.meta.url)),
  modules: ["virtio_pci", "9pnet_virtio", "9p", "can_raw", "vcan"],
};
const LIMITS = { boot: 90_000, suite: 600_000 };

export const CAN_SUITE: Suite = {
  folder: "guest",
  packages: {
    "qemu-system-x86_64": "qemu-system-x86",
    busybox: "busybox-static",
    cpio: "cpio",
    ip: "iproute2",
    cangen: "can-utils",
  },
  run: async (cache, tests) => {
    const kernel = findKernel(cache);
    const variables = {
      BUSBAR_DIR: ROOT,
      BUSBAR_NODE: process.execPath,
      BUSBAR_TESTS: tests.join(" "),
      BUSBAR_PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    };
    const end = await live({
      kernel,
      initramfs: buildInitramfs(cache, kernel, CONTENTS),
      console: join(cache, "console.log"),
      // What the kernel does not know of its command line is the first process's environment.
      parameters: Object.entries(variables).map(([name, value]) => `${name}="${value}"`),
      devices: [],
      limits: LIMITS,
    });
    return end === "cut" ? 1 : end.exitCode;
  },
};
