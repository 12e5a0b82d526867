/** SIGHUP has two senders: who wants the file read anew, and a terminal that is closed. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { freePort, until } from "../support/wait.ts";

const MAIN = fileURLToPath(new URL("../../daemon/cli/main.ts", import.meta.url));
const NO_SCRIPT =
  spawnSync("script", ["--version"]).status !== 0 && "script is not installed (apt-get install bsdutils)";

/** A process whose parent is gone is reaped by somebody else; until then it is a zombie. */
function runs(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && !/\) Z /.test(readFileSync(stat, "utf8"));
}

test("on a terminal SIGHUP reads the file anew, and the end of the terminal is the end", {
  skip: NO_SCRIPT,
}, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-terminal-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, "site.yaml");
  const listen = async () => ({ listen: `127.0.0.1:${await freePort()}` });
  writeFileSync(
    file,
    stringify({
      version: 1,
      gateway: { id: "on-a-terminal" },
      uplink: { url: "mqtt://127.0.0.1:9" },
      store: { path: join(dir, "outbox.db") },
      fast_path: { to: [] },
      local: { mqtt: await listen(), http: await listen() },
      sources: [
        { id: "bus", driver: "can", interface: "sim:none", devices: [{ id: "van-7", profile: "busbar-sim-van" }] },
      ],
    }),
  );
  const pidFile = join(dir, "pid");
  const command = `echo $$ >${pidFile}; exec ${process.execPath} ${MAIN} run --config ${file}`;
  const terminal = spawn("script", ["-qec", command, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, BUSBAR_SIM_DIR: dir },
  });
  t.after(() => terminal.kill("SIGKILL"));
  let shown = "";
  terminal.stdout.on("data", (chunk: Buffer) => {
    shown += chunk.toString();
  });
  await until("it runs", () => / running {2}/.test(shown), 15_000);
  const pid = Number(readFileSync(pidFile, "utf8"));
  process.kill(pid, "SIGHUP");
  await until("the file is read anew", () => shown.includes("configuration reloaded"), 15_000);
  assert.equal(runs(pid), true);
  terminal.kill("SIGKILL");
  await until("the gateway has ended", () => !runs(pid), 20_000);
  assert.ok(existsSync(join(dir, "outbox.db")));
  assert.equal(existsSync(join(dir, "outbox.db-wal")), false, "the outbox was closed in order");
});
