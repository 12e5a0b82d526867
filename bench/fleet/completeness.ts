/** After all: is everything there, and once? By a reader's count of identities, and for the bridge by its own audit. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Running } from "../support/process.ts";
import { writeBridgeConfig } from "./bridges.ts";
import { arrived } from "./measure.ts";
import { prefixOf, type Stage, type Variant } from "./stage.ts";

export interface Count {
  readonly variant: Variant;
  readonly sent: number;
  readonly unique: number;
  readonly doubled: number;
}

export interface Audit {
  readonly variant: Variant;
  readonly records: number;
  readonly missing: number;
  readonly doubled: number;
}

const MAIN = fileURLToPath(new URL("../../daemon/cli/main.ts", import.meta.url));
const AUDIT_MS = 120_000;
const MOST_BYTES = 256 * 1024 ** 2;

export async function complete(stage: Stage, reader: Running): Promise<Count> {
  const { unique, doubled } = await arrived(stage, reader);
  return { variant: stage.variant, sent: stage.sent, unique, doubled };
}

/** `busbar bridge audit` on what the stage's bridges wrote. Throws when it finds less than everything. */
export async function audited(
  { variant }: Stage,
  { dir, brokers }: { readonly dir: string; readonly brokers: readonly string[] },
): Promise<Audit> {
  const prefix = prefixOf(variant);
  const place = { id: "audit", dir: join(dir, prefix), prefix, url: "mqtt://127.0.0.1:1", brokers };
  const args = [MAIN, "bridge", "audit", "--config", writeBridgeConfig(place, 1), "--json"];
  const options = { timeout: AUDIT_MS, maxBuffer: MOST_BYTES };
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  const { totals } = JSON.parse(stdout) as { totals: Record<"records" | "missing" | "doubled", number> };
  return { variant, records: totals.records, missing: totals.missing, doubled: totals.doubled };
}
