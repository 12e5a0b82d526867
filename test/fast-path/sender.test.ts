import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { describe, it, type TestContext } from "node:test";
import { SystemClock } from "../../core/clock.ts";
import { type LogEntry, Logger } from "../../core/log.ts";
import type { HostPort } from "../../core/schema.ts";
import { type Datagram, decodeDatagram } from "../../daemon/fast-path/datagram.ts";
import { FastPathListener } from "../../daemon/fast-path/listener.ts";
import { FastPathReceiver } from "../../daemon/fast-path/receiver.ts";
import { FastPathSender } from "../../daemon/fast-path/sender.ts";
import { until } from "../support/wait.ts";
import { contractDatagrams, FIRST_US, SIGNALS } from "./vectors.ts";

const BATCH = { tUs: FIRST_US, numbers: [1, 2], values: [7360, "Faulted"], quality: [0, 0] } as const;

function arrival(holds: () => boolean): Promise<void> {
  return until("the datagrams arrive", holds, 5000);
}

/** A socket that keeps what it hears. */
async function hear(t: TestContext, type: "udp4" | "udp6" = "udp4"): Promise<{ port: number; heard: Buffer[] }> {
  const socket = createSocket(type);
  t.after(() => socket.close());
  const heard: Buffer[] = [];
  socket.on("message", (bytes) => heard.push(bytes));
  await new Promise<void>((resolve) => socket.bind(0, type === "udp4" ? "127.0.0.1" : "::1", resolve));
  return { port: socket.address().port, heard };
}

function make(t: TestContext, targets: readonly HostPort[], tableIntervalMs = 60_000) {
  const entries: LogEntry[] = [];
  const log = new Logger("fast-path", (entry) => entries.push(entry));
  const options = { gateway: "depot-berlin-01", signals: SIGNALS, targets, clock: new SystemClock(), log };
  const sender = new FastPathSender({ ...options, tableIntervalMs });
  t.after(() => sender.close());
  return { sender, entries };
}

function decoded(bytes: Buffer | undefined): Datagram {
  const datagram = decodeDatagram(bytes ?? Buffer.alloc(0));
  assert.ok(typeof datagram !== "string");
  return datagram;
}

describe("fast path sender", () => {
  it("sends the table, then batches, the same to every target", async (t) => {
    const [a, b] = [await hear(t), await hear(t)];
    const { sender } = make(t, [
      { host: "127.0.0.1", port: a.port },
      { host: "localhost", port: b.port },
    ]);
    sender.start(17, true);
    await arrival(() => a.heard.length > 0);
    // A name takes its time to resolve: until then it is an error, never a stop.
    await arrival(() => {
      sender.send(BATCH);
      return b.heard.some((bytes) => decoded(bytes).table === undefined);
    });
    const last = b.heard.at(-1);
    await arrival(() => a.heard.some((bytes) => last !== undefined && bytes.equals(last)));
    const [table, ...more] = a.heard.map(decoded);
    const first = more.find((datagram) => datagram.table === undefined);
    assert.equal(table?.table?.parts, 1);
    assert.equal(table?.counter, 1);
    assert.partialDeepStrictEqual(first, { boot: 17, clockSynced: true, tableHash: "fc3ba9dd" });
    assert.deepEqual(
      first?.entries.map(({ n, value }) => [n, value]),
      [
        [1, 7360],
        [2, 2],
      ],
    );
    assert.equal(sender.tableJson, contractDatagrams().json);
    assert.deepEqual(
      a.heard.map((bytes) => decoded(bytes).counter),
      a.heard.map((_, i) => i + 1),
    );
    assert.deepEqual(sender.status().targets, [`127.0.0.1:${a.port}`, `localhost:${b.port}`]);
  });

  it("has each datagram with the kernel before send returns", async (t) => {
    const { port, heard } = await hear(t);
    const { sender } = make(t, [{ host: "127.0.0.1", port }]);
    sender.start(1, false);
    // One buffer serves all: were a send put off, later values would show up in earlier datagrams.
    for (let value = 0; value < 50; value++) sender.send({ ...BATCH, values: [value, null] });
    sender.close();
    await arrival(() => heard.length === 51);
    assert.deepEqual(
      heard.slice(1).map((bytes) => decoded(bytes).entries[0]?.value),
      Array.from({ length: 50 }, (_, value) => value),
    );
    assert.equal(decoded(heard[1]).clockSynced, false);
  });

  it("reaches IPv6 targets beside IPv4 ones", async (t) => {
    const [v4, v6] = [await hear(t), await hear(t, "udp6").catch(() => undefined)];
    if (v6 === undefined) {
      t.skip("this machine has no ::1");
      return;
    }
    const { sender } = make(t, [
      { host: "::1", port: v6.port },
      { host: "127.0.0.1", port: v4.port },
    ]);
    sender.start(1, true);
    await arrival(() => v4.heard.length === 1 && v6.heard.length === 1);
    assert.ok(v4.heard[0]?.equals(v6.heard[0] ?? Buffer.alloc(0)));
    assert.equal(sender.status().targets[0], `[::1]:${v6.port}`);
  });

  it("repeats the table", async (t) => {
    const { port, heard } = await hear(t);
    const { sender } = make(t, [{ host: "127.0.0.1", port }], 5);
    sender.start(1, true);
    await arrival(() => heard.length >= 3);
    assert.ok(heard.every((bytes) => decoded(bytes).table !== undefined));
  });

  it("counts what it cannot send, says why and what to do, logs it once, and goes on", async (t) => {
    const { port, heard } = await hear(t);
    const { sender, entries } = make(t, [
      { host: "no-such-host.invalid", port: 1 },
      { host: "127.0.0.1", port },
    ]);
    sender.send(BATCH);
    assert.equal(sender.status().errors, 1, "before start");
    sender.start(1, true);
    await until("the name is known not to resolve", () => sender.status().error !== undefined, 5000);
    for (let i = 0; i < 10; i++) sender.send(BATCH);
    await arrival(() => heard.length === 11);
    const { errors, error, datagrams } = sender.status();
    assert.ok(errors >= 11, `${errors} errors`);
    assert.equal(datagrams, 11);
    assert.match(error ?? "", /^fast path no-such-host\.invalid:1: E\w+; .*(name|DNS)/);
    assert.equal(entries.length, 1);
  });

  it("does nothing without targets, after close, and when started twice", async (t) => {
    const idle = make(t, []).sender;
    idle.start(1, true);
    idle.send(BATCH);
    assert.deepEqual(idle.status(), { targets: [], datagrams: 0, errors: 0 });

    const { port, heard } = await hear(t);
    const { sender } = make(t, [{ host: "127.0.0.1", port }]);
    sender.start(7, true);
    sender.start(8, true);
    sender.send(BATCH);
    await arrival(() => heard.length === 2);
    assert.ok(heard.every((bytes) => decoded(bytes).boot === 7));
    sender.close();
    sender.close();
    sender.send(BATCH);
    sender.start(9, true);
    assert.equal(sender.status().datagrams, 2);
  });
});

describe("fast path over multicast", () => {
  it("is heard by two listeners on one machine", async (t) => {
    const group = "239.255.66.66";
    const receivers = [new FastPathReceiver(), new FastPathReceiver()] as const;
    const [one, other] = receivers;
    const first = new FastPathListener({ port: 0, group, onDatagram: (bytes) => one.take(bytes, 0) });
    await first.open();
    const { port } = first;
    const second = new FastPathListener({ port, group, onDatagram: (bytes) => other.take(bytes, 0) });
    await second.open();
    const { sender } = make(t, [{ host: group, port }], 20);
    sender.start(3, true);
    sender.send(BATCH);
    // Without a network the sender finds out with the first table, and goes on over loopback.
    await arrival(() => {
      sender.send(BATCH);
      return receivers.every((receiver) => receiver.summary().samples >= 4);
    });
    for (const receiver of receivers) assert.equal(receiver.summary().boots[0]?.boot, 3);
    for (const end of [first, second]) end.close();
  });

  it("cannot be heard under an address that is no group, or not ours", async () => {
    const onDatagram = (): void => undefined;
    const noGroup = new FastPathListener({ port: 0, group: "10.1.2.3", onDatagram });
    await assert.rejects(noGroup.open(), { code: "BUS_UNREACHABLE", message: /10\.1\.2\.3.*--group/ });
    noGroup.close();
    const notOurs = new FastPathListener({ port: 0, host: "203.0.113.7", onDatagram });
    await assert.rejects(notOurs.open(), { code: "BUS_UNREACHABLE", message: /203\.0\.113\.7:0.*--host/ });
    notOurs.close();
  });
});
