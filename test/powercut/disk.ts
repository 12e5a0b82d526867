/** ext4 on a loop device on nbdfuse on our NBD server: a real file system whose every block write is noted. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "../support/wait.ts";
import { NbdServer } from "./nbd-server.ts";
import type { Order } from "./order.ts";

const LIMIT_MS = 15_000;
const run = promisify(execFile);

export class RecordedDisk {
  readonly #server: NbdServer;
  readonly #fuseDir: string;
  readonly #socketPath: string;
  #fuse: ChildProcess | undefined;
  #mounted = false;
  /** Where the file system is mounted. */
  readonly dir: string;

  /** `image` holds an ext4 file system and is changed in place; `workDir` is empty and ours. */
  constructor(image: Buffer, order: Order, workDir: string) {
    this.#server = new NbdServer(image, order);
    this.#fuseDir = join(workDir, "nbd");
    this.#socketPath = join(workDir, "nbd.sock");
    this.dir = join(workDir, "mnt");
  }

  async mount(): Promise<void> {
    await mkdir(this.#fuseDir, { recursive: true });
    await mkdir(this.dir, { recursive: true });
    await this.#server.listen(this.#socketPath);
    // It ends with us, however we end: nobody must be left waiting for a disk that is gone.
    const args = ["--pdeathsig", "KILL", "nbdfuse", this.#fuseDir, "--unix", this.#socketPath];
    const fuse = spawn("setpriv", args, { stdio: ["ignore", "inherit", "inherit"] });
    this.#fuse = fuse;
    const file = join(this.#fuseDir, "nbd");
    const isThere = (): Promise<boolean> =>
      stat(file).then(
        () => true,
        () => false,
      );
    await until("nbdfuse shows the disk", () => fuse.exitCode !== null || isThere(), LIMIT_MS);
    if (fuse.exitCode !== null) throw new Error(`nbdfuse ended with exit code ${fuse.exitCode}`);
    // Asynchronous as everything here: it is this thread that answers the disk's requests.
    await run("mount", ["-t", "ext4", "-o", "loop", file, this.dir], { timeout: LIMIT_MS });
    this.#mounted = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#mounted) await run("umount", [this.dir], { timeout: LIMIT_MS });
    const fuse = this.#fuse;
    if (fuse !== undefined && fuse.exitCode === null) {
      const exited = once(fuse, "exit");
      await run("umount", [this.#fuseDir], { timeout: LIMIT_MS }).catch(() => fuse.kill("SIGKILL"));
      await exited;
    }
    await this.#server.close();
  }
}
