/** In which turns of the event loop a sender reads and writes; its order and window are in order.slow.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Stream } from "../../../core/record.ts";
import type { Position, SealedRecord } from "../../../store-forward/queue.ts";
import type { Link } from "../../../store-forward/uplink/connection.ts";
import { FlightBudget } from "../../../store-forward/uplink/flight-budget.ts";
import { Hold } from "../../../store-forward/uplink/hold.ts";
import { Lane } from "../../../store-forward/uplink/lane.ts";
import { limitsOf } from "../../../store-forward/uplink/limits.ts";
import type { Publish } from "../../../store-forward/uplink/publisher.ts";
import { Sender } from "../../../store-forward/uplink/sender.ts";
import { MemoryQueue } from "../../support/memory-queue.ts";
import { until } from "../../support/wait.ts";

/** Notes reads and, as the socket sees it, how many publishes leave at once. */
class Watched extends MemoryQueue {
  readonly steps: string[] = [];
  readonly dones: (((reasonCode: number) => void) | undefined)[] = [];
  #unwritten = 0;

  override read(stream: Stream, after: Position | undefined, limit: number): SealedRecord[] {
    const records = super.read(stream, after, limit);
    this.steps.push(`read ${records.length} of ${stream}`);
    return records;
  }

  readonly publish = ({ done }: Publish): void => {
    this.dones.push(done);
    if (this.#unwritten++ > 0) return;
    process.nextTick(() => {
      this.steps.push(`write ${this.#unwritten}`);
      this.#unwritten = 0;
    });
  };
}

function senderOf(queue: Watched): { readonly sender: Sender; readonly lanes: readonly Lane[] } {
  const { publish } = queue;
  const link = { protocol: "5", limits: limitsOf(undefined), publish } as Partial<Link> as Link;
  const lanes = (["c", "t", "b"] as const).map((stream) => new Lane({ queue, stream, qos: 1, hold: new Hold(60_000) }));
  const sender = new Sender({
    ...{ link, lanes, prefix: "busbar/v1/00/depot", window: 1000, budget: new FlightBudget(1000), rate: undefined },
    framing: () => (plain) => plain,
    hooks: {
      monoMs: () => 0,
      onAcked: () => {},
      onRefused: () => "held",
      onQueueError: (error) => assert.fail(String(error)),
    },
  });
  return { sender, lanes };
}

test("what was sent has left before the next lot is read", async () => {
  const queue = new Watched();
  for (let i = 0; i < 150; i++) queue.seal("t");
  const { sender } = senderOf(queue);
  sender.allowRecords();
  await until("all are sent", () => queue.dones.length === 150, 5000);
  sender.stop();
  const wanted = ["read 0 of c", "read 100 of t", "write 64", "write 36", "read 50 of t", "write 50"];
  assert.deepEqual(queue.steps.slice(0, wanted.length), wanted);
});

test("a stream that is held and would be read again does not hold the others up", async () => {
  const queue = new Watched();
  queue.seal("t");
  const { sender, lanes } = senderOf(queue);
  sender.allowRecords();
  await until("it is sent", () => queue.dones.length === 1, 5000);
  queue.dones[0]?.(0x97);
  for (let i = 0; i < 50; i++) queue.seal("c");
  for (const lane of lanes) lane.wake();
  const { length } = queue.steps;
  await until("the others are sent", () => queue.dones.length === 51, 5000);
  sender.stop();
  assert.deepEqual(queue.steps.slice(length, length + 2), ["read 50 of c", "write 50"]);
});
