/** Log lines to stderr. Only here is writing allowed to wait: the other threads post their entries. */
import { fstatSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { systemCode } from "../../core/errors.ts";
import { formatJson, formatText, type LogEntry, type LogLevel } from "../../core/log.ts";

const STDERR = 2;
/** Lines that wait for a reader of stderr who is slow; more is dropped and counted. */
const MAX_PENDING_BYTES = 1024 ** 2;
const RETRY_MS = 50;
/** sd-daemon(3): `<N>` before a line is its syslog priority. */
const PRIORITY: Readonly<Record<LogLevel, number>> = { debug: 7, info: 6, warn: 4, error: 3 };
const COLOUR: Readonly<Record<LogLevel, string>> = {
  debug: "\x1b[2m",
  info: "",
  warn: "\x1b[33m",
  error: "\x1b[31;1m",
};
/** Control and direction characters: what must not reach a terminal raw. */
const CONTROL = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

export type LogFormat = "text" | "json" | "none";
/** Writes some of the bytes and returns how many; throws as fs.writeSync does. */
export type WriteBytes = (bytes: Uint8Array) => number;

/** Text for people at a terminal, JSON lines for the journal and for pipes. */
export function logFormatFor(environment: NodeJS.ProcessEnv = process.env): LogFormat {
  return environment.JOURNAL_STREAM === undefined && isatty(STDERR) ? "text" : "json";
}

export interface LogWriterOptions {
  readonly format: LogFormat;
  readonly colour?: boolean;
  readonly journal?: boolean;
  readonly write?: WriteBytes;
}

export class LogWriter {
  readonly #format: LogFormat;
  readonly #colour: boolean;
  readonly #journal: boolean;
  readonly #write: WriteBytes;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #retry: NodeJS.Timeout | undefined;
  #readerGone = false;
  #untold = 0;
  /** Lines that nobody got: stderr was full for too long, or its reader is gone. */
  dropped = 0;

  constructor(options: LogWriterOptions) {
    this.#format = options.format;
    this.#colour = options.colour ?? isatty(STDERR);
    this.#journal = options.journal ?? isJournal();
    this.#write = options.write ?? ((bytes) => writeSync(STDERR, bytes));
  }

  write(entry: LogEntry): void {
    if (this.#format === "none") return;
    if (this.#readerGone || this.#pendingBytes > MAX_PENDING_BYTES) {
      this.dropped++;
      this.#untold++;
      return;
    }
    this.#tellDropped(entry.ts);
    this.#queue(this.#line(entry));
    this.flush();
  }

  /** Writes what stderr takes now; the rest follows by itself. */
  flush(): void {
    clearTimeout(this.#retry);
    try {
      for (let first = this.#pending[0]; first !== undefined; first = this.#pending[0]) {
        const written = this.#write(first);
        this.#pendingBytes -= written;
        if (written === first.length) this.#pending.shift();
        else this.#pending[0] = first.subarray(written);
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    // A pipe or terminal that its reader does not empty; our end is non-blocking when its other users made it so.
    if (systemCode(error) === "EAGAIN" || systemCode(error) === "EINTR") {
      this.#retry = setTimeout(() => this.flush(), RETRY_MS).unref();
      return;
    }
    this.#readerGone = true;
    this.dropped += this.#pending.length;
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #queue(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  #tellDropped(ts: number): void {
    if (this.#untold === 0) return;
    const text = `${this.#untold} log lines dropped: stderr was not read`;
    this.#untold = 0;
    this.#queue(this.#line({ ts, level: "warn", part: "log", text, fields: {} }));
  }

  #line(entry: LogEntry): string {
    const prefix = this.#journal ? `<${PRIORITY[entry.level]}>` : "";
    if (this.#format === "json") return prefix + logJson(entry);
    const text = safely(() => formatText(entry), entry).replace(CONTROL, " ");
    const colour = this.#colour ? COLOUR[entry.level] : "";
    return colour === "" ? prefix + text : `${colour}${text}\x1b[0m`;
  }
}

/** One JSON object, also when a field cannot be told in JSON. */
export function logJson(entry: LogEntry): string {
  return safely(() => formatJson(entry), entry);
}

// Fields may hold what structured cloning brings and JSON refuses: bigints, circles.
function safely(format: () => string, { ts, level, part, text }: LogEntry): string {
  try {
    return format();
  } catch {
    return formatJson({ ts, level, part, text, fields: { fields: "not printable" } });
  }
}

/** systemd.exec(5): JOURNAL_STREAM names the device and inode of the journal's socket; it is inherited, so compare. */
function isJournal(): boolean {
  const stream = process.env.JOURNAL_STREAM;
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(STDERR);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
