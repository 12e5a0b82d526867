/** The Modbus driver on a real pty (socat), and through faults that take their time. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, test } from "node:test";
import { DriverRun } from "../support/modbus-run.ts";
import { f32, ModbusSlave, SerialBridge } from "../support/modbus-slave.ts";

const TEN = "./test/fixtures/modbus/ten.yaml";
const ONE = "./test/fixtures/modbus/one.yaml";
const socat = spawnSync("socat", ["-V"]).status === 0;
const skip = socat ? false : "socat is not installed (apt install socat)";

async function line() {
  const slave = await new ModbusSlave("rtu").listen();
  slave.set(1, 3, 0, 2301, 2299, 0, 0, 0xffff, 0xe340, 0, 0, 0x0012, 0x606a);
  const bridge = await new SerialBridge(slave.port).plug();
  return { slave, bridge };
}

function source(port: string, devices: Record<string, unknown>[]) {
  const filled = devices.map((device) => ({
    unit: 1,
    profile: TEN,
    timeout: "200 ms",
    poll_interval: "100 ms",
    ...device,
  }));
  return { rtu: { port, baud: 115_200, format: "8E1" }, devices: filled };
}

suite("a serial line", { skip, concurrency: true }, () => {
  test("is read, freed on abort, and can be opened again at once", async () => {
    const { slave, bridge } = await line();
    await using _slave = slave;
    await using _bridge = bridge;
    for (let i = 0; i < 3; i++) {
      const run = new DriverRun(source(bridge.path, [{ id: "m" }]));
      await run.until("data", () => run.of("m", "Power.Active.Import").length >= 2);
      const startMs = performance.now();
      assert.equal(await run.stop(), undefined);
      assert.ok(performance.now() - startMs < 500);
      assert.ok(run.of("m", "Power.Active.Import").every(({ value }) => value === -7360));
    }
  });

  test("no late reply ever becomes the answer to a later request", async () => {
    const { slave, bridge } = await line();
    await using _slave = slave;
    await using _bridge = bridge;
    // Each reply holds the number of its request in two places: one that came late shows.
    const late = new Set<number>();
    slave.fault = () => {
      const n = slave.requests.length;
      slave.set(1, 3, 0, n);
      slave.set(1, 3, 4, 0, n);
      if (n % 5 !== 0) return undefined;
      late.add(n);
      return late.size % 2 === 0 ? { kind: "held" } : { kind: "late", ms: 190 + ((late.size * 73) % 600) };
    };
    await using run = new DriverRun(source(bridge.path, [{ id: "m" }]));
    await run.until("ten late replies", () => late.size >= 10, 30_000);
    await run.until("data after them", () => run.reports.at(-1)?.error === undefined);
    for (const [signal, scale] of [
      ["Voltage.L1-N", 10],
      ["Power.Active.Import", 1],
    ] as const) {
      const numbers = run.of("m", signal).map(({ value }) => Math.round(Number(value) * scale));
      assert.ok(numbers.length >= 10);
      assert.deepEqual(
        numbers,
        numbers.toSorted((x, y) => x - y),
      );
      assert.deepEqual(
        numbers.filter((n) => late.has(n)),
        [],
      );
    }
  });

  test("a device with one register only is asked again when its late reply can no longer come", async () => {
    const { slave, bridge } = await line();
    await using _slave = slave;
    await using _bridge = bridge;
    slave.fault = () => {
      slave.set(1, 4, 7, slave.requests.length);
      return slave.requests.length === 2 ? { kind: "late", ms: 900 } : undefined;
    };
    await using run = new DriverRun(source(bridge.path, [{ id: "m", profile: ONE }]));
    await run.until("data after the late reply", () => run.samples.length >= 3, 10_000);
    assert.deepEqual(
      run.samples.slice(0, 3).map(({ value }) => value),
      [1, 3, 4],
    );
    assert.ok(run.reports.filter(({ error }) => error === undefined).length <= run.samples.length);
  });

  test("garbled, cut and foreign replies between good ones are never data", async () => {
    const { slave, bridge } = await line();
    await using _slave = slave;
    await using _bridge = bridge;
    const faults = [{ kind: "garbled" }, { kind: "cut", bytes: 9 }, { kind: "wrong-unit" }] as const;
    slave.fault = () => (slave.requests.length % 5 === 3 ? faults[((slave.requests.length / 5) % 3) | 0] : undefined);
    await using run = new DriverRun(source(bridge.path, [{ id: "m" }]));
    await run.until("twelve values", () => run.of("m", "Power.Active.Import").length >= 12, 20_000);
    assert.ok(run.of("m", "Voltage.L1-N").every(({ value }) => value === 230.1));
    assert.ok(run.reports.some(({ error }) => error?.code === "DEVICE_GARBLED"));
  });

  test("two devices share it, one of them dead, with the silence that a profile asks for", async () => {
    const { slave, bridge } = await line();
    await using _slave = slave;
    await using _bridge = bridge;
    slave.units.add(2);
    for (let at = 0; at < 358; at += 2) slave.set(2, 4, at, ...f32(at));
    const meter = { id: "meter", unit: 2, profile: "eastron-sdm630", poll_interval: "200 ms" };
    await using run = new DriverRun(source(bridge.path, [{ id: "dead", unit: 7 }, meter]));
    await run.until("ten polls of the meter", () => run.of("meter", "Voltage.L1-N").length >= 10, 10_000);
    const asked = slave.requests.filter(({ unit }) => unit === 2);
    const gaps = asked.slice(1).map(({ atMs }, i) => atMs - asked[i]!.atMs);
    // The profile's 60 ms, less what socat and the scheduler may shift a request against the one before.
    assert.ok(Math.min(...gaps) >= 50, `${gaps.map(Math.round)}`);
    assert.ok(slave.requests.filter(({ unit }) => unit === 7).length <= 5);
  });

  test("an unplugged adapter ends the run, and a second opener is told that it is in use", async () => {
    const { slave, bridge } = await line();
    await using _slave = slave;
    await using _bridge = bridge;
    await using run = new DriverRun(source(bridge.path, [{ id: "m" }]));
    await run.until("data", () => run.samples.length > 0);
    const second = (await new DriverRun(source(bridge.path, [{ id: "m" }])).ended) as { code: string; message: string };
    assert.equal(second.code, "BUS_BUSY");
    assert.match(second.message, /in use; end the other program/);
    const before = run.samples.length;
    await run.until("the first one goes on", () => run.samples.length > before + 3);
    await bridge.unplug();
    assert.equal(((await run.ended) as { code: string }).code, "BUS_MISSING");
    await bridge.plug();
    await using again = new DriverRun(source(bridge.path, [{ id: "m" }]));
    await again.until("data after it is plugged in again", () => again.samples.length > 0);
  });
});

suite("a TCP line", { concurrency: true }, () => {
  test("on which nobody answers any more is given up, so that it is opened anew", async () => {
    await using slave = await new ModbusSlave("tcp").listen();
    slave.set(1, 3, 0, 2301, 2299, 0, 0, 0, 0, 0, 0, 0, 0);
    const device = { id: "m", profile: TEN, timeout: "100 ms", poll_interval: "100 ms" };
    const run = new DriverRun({ tcp: { host: "127.0.0.1", port: slave.port }, devices: [device] });
    await run.until("data", () => run.samples.length > 3);
    slave.fault = () => ({ kind: "silent" });
    const error = (await run.ended) as { code: string; message: string };
    assert.equal(error.code, "BUS_UNREACHABLE");
    assert.match(error.message, /connected, but no unit answered 3 polls; the connection is opened anew/);
  });

  test("whose peer swallows packets is given up after 3 s", async () => {
    // 192.0.2.0/24 is for documentation (RFC 5737): routers drop it, or say so at once.
    const run = new DriverRun({ tcp: { host: "192.0.2.1", port: 502 }, devices: [{ id: "m", profile: TEN }] });
    const startMs = performance.now();
    assert.equal(((await run.ended) as { code: string }).code, "BUS_UNREACHABLE");
    assert.ok(performance.now() - startMs < 4000);
  });
});
