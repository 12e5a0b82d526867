/** SIGHUP: a changed file is applied while the depot is read, and nothing is lost; a wrong one changes nothing. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { Snapshot } from "../../daemon/status/protocol.ts";
import { listenForDatagrams } from "../support/datagrams.ts";
import { startTrial, type Trial } from "../support/trial.ts";
import { until } from "../support/wait.ts";

const CLOUD = "the stand-in cloud";
const QUICK = { publish_interval: "1 s" };

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly took_ms?: number;
}

interface Device {
  readonly id: string;
}
interface Source {
  readonly id: string;
  readonly devices: readonly Device[];
}

const sourcesOf = (trial: Trial): Source[] => trial.sim.sources as unknown as Source[];
const logOf = ({ gateway }: Trial): Line[] => {
  return gateway.stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);
};

async function read(trial: Trial, what: string, wanted: (snapshot: Snapshot) => boolean): Promise<Snapshot> {
  let seen: Snapshot | undefined;
  await until(
    what,
    async () => {
      seen = await trial.gateway.snapshot();
      return seen !== undefined && wanted(seen);
    },
    20_000,
  );
  return seen as Snapshot;
}

/** All is read, and storage has told of itself. */
const busy = ({ sources, outbox }: Snapshot): boolean => {
  return outbox !== undefined && sources.length > 0 && sources.every(({ batches }) => batches > 2);
};

/** Every source has given that many more batches than in `before`. */
function readOn(before: Snapshot, more: number): (snapshot: Snapshot) => boolean {
  return ({ sources, outbox }) =>
    outbox !== undefined &&
    sources.every(({ id, batches }) => batches > more + (before.sources.find((one) => one.id === id)?.batches ?? 0));
}

describe("the configuration is read anew", () => {
  test("sources, intervals and uplink change under load: what is unchanged is read on, nothing is lost", async (t) => {
    using udp = await listenForDatagrams();
    await using trial = await startTrial(CLOUD, { uplink: QUICK, fastPathTo: [`127.0.0.1:${udp.port}`] });
    const { gateway } = trial;
    const first = await read(trial, "traffic", busy);
    const { pid } = gateway;

    await gateway.reload({ uplink: { ...QUICK, url: trial.broker.url, publish_interval: "2 s", window: 20 } });
    const second = await read(trial, "all read on", readOn(first, 2));
    assert.equal(udp.heard.lost, 0, "datagrams go on under the same boot and counter");
    assert.equal(second.outbox?.epoch, first.outbox?.epoch);
    assert.equal(second.outbox?.boot, (first.outbox?.boot ?? 0) + 1);
    assert.ok((second.outbox?.streams.t.next ?? 0) >= (first.outbox?.streams.t.next ?? 0), "seq goes on");
    for (const { id, since } of second.sources) {
      assert.equal(since, first.sources.find((one) => one.id === id)?.since, `${id} was never interrupted`);
    }

    const without = sourcesOf(trial).filter(({ id }) => id !== "lan-1");
    const faster = without.map((source) => {
      if (source.id !== "lan-2") return source;
      return { ...source, devices: source.devices.map((device) => ({ ...device, poll_interval: "300 ms" })) };
    });
    await gateway.reload({ sources: faster });
    const third = await read(trial, "lan-1 is gone", ({ sources }) => !sources.some(({ id }) => id === "lan-1"));
    await read(trial, "all read on", readOn(third, 3));

    await gateway.reload({ sources: sourcesOf(trial) });
    const fourth = await read(trial, "lan-1 is back", ({ sources }) => sources.some(({ id }) => id === "lan-1"));
    await read(trial, "all read on", readOn(fourth, 3));

    assert.equal(gateway.pid, pid, "one process all the time");
    assert.equal(gateway.intervals.length, 1, "the oracle insists on the time of the reloads, too");
    for (const { took_ms: tookMs } of logOf(trial).filter(({ msg }) => msg === "configuration reloaded")) {
      t.diagnostic(`reload took ${tookMs} ms`);
    }
    const verdict = await trial.conclude();
    assert.deepEqual(verdict.violations, []);
    assert.deepEqual(verdict.gaps, []);
    assert.ok(verdict.samples > 200, `${verdict.samples} samples`);
  });

  test("SIGHUP again and again, and SIGTERM in the middle: one after the other, exit 0, nothing is lost", async () => {
    await using trial = await startTrial(CLOUD, { uplink: QUICK });
    const { gateway } = trial;
    const first = await read(trial, "traffic", busy);
    for (let i = 0; i < 5; i++) {
      const line = `reading ${i}`;
      process.kill(gateway.pid, "SIGHUP");
      await until(line, () => logOf(trial).filter(({ msg }) => msg === "running").length > i, 10_000);
    }
    await read(trial, "all read on", readOn(first, 2));
    process.kill(gateway.pid, "SIGHUP");
    assert.equal(await gateway.end("SIGTERM"), 0, gateway.stderr.slice(-2000));
    await gateway.start();
    await read(trial, "traffic", busy);
    const verdict = await trial.conclude();
    assert.deepEqual(verdict.violations, []);
    assert.deepEqual(verdict.gaps, []);
  });

  test("a wrong file, and one that needs a restart: refused with every reason, and the gateway runs on", async () => {
    await using trial = await startTrial(CLOUD, { uplink: QUICK });
    const { gateway } = trial;
    const good = readFileSync(gateway.configFile, "utf8");
    const refusedTimes = (): number => logOf(trial).filter(({ msg }) => msg.startsWith("configuration refused")).length;
    const refuse = async (text: string): Promise<string[]> => {
      const before = logOf(trial).length;
      const times = refusedTimes();
      writeFileSync(gateway.configFile, text);
      process.kill(gateway.pid, "SIGHUP");
      await until("it is refused", () => refusedTimes() > times, 10_000);
      const lines = logOf(trial).slice(before);
      return lines.filter(({ level }) => level === "error").map(({ msg }) => msg);
    };
    const first = await read(trial, "traffic", busy);

    const [one, two, ...rest] = await refuse(`${good.replace("version: 1", "version: 2")}nonsense: 3\n`);
    assert.match(one ?? "", /busbar\.yaml:1: version: /);
    assert.match(two ?? "", /busbar\.yaml:\d+: nonsense: /);
    assert.deepEqual(rest, ["configuration refused; the gateway runs on with the old one"]);

    const moved = good.replace("gw-under-test", "gw-other").replace("outbox.db", "elsewhere.db");
    const [id, path] = await refuse(moved);
    assert.match(id ?? "", /^gateway\.id cannot change from gw-under-test to gw-other while running; .*restart/);
    assert.match(
      path ?? "",
      /^store\.path cannot change from .*outbox\.db to .*elsewhere\.db while running; .*restart/,
    );

    const [gone] = await refuse("");
    assert.match(gone ?? "", /busbar\.yaml:1: is empty/);

    const last = await read(trial, "all read on", readOn(first, 2));
    assert.equal(last.outbox?.boot, first.outbox?.boot, `nothing was started again: ${gateway.stderr}`);
    const verdict = await trial.conclude();
    assert.deepEqual(verdict.violations, []);
    assert.deepEqual(verdict.gaps, []);
  });
});
