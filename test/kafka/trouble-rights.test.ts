/** Logins and rights: wrong, taken away, given back; the bridge says what is missing and goes on by itself. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { KafkaCluster } from "../../hw-sim/kafka/cluster.ts";
import { until } from "../support/wait.ts";
import { startKafka } from "./kafka.ts";
import { startLine } from "./line.ts";
import { openWriter } from "./records.ts";
import { NO_RIG } from "./rig.ts";
import { assertAll, becomes, publishRange, told } from "./trouble.ts";

const skip = NO_RIG;
/** Numbers of Kafka's protocol (org.apache.kafka.common.acl). */
const ACL = { any: "User:*", topic: 2, write: 4, deny: 2, literal: 3, transactionalId: 5 } as const;
let cluster: KafkaCluster;
before(async () => {
  if (skip !== false) return;
  const settings = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
    // Everybody is anonymous here: rights are taken by rules that deny.
    "super.users": "User:nobody-else",
  };
  cluster = await startKafka({ nodes: 1, settings });
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

function secretFile(password: string): Disposable & { readonly path: string; write(password: string): void } {
  const dir = mkdtempSync(join(tmpdir(), "busbar-secret-"));
  const path = join(dir, "password");
  const write = (text: string): void => writeFileSync(path, `${text}\n`);
  write(password);
  return { path, write, [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
}

for (const [what, resourceType, resourceName] of [
  ["to write a topic", ACL.topic, "telemetry"],
  ["to use a transactional id", ACL.transactionalId, "bridge.1"],
] as const) {
  test(`the right ${what} is taken away and given back`, { skip }, async () => {
    const name = `rights-${resourceType}`;
    await using line = await startLine({ cluster, name });
    await line.bridge.start();
    await line.ready();
    await publishRange(line, 1, 10);
    await line.arrived("telemetry", 10);
    await using writer = await openWriter(cluster.brokers);
    const rule = {
      resourceType,
      resourceName: `${name}.${resourceName}`,
      resourcePatternType: ACL.literal,
      principal: ACL.any,
      host: "*",
      operation: ACL.write,
      permissionType: ACL.deny,
    };
    await writer.admin.createAcls({ acl: [rule] });
    await publishRange(line, 11, 30);
    await until("it says so", () => /rights that docs\/BRIDGE\.md lists/.test(line.bridge.stderr), 60_000).catch(
      (error) => {
        throw new Error(`${(error as Error).message} ${line.bridge.stderr.slice(-2000)}`);
      },
    );
    await becomes(line, "degraded");
    await writer.admin.deleteAcls({ filters: [rule] });
    told(`right ${what} lost`, await becomes(line, "ok"));
    await line.arrived("telemetry", 30);
    await assertAll(line, 30);
  });
}

test("SASL: a wrong password at the start, and the right one in its file later", { skip }, async () => {
  await using guarded = await startKafka({
    nodes: 1,
    settings: {
      "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
      "inter.broker.listener.name": "PLAINTEXT",
      "sasl.mechanism.inter.broker.protocol": "PLAIN",
      "listener.name.plaintext.sasl.enabled.mechanisms": "PLAIN",
      "listener.name.plaintext.plain.sasl.jaas.config":
        'org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="right" user_a="right";',
    },
  });
  using secret = secretFile("wrong");
  const sasl = { mechanism: "plain", username: "a", password_file: secret.path };
  await using line = await startLine({ cluster: guarded, name: "sasl", kafka: { sasl } });
  await line.bridge.start();
  await until("it says so", () => /check kafka\.sasl/.test(line.bridge.stderr), 30_000);
  await becomes(line, "failed");
  secret.write("right");
  told("kafka password wrong", await becomes(line, "ok"));
});

test("TLS: an authority that did not sign at the start, and the right one in its file later", { skip }, async () => {
  const dir = mkdtempSync(join(tmpdir(), "busbar-tls-"));
  const [own, other] = [certificate(dir, "own"), certificate(dir, "other")];
  await using guarded = await startKafka({
    nodes: 1,
    settings: {
      "listener.security.protocol.map": "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT",
      "inter.broker.listener.name": "PLAINTEXT",
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": own.both,
      // It checks at the start that it would trust itself.
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": own.cert,
    },
  });
  const trusted = join(dir, "trusted.pem");
  copyFileSync(other.cert, trusted);
  await using line = await startLine({ cluster: guarded, name: "tls", kafka: { tls: { ca_file: trusted } } });
  await line.bridge.start();
  await until("it says so", () => /check kafka\.tls/.test(line.bridge.stderr), 30_000).catch((error) => {
    throw new Error(`${(error as Error).message} ${line.bridge.stderr.slice(-2000)}`);
  });
  await becomes(line, "failed");
  copyFileSync(own.cert, trusted);
  told("authority wrong", await becomes(line, "ok"));
  rmSync(dir, { recursive: true });
});

/** Signed by itself; `both` is key and certificate in one file. */
function certificate(dir: string, name: string): { readonly cert: string; readonly both: string } {
  const [key, cert, both] = ["key", "cert", "both"].map((part) => join(dir, `${name}-${part}.pem`)) as [
    string,
    string,
    string,
  ];
  const subject = ["-subj", "/CN=kafka", "-addext", "subjectAltName=IP:127.0.0.1"];
  const made = spawnSync("openssl", [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    key,
    "-out",
    cert,
    ...subject,
  ]);
  assert.equal(made.status, 0, made.stderr?.toString());
  writeFileSync(both, Buffer.concat([readFileSync(key), readFileSync(cert)]));
  return { cert, both };
}

test("MQTT: a wrong password at the start, and the right one in its file later", { skip }, async () => {
  using secret = secretFile("wrong");
  await using line = await startLine({
    cluster,
    name: "mqtt-login",
    mqtt: { username: "bridge", password_file: secret.path },
    user: { name: "bridge", password: "right" },
  });
  await line.bridge.start();
  await until("it says so", () => /check mqtt\.username/.test(line.bridge.stderr), 30_000);
  await becomes(line, "failed");
  secret.write("right");
  told("MQTT password wrong", await becomes(line, "ok"));
  await publishRange(line, 1, 10);
  await line.arrived("telemetry", 10);
});
