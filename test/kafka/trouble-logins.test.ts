/** Logins and certificates, of Kafka and of MQTT: wrong at the start, right in their files later; the bridge says which. */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { freePort, until } from "../support/wait.ts";
import { auditOf } from "./audit-run.ts";
import { Certificates, type Pair } from "./certificates.ts";
import { startKafka } from "./kafka.ts";
import { type Line, startLine } from "./line.ts";
import { NO_RIG } from "./rig.ts";
import { becomes, publishRange, told } from "./trouble.ts";

const skip = NO_RIG;
const LIMIT_MS = 30_000;
const LOGIN = "org.apache.kafka.common.security";
/** One listener for clients and for the broker itself, which logs in as `broker`. */
const SASL: Readonly<Record<string, string>> = {
  "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
  "inter.broker.listener.name": "PLAINTEXT",
  "sasl.mechanism.inter.broker.protocol": "PLAIN",
  "listener.name.plaintext.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
  "listener.name.plaintext.plain.sasl.jaas.config": `${LOGIN}.plain.PlainLoginModule required username="broker" password="own" user_broker="own" user_a="right";`,
  "listener.name.plaintext.scram-sha-256.sasl.jaas.config": `${LOGIN}.scram.ScramLoginModule required;`,
  "listener.name.plaintext.scram-sha-512.sasl.jaas.config": `${LOGIN}.scram.ScramLoginModule required;`,
};

function secretFile(password: string): Disposable & { readonly path: string; write(password: string): void } {
  const dir = mkdtempSync(join(tmpdir(), "busbar-secret-"));
  const path = join(dir, "password");
  const write = (text: string): void => writeFileSync(path, `${text}\n`);
  write(password);
  return { path, write, [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
}

/** Waits until that stands in its log. */
async function says({ bridge }: Line, what: RegExp): Promise<void> {
  await until(`it says ${what}`, () => what.test(bridge.stderr), LIMIT_MS).catch((error: Error) => {
    throw new Error(`${error.message}; ${bridge.stderr.slice(-2000)}`);
  });
}

/** Records pass, and the audit logs in as the bridge does. */
async function passes(line: Line): Promise<void> {
  await publishRange(line, 1, 10);
  const complete = async (): Promise<boolean> => (await auditOf(line.bridge.configFile)).json?.totals.records === 10;
  await until("the audit finds ten records", complete, LIMIT_MS);
}

describe("Kafka asks for a password", { skip }, () => {
  let cluster: KafkaCluster;
  before(async () => {
    cluster = await startKafka({ nodes: 1, settings: SASL, users: [{ name: "a", password: "right" }] });
  });
  after(() => cluster[Symbol.asyncDispose]());

  for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"]) {
    test(`${mechanism}: a wrong one at the start, the right one in its file later`, async () => {
      using secret = secretFile("wrong");
      const kafka = { sasl: { mechanism, username: "a", password_file: secret.path } };
      await using line = await startLine({ cluster, name: mechanism, kafka });
      await line.bridge.start();
      await says(line, /check kafka\.sasl/);
      await becomes(line, "failed");
      const refused = await auditOf(line.bridge.configFile);
      assert.deepEqual([refused.code, /authentication failed|credentials/i.test(refused.stderr)], [69, true]);
      secret.write("right");
      told(`kafka password wrong (${mechanism})`, await becomes(line, "ok"));
      await passes(line);
    });
  }
});

/** Trusts `authority`, and shows itself with what a test copies to `client`. */
function tlsFiles({ dir }: Certificates) {
  const file = (name: string): string => join(dir, name);
  const files = { ca_file: file("ca.pem"), cert_file: file("client.pem"), key_file: file("client.key") };
  return {
    files,
    trust: (authority: Pair) => copyFileSync(authority.cert, files.ca_file),
    show: (client: Pair) => {
      copyFileSync(client.cert, files.cert_file);
      copyFileSync(client.key, files.key_file);
    },
  };
}

test("Kafka asks for a certificate: a wrong authority, then a wrong client, then both right", { skip }, async () => {
  using made = new Certificates();
  const [own, other] = [made.authority("own"), made.authority("other")];
  const server = made.signed("server", own);
  await using cluster = await startKafka({
    nodes: 1,
    settings: {
      "listener.security.protocol.map": "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT",
      "inter.broker.listener.name": "PLAINTEXT",
      "ssl.client.auth": "required",
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": server.both,
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": own.cert,
    },
  });
  const { files, trust, show } = tlsFiles(made);
  trust(other);
  show(made.signed("foreign", other));
  await using line = await startLine({ cluster, name: "tls", kafka: { tls: files } });
  await line.bridge.start();
  await says(line, /(SELF_SIGNED|UNABLE_TO|certificate).*check kafka\.tls/);
  await becomes(line, "failed");
  trust(own);
  await says(line, /alert.*check kafka\.tls/i);
  show(made.signed("client", own));
  told("authority and client certificate wrong", await becomes(line, "ok"));
  await passes(line);
});

describe("MQTT", { skip }, () => {
  let cluster: KafkaCluster;
  before(async () => {
    cluster = await startKafka({ nodes: 1 });
  });
  after(() => cluster[Symbol.asyncDispose]());

  test("a wrong password at the start, and the right one in its file later", async () => {
    using secret = secretFile("wrong");
    await using line = await startLine({
      cluster,
      name: "mqtt-login",
      mqtt: { username: "bridge", password_file: secret.path },
      user: { name: "bridge", password: "right" },
    });
    await line.bridge.start();
    await says(line, /check mqtt\.username/);
    await becomes(line, "failed");
    secret.write("right");
    told("MQTT password wrong", await becomes(line, "ok"));
    await publishRange(line, 1, 10);
    await line.arrived("telemetry", 10);
  });

  for (const [scheme, more] of [
    ["mqtts", []],
    ["wss", ["protocol websockets"]],
  ] as const) {
    test(`${scheme} asks for a certificate: a wrong authority, then a wrong client, then both right`, async () => {
      using made = new Certificates();
      const [own, other] = [made.authority("own"), made.authority("other")];
      const server = made.signed("server", own);
      const port = await freePort();
      const its = [`cafile ${own.cert}`, `certfile ${server.cert}`, `keyfile ${server.key}`];
      const mosquitto = [`listener ${port} 127.0.0.1`, ...more, ...its, "require_certificate true"];
      const { files, trust, show } = tlsFiles(made);
      trust(other);
      show(made.signed("foreign", other));
      const mqtt = { url: `${scheme}://127.0.0.1:${port}`, ...files };
      await using line = await startLine({ cluster, name: scheme, mosquitto, mqtt });
      await line.bridge.start();
      await says(line, /mqtt connection lost.*check mqtt\.ca_file/);
      trust(own);
      await says(line, /mqtt connection lost.*check mqtt\.cert_file/);
      await becomes(line, "failed");
      show(made.signed("client", own));
      told(`${scheme}: authority and client certificate wrong`, await becomes(line, "ok"));
      await passes(line);
      await line.broker.stop();
      await becomes(line, "failed");
      await line.broker.start();
      told(`${scheme}: server restarted`, await becomes(line, "ok"));
    });
  }
});
