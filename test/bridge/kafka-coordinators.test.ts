import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { type Asked, type Finder, keepCoordinators } from "../../bridge/kafka/coordinators.ts";

const require = createRequire(import.meta.url);
const types = require("kafkajs/src/protocol/coordinatorTypes") as { GROUP: number; TRANSACTION: number };
const Cluster = require("kafkajs/src/cluster") as { prototype: Finder };

function clients(answer: (of: Asked) => Promise<unknown>) {
  class Client implements Finder {
    async findGroupCoordinatorMetadata(of: Asked): Promise<unknown> {
      return await answer(of);
    }
  }
  const clock = { ms: 0 };
  keepCoordinators(Client.prototype, () => clock.ms);
  return { Client, clock };
}

const ours: Asked = { groupId: "busbar.bridge.3", coordinatorType: types.TRANSACTION };

test("a client is told once a second who coordinates its transactions, and each client for itself", async () => {
  let asked = 0;
  const { Client, clock } = clients(async () => ++asked);
  const [one, other] = [new Client(), new Client()];
  assert.equal(await one.findGroupCoordinatorMetadata(ours), 1);
  clock.ms = 999;
  assert.equal(await one.findGroupCoordinatorMetadata(ours), 1);
  assert.equal(await other.findGroupCoordinatorMetadata(ours), 2);
  assert.equal(await one.findGroupCoordinatorMetadata({ ...ours, groupId: "busbar.bridge.4" }), 3);
  assert.equal(await other.findGroupCoordinatorMetadata(ours), 2);
  clock.ms = 2000;
  assert.equal(await other.findGroupCoordinatorMetadata(ours), 4);
});

test("a consumer group's coordinator is asked for each time", async () => {
  let asked = 0;
  const { Client } = clients(async () => ++asked);
  const client = new Client();
  for (const expected of [1, 2, 3]) {
    assert.equal(await client.findGroupCoordinatorMetadata({ ...ours, coordinatorType: types.GROUP }), expected);
  }
});

test("a refusal is not remembered", async () => {
  let refuses = true;
  const { Client } = clients(async () => {
    if (refuses) throw new Error("not available");
    return "broker 2";
  });
  const client = new Client();
  await assert.rejects(client.findGroupCoordinatorMetadata(ours), /not available/);
  refuses = false;
  assert.equal(await client.findGroupCoordinatorMetadata(ours), "broker 2");
});

test("kafkajs has the method whose place is taken", () => {
  assert.equal(typeof Cluster.prototype.findGroupCoordinatorMetadata, "function");
});
