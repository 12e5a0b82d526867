/** One trial of the whole path: simulated depot → gateway → broker, judged by the oracle. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Broker, startCloudProcess, startMosquitto } from "./broker.ts";
import { GatewayProcess, type GatewayUnderTest } from "./gateway-process.ts";
import { judge, type Verdict } from "./oracle.ts";
import { TOLERANCE, type Tolerance } from "./oracle-samples.ts";
import { SimProcess } from "./sim-process.ts";
import { crowding, until } from "./wait.ts";

export const CLOUDS: Readonly<Record<string, { mosquitto: boolean; protocol: string; start: () => Promise<Broker> }>> =
  {
    "the stand-in cloud": { mosquitto: false, protocol: "auto", start: startCloudProcess },
    "Mosquitto, MQTT 5": { mosquitto: true, protocol: "5", start: () => startMosquitto() },
    "Mosquitto, MQTT 3.1.1": { mosquitto: true, protocol: "3.1.1", start: () => startMosquitto() },
  };

export interface Trial extends AsyncDisposable {
  readonly dir: string;
  readonly sim: SimProcess;
  readonly broker: Broker;
  readonly gateway: GatewayProcess;
  /** Stops the gateway in order after its outbox has drained, and judges what arrived. */
  conclude(): Promise<Verdict>;
}

export interface TrialOptions extends Partial<Omit<GatewayUnderTest, "sources">> {
  /** Beside those of the depot. */
  readonly moreSources?: (dir: string) => readonly unknown[];
  /** Ledgers of simulators beside the depot's, asked for at the end. */
  readonly moreLedgers?: () => string;
}

export const CAN_ASSETS = ["van-7", "van-9"];
export const OWN_ASSETS = ["gateway"];

export async function startTrial(cloud: string, overrides: TrialOptions = {}): Promise<Trial> {
  const { start, protocol } = CLOUDS[cloud]!;
  await using opened = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "busbar-trial-"));
  opened.defer(() => rmSync(dir, { recursive: true, force: true }));
  const broker = opened.use(await start());
  const sim = opened.use(await SimProcess.start(dir));
  const uplink = { url: broker.url, protocol, ...overrides.uplink };
  const { moreSources = () => [], moreLedgers = () => "", ...rest } = overrides;
  const sources = [...sim.sources, ...moreSources(dir)];
  const gateway = opened.use(new GatewayProcess({ dir, sources, ...rest, uplink }));
  await gateway.start();
  const all = opened.move();
  return {
    dir,
    sim,
    broker,
    gateway,
    conclude: async () => {
      await drained(gateway);
      const code = await gateway.end("SIGTERM");
      if (code !== 0) throw new Error(`the gateway ended with ${code}:\n${gateway.stderr.slice(-2000)}`);
      await sim[Symbol.asyncDispose]();
      await quiet(broker);
      return judge({
        ledger: sim.ledger() + moreLedgers(),
        received: broker.arrivals(),
        intervals: gateway.intervals,
        canAssets: CAN_ASSETS,
        ownAssets: OWN_ASSETS,
        tolerance: crowded(),
      });
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** The uplink is up and next to nothing waits (new records are sealed all the time). */
export async function drained(gateway: GatewayProcess): Promise<void> {
  const holds = async (): Promise<boolean> => {
    const snapshot = await gateway.snapshot();
    return snapshot?.uplink?.state === "up" && (snapshot.outbox?.oldest_age_s ?? 99) < 6 && !snapshot.uplink.backlog;
  };
  await until("the outbox has drained", holds, 30_000);
}

/** Whatever a recorder was still owed has reached it. */
async function quiet(broker: Broker): Promise<void> {
  let seen = -1;
  const settled = (): boolean => {
    const now = broker.arrivals().length;
    const same = now === seen;
    seen = now;
    return same;
  };
  for (let calm = 0; calm < 3; ) {
    await until("arrivals have settled", settled, 10_000);
    calm++;
  }
}

/** Who waits for a core sees a reply later, and looks at a frame later. */
function crowded(): Tolerance {
  const by = crowding();
  return { ...TOLERANCE, lateMs: TOLERANCE.lateMs * by, jitterMs: TOLERANCE.jitterMs * by };
}
