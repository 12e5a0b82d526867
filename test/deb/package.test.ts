/** The .deb as it is built: what is in it, the same bytes twice, and a gateway that runs from its tree. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { VERSION } from "../../core/version.ts";
import type { Snapshot } from "../../daemon/status/protocol.ts";
import { ownArch } from "../../packaging/arch.ts";
import { SimProcess } from "../support/sim-process.ts";
import { freePort, until } from "../support/wait.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DEB = join(ROOT, "packaging/deb.ts");
const MISSING = ["/usr/bin/dpkg-deb", "/usr/bin/strip"].find((tool) => !existsSync(tool));
const NO_TOOLS = MISSING === undefined ? false : `${MISSING} is not installed (apt-get install dpkg binutils)`;
const NO_LINTIAN = existsSync("/usr/bin/lintian") ? false : "lintian is not installed (apt-get install lintian)";
const LIMIT_BYTES = 60e6;
const exec = promisify(execFile);

async function output(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const options = { env: { ...process.env, ...env }, maxBuffer: 16e6 };
  return (await exec(command, [...args], options)).stdout;
}

async function build(out: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  // The compression is dpkg's; quick here.
  const args = [DEB, "--arch", ownArch(), "--out", out, "--compression", "0"];
  await output(process.execPath, args, env);
  return join(out, `busbar_${VERSION}_${ownArch()}.deb`);
}

describe("the package", { skip: NO_TOOLS }, () => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-package-"));
  const tree = join(dir, "tree");
  let deb = "";
  let gateway: ChildProcess | undefined;

  /** The launcher, told that its tree is not at the root of the file system. */
  const launcher = join(dir, "busbar.sh");
  const busbar = (...args: string[]): Promise<string> => output("sh", [launcher, ...args]);

  before(async () => {
    deb = await build(dir);
    await output("dpkg-deb", ["-x", deb, tree]);
    const installed = readFileSync(join(tree, "usr/bin/busbar"), "utf8");
    writeFileSync(launcher, installed.replaceAll("/usr/lib/busbar/", `${tree}/usr/lib/busbar/`));
  });
  after(async () => {
    gateway?.kill("SIGKILL");
    rmSync(dir, { recursive: true });
  });

  test("the same bytes when it is built again, elsewhere and later", async () => {
    const elsewhere = mkdtempSync(join(dir, "again-"));
    const again = await build(elsewhere, { TMPDIR: elsewhere });
    const sums = async (file: string): Promise<string[]> => {
      return (await output("dpkg-deb", ["-I", file, "md5sums"])).split("\n");
    };
    const first = await sums(deb);
    const others = (await sums(again)).filter((line) => !first.includes(line));
    assert.deepEqual(others, [], "files that differ");
    assert.ok(readFileSync(deb).equals(readFileSync(again)), "what surrounds the files differs");
  });

  test("files belong to root, with fixed modes, and the configuration is a conffile", async () => {
    const listing = (await output("dpkg-deb", ["-c", deb])).trimEnd().split("\n");
    const modes = new Map(listing.map((line) => line.split(/\s+/)).map((cells) => [cells[5] as string, cells]));
    for (const [path, [mode, owner]] of modes) {
      assert.equal(owner, "root/root", path);
      const special = /^\.\/etc\/busbar\/(busbar\.yaml|secrets\/)$/.test(path);
      if (!special) assert.match(mode as string, /^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x)$/, path);
    }
    assert.equal(modes.get("./etc/busbar/busbar.yaml")?.[0], "-rw-r-----");
    assert.equal(modes.get("./etc/busbar/secrets/")?.[0], "drwxr-x---");
    for (const path of [
      "./usr/bin/busbar",
      "./usr/lib/systemd/system/busbar.service",
      "./usr/lib/udev/rules.d/70-busbar-serial.rules",
      "./usr/lib/sysctl.d/60-busbar-can.conf",
      "./usr/share/man/man1/busbar.1.gz",
      "./usr/share/doc/busbar/INSTALL.md",
      "./usr/share/doc/busbar/copyright",
    ]) {
      assert.ok(modes.has(path), path);
    }
    assert.equal(await output("dpkg-deb", ["-I", deb, "conffiles"]), "/etc/busbar/busbar.yaml\n");
  });

  test("every program that the unit starts is in the package", async () => {
    const unit = readFileSync(join(tree, "usr/lib/systemd/system/busbar.service"), "utf8");
    const named = [...unit.matchAll(/^Exec\w+=(.+)$/gm)].flatMap(([, line]) => {
      return (line as string)
        .split(" ")
        .filter((word) => /^\/usr\/(bin|lib)\/(\w+\/)*\w*busbar/.test(word) || word.startsWith("/usr/lib/busbar/"));
    });
    assert.ok(named.length > 0);
    for (const path of named) assert.equal(statSync(join(tree, path)).mode & 0o111, 0o111, path);
  });

  test("nothing in it names the folder it was built in", async () => {
    const found = await output("grep", ["-rlF", "--", ROOT, tree]).catch((error: { stdout: string }) => error.stdout);
    assert.equal(found, "");
  });

  test("lintian finds no error", { skip: NO_LINTIAN }, async () => {
    const said = await output("lintian", ["--allow-root", "--fail-on", "none", "--tag-display-limit", "0", deb]);
    assert.deepEqual(
      said.split("\n").filter((line) => line.startsWith("E:")),
      [],
    );
  });

  test("the command runs, and finds the example right and the profiles", async () => {
    assert.equal(await busbar("version"), `busbar ${VERSION}\n`);
    const config = join(tree, "etc/busbar/busbar.yaml");
    assert.match(await busbar("check", "--config", config), /^rs485: .*wallbox-1.*heidelberg-energy-control/m);
  });

  test("the compiled addons load", async () => {
    const app = join(tree, "usr/lib/busbar/app");
    for (const addon of ["sqlite", "serial", "can", "can_signals"]) {
      const script = `process.stdout.write(String(Object.keys(require("./${addon}.node")).length))`;
      const { stdout } = await exec(join(tree, "usr/lib/busbar/bin/node"), ["-e", script], { cwd: app });
      assert.ok(Number(stdout) > 0, addon);
    }
  });

  test("a gateway from the tree polls a simulated depot, stores, and shows its page", async () => {
    await using sim = await SimProcess.start(dir);
    const [mqttPort, httpPort] = [await freePort(), await freePort()];
    const page = `http://127.0.0.1:${httpPort}`;
    const config = join(dir, "busbar.yaml");
    const site = {
      version: 1,
      gateway: { id: "packaged" },
      uplink: { url: `mqtt://127.0.0.1:${await freePort()}` },
      store: { path: join(dir, "outbox.db"), min_free: "0 B" },
      fast_path: { to: [] },
      local: { mqtt: { listen: `127.0.0.1:${mqttPort}` }, http: { listen: `127.0.0.1:${httpPort}` } },
      sources: sim.sources,
    };
    writeFileSync(config, stringify(site));
    const child = spawn("sh", [launcher, "run", "--config", config], {
      stdio: ["ignore", "inherit", "pipe"],
      env: { ...process.env, BUSBAR_SIM_DIR: sim.simDir },
    });
    gateway = child;
    let log = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      log += chunk.toString();
    });
    const holds = async (): Promise<boolean> => {
      assert.equal(child.exitCode, null, log);
      const snapshot = await busbar("status", "--json", "--url", page).catch(() => "");
      if (snapshot === "") return false;
      const { outbox, assets } = JSON.parse(snapshot) as Snapshot;
      const live = ["wallbox-1", "wallbox-3", "van-7"].every((id) => assets[id]?.available);
      return live && (outbox?.durable_until ?? 0) > 0;
    };
    await until(`values of Modbus TCP, RTU and CAN on disk; it said:\n${log}`, holds, 30_000);
    const html = await (await fetch(page)).text();
    assert.match(html, /<html/);
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null], log);
    assert.doesNotMatch(log, /"level":"error"/);
  });

  test("it is small enough", () => {
    // At the quickest compression; a release is smaller.
    assert.ok(statSync(deb).size < LIMIT_BYTES, `${statSync(deb).size} bytes`);
  });
});
