import assert from "node:assert/strict";
import { test } from "node:test";
import { goneError } from "../../bridge/mqtt/faults.ts";

const failed = (code: string, message: string): Error => Object.assign(new Error(message), { code });

test("the end of a connection names what to look at", () => {
  const alert = failed("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "40ED:error:0A000418:SSL routines:../deps/x.c:918:\n");
  const foreign = failed("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate");
  const reset = failed("ECONNRESET", "write ECONNRESET");
  for (const [url, stage, cause, told] of [
    [
      "mqtts://b:1",
      "logging in",
      alert,
      "connection lost (the server refuses TLS: ERR_SSL_TLSV1_ALERT_UNKNOWN_CA); check mqtt.cert_file and",
    ],
    [
      "wss://b:1/m",
      "connecting",
      foreign,
      "not reachable (unable to verify the first certificate); check mqtt.ca_file",
    ],
    [
      "mqtts://b:1",
      "logging in",
      reset,
      "connection lost (write ECONNRESET); check mqtt.url and that the server runs; where it asks for a certificate, mqtt.cert_file",
    ],
    [
      "mqtts://b:1",
      "logging in",
      undefined,
      "the other side closed the connection; check mqtt.url and that the server runs; where it asks",
    ],
    ["mqtts://b:1", "connected", reset, "connection lost (write ECONNRESET); check mqtt.url and that the server runs"],
    ["mqtt://b:1", "logging in", undefined, "the other side closed the connection"],
  ] as const) {
    assert.ok(goneError(url, stage, cause).message.startsWith(`mqtt ${url}: ${told}`), told);
  }
  for (const [url, stage] of [
    ["mqtts://b:1", "connected"],
    ["mqtt://b:1", "logging in"],
  ] as const) {
    assert.doesNotMatch(goneError(url, stage, reset).message, /certificate/);
  }
});
