/** Rights taken away and given back: the bridge says what is missing and goes on by itself. */
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
