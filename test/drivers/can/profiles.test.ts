import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadDevice } from "../../../drivers/can/device.ts";
import { canProfile } from "../../../drivers/can/profile-schema.ts";
import { parseProfile, profileIds, readProfileYaml } from "../../../drivers/profile.ts";

/** COVESA VSS 6, units as its catalogue gives them. A profile that needs another path adds it here, from the catalogue. */
const VSS_UNITS: Readonly<Record<string, string>> = {
  "Vehicle.Speed": "km/h",
  "Vehicle.TraveledDistance": "km",
  "Vehicle.CurrentLocation.Latitude": "degrees",
  "Vehicle.CurrentLocation.Longitude": "degrees",
  "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current": "percent",
  "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed": "percent",
  "Vehicle.Powertrain.TractionBattery.CurrentVoltage": "V",
  "Vehicle.Powertrain.TractionBattery.CurrentCurrent": "A",
  "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure": "kPa",
  "Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.Pressure": "kPa",
  "Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure": "kPa",
  "Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure": "kPa",
};

test("there are profiles to walk", () => {
  const ids = profileIds("can");
  for (const id of ["busbar-sim-van", "nissan-leaf", "tesla-model-3"]) assert.ok(ids.includes(id), id);
});

for (const id of profileIds("can")) {
  describe(id, () => {
    const profile = parseProfile(readProfileYaml(id, "can"), canProfile);
    const model = loadDevice({ id: "asset", profile: id }, "can0");

    test("is called as its file, and its DBC too", () => {
      assert.equal(profile.id, id);
      assert.equal(profile.dbc, `${id}.dbc`);
    });

    test("its DBC file has no problem, no overlap, and nothing outside of its frames", () => {
      assert.deepEqual(model.warnings, []);
    });

    test("every signal is a VSS path in VSS's unit, with the DBC saying the same unit", () => {
      for (const { name, unit, resolution } of model.asset.signals) {
        assert.equal(unit, VSS_UNITS[name], name);
        assert.ok(resolution !== undefined, `${name} has no resolution`);
      }
    });

    test("no resolution throws away what a frame can say", () => {
      for (const { name, decoder } of model.frames.flatMap(({ signals }) => signals)) {
        const steps = decoder.gain * 10 ** decoder.decimals;
        assert.ok(Math.abs(steps) > 0.999, `${name}: one step of the raw value is lost in ${decoder.resolution}`);
      }
    });
  });
}
