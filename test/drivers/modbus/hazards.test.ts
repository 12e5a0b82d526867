import assert from "node:assert/strict";
import { test } from "node:test";
import { createModbusDriver } from "../../../drivers/modbus/driver.ts";

function hazards(profile: string, poll_interval?: number) {
  const device = {
    id: "wallbox-1",
    unit: 1,
    profile,
    timeout: 1000,
    ...(poll_interval === undefined ? {} : { poll_interval }),
  };
  return createModbusDriver({
    id: "rs485",
    driver: "modbus",
    control: "none",
    rtu: { port: "/dev/ttyUSB0" },
    devices: [device],
  }).hazards;
}

test("a charger that polling alone keeps content is named, with what it would do", () => {
  const [hazard, ...more] = hazards("heidelberg-energy-control");
  assert.equal(hazard?.asset, "wallbox-1");
  assert.match(hazard?.message ?? "", /every 15 s .*current falls to the fail-safe current.*protect the circuit/);
  assert.deepEqual(more, []);
});

test("read less often than its fail-safe asks for, or without one: nothing is hidden", () => {
  assert.deepEqual(hazards("heidelberg-energy-control", 60_000), []);
  assert.equal(hazards("heidelberg-energy-control", 14_000).length, 1);
  assert.deepEqual(hazards("eastron-sdm630"), []);
});
