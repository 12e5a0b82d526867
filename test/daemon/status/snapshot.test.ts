import assert from "node:assert/strict";
import test from "node:test";
import { hostSamples, hostStatus } from "../../../daemon/status/host.ts";
import { gatewayAsset } from "../../../daemon/status/host-signals.ts";
import { PacketGuard } from "../../../daemon/status/packet-guard.ts";
import { Rate } from "../../../daemon/status/rate.ts";
import { StatusModel } from "../../../daemon/status/snapshot.ts";
import { METER_VALUES, sources, statusInit, store } from "./messages.ts";

const NOW = { wallMs: 1795226001500, monoMs: 1000 };

function modelWith(changes: Parameters<typeof statusInit>[0] = {}): StatusModel {
  return new StatusModel(statusInit(changes));
}

test("values of numbers that nobody declared are counted and change nothing", () => {
  const model = modelWith();
  model.takeValues({
    type: "values",
    numbers: [0, 4, -1, 65_535],
    values: [1, 1, 1, 1],
    quality: [0, 0, 0, 0],
    times: [1, 1, 1, 1],
  });
  assert.equal(model.takeUnknown(), 4);
  assert.equal(model.takeUnknown(), 0);
  assert.deepEqual(model.takeDirty(), []);
});

test("an asset named like a property of every object is an asset like others", () => {
  const assets = [{ id: "__proto__", kind: "meter", source: "a" }] as const;
  const model = modelWith({ assets, signals: [{ asset: "__proto__", name: "__proto__", type: "number" }] });
  model.takeValues({ type: "values", numbers: [1], values: [5], quality: [0], times: [7] });
  const text = JSON.stringify(model.snapshot(NOW, []).assets);
  assert.equal(
    text,
    '{"__proto__":{"kind":"meter","source":"a","available":false,"ts":7,"values":{"__proto__":{"v":5,"q":"good","ts":7}}}}',
  );
});

test("a device of a source that is down is not available, whatever it said last", () => {
  const model = modelWith();
  const message = sources(true);
  assert.equal(message.type, "sources");
  if (message.type !== "sources") return;
  model.takeSources(message.sources, message.fastPath);
  assert.equal(model.available("meter-1"), true);
  model.takeSources(
    message.sources.map((source) => ({ ...source, state: "down" as const })),
    message.fastPath,
  );
  assert.equal(model.available("meter-1"), false);
  assert.deepEqual(model.snapshot(NOW, []).health, { status: "failed", reasons: ["source rs485: down"] });
});

test("a field thread that falls silent is a problem; before its first report it is not", () => {
  const model = modelWith();
  assert.equal(model.fieldSilentMs(60_000), undefined);
  model.fieldSpoke(60_000);
  assert.deepEqual(model.snapshot({ ...NOW, monoMs: 69_999 }, []).problems, []);
  assert.equal(model.fieldSilentMs(70_000), 10_000);
  const told = "the field thread hangs: no report for more than 10 s; sources and values shown here are old";
  const { problems, health } = model.snapshot({ ...NOW, monoMs: 70_000 }, []);
  assert.deepEqual([problems, health], [[told], { status: "degraded", reasons: [told] }]);
  model.fieldSpoke(70_000);
  assert.equal(model.fieldSilentMs(70_001), undefined);
});

test("storage that falls silent is a problem; before its first report it is not", () => {
  const model = modelWith();
  assert.deepEqual(model.snapshot({ ...NOW, monoMs: 60_000 }, []).problems, []);
  model.takeStore(store(1), 60_000);
  assert.deepEqual(model.snapshot({ ...NOW, monoMs: 69_000 }, ["p"]).problems, ["p"]);
  assert.match(model.snapshot({ ...NOW, monoMs: 70_000 }, []).problems.join(), /^storage: no report/);
});

test("an outbox that cannot be written is a failure that names itself", () => {
  const model = modelWith();
  const report = store(1);
  model.takeStore({ ...report, outbox: { ...report.outbox, state: "unwritable", error: "outbox.db: EROFS" } }, 1000);
  assert.deepEqual(model.snapshot(NOW, []).health, { status: "failed", reasons: ["outbox: outbox.db: EROFS"] });
});

test("the newest value dates the asset, also when an older one comes after it", () => {
  const model = modelWith();
  if (METER_VALUES.type === "values") model.takeValues(METER_VALUES);
  model.takeValues({ type: "values", numbers: [2], values: [1], quality: [1], times: [5] });
  assert.equal(model.valuesOf("meter-1").ts, 1795226001123);
});

test("what a machine does not tell is left out, never 0", () => {
  const reading = { cpu: undefined, memory: 0.5, filesystem: undefined, temperature: undefined, rss: 104_857_600 };
  assert.deepEqual(hostSamples(reading), [
    { signal: "system.memory.utilization", value: 0.5 },
    { signal: "process.memory.usage", value: 104_857_600 },
  ]);
  const { uptime_s, ...status } = hostStatus(reading);
  assert.ok(uptime_s >= 0);
  assert.deepEqual(status, {
    cpu_percent: null,
    memory_used_percent: 50,
    temperature_c: null,
    disk_used_percent: null,
    rss_mib: 100,
  });
});

test("every host sample is a signal of the gateway asset", () => {
  const declared = new Set(gatewayAsset().signals.map(({ name }) => name));
  const all = hostSamples({ cpu: 0, memory: 0, filesystem: 0, temperature: 0, rss: 0 });
  assert.deepEqual(new Set(all.map(({ signal }) => signal)), declared);
});

test("the packet guard follows packets cut anywhere and stops at the first that is too large", () => {
  const fine = Buffer.concat([
    Buffer.from([0xc0, 0]),
    Buffer.from([0x30, 0x80, 1]),
    Buffer.alloc(128),
    Buffer.from([0xe0, 0]),
  ]);
  for (let cut = 0; cut <= fine.length; cut++) {
    const guard = new PacketGuard(128);
    assert.equal(guard.feed(fine.subarray(0, cut)) && guard.feed(fine.subarray(cut)), true, `cut at ${cut}`);
    assert.equal(guard.feed(Buffer.from([0x30, 0x81, 1])), false, `after a cut at ${cut}`);
  }
  assert.equal(
    new PacketGuard(1e9).feed(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])),
    false,
    "five length bytes",
  );
});

test("a rate allows its burst, refills with time and counts what it refused", () => {
  const rate = new Rate(10);
  const allowed = Array.from({ length: 25 }, () => rate.allow(1000)).filter(Boolean).length;
  assert.equal(allowed, 10);
  assert.equal(rate.takeDropped(), 15);
  assert.deepEqual([rate.allow(1050), rate.allow(1100), rate.allow(1100)], [false, true, false]);
});

test("times are the gateway's, whatever the system clock shows, and ages outlive its jump", () => {
  const model = modelWith();
  const unset = { wallMs: 1000, monoMs: 5000 };
  model.takeStore({ ...store(1), ts: NOW.wallMs }, unset.monoMs);
  assert.equal(model.snapshot(unset, []).ts, NOW.wallMs);
  const readMs = NOW.wallMs - 300;
  model.takeValues({ type: "values", numbers: [1], values: [5], quality: [0], times: [readMs] });
  const [asset] = Object.entries(model.snapshot(unset, []).assets).find(([, { ts }]) => ts === readMs)!;
  for (const jumpMs of [86_400_000, -3_600_000]) {
    const before = model.snapshot(unset, []);
    model.takeStore({ ...store(1), ts: before.ts + jumpMs }, unset.monoMs);
    const after = model.snapshot(unset, []);
    assert.equal(after.ts, before.ts + jumpMs);
    assert.equal(after.ts - after.assets[asset]!.ts, 300);
  }
  model.takeStore({ ...store(1), ts: 1500 }, unset.monoMs);
  assert.equal(model.snapshot(unset, []).ts, 1000, "a report is a little old; the system clock is the same");
});
