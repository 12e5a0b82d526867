import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { BusbarError } from "../../../core/errors.ts";
import { Approach } from "../../../store-forward/uplink/approach.ts";
import { closedByPeer } from "../../../store-forward/uplink/faults.ts";
import { clientOptions, type LinkOptions } from "../../../store-forward/uplink/link-options.ts";

function approach(url = "mqtt://127.0.0.1:1883") {
  const http: string[] = [];
  let hosts = 0;
  const of = new Approach({
    url,
    onReached: () => hosts++,
    onHttp: ({ message }: BusbarError) => http.push(message),
  });
  const stream = new PassThrough();
  of.watch(stream);
  return { of, stream, http, hosts: () => hosts, closed: { error: closedByPeer(url), byPeer: true } };
}

test("a server that may have seen CONNECT may hold the will; one that refused does not", () => {
  const { of, stream, closed, hosts } = approach();
  assert.deepEqual(of.failure(closed), { error: closed.error, mayHoldWill: false, version: undefined });
  stream.emit("connect");
  assert.equal(hosts(), 1);
  assert.deepEqual(of.failure(closed), { error: closed.error, mayHoldWill: true, version: "silent" });
  const refusal = of.endOf(Object.assign(new Error("no"), { code: 0x87 }));
  assert.equal(refusal.byPeer, false);
  assert.equal(of.failure(refusal).mayHoldWill, false);
  assert.equal(of.failure(refusal).version, undefined);
});

test("over TLS the server is reached with the handshake, not with the host", () => {
  const { of, stream, closed, hosts } = approach("mqtts://127.0.0.1:8883");
  stream.emit("connect");
  assert.equal(hosts(), 1);
  assert.equal(of.failure(closed).version, undefined, "a TLS listener that hangs up knows no MQTT yet");
  assert.match(of.timedOut(40).message, /: no answer in 40 ms/);
  stream.emit("secureConnect");
  assert.equal(of.failure(closed).version, "silent");
  assert.match(of.timedOut(40).message, /: connected, but no MQTT answer in 40 ms/);
});

test("another version is tried when the server says so, or hangs up without a word", () => {
  for (const [code, version] of [
    [0x01, "told"],
    [0x84, "told"],
    [0x05, undefined],
  ] as const) {
    const { of, stream } = approach();
    stream.emit("connect");
    assert.equal(of.failure(of.endOf(Object.assign(new Error("no"), { code }))).version, version);
  }
  const { of, stream, closed } = approach();
  stream.emit("connect");
  assert.equal(of.failure({ ...closed, byPeer: false }).version, undefined, "a time-out of ours");
  const reset = of.endOf(Object.assign(new Error("reset"), { code: "ECONNRESET" }));
  assert.equal(of.failure(reset).version, "silent");
});

test("HTTP is told by its first bytes, before anybody else reads them", async () => {
  const { stream, http } = approach();
  const seen: string[] = [];
  stream.on("data", () => seen.push(http.join()));
  stream.write("HTTP/1.1 200 OK");
  await new Promise((resolve) => setImmediate(resolve));
  assert.match(seen[0] ?? "", /a web server answered/);
  const mqtt = approach();
  mqtt.stream.write(Buffer.from("20020000", "hex"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(mqtt.http, []);
});

test("mqtt.js is told the address and nothing else that stands in the URL", () => {
  const options: LinkOptions = {
    url: "mqtt://127.0.0.1",
    protocol: "5",
    clientId: "depot",
    tls: { cert: Buffer.from("cert") },
    keepaliveMs: 30_000,
    connectTimeoutMs: 1000,
    will: { topic: "state", payload: Buffer.from("offline") },
  };
  const of = (url: string) => {
    const { protocol, host, port, path, username, clientId, cert } = clientOptions({ ...options, url });
    return [protocol, host, port, path, username, clientId, cert?.toString()];
  };
  assert.deepEqual(of("mqtt://[::1]:1884"), ["mqtt", "::1", 1884, "/", undefined, "depot", undefined]);
  assert.deepEqual(of("mqtts://a:b@c.example"), ["mqtts", "c.example", undefined, "/", undefined, "depot", "cert"]);
  const path = "/mqtt?token=1&clientId=x";
  assert.deepEqual(of(`wss://[::1]:8443${path}`), ["wss", "[::1]", 8443, path, undefined, "depot", "cert"]);
  assert.equal(clientOptions({ ...options, url: "mqtts://c.example" }).rejectUnauthorized, true);
  assert.equal(clientOptions({ ...options, protocol: "3.1.1" }).properties, undefined);
});
