import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import type { Snapshot } from "../../../daemon/status/protocol.ts";
import { start } from "./harness.ts";
import { METER_VALUES, sources, store } from "./messages.ts";

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

function ask(
  port: number | undefined,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
) {
  return new Promise<Reply>((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, agent: false, ...options }, async (response) => {
      let body = "";
      for await (const chunk of response) body += String(chunk);
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
    });
    sent.on("error", reject).end();
  });
}

test("/api/status is the snapshot: what was told comes back with units, quality and times", async (t) => {
  const { status, ready } = await start(t);
  status.receive(METER_VALUES);
  status.receive(sources(true));
  status.receive(store(1795226001123));
  const reply = await ask(ready.httpPort, "/api/status");
  assert.equal(reply.status, 200);
  assert.equal(reply.headers["content-type"], "application/json; charset=utf-8");
  const snapshot = JSON.parse(reply.body) as Snapshot;
  assert.equal(snapshot.gateway, "depot-berlin-01");
  assert.deepEqual(snapshot.assets["meter-1"], {
    kind: "meter",
    source: "rs485",
    available: true,
    ts: 1795226001123,
    values: {
      "Power.Active.Import": { v: 7361, u: "W", q: "good", ts: 1795226001123 },
      "Energy.Active.Import.Register": { v: 1204334, u: "Wh", q: "stale", ts: 1795226000123 },
    },
  });
  assert.equal(snapshot.assets["wallbox-1"]?.available, false);
  assert.equal(snapshot.outbox?.durable_until, 1795226001123);
  assert.equal(snapshot.uplink?.state, "up");
  assert.deepEqual(snapshot.health, { status: "ok", reasons: [] });
});

test("/api/health is 200 while things heal by themselves, and 503 when somebody must act", async (t) => {
  const { status, ready } = await start(t);
  status.receive(sources(false));
  status.receive(store(1, "down"));
  const degraded = await ask(ready.httpPort, "/api/health");
  assert.equal(degraded.status, 200);
  assert.deepEqual(JSON.parse(degraded.body), {
    status: "degraded",
    reasons: ["uplink down", "meter-1: unit 2: no reply in 500 ms"],
  });
  status.receive(store(1, "refused"));
  const failed = await ask(ready.httpPort, "/api/health");
  assert.equal(failed.status, 503);
  assert.equal(JSON.parse(failed.body).status, "failed");
});

test("the page and every file it names are served, and a browser may load nothing from elsewhere", async (t) => {
  const { ready } = await start(t);
  const page = await ask(ready.httpPort, "/");
  assert.match(page.headers["content-security-policy"] as string, /default-src 'none'/);
  assert.doesNotMatch(page.body, /https?:\/\//);
  const linked = [...page.body.matchAll(/(?:href|src)="(\/[^"]*)"/g)].map((match) => match[1] ?? "");
  assert.ok(linked.includes("/page.js") && linked.includes("/page.css"));
  const wanted = [...linked];
  for (let path = wanted.pop(); path !== undefined; path = wanted.pop()) {
    const file = await ask(ready.httpPort, path);
    assert.equal(file.status, 200, path);
    assert.ok(file.body.length > 0, path);
    wanted.push(...[...file.body.matchAll(/from "\.(\/[^"]+)"/g)].map((match) => match[1] ?? ""));
  }
});

test("the page's scripts never turn text into markup", async (t) => {
  const { ready } = await start(t);
  for (const file of ["/page.js", "/page-assets.js", "/page-dom.js"]) {
    const { body } = await ask(ready.httpPort, file);
    assert.match(body, /el\(|append\(/);
    assert.doesNotMatch(body, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|setAttribute/, file);
  }
});

test("only loopback names are answered without credentials (DNS rebinding)", async (t) => {
  const { ready } = await start(t);
  const statusFor = async (host: string) => (await ask(ready.httpPort, "/api/status", { headers: { host } })).status;
  for (const host of ["localhost", "127.0.0.1:8066", "[::1]:8066", "LOCALHOST:1"])
    assert.equal(await statusFor(host), 200, host);
  for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example"])
    assert.equal(await statusFor(host), 403, host);
});

test("it is read-only, and answers what it does not have with 404", async (t) => {
  const { ready } = await start(t);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const reply = await ask(ready.httpPort, "/api/status", { method });
    assert.deepEqual([reply.status, reply.headers.allow], [405, "GET, HEAD"], method);
  }
  for (const path of [
    "/../package.json",
    "/page.html",
    "/%2e%2e/x",
    "/constructor",
    "/api/status/x",
    "//",
    "/page.css%00",
  ])
    assert.equal((await ask(ready.httpPort, path)).status, 404, path);
  const head = await ask(ready.httpPort, "/api/status", { method: "HEAD" });
  assert.deepEqual([head.status, head.body], [200, ""]);
});

test("with credentials: 401 without the right ones, any host name with them", async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), "busbar-")), "password");
  writeFileSync(file, "pä:ss\n");
  const listen = { listen: { host: "127.0.0.1", port: 0 } };
  const { ready } = await start(t, {
    local: { mqtt: listen, http: { ...listen, username: "tech", password_file: file } },
  });
  const headersFor = (text: string) => ({
    authorization: `Basic ${Buffer.from(text).toString("base64")}`,
    host: "gateway.lan",
  });
  const wrong = ["tech:no", "tech", ":", "tech:pä:ss ", ""].map((text) =>
    ask(ready.httpPort, "/api/status", { headers: headersFor(text) }),
  );
  for (const reply of await Promise.all([...wrong, ask(ready.httpPort, "/")])) {
    assert.equal(reply.status, 401);
    assert.match(reply.headers["www-authenticate"] as string, /^Basic realm="busbar"/);
  }
  assert.equal((await ask(ready.httpPort, "/api/status", { headers: headersFor("tech:pä:ss") })).status, 200);
});

test("garbage, and a client that is cut in the middle of a request, leave the page working", async (t) => {
  const { ready } = await start(t);
  for (const bytes of [
    "\x16\x03\x01\x02\x00",
    "GET",
    `GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
  ]) {
    const socket = connect(ready.httpPort ?? 0, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    socket.write(bytes, "latin1");
    socket.destroy();
  }
  assert.equal((await ask(ready.httpPort, "/api/health")).status, 200);
});
