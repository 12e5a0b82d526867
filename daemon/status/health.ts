import type { Health, Snapshot, SourceStatus } from "./protocol.ts";

type Parts = Pick<Snapshot, "sources" | "fast_path" | "outbox" | "uplink" | "problems">;

/** Whether somebody must act (`failed`), or it heals by itself (`degraded`); reasons in plain words, worst first. */
export function healthOf(parts: Parts): Health {
  const failed: string[] = [];
  const degraded: string[] = [];
  if (parts.outbox?.state === "unwritable")
    failed.push(`outbox: ${parts.outbox.error ?? "cannot be written; check the disk"}`);
  judgeUplink(parts, failed, degraded);
  for (const source of parts.sources) judgeSource(source, failed, degraded);
  degraded.push(...parts.problems);
  if (parts.fast_path.error !== undefined) degraded.push(`fast path: ${parts.fast_path.error}`);
  const status = failed.length > 0 ? "failed" : degraded.length > 0 ? "degraded" : "ok";
  return { status, reasons: [...failed, ...degraded] };
}

function judgeUplink({ uplink }: Parts, failed: string[], degraded: string[]): void {
  if (uplink === undefined) return;
  const why = uplink.error === undefined ? "" : `: ${uplink.error}`;
  if (uplink.state === "refused") failed.push(`uplink refused${why}`);
  else if (uplink.state === "stalled") degraded.push(`uplink: the cloud does not acknowledge${why}`);
  else if (uplink.state !== "up") degraded.push(`uplink ${uplink.state}${why}`);
  if (uplink.warning !== undefined) degraded.push(`uplink: ${uplink.warning}`);
}

function judgeSource(source: SourceStatus, failed: string[], degraded: string[]): void {
  if (source.state === "down") failed.push(named(source));
  else if (source.state === "degraded" && source.error !== undefined) degraded.push(named(source));
  if (source.state === "down") return;
  for (const device of source.devices) {
    // A device that was not asked yet has no error; that is start-up, not trouble.
    if (!device.ok && device.error !== undefined) degraded.push(`${device.asset}: ${device.error}`);
  }
}

// Drivers' errors name the bus already; only one that does not gets the source's id in front.
function named({ id, error }: SourceStatus): string {
  return error?.includes(id) ? error : `source ${id}: ${error ?? "down"}`;
}
