/** What the simulated devices served (DESIGN §9): one JSON line per Modbus reply or CAN frame, appended to a file. */
import { closeSync, openSync, writeSync } from "node:fs";
import { BusbarError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Signals } from "./devices/device.ts";

const FLUSH_MS = 50;
/** So much waits in memory while the file cannot be written (a full disk). */
const MAX_WAITING_BYTES = 64 * 1024 ** 2;

export interface Served {
  /** Milliseconds since 1970. */
  readonly ts: number;
  readonly asset: string;
  readonly signals: Signals;
  /** A command spoilt it: a gateway must not take it for a value. */
  readonly spoilt: boolean;
}

export class Ledger implements Disposable {
  readonly path: string | undefined;
  readonly #log: Logger;
  readonly #fd: number | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #failing = false;
  lines = 0;
  lost = 0;

  /** Without a path nothing is written (benches). Throws BusbarError STORE_UNWRITABLE. */
  constructor(path: string | undefined, log: Logger) {
    this.path = path;
    this.#log = log;
    if (path === undefined) return;
    try {
      this.#fd = openSync(path, "a");
    } catch (cause) {
      throw new BusbarError("STORE_UNWRITABLE", `ledger ${path}: ${messageOf(cause)}`, {
        remedy: "name a file in a folder that exists and may be written",
        cause,
      });
    }
    this.#timer = setInterval(() => this.flush(), FLUSH_MS);
    this.#timer.unref();
  }

  add({ ts, asset, signals, spoilt }: Served): void {
    this.lines++;
    if (this.#fd === undefined) return;
    const line = `${JSON.stringify(spoilt ? { ts, asset, signals, spoilt } : { ts, asset, signals })}\n`;
    if (this.#waitingBytes + line.length > MAX_WAITING_BYTES) {
      this.lost++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
  }

  /** Synchronous on purpose: what was served is in the file before a signal can end the process. */
  flush(): void {
    if (this.#fd === undefined || this.#waiting.length === 0) return;
    const bytes = Buffer.from(this.#waiting.join(""));
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
      this.#waiting = [];
      this.#failing = false;
    } catch (error) {
      this.#waiting = [bytes.toString("utf8", written)];
      if (!this.#failing) this.#log.error("ledger cannot be written, lines wait", { path: this.path, error });
      this.#failing = true;
    }
    this.#waitingBytes = bytes.length - written;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.flush();
    if (this.#fd !== undefined) closeSync(this.#fd);
    if (this.lost + this.#waiting.length > 0) this.#log.error("ledger lines were lost", { lost: this.lost });
  }
}
