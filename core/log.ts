export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** `error`: data was lost or somebody must go there. `warn`: degraded, heals by itself or by the remedy named. */
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

export interface LogEntry {
  readonly ts: number;
  readonly level: LogLevel;
  /** The part of the daemon that speaks: a source id, `uplink`, `outbox`, … */
  readonly part: string;
  readonly text: string;
  readonly fields: LogFields;
}

/** Where entries go. It must not block: the field thread's sink posts to the status thread. */
export type LogSink = (entry: LogEntry) => void;

export class Logger {
  readonly #part: string;
  readonly #sink: LogSink;

  constructor(part: string, sink: LogSink) {
    this.#part = part;
    this.#sink = sink;
  }

  /** A logger for another part with the same sink. */
  for(part: string): Logger {
    return new Logger(part, this.#sink);
  }

  debug(text: string, fields: LogFields = {}): void {
    this.#write("debug", text, fields);
  }
  info(text: string, fields: LogFields = {}): void {
    this.#write("info", text, fields);
  }
  warn(text: string, fields: LogFields = {}): void {
    this.#write("warn", text, fields);
  }
  error(text: string, fields: LogFields = {}): void {
    this.#write("error", text, fields);
  }

  #write(level: LogLevel, text: string, fields: LogFields): void {
    this.#sink({ ts: Date.now(), level, part: this.#part, text, fields });
  }
}

/** One JSON object on one line, for journald and machines. */
export function formatJson(entry: LogEntry): string {
  const { ts, level, part, text, fields } = entry;
  return JSON.stringify({ ts: new Date(ts).toISOString(), level, part, msg: text, ...fields }, replaceError);
}

/** One line for people: `12:00:01.123 warn  uplink  connection lost  reason="…"`. */
export function formatText(entry: LogEntry): string {
  const time = new Date(entry.ts).toISOString().slice(11, 23);
  const fields = Object.entries(entry.fields).map(([key, value]) => `  ${key}=${formatField(value)}`);
  return `${time} ${entry.level.padEnd(5)} ${entry.part}  ${entry.text}${fields.join("")}`;
}

function formatField(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message);
  return typeof value === "string" && /^[\w.:/@-]+$/.test(value) ? value : JSON.stringify(value);
}

function replaceError(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}
