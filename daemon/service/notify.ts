/**
 * What systemd is told (sd_notify(3)), through the descriptor that systemd/notify-launcher hands down. Without systemd
 * nothing is told. Nothing here waits: the descriptor is non-blocking, and what does not go now is told next time.
 */
import { writeSync } from "node:fs";
import { BusbarError, systemCode } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";

/** Without systemd: how long a part may be silent is told all the same. */
const DEFAULT_WATCHDOG_MS = 30_000;
const NO_LAUNCHER = "systemd waits to be notified, but not by way of notify-launcher";

export interface Notifier {
  /** Whether somebody listens. */
  readonly open: boolean;
  /** The service manager restarts the process when it was not told `alive` for so long (`WatchdogSec=`). */
  readonly watchdogMs: number;
  ready(status: string): void;
  status(text: string): void;
  reloading(status: string): void;
  stopping(status: string): void;
  alive(): void;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Write = (fd: number, text: string) => void;

/** Follows what the service manager put into the environment of process `pid`. */
export function openNotifier(log: Logger, environment: Environment = process.env, write: Write = writeText): Notifier {
  const fd = Number(environment.BUSBAR_NOTIFY_FD ?? "NaN");
  const open = Number.isInteger(fd) && fd > 2;
  if (!open && environment.NOTIFY_SOCKET !== undefined) {
    log.warn(NO_LAUNCHER, { remedy: "start the gateway as systemd/busbar.service does" });
  }
  let failed: string | undefined;
  const tell = (...lines: readonly string[]): void => {
    if (!open) return;
    try {
      write(fd, lines.join("\n"));
      failed = undefined;
    } catch (error) {
      const code = systemCode(error) ?? String(error);
      if (code !== failed && code !== "EAGAIN") log.warn(cannotTell(error).message);
      failed = code;
    }
  };
  return {
    open,
    watchdogMs: watchdogMs(environment),
    ready: (status) => tell("READY=1", statusLine(status)),
    status: (text) => tell(statusLine(text)),
    // systemd 253 and later want the time with it.
    reloading: (status) => tell("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`, statusLine(status)),
    stopping: (status) => tell("STOPPING=1", statusLine(status)),
    alive: () => tell("WATCHDOG=1"),
  };
}

function cannotTell(cause: unknown): BusbarError {
  const remedy = "if the watchdog restarts the gateway for it, look at systemd itself";
  return new BusbarError("INTERNAL", `systemd cannot be notified (${systemCode(cause) ?? cause})`, { remedy, cause });
}

function statusLine(text: string): string {
  return `STATUS=${text.replaceAll("\n", " ")}`;
}

/** `WatchdogSec=` of the service, milliseconds. */
export function watchdogMs({ WATCHDOG_USEC: us, WATCHDOG_PID: pid }: Environment = process.env): number {
  const ours = pid === undefined || Number(pid) === process.pid;
  return ours && us !== undefined && /^[1-9]\d*$/.test(us) ? Number(us) / 1000 : DEFAULT_WATCHDOG_MS;
}

/** One write is one datagram. */
function writeText(fd: number, text: string): void {
  writeSync(fd, text);
}
