import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DriverRun } from "../../support/modbus-run.ts";
import { f32, ModbusSlave } from "../../support/modbus-slave.ts";
import { freePort } from "../../support/wait.ts";

const TEN = "./test/fixtures/modbus/ten.yaml";
const KINDS = [
  ["tcp", "tcp"],
  ["rtu_over_tcp", "rtu"],
] as const;

/** Unit 1 with 230.1 V, 229.9 V, -7360 W and 1204330 Wh; the holes are registers, too. */
async function tenSlave(framing: "tcp" | "rtu"): Promise<ModbusSlave> {
  const slave = await new ModbusSlave(framing).listen();
  slave.set(1, 3, 0, 2301, 2299, 0, 0, 0xffff, 0xe340, 0, 0, 0x0012, 0x606a);
  return slave;
}

function source(kind: "tcp" | "rtu_over_tcp", slave: ModbusSlave, device: Record<string, unknown> = {}) {
  const first = { id: "m", unit: 1, profile: TEN, timeout: "2 s", poll_interval: "50 ms", ...device };
  return { [kind]: { host: "127.0.0.1", port: slave.port }, devices: [first] };
}

function deviceSuite(kind: "tcp" | "rtu_over_tcp", framing: "tcp" | "rtu"): void {
  suite(`a device over ${kind}`, { concurrency: true }, () => {
    test("every profiled register of a reply is a sample, in one batch, at the time of its arrival", async () => {
      await using slave = await tenSlave(framing);
      const beforeUs = Date.now() * 1000;
      await using run = new DriverRun(source(kind, slave));
      await run.until("three polls", () => run.of("m", "Voltage.L1-N").length >= 3);
      const first = run.samples.filter(({ batch }) => batch === 1);
      assert.deepEqual(
        first.map(({ signal, value, quality }) => [signal, value, quality]),
        [
          ["Voltage.L1-N", 230.1, 0],
          ["Voltage.L2-N", 229.9, 0],
          ["Power.Active.Import", -7360, 0],
        ],
      );
      assert.deepEqual(
        run.of("m", "Energy.Active.Import.Register").map(({ value }) => value),
        [1_204_330],
      );
      const times = run.batches.map(({ tUs }) => tUs);
      assert.ok(
        times.every((tUs, i) => tUs > beforeUs - 1000 && tUs <= Date.now() * 1000 + 1000 && tUs >= (times[i - 1] ?? 0)),
      );
      assert.deepEqual(
        run.reports.filter(({ error }) => error !== undefined),
        [],
      );
    });

    test("replies in pieces and between noise are read", async () => {
      await using slave = await tenSlave(framing);
      slave.fault = () =>
        slave.requests.length % 2 === 0 || kind === "tcp"
          ? { kind: "pieces", bytes: 4 }
          : { kind: "noise", hex: "0103ff00" };
      await using run = new DriverRun(source(kind, slave));
      await run.until("four values", () => run.of("m", "Voltage.L1-N").length >= 4);
      assert.ok(run.of("m", "Voltage.L1-N").every(({ value }) => value === 230.1));
      assert.deepEqual(
        run.reports.filter(({ error }) => error !== undefined),
        [],
      );
    });

    test("one late reply never becomes the answer to a later request", async () => {
      await using slave = await tenSlave(framing);
      // The second reply holds 111.1 V and comes right before the third.
      slave.fault = ({ words }) => {
        const isSecond = slave.requests.filter((request) => request.words === words).length === 2 && words === 6;
        slave.set(1, 3, 0, isSecond ? 1111 : 2301);
        return isSecond ? { kind: "held" } : undefined;
      };
      await using run = new DriverRun(source(kind, slave, { timeout: "500 ms" }));
      await run.until("five values", () => run.of("m", "Power.Active.Import").length >= 5);
      assert.ok(run.samples.every(({ value }) => value !== 111.1));
      const failed = run.reports.filter(({ error }) => error !== undefined);
      assert.ok(failed.every(({ error }) => error!.code === "DEVICE_TIMEOUT"));
      assert.match(
        failed[0]!.error!.message,
        /^modbus \S+ 127\.0\.0\.1:\d+ unit 1: no reply in 500 ms; check wiring and unit id$/,
      );
      // What was asked next could not have been answered by the late reply.
      const next = slave.requests[slave.requests.findIndex(({ words }, i) => words === 6 && i > 1) + 1]!;
      assert.equal(next.words, 1);
    });

    test("a refused register is bad, and the others go on", async () => {
      await using slave = await tenSlave(framing);
      slave.words.delete("1:3:4");
      await using run = new DriverRun(source(kind, slave));
      await run.until("four values", () => run.of("m", "Voltage.L2-N").length >= 4);
      assert.deepEqual(
        run.of("m", "Power.Active.Import").map(({ value, quality }) => [value, quality]),
        [[null, 2]],
      );
      assert.deepEqual(
        run.reports.filter(({ error }) => error !== undefined),
        [],
      );
      assert.match(run.logs.map(({ text }) => text).join(), /Power\.Active\.Import is left out/);
      assert.equal(slave.requests.at(-1)!.words, 2);
    });

    test("a dead unit leaves the others their rhythm", async () => {
      await using slave = await tenSlave(framing);
      const config = source(kind, slave, { timeout: "100 ms" });
      config.devices.push({ ...config.devices[0]!, id: "dead", unit: 9 });
      await using run = new DriverRun(config);
      await run.until("ten values", () => run.of("m", "Power.Active.Import").length >= 10);
      const asked = slave.requests.filter(({ unit }) => unit === 9).length;
      assert.ok(asked >= 1 && asked <= 3, `${asked} requests to the dead unit`);
      assert.ok(run.reports.some(({ asset, error }) => asset === "dead" && error?.code === "DEVICE_TIMEOUT"));
    });

    test("garbled replies and those of another unit are no data", async () => {
      await using slave = await tenSlave(framing);
      slave.fault = () => {
        if (slave.requests.length !== 2) return undefined;
        return kind === "tcp" ? { kind: "wrong-transaction" } : { kind: "garbled" };
      };
      await using run = new DriverRun(source(kind, slave, { timeout: "100 ms" }));
      await run.until("an error, and data again", () => {
        return run.reports.some(({ error }) => error !== undefined) && run.of("m", "Voltage.L1-N").length >= 3;
      });
      const error = run.reports.find(({ error }) => error !== undefined)!.error!;
      assert.match(
        `${error.code} ${error.message}`,
        /^DEVICE_(GARBLED|TIMEOUT) .*unit 1: \d+ bytes that are no reply|no reply/,
      );
      assert.ok(run.of("m", "Voltage.L1-N").every(({ value }) => value === 230.1));
    });

    test("a lost connection ends the run, and an abort frees it", async () => {
      await using slave = await tenSlave(framing);
      await using run = new DriverRun(source(kind, slave));
      await run.until("data", () => run.samples.length > 0);
      slave.hangUp();
      assert.equal(((await run.ended) as { code: string }).code, "BUS_CLOSED");
      const again = new DriverRun(source(kind, slave));
      await again.until("data", () => again.samples.length > 0);
      assert.equal(await again.stop(), undefined);
    });
  });
}

suite("a device on a line", { concurrency: true }, () => {
  for (const [kind, framing] of KINDS) deviceSuite(kind, framing);
});

suite("a line that cannot be opened", () => {
  test("a refused connection names host and port", async () => {
    const port = await freePort();
    const run = new DriverRun({ tcp: { host: "127.0.0.1", port }, devices: [{ id: "m", profile: TEN }] });
    const error = (await run.ended) as { code: string; message: string };
    assert.equal(error.code, "BUS_UNREACHABLE");
    assert.match(error.message, new RegExp(`^modbus tcp 127\\.0\\.0\\.1:${port}: ECONNREFUSED; check host, port`));
  });

  test("a port that is not there says where to look", async () => {
    const run = new DriverRun({ rtu: { port: "/dev/ttyNotThere" }, devices: [{ id: "m", profile: TEN }] });
    const error = (await run.ended) as { code: string; message: string };
    assert.equal(error.code, "BUS_MISSING");
    assert.equal(
      error.message,
      "modbus rtu /dev/ttyNotThere: no such device; check the cable and `ls /dev/serial/by-id`",
    );
  });

  test("a file that is no serial port is an error, not a crash", async () => {
    const run = new DriverRun({ rtu: { port: "package.json" }, devices: [{ id: "m", profile: TEN }] });
    assert.equal(((await run.ended) as { code: string }).code, "BUS_UNREACHABLE");
  });
});

suite("the meter profile on the wire", () => {
  test("floats in kWh become whole Wh, and NaN is bad", async () => {
    await using slave = await new ModbusSlave("tcp").listen();
    for (let at = 0; at < 358; at += 2) slave.set(1, 4, at, ...f32(0));
    slave.set(1, 4, 0, ...f32(230.1));
    slave.set(1, 4, 52, 0x7fc0, 0);
    slave.set(1, 4, 72, ...f32(1234.567));
    await using run = new DriverRun(source("tcp", slave, { profile: "eastron-sdm630" }));
    await run.until("both groups", () => run.of("m", "Energy.Active.Export.Register.L3").length > 0);
    assert.equal(run.of("m", "Voltage.L1-N")[0]!.value, 230.1);
    assert.deepEqual(
      [run.of("m", "Power.Active.Import")[0]!.value, run.of("m", "Power.Active.Import")[0]!.quality],
      [null, 2],
    );
    // float32 next to 1234.567 is 1234.56701…
    assert.equal(run.of("m", "Energy.Active.Import.Register")[0]!.value, 1_234_567);
  });
});
