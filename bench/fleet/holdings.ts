/** What a gateway costs a bridge although it says nothing: to remember, and to read when its partition is opened. */
import { performance } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Holdings } from "../../bridge/holdings.ts";
import { EPOCH, SimulatedGateway } from "./records.ts";

export interface GatewayCost {
  /** Value of its key in `busbar.progress`, and the key. */
  readonly progressBytes: number;
  readonly birthBytes: number;
  /** Resident bytes of the bridge, without the birth's payload. */
  readonly memoryBytes: number;
  /** CPU of taking in its progress at the opening, without Kafka's part (milliseconds for 1,000). */
  readonly readMs: number;
}

const GATEWAYS = 20_000;
/** A week of a record a second. */
const SEQ = 604_800;

export function measureHoldings(): GatewayCost {
  const ids = Array.from({ length: GATEWAYS }, (_, number) => `fleet-${number}`);
  const values = ids.map(progressOf);
  const collect = collector();
  collect();
  const from = process.memoryUsage().heapUsed;
  const startedMs = performance.now();
  const holdings = new Holdings();
  for (const [at, id] of ids.entries()) holdings.readProgress(id, values[at] ?? "");
  const readMs = performance.now() - startedMs;
  collect();
  const heapBytes = process.memoryUsage().heapUsed - from;
  const [birth] = new SimulatedGateway(0).presence();
  return {
    progressBytes: bytesOf(ids) + bytesOf(values),
    birthBytes: birth?.payload.length ?? 0,
    memoryBytes: heapBytes / holdings.ids().length,
    readMs: (1000 * readMs) / GATEWAYS,
  };
}

/** Events, telemetry, no holes: a gateway that is well. */
function progressOf(id: string): string {
  const { progress } = new Holdings().gateway(id);
  progress.receive(EPOCH, "c", 1);
  progress.receive(EPOCH, "t", SEQ);
  return progress.encode();
}

function bytesOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0) / texts.length;
}

/** `gc` without a flag at the start. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
