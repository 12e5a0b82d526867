/** The command as a process: streams, exit codes, a pipe that closes. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MAIN = "daemon/cli/main.ts";

function busbar(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { cwd: ROOT }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

test("the command", { concurrency: true }, async (t) => {
  await Promise.all([
    t.test("a right file: a line per source, and what reading alone does to a fail-safe", async () => {
      const { code, out, err } = await busbar("check", "--config", "examples/busbar.yaml");
      assert.deepEqual(
        { code, out },
        {
          code: 0,
          out:
            "rs485: modbus rtu /dev/ttyUSB0: wallbox-1 (unit 1, heidelberg-energy-control), meter-1 (unit 2, eastron-sdm630)\n" +
            "charger-lan: modbus tcp 192.168.10.21:502: wallbox-2 (unit 1, abb-terra-ac)\n",
        },
      );
      assert.match(err, /^warning: wallbox-1: .* every 15 s .*energy manager.*\nwarning: wallbox-2: .*\n$/);
      const { out: json } = await busbar("check", "--json", "--config", "examples/busbar.yaml");
      const { warnings } = JSON.parse(json) as { warnings: { asset: string }[] };
      assert.deepEqual(
        warnings.map(({ asset }) => asset),
        ["wallbox-1", "wallbox-2"],
      );
    }),
    t.test("a broken file: errors on stderr, 78", async () => {
      const { code, out, err } = await busbar("check", "--config", "test/fixtures/config/not-yaml.yaml");
      assert.equal(code, 78);
      assert.equal(out, "");
      assert.match(err, /^test\/fixtures\/config\/not-yaml\.yaml:3: .*\n.*:4: a tab .*\n.*:5: .*\n.*:6: .*\n$/);
    }),
    t.test("--json: one object on stdout", async () => {
      const file = "test/fixtures/config/none.yaml";
      const message = "there is no such file; check the path given with --config";
      assert.deepEqual(await busbar("check", "--json", "--config", file), {
        code: 78,
        out: `${JSON.stringify({ ok: false, errors: [{ file, line: 1, path: "", message }] })}\n`,
        err: "",
      });
    }),
    t.test("every verb tells its options and says what is missing", async () => {
      for (const help of [
        ["bridge", "--help"],
        ["help", "bridge"],
        ["bridge", "audit", "--help"],
      ]) {
        const { code, out, err } = await busbar(...help);
        assert.deepEqual({ code, err }, { code: 0, err: "" });
        assert.match(out, /^usage: busbar bridge run --config FILE .*\n(.*\n)+busbar bridge audit --config FILE .*\n/);
      }
      const wrong = await busbar("bridge", "adit");
      assert.equal(wrong.code, 64);
      assert.match(wrong.err, /^busbar bridge: unknown verb "adit"; allowed: run, audit\nusage: busbar bridge run /);
      for (const verb of [["run"], ["check"], ["bridge", "run"], ["bridge", "audit"]]) {
        const name = `busbar ${verb.join(" ")}`;
        const { code, err } = await busbar(...verb);
        assert.equal(code, 64);
        assert.ok(err.startsWith(`${name}: --config FILE is missing\nusage: ${name} --config FILE`), err);
      }
    }),
    t.test("version", async () => {
      const { version } = JSON.parse(readFileSync(new URL("package.json", `file://${ROOT}`), "utf8"));
      assert.deepEqual(await busbar("--version"), { code: 0, out: `busbar ${version}\n`, err: "" });
    }),
    t.test("a reader that goes away is no crash", async () => {
      const child = spawn(process.execPath, [MAIN, "help"], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
      child.stdout.destroy();
      let err = "";
      child.stderr.on("data", (chunk: Buffer) => {
        err += chunk.toString();
      });
      const [code] = await once(child, "close");
      assert.equal(err, "");
      assert.equal(code, 0);
    }),
  ]);
});
