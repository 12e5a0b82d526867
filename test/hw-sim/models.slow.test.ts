import assert from "node:assert/strict";
import { test } from "node:test";
import { type Built, buildModels } from "../../hw-sim/build.ts";
import { frameKinds } from "../../hw-sim/devices/busbar-sim-van.ts";
import type { Charger } from "../../hw-sim/models/charger.ts";
import { loadScenario, type ScenarioDevice } from "../../hw-sim/scenario.ts";
import { STEP_MS, World } from "../../hw-sim/world.ts";

const depot = loadScenario(new URL("../../hw-sim/scenarios/depot.yaml", import.meta.url).pathname);
const STEP_H = STEP_MS / 3_600_000;
const steps = (seconds: number): number => (seconds * 1000) / STEP_MS;

function start(seed = depot.seed): { built: Built; world: World } {
  const built = buildModels({ ...depot, seed });
  return { built, world: new World(built.models, () => 0) };
}

/** Steps through `seconds`, calling `look` after each step with the time in seconds. */
function watch(world: World, seconds: number, look: (atS: number) => void): void {
  for (let step = 1; step <= steps(seconds); step++) {
    world.step();
    look((step * STEP_MS) / 1000);
  }
}

/** What one charger was seen doing. */
class Watched {
  readonly phases: string[] = [];
  chargingAtS: number | undefined;
  rampedAtS: number | undefined;
  leastShareAtHighSoc = 1;

  look(box: Charger, atS: number): void {
    const current = box.currentsA[0];
    assert.ok(current >= 0 && current <= box.maxCurrentA, `${current} A of ${box.maxCurrentA}`);
    if (this.phases.at(-1) !== box.phase) this.phases.push(box.phase);
    if (box.phase !== "charging" || this.phases.length > 3) return;
    this.chargingAtS ??= atS;
    if (current >= 0.95 * box.carCurrentA) this.rampedAtS ??= atS;
    // Full, it lets go; below that IEC 61851 allows no less than 6 A.
    if (this.rampedAtS !== undefined && box.carSoc! < 1) assert.ok(current >= 5.7, `${current} A at ${atS} s`);
    if (box.carSoc! > 0.97 && box.carSoc! < 1)
      this.leastShareAtHighSoc = Math.min(this.leastShareAtHighSoc, current / box.carCurrentA);
  }
}

test("a car comes, ramps up within 10 s, tapers, ends, leaves; later the next one", () => {
  const { built, world } = start();
  const watched = new Map([...built.chargers.keys()].map((id) => [id, new Watched()]));
  watch(world, 400, (atS) => {
    for (const [id, box] of built.chargers) watched.get(id)!.look(box, atS);
  });
  for (const [id, { phases, chargingAtS, rampedAtS, leastShareAtHighSoc }] of watched) {
    assert.deepEqual(phases.slice(0, 6), ["idle", "waiting", "charging", "ended", "idle", "waiting"], id);
    assert.ok(chargingAtS! < 60, `${id} begins at ${chargingAtS} s`);
    assert.ok(rampedAtS! - chargingAtS! <= 10, `${id} ramps in ${rampedAtS! - chargingAtS!} s`);
    assert.ok(leastShareAtHighSoc < 0.8, `${id} tapers to ${leastShareAtHighSoc} of its current`);
  }
  assert.equal(built.chargers.get("wallbox-3")!.maxCurrentA, 16);
});

test("energy is the integral of power to 0.1 %, step by step and as a gateway reads it once a second", () => {
  const { built, world } = start();
  const box = built.chargers.get("wallbox-3")!;
  const meter = built.meters.get("meter-1")!;
  const powerW = (): number => meter.powersW.reduce((a, b) => a + b);
  const energyWh = (): number => meter.importWh.reduce((a, b) => a + b);
  const before = { box: box.totalWh, meter: energyWh() };
  const integral = { box: 0, meter: 0, onceASecond: 0 };
  let lastW = powerW();
  watch(world, 400, (atS) => {
    const [v1, v2, v3] = box.voltagesV;
    const [i1, i2, i3] = box.currentsA;
    integral.box += (v1 * i1 + v2 * i2 + v3 * i3) * STEP_H;
    integral.meter += powerW() * STEP_H;
    if (atS % 1 !== 0) return;
    integral.onceASecond += (lastW + powerW()) / 2 / 3600;
    lastW = powerW();
  });
  const boxWh = box.totalWh - before.box;
  const meterWh = energyWh() - before.meter;
  assert.ok(boxWh > 200, `a session of ${boxWh} Wh`);
  assert.ok(Math.abs(boxWh - integral.box) < 0.001 * boxWh, `${boxWh} against ${integral.box} Wh`);
  assert.ok(Math.abs(meterWh - integral.meter) < 0.001 * meterWh, `${meterWh} against ${integral.meter} Wh`);
  assert.ok(
    Math.abs(meterWh - integral.onceASecond) < 0.001 * meterWh,
    `${meterWh} against ${integral.onceASecond} Wh`,
  );
  // The meter stands before the box: it counts that and a base load of some 400 W.
  const baseW = (meterWh - boxWh) / (400 / 3600);
  assert.ok(baseW > 250 && baseW < 550, `base load ${baseW} W`);
});

test("the van drives the loop, charges at the depot, and drives again", () => {
  const { built, world } = start();
  const van = built.vans.get("van-7")!;
  const depotAt = [van.latitude, van.longitude];
  const states: boolean[] = [];
  let fastest = 0;
  let farthest = 0;
  let socBefore = van.socPercent;
  const odometer = van.odometerKm;
  watch(world, 400, () => {
    if (states.at(-1) !== van.plugged) {
      if (states.at(-1) === false) assert.ok(van.socPercent < socBefore, "driving empties the battery");
      if (states.at(-1) === true) assert.ok(van.socPercent > socBefore, "charging fills it");
      socBefore = van.socPercent;
      states.push(van.plugged);
    }
    fastest = Math.max(fastest, van.speedKmH);
    farthest = Math.max(farthest, Math.abs(van.latitude - depotAt[0]!));
    if (van.plugged) {
      assert.equal(van.speedKmH, 0);
      assert.ok(van.currentA >= 0, "into the battery");
      assert.deepEqual([van.latitude, van.longitude], depotAt);
    }
    assert.ok(van.speedKmH >= 0 && van.speedKmH < 120);
    assert.ok(Math.abs(van.currentA) < 512, "fits its bits");
  });
  assert.deepEqual(states.slice(0, 3), [false, true, false]);
  assert.ok(fastest > 30 && farthest > 0.002, `${fastest} km/h, ${farthest} degrees`);
  assert.ok(van.odometerKm - odometer > 1.4, `${van.odometerKm - odometer} km`);
});

test("the same seed gives the same site, another seed another", () => {
  const trace = (seed: number): string => {
    const { built, world } = start(seed);
    const lines: unknown[] = [];
    watch(world, 120, (atS) => {
      if (atS % 10 !== 0) return;
      const van = built.vans.get("van-7")!;
      lines.push(
        [...built.chargers.values()].map((box) => [box.phase, box.powerW, box.totalWh]),
        van.speedKmH,
      );
    });
    return JSON.stringify(lines);
  };
  assert.equal(trace(7), trace(7));
  assert.notEqual(trace(7), trace(8));
});

test("time is steps, however late they are asked for", () => {
  const times = [0, 30, 60, 1000, 1000, 61_234];
  const jumpy = start();
  let nowMs = 0;
  const world = new World(jumpy.built.models, () => nowMs, 2);
  for (nowMs of times) world.advance();
  assert.equal(world.steps, Math.floor((61_234 * 2) / STEP_MS));
  const even = start();
  for (let step = 0; step < world.steps; step++) even.world.step();
  assert.equal(jumpy.built.vans.get("van-7")!.odometerKm, even.built.vans.get("van-7")!.odometerKm);
  assert.equal(jumpy.built.chargers.get("wallbox-1")!.totalWh, even.built.chargers.get("wallbox-1")!.totalWh);
});

test("frames carry the bits that the table at the head of the DBC file tells", () => {
  const van = {
    currentA: -475.5,
    voltageV: 385,
    socPercent: 80.1,
    speedKmH: 42.48,
    odometerKm: 12_345.67,
    tyresKPa: [380, 382, 420, 419],
    latitude: 52.5162,
    longitude: -13.4105,
  };
  const sent = new Map(frameKinds.map(({ id, build }) => [id, build(van as never)] as const));
  const data = (id: number): string => Buffer.from(sent.get(id)!.data).toString("hex");
  // -951 half amperes: 1097 of 2048, 100 0100 1001; 770 half volts: 11 0000 0010.
  assert.equal(data(0x1db).slice(0, 14), "8920c080000000");
  assert.equal(sent.get(0x1db)!.signals["Vehicle.Powertrain.TractionBattery.CurrentCurrent"], -475.5);
  assert.equal(sent.get(0x1db)!.signals["Vehicle.Powertrain.TractionBattery.CurrentVoltage"], 385);
  // 801 tenths: 11 0010 0001.
  assert.equal(data(0x55b).slice(0, 14), "c8400000000000");
  assert.equal(sent.get(0x55b)!.signals["Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"], 80.1);
  // (42.48 + 40) / 0.08 = 1031 = 0x407, from bit 12.
  assert.equal(data(0x257), "0070400000000000");
  assert.equal(sent.get(0x257)!.signals["Vehicle.Speed"], 42.48);
  // 123456 = 0x01E240; a counter never tells more than was driven.
  assert.equal(data(0x5c5), "40e2010000000000");
  assert.equal(sent.get(0x5c5)!.signals["Vehicle.TraveledDistance"], 12_345.6);
  assert.equal(data(0x385), "bebfd2d200000000");
  assert.equal(sent.get(0x385)!.signals["Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure"], 420);
  // 525162000 = 0x1F4D5610, -134105000 = 0xF801B858
  assert.equal(data(0x4a0), "10564d1f58b801f8");
  assert.equal(sent.get(0x4a0)!.signals["Vehicle.CurrentLocation.Longitude"], -13.4105);
});

test("a derated charger offers as much as before, delivers less, and only cars that take more notice", () => {
  const peakA = (derated: number, car: [number, number]): { peakA: number; offeredA: number } => {
    const wallbox = { ...depot.lines[0]!.devices[0]!, derated, car_current: car } as ScenarioDevice;
    const built = buildModels({ ...depot, lines: [{ ...depot.lines[0]!, devices: [wallbox] }] });
    const box = built.chargers.get("wallbox-1")!;
    let peakA = 0;
    watch(new World(built.models, () => 0), 60, () => {
      peakA = Math.max(peakA, box.currentsA[0]);
    });
    return { peakA, offeredA: box.maxCurrentA };
  };
  assert.deepEqual(peakA(0, [40, 40]), { peakA: 32, offeredA: 32 });
  assert.deepEqual(peakA(10, [40, 40]), { peakA: 28.8, offeredA: 32 });
  assert.deepEqual(peakA(10, [20, 20]), peakA(0, [20, 20]));
});
