import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { run } from "../../../daemon/cli/status.ts";
import { start } from "./harness.ts";
import { METER_VALUES, store } from "./messages.ts";

/** Runs the verb in this process and keeps what it printed. */
async function printed(t: TestContext, args: readonly string[]) {
  let out = "";
  let err = "";
  const stdout = t.mock.method(process.stdout, "write", (text: string) => {
    out += text;
    return true;
  });
  const stderr = t.mock.method(process.stderr, "write", (text: string) => {
    err += text;
    return true;
  });
  try {
    return { code: await run(args), out, err };
  } finally {
    stdout.mock.restore();
    stderr.mock.restore();
  }
}

async function foreignServer(t: TestContext, status: number, body: string): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("it prints what the gateway says, as table and as JSON", async (t) => {
  const { status, ready } = await start(t);
  status.receive(METER_VALUES);
  status.receive(store(Date.now()));
  const url = `http://127.0.0.1:${ready.httpPort}`;
  const table = await printed(t, ["--url", url]);
  assert.equal(table.code, 0);
  assert.match(table.out, /^depot-berlin-01 {2}busbar 0\.1\.0/);
  assert.match(table.out, /meter-1 +meter +offline +7\.36 kW +1204\.33 kWh/);
  const json = await printed(t, ["--url", `${url}/`, "--json"]);
  assert.equal(JSON.parse(json.out).assets["meter-1"].values["Power.Active.Import"].v, 7361);
});

test("nobody listening: 69, the address, and what to do", async (t) => {
  const { ready, stop } = await start(t);
  await stop();
  const { code, out, err } = await printed(t, ["--url", `http://127.0.0.1:${ready.httpPort}`]);
  assert.deepEqual([code, out], [69, ""]);
  assert.match(err, /no status page at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\); start `busbar run`/);
});

test("another program on the port is not taken for a gateway", async (t) => {
  for (const [status, body] of [
    [200, "<html>"],
    [200, "null"],
    [200, '{"gateway":1}'],
    [500, "{}"],
  ] as const) {
    const { code, err } = await printed(t, ["--url", await foreignServer(t, status, body)]);
    assert.equal(code, 69);
    assert.match(err, /not as a Busbar status page; check --url/);
  }
});

test("credentials are given by file; without them it says so", async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), "busbar-")), "password");
  writeFileSync(file, "s3cret\n");
  const listen = { listen: { host: "127.0.0.1", port: 0 } };
  const { ready } = await start(t, {
    local: { mqtt: listen, http: { ...listen, username: "tech", password_file: file } },
  });
  const url = ["--url", `http://127.0.0.1:${ready.httpPort}`];
  assert.match((await printed(t, url)).err, /wants a user name and password; give --username and --password-file/);
  assert.equal((await printed(t, [...url, "--username", "tech", "--password-file", file])).code, 0);
  const half = await printed(t, [...url, "--username", "tech"]);
  assert.equal(half.code, 64);
});

test("an address that is none is wrong usage", async (t) => {
  for (const url of ["127.0.0.1:8066", "ftp://x", ""]) {
    const { code, err } = await printed(t, ["--url", url]);
    assert.equal(code, 64);
    assert.match(err, /is no address; write it as http:/);
  }
  await assert.rejects(run(["--nonsense"]), { code: "ERR_PARSE_ARGS_UNKNOWN_OPTION" });
});
