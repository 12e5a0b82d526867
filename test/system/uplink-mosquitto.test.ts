/** Ways into a real Mosquitto: client certificates, WebSockets; and records that it will not take. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { createWebSocketStream, WebSocketServer } from "ws";
import { parseRecord } from "../../core/record.ts";
import { batch, bench, T0 } from "../store-forward/outbox/support.ts";
import { Rig, recordsOf, soon } from "../store-forward/uplink/rig.ts";
import { NO_MOSQUITTO, startMosquitto } from "../support/broker.ts";
import { StorageRun } from "../support/storage-run.ts";
import { freePort } from "../support/wait.ts";

const NO_OPENSSL = spawnSync("openssl", ["version"]).status === 0 ? false : "openssl is not installed";
const LOCAL = "127.0.0.1";
const WAIT_MS = 15_000;

function folder(): string {
  return mkdtempSync(join(tmpdir(), "busbar-ways-"));
}

async function flows(rig: Rig, broker: { arrivals(): Parameters<typeof recordsOf>[0] }): Promise<void> {
  for (const stream of ["t", "c", "t"] as const) rig.queue.seal(stream);
  await rig.until("acknowledged", () => rig.queue.waiting() === 0, WAIT_MS);
  await rig.until("arrived", () => recordsOf(broker.arrivals()).length >= 3, WAIT_MS);
  for (const { stream, seq, plain } of recordsOf(broker.arrivals()))
    assert.deepEqual(plain, rig.queue.plain(stream as "c" | "t", seq));
}

describe("mTLS with Mosquitto", { skip: NO_MOSQUITTO || NO_OPENSSL }, () => {
  const dir = folder();
  after(() => rmSync(dir, { recursive: true }));

  before(() => {
    for (const name of ["ours", "foreign"]) {
      openssl(["req", "-x509", ...key(`${name}-ca`), "-subj", `/CN=${name} CA`, "-days", "30"], `${name}-ca`);
      signed(`${name}-client`, `${name}-ca`, "subjectAltName=DNS:depot-berlin-01");
    }
    signed("server", "ours-ca", "subjectAltName=IP:127.0.0.1");
  });

  function key(name: string): string[] {
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", join(dir, `${name}.key`)];
  }

  function openssl(args: readonly string[], out: string): void {
    const made = spawnSync("openssl", [...args, "-out", join(dir, `${out}.pem`)]);
    assert.equal(made.status, 0, made.stderr.toString());
  }

  function signed(name: string, ca: string, extension: string): void {
    openssl(["req", ...key(name), "-subj", "/CN=depot-berlin-01"], `${name}-request`);
    writeFileSync(join(dir, `${name}.ext`), extension);
    const files = ["-in", join(dir, `${name}-request.pem`), "-extfile", join(dir, `${name}.ext`)];
    const by = ["-CA", join(dir, `${ca}.pem`), "-CAkey", join(dir, `${ca}.key`), "-CAcreateserial", "-days", "30"];
    openssl(["x509", "-req", ...files, ...by], name);
  }

  async function broker() {
    const port = await freePort();
    const files = ["cafile ours-ca.pem", "certfile server.pem", "keyfile server.key"];
    const extra = [`listener ${port} ${LOCAL}`, ...files.map((line) => line.replace(" ", ` ${dir}/`))];
    return { port, mosquitto: await startMosquitto({ extra: [...extra, "require_certificate true"] }) };
  }

  function config(client?: string) {
    const files =
      client === undefined ? {} : { cert_file: join(dir, `${client}.pem`), key_file: join(dir, `${client}.key`) };
    return { ca_file: join(dir, "ours-ca.pem"), ...files };
  }

  test("with the certificate that the server asks for, records pass", async () => {
    const { port, mosquitto } = await broker();
    await using _ = mosquitto;
    await using rig = new Rig({ url: `mqtts://${LOCAL}:${port}`, config: config("ours-client") });
    await flows(rig, mosquitto);
  });

  for (const client of [undefined, "foreign-client"]) {
    test(`with ${client ?? "no"} certificate: no record leaves, and the status says why`, async () => {
      const { port, mosquitto } = await broker();
      await using _ = mosquitto;
      await using rig = new Rig({ url: `mqtts://${LOCAL}:${port}`, config: config(client) });
      rig.queue.seal("t");
      await rig.until("refused", () => rig.uplink.status().state === "refused", WAIT_MS);
      assert.match(
        rig.uplink.status().error ?? "",
        /TLS failed \(ERR_SSL_.*(REQUIRED|UNKNOWN_CA)\); check .*uplink\.cert_file/,
      );
      assert.equal(rig.queue.waiting(), 1);
      assert.deepEqual(recordsOf(mosquitto.arrivals()), []);
    });
  }
});

/** A WebSocket listener in front of a TCP port, for a Mosquitto that was built without. */
async function webSocketsTo(t: TestContext, port: number): Promise<number> {
  const server = new WebSocketServer({ host: LOCAL, port: 0, handleProtocols: () => "mqtt" });
  server.on("connection", (socket) => {
    const stream = createWebSocketStream(socket);
    const tcp = connect(port, LOCAL);
    stream.on("error", () => tcp.destroy()).pipe(tcp);
    tcp.on("error", () => stream.destroy()).pipe(stream);
  });
  t.after(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  return (server.address() as { port: number }).port;
}

test("over WebSockets records pass, and the link is replaced when it ends", { skip: NO_MOSQUITTO }, async (t) => {
  const own = await freePort();
  const built = await startMosquitto({ extra: [`listener ${own} ${LOCAL}`, "protocol websockets"] }).catch(
    () => undefined,
  );
  await using mosquitto = built ?? (await startMosquitto());
  t.diagnostic(
    built === undefined ? "Mosquitto without WebSockets: a listener of ours before it" : "Mosquitto's listener",
  );
  const port = built === undefined ? await webSocketsTo(t, mosquitto.port) : own;
  await using rig = new Rig({ url: `ws://${LOCAL}:${port}/mqtt` });
  await flows(rig, mosquitto);
  await mosquitto.stop();
  await rig.until("the end is seen", () => rig.uplink.status().state !== "up", WAIT_MS);
  rig.queue.seal("t");
  await mosquitto.start();
  await rig.until("acknowledged", () => rig.queue.waiting() === 0, WAIT_MS);
});

/** Together larger than what the broker takes. */
const TEXTS = 5;
const TEXT_BYTES = 700;

function text(): string {
  return randomBytes(TEXT_BYTES).toString("base64");
}

for (const [protocol, limit, how] of [
  ["5", "message_size_limit 3000", "by its reason code"],
  ["5", "max_packet_size 3000", "by the limit that it told"],
  ["3.1.1", "max_packet_size 3000", "by five closed connections"],
] as const) {
  test(`a record that Mosquitto never takes is found over MQTT ${protocol} ${how}; the others arrive`, {
    skip: NO_MOSQUITTO,
  }, async (t) => {
    const { path } = bench(t);
    await using mosquitto = await startMosquitto({ extra: [limit] });
    const run = new StorageRun(t, { path, uplink: { url: mosquitto.url, protocol } });
    const values = (): unknown[] => {
      const records = recordsOf(mosquitto.arrivals()).map(({ plain }) => parseRecord(plain));
      return records.flatMap(({ g = [] }) => g.flatMap(({ s }) => s["Power.Active.Import"] ?? []));
    };
    run.give(batch(T0, [1, 1]));
    await soon("the first arrives", () => values().includes(1), WAIT_MS);
    run.give(...Array.from({ length: TEXTS }, (_, at) => batch(T0 + 1000 + at, [3, text()])));
    await soon("it is sealed", () => run.outbox?.streams.t.next === 3, WAIT_MS);
    run.give(batch(T0 + 2000, [1, 2]));
    await soon("it is given up", () => run.outbox?.drops.rejected === TEXTS, 60_000);
    const gaps = () => recordsOf(mosquitto.arrivals()).flatMap(({ plain }) => parseRecord(plain).gap ?? []);
    await soon("told, and the next arrives", () => gaps().length > 0 && values().includes(2), WAIT_MS);
    const { c, from, to, samples, reason } = gaps()[0]!;
    assert.deepEqual([c, from, to, samples, reason], ["t", 2, 2, TEXTS, "rejected"]);
    await soon("nothing waits", () => run.outbox?.waiting === 0, WAIT_MS);
  });
}
