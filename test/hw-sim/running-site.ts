/** A depot on free ports in a folder of its own, for one test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { Logger } from "../../core/log.ts";
import { loadScenario } from "../../hw-sim/scenario.ts";
import { type Site, type SiteOptions, startSite } from "../../hw-sim/site.ts";

export const depot = loadScenario(new URL("../../hw-sim/scenarios/depot.yaml", import.meta.url).pathname);
const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "busbar-hw-sim-"));
  folders.push(folder);
  return folder;
}

export type Started = Site & { ledgerPath: string; dir: string };

export async function start(options: Partial<SiteOptions> = {}, scenario = depot): Promise<Started> {
  const dir = newFolder();
  const ledgerPath = join(dir, "ledger.jsonl");
  const site = await startSite(scenario, {
    ledgerPath,
    dir,
    simDir: dir,
    log: new Logger("test", () => undefined),
    preferPty: false,
    ...options,
  });
  return Object.assign(site, { ledgerPath, dir });
}

export type Address = { host: string; port: number };
export const addressOf = (site: Site, line: string): Address => {
  const { tcp, rtu_over_tcp: serial } = site.sources.find(({ id }) => id === line) as {
    tcp?: Address;
    rtu_over_tcp?: Address;
  };
  return (tcp ?? serial)!;
};

/** Transaction 7, unit 1, function 3, 32 registers from 0x4000. */
export const READ_WALLBOX = "0007 0000 0006 01 03 4000 0020";
export const WALLBOX_REPLY_BYTES = 9 + 64;
/** Unit 1, function 4: registers 5 to 18. Unit 2, function 4: registers 52 to 73. */
export const READ_ENERGY_CONTROL = "01 04 0005 000E 61CF";
export const READ_METER = "02 04 0034 0016 3039";
