/** TLS: verification is always on, and each way to fail has its own words. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createServer, type Server, type TlsOptions } from "node:tls";
import { RawServer } from "../store-forward/uplink/raw-server.ts";
import { Rig } from "../store-forward/uplink/rig.ts";
import { FakeTime, NO_FAKE_TIME } from "../support/fake-time.ts";
import { FaultProxy } from "../support/fault-proxy.ts";

const NO_OPENSSL = spawnSync("openssl", ["version"]).status === 0 ? false : "openssl is not installed";

describe("mqtts", { skip: NO_OPENSSL }, () => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-tls-"));
  after(() => rmSync(dir, { recursive: true }));

  before(() => {
    issue("good", ["-addext", "subjectAltName=IP:127.0.0.1"], "30");
    issue("other-host", ["-addext", "subjectAltName=DNS:broker.example.com"], "30");
  });

  function issue(name: string, extra: readonly string[], days: string, env = process.env): void {
    const files = ["-keyout", join(dir, `${name}.key`), "-out", join(dir, `${name}.pem`)];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const made = spawnSync(
      "openssl",
      ["req", "-x509", ...key, "-subj", "/CN=test", "-days", days, ...files, ...extra],
      { env },
    );
    assert.equal(made.status, 0, made.stderr.toString());
  }

  /** TLS in front of a server of hand-written bytes. */
  async function listen(
    t: { after(fn: () => unknown): void },
    name: string,
    tls: TlsOptions = {},
  ): Promise<{ port: number; server: Server }> {
    const raw = await RawServer.start();
    const inner = await new FaultProxy({ to: { host: "127.0.0.1", port: Number(new URL(raw.url).port) } }).start();
    const { connect } = await import("node:net");
    const files = { cert: readFileSync(join(dir, `${name}.pem`)), key: readFileSync(join(dir, `${name}.key`)), ...tls };
    const server = createServer(files, (socket) => {
      const up = connect(inner.port, "127.0.0.1");
      socket.on("error", () => up.destroy());
      up.on("error", () => socket.destroy());
      socket.pipe(up).pipe(socket);
    });
    server.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(async () => {
      server.close();
      await inner[Symbol.asyncDispose]();
      await raw[Symbol.asyncDispose]();
    });
    return { port: (server.address() as AddressInfo).port, server };
  }

  test("a server whose authority is configured is accepted, and records pass", async (t) => {
    const { port } = await listen(t, "good");
    const config = { ca_file: join(dir, "good.pem") };
    await using rig = new Rig({ url: `mqtts://127.0.0.1:${port}`, config });
    rig.queue.seal("t");
    await rig.until("acknowledged", () => rig.queue.waiting() === 0);
    assert.equal(rig.uplink.status().state, "up");
  });

  const cases = [
    ["good", {}, /certificate is self-signed \(DEPTH_ZERO_SELF_SIGNED_CERT\); set uplink.ca_file/],
    ["other-host", { ca_file: "other-host.pem" }, /names another host \(ERR_TLS_CERT_ALTNAME_INVALID\); use the name/],
    ["good", { ca_file: "good.key" }, /self-signed/],
  ] as const;
  for (const [name, files, error] of cases) {
    test(`${name} with ${JSON.stringify(files)}: ${error.source.slice(0, 50)}`, async (t) => {
      const { port } = await listen(t, name);
      const config = Object.fromEntries(Object.entries(files).map(([key, file]) => [key, join(dir, file)]));
      await using rig = new Rig({ url: `mqtts://127.0.0.1:${port}`, config });
      rig.queue.seal("t");
      await rig.until("refused", () => rig.uplink.status().state === "refused");
      assert.match(rig.uplink.status().error ?? "", error);
      assert.equal(rig.queue.waiting(), 1);
    });
  }

  for (const [what, from, error] of [
    ["has expired", "-40d", /the server's certificate has expired \(CERT_HAS_EXPIRED\); renew it on the server$/],
    ["is of the future", "+40d", /not valid yet \(CERT_NOT_YET_VALID\); check this machine's clock/],
  ] as const) {
    test(`a certificate that ${what} is refused and named`, { skip: NO_FAKE_TIME }, async (t) => {
      using time = new FakeTime(from);
      issue(from, ["-addext", "subjectAltName=IP:127.0.0.1"], "30", { ...process.env, ...time.env });
      const { port } = await listen(t, from);
      const config = { ca_file: join(dir, `${from}.pem`) };
      await using rig = new Rig({ url: `mqtts://127.0.0.1:${port}`, config });
      rig.queue.seal("t");
      await rig.until("refused", () => rig.uplink.status().state === "refused");
      assert.match(rig.uplink.status().error ?? "", error);
      assert.equal(rig.queue.waiting(), 1);
    });
  }

  test("TLS 1.1 is refused and named; TLS 1.2 is taken", async (t) => {
    const config = { ca_file: join(dir, "good.pem") };
    const ciphers = "DEFAULT@SECLEVEL=0";
    const old = await listen(t, "good", { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers });
    await using refused = new Rig({ url: `mqtts://127.0.0.1:${old.port}`, config });
    refused.queue.seal("t");
    await refused.until("refused", () => refused.uplink.status().state === "refused");
    assert.match(refused.uplink.status().error ?? "", /TLS.*; check /);
    assert.equal(refused.queue.waiting(), 1);
    const { port } = await listen(t, "good", { maxVersion: "TLSv1.2" });
    await using taken = new Rig({ url: `mqtts://127.0.0.1:${port}`, config });
    await taken.up();
  });

  test("a port that does not speak TLS is named", async () => {
    await using server = await RawServer.start({ greeting: Buffer.from("hello there, no TLS here"), deaf: true });
    await using rig = new Rig({ url: server.url.replace("mqtt:", "mqtts:") });
    await rig.until("refused", () => rig.uplink.status().state === "refused");
    assert.match(
      rig.uplink.status().error ?? "",
      /the TLS handshake failed \(EPROTO\); check that the port speaks TLS/,
    );
  });
});
