import assert from "node:assert/strict";
import { test } from "node:test";
import { birthIdOf } from "../../../core/signals.ts";
import { closeFraming, Packing, plainFraming } from "../../../store-forward/uplink/frame.ts";

const OLD = Buffer.from(`{"old":"${"abcdefgh".repeat(40)}"}`);
const NEW = Buffer.from(`{"new":"${"stuvwxyz".repeat(40)}"}`);

test("closely where nothing waits, quickly in a backlog", () => {
  for (const road of [
    { metered: false, retain: true },
    { metered: true, retain: false },
  ]) {
    const packing = new Packing(road);
    assert.equal(packing.framing(false, NEW), closeFraming);
    assert.equal(packing.framing(true, NEW), plainFraming);
  }
});

test("metered: with the newest birth that every reader has, made once; before one is acknowledged without", () => {
  const packing = new Packing({ metered: true, retain: true });
  assert.equal(packing.framing(false, undefined), closeFraming);
  const withOld = packing.framing(false, OLD);
  assert.equal(packing.framing(true, OLD), withOld);
  const withNew = packing.framing(false, NEW);
  const idIn = (frame: Buffer): string => frame.subarray(3, 7).toString("hex");
  const plain = Buffer.concat([OLD, NEW]);
  assert.equal(idIn(withOld(plain)), birthIdOf(OLD));
  assert.equal(idIn(withNew(plain)), birthIdOf(NEW));
});
