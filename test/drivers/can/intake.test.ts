import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadDevice } from "../../../drivers/can/device.ts";
import { createCanDriver } from "../../../drivers/can/driver.ts";
import { Intake } from "../../../drivers/can/intake.ts";
import { frame, HandClock, Recorder } from "./fakes.ts";

const LEAF_SOC = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current";
const LEAF_VOLTAGE = "Vehicle.Powertrain.TractionBattery.CurrentVoltage";
const LEAF_CURRENT = "Vehicle.Powertrain.TractionBattery.CurrentCurrent";
// Made with another CRC-8: bytes 0 to 6, polynomial 0x85.
const GOOD_1DB = "8920b400000000db";

function intake(ids: readonly string[] = ["van-7"], profile = "nissan-leaf") {
  const devices = ids.map((id) => loadDevice({ id, profile }, "can0"));
  const recorder = new Recorder({ assets: devices.map(({ asset }) => asset) }, new HandClock());
  return { taken: new Intake("can sim:test", devices, recorder), recorder, clock: recorder.clock as HandClock };
}

const lastReport = (recorder: Recorder) => recorder.reports.at(-1);

describe("one frame is one batch", () => {
  test("with all of its signals, at the time of the frame", () => {
    const { taken, recorder } = intake();
    taken.take(frame(0x1db, GOOD_1DB));
    assert.deepEqual(recorder.batches, [
      {
        tUs: 1_795_226_000_123_456,
        asset: "van-7",
        values: { [LEAF_VOLTAGE]: 360, [LEAF_CURRENT]: -475.5 },
        quality: "gg",
      },
    ]);
    assert.deepEqual(lastReport(recorder), { asset: "van-7", code: "ok", text: "" });
  });

  test("two devices that share a frame get one each", () => {
    const { taken, recorder } = intake(["van-1", "van-2"]);
    taken.take(frame(0x1db, GOOD_1DB));
    assert.deepEqual(
      recorder.batches.map(({ asset }) => asset),
      ["van-1", "van-2"],
    );
    assert.deepEqual(
      taken.wanted.map(({ id, extended }) => [id, extended]),
      [
        [0x55b, false],
        [0x1db, false],
      ],
    );
  });

  test("a 29-bit frame with the number of an 11-bit one is another frame; remote frames have no data", () => {
    const { taken, recorder } = intake();
    taken.take(frame(0x1db, GOOD_1DB, { extended: true }));
    taken.take(frame(0x1db, "", { remote: true }));
    taken.take(frame(0x7ff, GOOD_1DB));
    assert.deepEqual(recorder.batches, []);
    assert.deepEqual(recorder.reports, []);
    taken.end();
    assert.equal(recorder.entries[0]?.fields.remote, 1);
  });
});

describe("what is wrong with a frame never becomes a value", () => {
  test("the voltage that a starting car sends is bad; the current beside it is good", () => {
    const { taken, recorder } = intake();
    // Raw 0x3FF; checksum made with another implementation.
    taken.take(frame(0x1db, "0000ffc000000060"));
    assert.deepEqual(recorder.batches[0]?.values, { [LEAF_VOLTAGE]: null, [LEAF_CURRENT]: 0 });
    assert.equal(recorder.batches[0]?.quality, "bg");
    assert.equal(lastReport(recorder)?.code, "ok");
  });

  test("a wrong checksum spoils the whole frame, is counted, and does not prove that the device is well", () => {
    const { taken, recorder } = intake();
    taken.take(frame(0x1db, "8920b400000000da"));
    assert.deepEqual(recorder.batches[0]?.values, { [LEAF_VOLTAGE]: null, [LEAF_CURRENT]: null });
    assert.equal(recorder.batches[0]?.quality, "bb");
    assert.deepEqual(recorder.reports, []);
    taken.end();
    assert.equal(recorder.entries[0]?.text, "frames without values");
    assert.equal(recorder.entries[0]?.fields.checksum, 1);
  });

  test("a frame that ends before its checksum is bad", () => {
    const { taken, recorder } = intake();
    taken.take(frame(0x1db, "8920b400"));
    taken.take(frame(0x1db, ""));
    assert.deepEqual(
      recorder.batches.map(({ quality }) => quality),
      ["bb", "bb"],
    );
    taken.end();
    assert.equal(recorder.entries[0]?.fields.short, 2);
  });

  test("an error frame is no data, even under a profiled id", () => {
    const { taken, recorder } = intake();
    taken.take(frame(0x1db, GOOD_1DB, { error: true }));
    assert.deepEqual(recorder.batches, []);
  });
});

describe("who is on the bus", () => {
  test("silence for max_age is a time-out that names bus, asset and remedy; the next frame ends it", () => {
    const { taken, recorder, clock } = intake();
    clock.ms += 1999;
    taken.look();
    assert.deepEqual(recorder.reports, []);
    clock.ms += 1;
    taken.look();
    assert.deepEqual(lastReport(recorder), {
      asset: "van-7",
      code: "DEVICE_TIMEOUT",
      text: "can sim:test van-7: no frame in 2000 ms; is the ignition on, the wiring right, the bitrate that of the bus?",
    });
    taken.take(frame(0x1db, GOOD_1DB));
    assert.equal(lastReport(recorder)?.code, "ok");
    clock.ms += 1999;
    taken.look();
    assert.equal(lastReport(recorder)?.code, "ok");
  });

  test("nothing but spoilt frames for max_age is garble, with the count and the kind", () => {
    const { taken, recorder, clock } = intake();
    for (let round = 0; round < 3; round++) taken.take(frame(0x1db, "8920b400000000da"));
    clock.ms += 2000;
    taken.look();
    assert.equal(lastReport(recorder)?.code, "DEVICE_GARBLED");
    assert.match(recorder.reports[0]!.text, /^can sim:test van-7: 3 frames with a wrong checksum; check the wiring/);
  });

  test("one device's silence is not the other's", () => {
    const devices = [
      loadDevice({ id: "leaf", profile: "nissan-leaf" }, "can0"),
      loadDevice({ id: "model", profile: "tesla-model-3", max_age: 10_000 }, "can0"),
    ];
    const recorder = new Recorder({ assets: devices.map(({ asset }) => asset) }, new HandClock());
    const taken = new Intake("can sim:test", devices, recorder);
    (recorder.clock as HandClock).ms += 5000;
    taken.look();
    assert.deepEqual(
      recorder.reports.map(({ asset, code }) => [asset, code]),
      [["leaf", "DEVICE_TIMEOUT"]],
    );
  });

  test("a bus that is off is everybody's trouble at once, until frames come again", () => {
    const { taken, recorder, clock } = intake();
    // CAN_ERR_BUSOFF, linux/can/error.h.
    for (let round = 0; round < 2; round++)
      taken.take(frame(0x40, "0000000000000000", { error: true, extended: false }));
    assert.deepEqual(
      recorder.reports.map(({ code, text }) => [code, text.slice(0, 50)]),
      [["BUS_UNREACHABLE", "can sim:test: bus-off; check bitrate, wiring and t"]],
    );
    clock.ms += 60_000;
    taken.look();
    assert.equal(lastReport(recorder)?.code, "BUS_UNREACHABLE", "not overwritten by the time-out");
    taken.take(frame(0x1db, GOOD_1DB));
    assert.equal(lastReport(recorder)?.code, "ok");
  });

  test("frames that the controller lost are counted, and logged as loss", () => {
    const { taken, recorder } = intake();
    taken.take(frame(0x04, "0001000000000000", { error: true }));
    taken.end();
    const told = recorder.entries.find(({ text }) => text === "frames without values");
    assert.deepEqual([told?.level, told?.fields.overflow], ["error", 1]);
  });
});

test("what a driver declares: kind, profile, units, and the rules of CAN signals", () => {
  const driver = createCanDriver({
    id: "can0",
    driver: "can",
    interface: "sim:depot",
    transmit: "none",
    devices: [{ id: "van-7", profile: "nissan-leaf" }],
  });
  assert.equal(driver.label, "can sim:depot");
  const [asset] = driver.assets;
  assert.deepEqual(
    [asset?.id, asset?.kind, asset?.source, asset?.profile],
    ["van-7", "vehicle", "can0", "nissan-leaf"],
  );
  assert.deepEqual(asset?.signals[0], {
    name: LEAF_SOC,
    type: "number",
    unit: "percent",
    resolution: 0.1,
    maxAgeMs: 2000,
    collect: { minMs: 1000, maxMs: 60_000 },
  });
});
