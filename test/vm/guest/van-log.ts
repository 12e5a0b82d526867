/** A drive of the simulated van as a candump log, and what each of its frames means. */
import { frameKinds } from "../../../hw-sim/devices/busbar-sim-van.ts";
import type { Signals } from "../../../hw-sim/devices/device.ts";
import { Van } from "../../../hw-sim/models/van.ts";
import { Random } from "../../../hw-sim/random.ts";
import { candumpLine } from "../../../hw-sim/wire/candump-bus.ts";
import type { SeenFrame } from "./can.ts";

const STEP_MS = 100;
/** Frames of one step do not share a stamp. */
const SPREAD_US = 7000;
const START_US = 1_795_226_000_000_000;

/**
 * A frame of the van with a wrong checksum. It goes first on its bus, because the kernel stamps frames for us from the
 * second on (see FrameReader), and the oracle compares stamps to the millisecond.
 */
export const SPOILT = "1DB#00000000000000FF";

export interface VanLog {
  /** For canplayer, on `sim0`. */
  readonly text: string;
  /** In the log's order: as candump writes it, `257#0070…`. */
  readonly frames: readonly string[];
  readonly signalsOf: ReadonlyMap<string, Signals>;
}

export function vanLog(durationMs: number): VanLog {
  const van = new Van(new Random(7, "vm"));
  const lines: string[] = [];
  const frames: string[] = [];
  const signalsOf = new Map<string, Signals>();
  for (let ms = 0; ms < durationMs; ms += STEP_MS) {
    van.step(STEP_MS / 1000);
    for (const [index, kind] of frameKinds.entries()) {
      if (ms % kind.cycleMs !== 0) continue;
      const { id, data, signals } = kind.build(van);
      const line = candumpLine(START_US + ms * 1000 + index * SPREAD_US, id, data);
      const frame = line.trim().split(" ")[2] as string;
      lines.push(line);
      frames.push(frame);
      signalsOf.set(frame, signals);
    }
  }
  return { text: lines.join(""), frames, signalsOf };
}

/** The van as a source of the gateway, on interface `name`. */
export function vanSource(id: string, name: string, asset: string) {
  const devices = [{ id: asset, profile: "busbar-sim-van" }];
  return { id, driver: "can", interface: `socketcan:${name}`, transmit: "none", devices };
}

/** The simulator's ledger of what candump has seen of a drive. */
export function servedOf(seen: readonly SeenFrame[], { signalsOf }: VanLog, asset: string): string {
  return seen
    .filter(({ frame }) => signalsOf.has(frame))
    .map(({ tUs, frame }) => ({ ts: Math.floor(tUs / 1000), asset, signals: signalsOf.get(frame) }))
    .map((line) => `${JSON.stringify(line)}\n`)
    .join("");
}
