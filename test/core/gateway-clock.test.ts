import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayClock } from "../../core/gateway-clock.ts";
import { FakeMachine, TRUE_START_MS } from "../support/fake-machine.ts";

const HOUR_MS = 3_600_000;
const STORED_MS = TRUE_START_MS - HOUR_MS;

function unset() {
  const machine = new FakeMachine(-TRUE_START_MS);
  return { machine, clock: new GatewayClock({ synced: false, leastMs: STORED_MS, system: machine }) };
}

function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not within ${tolerance} of ${expected}`);
}

test("an unset clock begins at the latest time that is known, and goes on steadily whatever sets the system clock", () => {
  const { machine, clock } = unset();
  assert.equal(clock.wallUs(), STORED_MS * 1000);
  machine.mono += 1000;
  machine.wrongMs = 12 * HOUR_MS;
  assert.equal(clock.look(), 0);
  machine.mono += 500;
  assert.equal(clock.wallUs(), (STORED_MS + 1500) * 1000);
  assert.equal(clock.synced, false);
});

test("a system clock later than the stored time is the base, though it is not yet believed", () => {
  const machine = new FakeMachine(-60_000);
  const clock = new GatewayClock({ synced: false, leastMs: STORED_MS, system: machine });
  near(clock.wallUs() / 1000, machine.trueMs - 60_000, 1);
});

test("a start that is interrupted between reading the one clock and the other reads them again", () => {
  const machine = new FakeMachine(0);
  let interruptions = 2;
  const system = {
    monoMs: () => machine.monoMs(),
    wallMs: () => {
      if (interruptions-- > 0) machine.mono += 7;
      return machine.wallMs();
    },
  };
  const clock = new GatewayClock({ synced: true, leastMs: 0, system });
  near(clock.wallUs() / 1000, machine.trueMs, 1);
});

test("the jump goes to the system clock and tells how far", () => {
  const { machine, clock } = unset();
  machine.mono += 7000;
  machine.wrongMs = 0;
  const ours = clock.wallUs() / 1000;
  near(clock.jump(), machine.trueMs - ours, 1);
  near(clock.wallUs() / 1000, machine.trueMs, 1);
  assert.equal(clock.synced, true);
  assert.equal(clock.era, 1);
  assert.equal(clock.aheadMs, 0);
});

test("small moves are followed, large ones wait for the jump", () => {
  const machine = new FakeMachine(0);
  const clock = new GatewayClock({ synced: true, leastMs: 0, system: machine });
  machine.wrongMs = 30;
  assert.equal(clock.look(), 0);
  near(clock.wallUs() / 1000, machine.trueMs + 30, 1);
  machine.wrongMs = -5000;
  near(clock.look(), -5030, 1);
  near(clock.wallUs() / 1000, machine.trueMs + 30, 1);
  near(clock.jump(), -5030, 1);
  near(clock.wallUs() / 1000, machine.trueMs - 5000, 1);
  assert.equal(clock.look(), 0);
});

test("a kernel stamp is left as it is on a true clock, and moved by the difference on an unset one", () => {
  const machine = new FakeMachine(0);
  const synced = new GatewayClock({ synced: true, leastMs: 0, system: machine });
  const stampUs = machine.stampUs();
  machine.mono += 3;
  assert.equal(synced.fromSystemUs(stampUs), stampUs);

  const { machine: early, clock } = unset();
  const atUs = clock.wallUs();
  const stamp = early.stampUs();
  early.mono += 20;
  near(clock.fromSystemUs(stamp), atUs, 1500);
});

for (const stepMs of [-HOUR_MS, -3000, 3000, HOUR_MS]) {
  test(`frames stamped before and after a step of ${stepMs} ms and read after it keep their age`, () => {
    const machine = new FakeMachine(0);
    const clock = new GatewayClock({ synced: true, leastMs: 0, system: machine });
    const before = machine.stampUs();
    machine.mono += 10;
    machine.wrongMs = stepMs;
    const after = machine.stampUs();
    machine.mono += 10;
    const [one, other] = [clock.fromSystemUs(after), clock.fromSystemUs(before)];
    near(clock.wallUs() - one, 10_000, 1500);
    near(clock.wallUs() - other, 20_000, 1500);
    clock.jump();
    near(clock.wallUs() - clock.fromSystemUs(after), 10_000, 1500);
    near(clock.wallUs() - clock.fromSystemUs(before), 20_000, 1500);
  });
}

test("a frame that waited for seconds keeps its time; a stamp that cannot be is now", () => {
  const machine = new FakeMachine(0);
  const clock = new GatewayClock({ synced: true, leastMs: 0, system: machine });
  const stampUs = machine.stampUs();
  machine.mono += 4000;
  assert.equal(clock.fromSystemUs(stampUs), stampUs);
  assert.equal(clock.fromSystemUs(stampUs + HOUR_MS * 1000), clock.wallUs());
  assert.equal(clock.fromSystemUs(0), clock.wallUs());
});

test("a reading that was interrupted is no step", () => {
  const machine = new FakeMachine(0);
  const clock = new GatewayClock({ synced: true, leastMs: 0, system: machine });
  const wallMs = machine.wallMs.bind(machine);
  machine.wallMs = () => {
    const read = wallMs();
    machine.mono += 30_000;
    return read;
  };
  assert.equal(clock.look(), 0);
  machine.wallMs = wallMs;
  assert.equal(clock.look(), 0);
  near(clock.wallUs() / 1000, machine.trueMs, 1);
});
