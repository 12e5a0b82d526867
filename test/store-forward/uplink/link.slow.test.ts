/** Links that do not come about, or end: each is named with its remedy, none ends the process. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { linkError } from "../../../store-forward/uplink/faults.ts";
import { freePort } from "../../support/wait.ts";
import { RawServer } from "./raw-server.ts";
import { PREFIX, Rig, soon } from "./rig.ts";

const REFUSALS = [
  ["3.1.1", "20 02 00 01", /the MQTT version is not accepted \(0x01\); set uplink.protocol/],
  ["3.1.1", "20 02 00 02", /the client id is not accepted \(0x02\); allow the gateway's id/],
  ["3.1.1", "20 02 00 03", /the server is unavailable \(0x03\)/],
  ["3.1.1", "20 02 00 04", /user name or password is wrong \(0x04\); check uplink.username/],
  ["3.1.1", "20 02 00 05", /not authorised \(0x05\); check uplink.username/],
  ["5", "20 03 00 84 00", /the MQTT version is not accepted \(0x84\); set uplink.protocol/],
  ["5", "20 03 00 85 00", /the client id is not accepted \(0x85\)/],
  ["5", "20 03 00 86 00", /user name or password is wrong \(0x86\); check uplink.username/],
  ["5", "20 03 00 87 00", /not authorised \(0x87\)/],
  ["5", "20 03 00 8a 00", /this client is banned \(0x8a\)/],
  ["5", "20 03 00 9f 00", /too many connections in a short time \(0x9f\)/],
  // CONNACK property 0x24, Maximum QoS 0.
  ["5", "20 05 00 00 02 24 00", /the quality of service is not supported \(0x9b\); lower uplink.qos/],
] as const;

for (const [protocol, connack, error] of REFUSALS) {
  test(`CONNACK ${connack} over MQTT ${protocol}: ${error.source.slice(0, 40)}`, async () => {
    await using server = await RawServer.start({ connack });
    await using rig = new Rig({ url: server.url, config: { protocol } });
    await rig.until("refused", () => rig.uplink.status().state === "refused");
    assert.match(rig.uplink.status().error ?? "", error);
    assert.ok((rig.uplink.status().error ?? "").startsWith(`uplink ${server.url}: `));
  });
}

// MQTT 5 3.2.2.2: every reason code of 0x80 or more that a CONNACK may carry.
const CONNACK_CODES = [
  0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c,
  0x9d, 0x9f,
];

for (const code of CONNACK_CODES) {
  const hex = code.toString(16);
  test(`CONNACK 0x${hex}: refused, named with a remedy, and the record stays`, async () => {
    await using server = await RawServer.start({ connack: `20 03 00 ${hex} 00` });
    await using rig = new Rig({ url: server.url, config: { protocol: "5" } });
    rig.queue.seal("t");
    await rig.until("tried again", () => server.connections.length > 1);
    const { state, error = "" } = rig.uplink.status();
    assert.equal(state, "refused");
    assert.match(error, new RegExp(`^uplink ${server.url}: .+ \\(0x${hex}\\); .+`));
    assert.equal(rig.queue.waiting(), 1);
  });
}

test("an HTTP answer is named as a web server or captive portal", async () => {
  const greeting = Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  await using server = await RawServer.start({ greeting, deaf: true });
  await using rig = new Rig({ url: server.url });
  await rig.until("refused", () => rig.uplink.status().state === "refused");
  assert.match(rig.uplink.status().error ?? "", /a web server answered; .*captive portal/);
});

test("an HTTP answer to the WebSocket upgrade is named, too", async () => {
  const greeting = Buffer.from("HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Length: 0\r\n\r\n");
  await using server = await RawServer.start({ greeting, deaf: true });
  await using rig = new Rig({ url: server.url.replace("mqtt:", "ws:") });
  await rig.until("refused", () => rig.uplink.status().state === "refused");
  assert.match(rig.uplink.status().error ?? "", /a web server answered; .*captive portal/);
});

test("a closed port and a missing password file have their own words", async () => {
  const port = await freePort();
  const cases = [
    [{ url: `mqtt://127.0.0.1:${port}` }, "down", /connection refused \(ECONNREFUSED\); check that the server runs/],
    [
      { url: "mqtt://127.0.0.1:1", config: { username: "x", password_file: "./no-such-file" } },
      "refused",
      /^uplink.password_file .\/no-such-file cannot be read \(ENOENT\); check/,
    ],
  ] as const;
  for (const [options, state, error] of cases) {
    await using rig = new Rig(options);
    await rig.until(state, () => rig.uplink.status().state === state);
    assert.match(rig.uplink.status().error ?? "", error);
  }
});

test("a host name that nobody has (RFC 6761, .invalid) is told as such, or that no DNS server answers", async () => {
  const timing = { connectTimeoutMs: 60_000 };
  await using rig = new Rig({ url: "mqtt://no-such-host.invalid", uplink: { timing } });
  rig.queue.seal("t");
  await rig.until("down", () => rig.uplink.status().state === "down", 60_000);
  const { error = "", conn } = rig.uplink.status();
  assert.match(error, /(the host name is not known \(ENOTFOUND\)|no DNS server answered \(EAI_AGAIN\)); check .*DNS/);
  assert.deepEqual([conn, rig.queue.waiting()], [0, 1]);
});

const CODES = [
  [
    "ENOTFOUND",
    "UPLINK_UNREACHABLE",
    /the host name is not known \(ENOTFOUND\); check uplink.url and the network's DNS/,
  ],
  ["EAI_AGAIN", "UPLINK_UNREACHABLE", /no DNS server answered/],
  ["CERT_HAS_EXPIRED", "UPLINK_REFUSED", /certificate has expired .*; renew it on the server/],
  ["CERT_NOT_YET_VALID", "UPLINK_REFUSED", /not valid yet .*; check this machine's clock/],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "UPLINK_REFUSED", /self-signed .*; set uplink.ca_file/],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "UPLINK_REFUSED", /names another host/],
  [
    "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
    "UPLINK_REFUSED",
    /TLS failed \(ERR_SSL_TLSV1_ALERT_UNKNOWN_CA\); check uplink.ca_file/,
  ],
  ["EWHATEVER", "UPLINK_LOST", /boom; check that the port in uplink.url speaks MQTT/],
] as const;

test("errors of the system and of TLS have a code of ours and a remedy", () => {
  for (const [code, ours, text] of CODES) {
    const cause = Object.assign(new Error("boom"), { code });
    const error = linkError("mqtts://broker.example.com:8883", cause);
    assert.equal(error.code, ours);
    assert.match(error.message, text);
    assert.equal(error.cause, cause);
  }
});

test("a server that accepts TCP and never answers CONNECT times out", async () => {
  await using server = await RawServer.start({ deaf: true });
  await using rig = new Rig({ url: server.url, uplink: { timing: { connectTimeoutMs: 40 } } });
  await rig.until("down", () => rig.uplink.status().state === "down");
  assert.match(rig.uplink.status().error ?? "", /connected, but no MQTT answer in 40 ms; check the network/);
});

test("a server that hangs up on MQTT 5 is asked in 3.1.1 at once, and in 5 again next time", async () => {
  await using server = await RawServer.start({ hangUpOn5: true });
  await using rig = new Rig({ url: server.url });
  await rig.up();
  assert.equal(rig.uplink.status().protocol, "3.1.1");
  server.connections[1]!.socket.destroy();
  await soon("dialled again", () => (server.connections[3]?.level ?? 0) > 0);
  assert.deepEqual(
    server.connections.slice(0, 4).map(({ level }) => level),
    [5, 4, 5, 4],
  );
});

test("DISCONNECT with a reason is told: the session was taken over", async () => {
  await using server = await RawServer.start({ onConnect: (connection) => connection.send("e0 01 8e") });
  await using rig = new Rig({ url: server.url });
  await rig.until("down", () => rig.uplink.status().state === "down");
  assert.match(rig.uplink.status().error ?? "", /another client connected under this gateway's id \(0x8e\); give each/);
});

test("CONNECT names the gateway, a clean start and the last will", async () => {
  await using server = await RawServer.start();
  await using rig = new Rig({ url: server.url, config: { username: "depot", keepalive: "45 s" } });
  await rig.up();
  const { connect } = server.connections[0]!;
  // 3.1.2: "MQTT", level 5, flags user name + will retain + will QoS 1 + will + clean start, keep alive 45 s.
  assert.equal(connect.subarray(0, 10).toString("hex"), "00044d51545405ae002d");
  const text = connect.toString("latin1");
  assert.match(
    text,
    /depot-berlin-01.*busbar\/v1\/d8\/depot-berlin-01\/state.*"offline","boot":17,"conn":1,"ts":\d{13}/s,
  );
});

// Packets cut short, without an identifier where one is due, with identifier 0, or for nobody.
const BROKEN = ["6201 05", "6200", "6202 0000", "4001 01", "5000", "7001 07", "3401 00", "3403 000000", "9000", "b000"];

test("garbage after CONNACK, in both versions, never ends the process and is told", async () => {
  let seed = 0;
  const garbage = (): Buffer => {
    const broken = BROKEN[seed++ % 20];
    if (broken !== undefined) return Buffer.from(broken.replace(" ", ""), "hex");
    const bytes = randomBytes(1 + (seed % 40));
    // Half of it begins as a packet that a server may send, with a length that fits.
    if (seed % 2 === 0 && bytes.length > 2) {
      bytes[0] = [0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x90, 0xb0, 0xd0, 0xe0, 0xf0, 0x20][seed % 13]!;
      bytes[1] = bytes.length - 2;
    }
    return bytes;
  };
  await using server = await RawServer.start({ onConnect: ({ socket }) => socket.end(garbage()) });
  for (const protocol of ["5", "3.1.1"]) {
    const before = server.connections.length;
    const timing = { backoffFirstMs: 1, backoffMaxMs: 1, connectTimeoutMs: 500 };
    await using rig = new Rig({ url: server.url, config: { protocol }, uplink: { timing } });
    rig.queue.seal("t");
    await soon("many links", () => server.connections.length > before + 40);
    assert.equal(rig.queue.waiting(), 1, "no garbage acknowledges a record");
  }
});

test("receipts are handed on before the first record; what is no receipt is not", async () => {
  const receipts: unknown[] = [];
  let publishesAtReceipt = -1;
  await using server = await RawServer.start({
    onSubscribe: (connection) => {
      for (const text of ["garbage", "[]", '{"epoch":"x","upto":{}}', '{"epoch":"k3f9a1c2","upto":{"c":-1}}']) {
        connection.publish(`${PREFIX}/receipt`, text);
      }
      connection.publish(`${PREFIX}/receipt`, '{"epoch":"k3f9a1c2","upto":{"c":91,"t":4711,"b":0}}');
    },
  });
  const onReceipt = (receipt: unknown): boolean => {
    receipts.push(receipt);
    publishesAtReceipt = server.publishes.filter(({ topic }) => topic.includes("/data/")).length;
    throw new Error("a handler's own mistake");
  };
  await using rig = new Rig({ url: server.url, uplink: { onReceipt, timing: { receiptWaitMs: 50 } } });
  rig.queue.seal("t");
  await rig.until("the record is acknowledged", () => rig.queue.waiting() === 0);
  assert.deepEqual(receipts, [{ epoch: "k3f9a1c2", upto: { c: 91, t: 4711, b: 0 } }]);
  assert.equal(publishesAtReceipt, 0);
  assert.match(rig.uplink.status().warning ?? "", /holds something that is no receipt/);
});
