/** A gateway without an RTC: an unset clock, its synchronisation, a step back and forth, as a cloud subscriber sees it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { type BusbarRecord, parseRecord, plainRecord } from "../../core/record.ts";
import { FakeTime, NO_FAKE_TIME } from "../support/fake-time.ts";
import { checkModbus, type LedgerSample, type ReceivedSample } from "../support/oracle-samples.ts";
import { startTrial, type Trial } from "../support/trial.ts";
import { until } from "../support/wait.ts";

const CLOUD = "the stand-in cloud";
const HOUR_MS = 3_600_000;
/** Of the depot: what the gateway stamps itself. */
const MODBUS_ASSETS = ["wallbox-1", "meter-1"];
const ENOUGH = 20;
/** After SIGKILL the next start begins where the boot file says that the last one may have come (boot-keeper.ts). */
const MOST_AHEAD_MS = 75_000;

const skip = NO_FAKE_TIME || notSynchronised();

/** Where systemd runs, it must say that the clock is true, or the gateway will not believe it. */
function notSynchronised(): string | false {
  if (!existsSync("/run/systemd/system")) return false;
  const answer = execFileSync("timedatectl", ["show", "--property=NTPSynchronized", "--value"], { encoding: "utf8" });
  return answer.trim() !== "yes" && "systemd says that this machine's clock is not synchronised";
}

function recordsOf({ broker }: Trial): BusbarRecord[] {
  const isRecord = /\/(data|event)\/|\/(gap|time)$/;
  return broker
    .arrivals()
    .filter(({ topic }) => isRecord.test(topic))
    .map(({ payload }) => parseRecord(plainRecord(payload)));
}

function samplesOf({ g = [], t0, asset }: BusbarRecord): ReceivedSample[] {
  return g.flatMap(({ t, s, q }) => {
    let ms = t0;
    const times = t.map((delta) => {
      ms += delta;
      return ms;
    });
    return Object.entries(s).flatMap(([signal, values]) =>
      values.map((value, at) => ({
        key: `${asset} ${signal}`,
        ts: times[at] as number,
        value,
        quality: q?.[signal]?.[at] ?? "g",
      })),
    );
  });
}

/** Waits until enough samples that `fits` names have reached the cloud. */
async function samplesArrive(trial: Trial, what: string, fits: (record: BusbarRecord) => boolean): Promise<void> {
  const count = (): number => recordsOf(trial).filter(fits).flatMap(samplesOf).length;
  await until(`samples arrive that were taken ${what}`, () => count() >= ENOUGH, 30_000);
}

test("an unset clock, synchronised, stepped back and forth: with the time record every reply has its true time", {
  skip,
}, async () => {
  using time = new FakeTime("-20y");
  const startMs = Date.now();
  await using trial = await startTrial(CLOUD, { env: time.env });
  const { gateway, sim, broker } = trial;
  await samplesArrive(trial, "on an unset clock", ({ sync, asset }) => !sync && asset === "meter-1");

  time.set("+0");
  await samplesArrive(trial, "on a true clock", ({ sync, asset }) => sync && asset === "meter-1");
  const [stepped, before] = [(await gateway.snapshot())?.outbox?.durable_until ?? 0, Date.now()];
  assert.ok(Math.abs(before - stepped) < 10_000, `${before - stepped} ms behind`);

  time.set("-3600");
  const isBack = ({ t0, asset, sync }: BusbarRecord): boolean =>
    sync && asset === "meter-1" && t0 < startMs - HOUR_MS / 2;
  await samplesArrive(trial, "after the step back", isBack);
  const back = (await gateway.snapshot())?.outbox?.durable_until ?? 0;
  assert.ok(Math.abs(Date.now() - HOUR_MS - back) < 10_000, `after the step back ${back} is claimed to be durable`);

  time.set("+0");
  const againMs = Date.now();
  const isForth = ({ t0, asset }: BusbarRecord): boolean => asset === "meter-1" && t0 > againMs;
  await samplesArrive(trial, "after the step forth", isForth);
  const { repeats } = await trial.conclude();
  assert.equal(repeats, 0);

  const records = recordsOf(trial);
  const times = records.filter(({ k }) => k === "time");
  assert.equal(times.length, 1);
  const { boot, offset_ms: offsetMs } = times[0]!.time!;
  assert.equal(times[0]!.sync, true);
  const steps = records.flatMap(({ event }) => (event?.type === "clock-step" ? [event.step_ms as number] : []));
  assert.equal(steps.length, 2, JSON.stringify(steps));
  assert.ok(Math.abs(steps[0]! + HOUR_MS) < 100 && Math.abs(steps[1]! - HOUR_MS) < 100, JSON.stringify(steps));

  const corrected = records.flatMap((record) => {
    assert.equal(record.boot, boot);
    return samplesOf(record).map((sample) => {
      const ts = record.sync ? sample.ts : sample.ts + offsetMs;
      return { ...sample, ts: ts < startMs - HOUR_MS / 2 ? ts + HOUR_MS : ts };
    });
  });
  const violations = checkReplies(sim.ledger(), corrected);
  assert.deepEqual(violations.slice(0, 5), [], `${violations.length} in all; ${broker.arrivals().length} arrivals`);
});

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(`${signal} and started again on an unset clock: times go on behind those that were there`, {
    skip,
  }, async () => {
    using time = new FakeTime("-20y");
    await using trial = await startTrial(CLOUD, { env: time.env });
    const { gateway } = trial;
    await samplesArrive(trial, "in the first boot", ({ asset }) => asset === "meter-1");
    const stopMs = performance.now();
    assert.equal(await gateway.end(signal), signal === "SIGTERM" ? 0 : null, gateway.stderr);
    assert.ok(performance.now() - stopMs < 15_000);
    const [first] = recordsOf(trial);
    await gateway.start();
    await samplesArrive(trial, "in the second boot", ({ asset, boot }) => asset === "meter-1" && boot !== first?.boot);

    const records = recordsOf(trial).filter(({ asset, k }) => k === "data" && asset === "meter-1");
    assert.ok(records.every(({ sync }) => !sync));
    const times = (isFirst: boolean): number[] =>
      records
        .filter(({ boot }) => (boot === first?.boot) === isFirst)
        .flatMap(samplesOf)
        .map(({ ts }) => ts);
    const [before, after] = [Math.max(...times(true)), Math.min(...times(false))];
    assert.ok(after > before && after - before < MOST_AHEAD_MS, `${after - before} ms later`);
  });
}

/** Every reply from the first sample on has arrived, once, and nothing else. */
function checkReplies(ledger: string, samples: readonly ReceivedSample[]): string[] {
  const served: LedgerSample[] = ledger
    .split("\n")
    .slice(0, -1)
    .flatMap((line) => {
      const { ts, asset, signals, spoilt } = JSON.parse(line) as {
        ts: number;
        asset: string;
        signals: Record<string, unknown>;
        spoilt?: boolean;
      };
      return Object.entries(signals).map(([name, value]) => ({
        key: `${asset} ${name}`,
        ts,
        value,
        spoilt: spoilt === true,
      }));
    });
  const keys = new Set(served.map(({ key }) => key).filter((key) => MODBUS_ASSETS.includes(key.split(" ")[0]!)));
  assert.ok(keys.size > 2, `signals served: ${[...keys].join()}`);
  return [...keys].flatMap((key) => {
    const arrived = samples.filter((sample) => sample.key === key).sort((a, b) => a.ts - b.ts);
    const mine = served.filter((line) => line.key === key).sort((a, b) => a.ts - b.ts);
    assert.ok(arrived.length > 0, `${key}: no samples`);
    const interval = { from: 0, until: Number.POSITIVE_INFINITY };
    return checkModbus({ key, served: mine, arrived, intervals: [interval], covered: () => false, lostAt: [] });
  });
}
