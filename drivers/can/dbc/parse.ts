/**
 * Reads DBC files (the format of Vector's CANdb++, as its public descriptions and files in the field show it): BO_, SG_
 * with m0 / M / m0M, VAL_, SIG_VALTYPE_, SG_MUL_VAL_. Everything else is no matter of reading
 * frames and is passed over.
 */
import type { Dbc, DbcMessage, DbcProblem, DbcSignal, MuxRange } from "./dbc.ts";
import { bitField } from "./extract.ts";
import { excerpt, type Statement, splitStatements } from "./statements.ts";

const NUMBER = String.raw`([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)`;
const MESSAGE = /^BO_\s+(\d+)\s+(\w+)\s*:\s*(\d+)(?:\s|$)/;
const SIGNAL = new RegExp(
  String.raw`^SG_\s+(\w+)(?:\s+(M|m\d+M?))?\s*:\s*(\d+)\|(\d+)@([01])([-+])\s*` +
    String.raw`\(\s*${NUMBER}\s*,\s*${NUMBER}\s*\)\s*(?:\[\s*${NUMBER}\s*\|\s*${NUMBER}\s*\])?\s*(?:"([^"]*)")?`,
);
const VALUES = /^VAL_\s+(\d+)\s+(\w+)\s*/;
const VALTYPE = /^SIG_VALTYPE_\s+(\d+)\s+(\w+)\s*:?\s*([0-3])\s*;/;
const MUL_VAL = /^SG_MUL_VAL_\s+(\d+)\s+(\w+)\s+(\w+)\s+([\d\s,-]+);/;
const VERSION = /^VERSION\s+"([^"]*)"/;

const EXTENDED_FLAG = 2 ** 31;
/** Vector's own message for signals that belong to none. */
const NO_MESSAGE_ID = 0xc000_0000;
const MAX_FRAME_BYTES = 64;

type Draft<T> = { -readonly [Key in keyof T]: T[Key] };
type DraftSignal = Draft<DbcSignal>;
interface DraftMessage extends Draft<Omit<DbcMessage, "signals">> {
  signals: DraftSignal[];
  /** The id as the file writes it, with its flag. */
  readonly rawId: number;
}

/** The messages of a DBC file. Never throws; what it could not use is in `problems` with its line. */
export function parseDbc(text: string): Dbc {
  const draft = new Draftsman();
  for (const statement of splitStatements(text, draft.problems)) draft.take(statement);
  return draft.finish();
}

class Draftsman {
  readonly problems: DbcProblem[] = [];
  #version = "";
  readonly #messages = new Map<number, DraftMessage>();
  /** Where SG_ lines go; undefined after a message that was not understood. */
  #current: DraftMessage | undefined;

  take(statement: Statement): void {
    const { keyword, text } = statement;
    // NS_ lists the words themselves.
    if (text === keyword) return;
    if (keyword === "BO_") this.#message(statement);
    else if (keyword === "SG_") this.#signal(statement);
    else if (keyword === "VAL_") this.#values(statement);
    else if (keyword === "SIG_VALTYPE_") this.#valueType(statement);
    else if (keyword === "SG_MUL_VAL_") this.#multiplexRanges(statement);
    else if (keyword === "VERSION") this.#version = VERSION.exec(text)?.[1] ?? "";
  }

  finish(): Dbc {
    const messages = [...this.#messages.values()];
    for (const message of messages) this.#bindMultiplexed(message);
    this.problems.sort((a, b) => a.line - b.line);
    return {
      version: this.#version,
      messages: messages.map(({ rawId, ...message }) => message),
      problems: this.problems,
    };
  }

  #message(statement: Statement): void {
    this.#current = undefined;
    const match = MESSAGE.exec(statement.text);
    const message = match === null ? undefined : messageOf(match, statement.line);
    if (message?.rawId === NO_MESSAGE_ID) return;
    const fault = message === undefined ? "BO_ not understood" : this.#messageFault(message);
    if (message === undefined || fault !== undefined) {
      this.#problem(statement, fault ?? "");
      return;
    }
    this.#current = message;
    this.#messages.set(message.rawId, message);
  }

  #messageFault({ id, rawId, extended, name, sizeBytes }: DraftMessage): string | undefined {
    if (id > (extended ? 0x1fff_ffff : 0x7ff)) return `${name}: ${rawId} is no CAN id`;
    if (sizeBytes > MAX_FRAME_BYTES) return `${name}: ${sizeBytes} bytes are no CAN frame`;
    return this.#messages.has(rawId) ? `${name}: id ${rawId} was used before` : undefined;
  }

  #signal(statement: Statement): void {
    const match = SIGNAL.exec(statement.text);
    const signal = match === null ? undefined : signalOf(match, statement.line);
    const fault = signal === undefined ? "SG_ not understood" : this.#signalFault(signal);
    if (signal === undefined || fault !== undefined) this.#problem(statement, fault ?? "");
    else this.#current?.signals.push(signal);
  }

  #signalFault(signal: DraftSignal): string | undefined {
    const { name, start, length, factor, offset } = signal;
    const inRange = length >= 1 && length <= 64 && start < 8 * MAX_FRAME_BYTES;
    const fits = inRange && bitField(signal).needBytes <= MAX_FRAME_BYTES;
    if (!fits) return `${name}: ${start}|${length} is no place in a frame`;
    const sound = Number.isFinite(factor) && factor !== 0 && Number.isFinite(offset);
    if (!sound) return `${name}: factor ${factor} or offset ${offset} makes no sense`;
    const known = this.#current?.signals.some((other) => other.name === name) ?? false;
    return known ? `${name}: this name was used before in its message` : undefined;
  }

  #values(statement: Statement): void {
    const match = VALUES.exec(statement.text);
    // Without an id it is the table of an environment variable.
    if (match === null) return;
    const signal = this.#find(statement, match);
    if (signal !== undefined) signal.labels = labelsOf(statement.text.slice(match[0].length));
  }

  #valueType(statement: Statement): void {
    const match = VALTYPE.exec(statement.text);
    const signal = this.#find(statement, match);
    if (match === null || signal === undefined) return;
    const float = match[3] === "1" ? 32 : match[3] === "2" ? 64 : 0;
    if (float === 0 || signal.length === float) signal.float = float;
    else this.#problem(statement, `${signal.name}: ${signal.length} bits are no IEEE 754 number of ${float}`);
  }

  #multiplexRanges(statement: Statement): void {
    const match = MUL_VAL.exec(statement.text);
    const signal = this.#find(statement, match);
    if (match === null || signal === undefined) return;
    const ranges = [...(match[4] as string).matchAll(/(\d+)\s*-\s*(\d+)/g)].map(
      ([, low, high]): MuxRange => [Number(low), Number(high)],
    );
    signal.condition = { by: match[3] as string, ranges };
  }

  /** The signal that a statement is about: its second and third word, in a match. */
  #find(statement: Statement, match: RegExpExecArray | null): DraftSignal | undefined {
    if (match === null) {
      this.#problem(statement, `${statement.keyword} not understood`);
      return undefined;
    }
    const message = this.#messages.get(Number(match[1]));
    const signal = message?.signals.find(({ name }) => name === match[2]);
    // Ids of Vector's message of loose signals, and of messages already reported, are no news.
    if (message !== undefined && signal === undefined) {
      this.#problem(statement, `${message.name} has no signal ${match[2]}`);
    }
    return signal;
  }

  /** `m3` means: while the message's one multiplexor is 3. Only SG_MUL_VAL_ can name another. */
  #bindMultiplexed(message: DraftMessage): void {
    const roots = message.signals.filter(({ multiplexor, condition }) => multiplexor && condition === undefined);
    for (const signal of message.signals) {
      if (signal.condition === undefined || signal.condition.by !== "") continue;
      const root = roots[0];
      if (root !== undefined) signal.condition = { by: root.name, ranges: signal.condition.ranges };
      if (roots.length !== 1) {
        this.problems.push({
          line: signal.line,
          text: `${signal.name}: ${roots.length} multiplexors in ${message.name}`,
        });
      }
    }
    // Without a multiplexor nobody can tell whether the signal is there.
    const names = new Set(message.signals.map(({ name }) => name));
    message.signals = message.signals.filter(({ condition }) => condition === undefined || names.has(condition.by));
  }

  #problem(statement: Statement, text: string): void {
    this.problems.push({ line: statement.line, text: `${text}: ${excerpt(statement.text)}` });
  }
}

function messageOf(match: RegExpExecArray, line: number): DraftMessage {
  const rawId = Number(match[1]);
  const extended = rawId >= EXTENDED_FLAG;
  const id = extended ? rawId - EXTENDED_FLAG : rawId;
  return { name: match[2] as string, id, extended, sizeBytes: Number(match[3]), signals: [], line, rawId };
}

function signalOf(match: RegExpExecArray, line: number): DraftSignal {
  const mux = match[2] ?? "";
  const selector = /\d+/.exec(mux)?.[0];
  const value = Number(selector);
  return {
    name: match[1] as string,
    start: Number(match[3]),
    length: Number(match[4]),
    bigEndian: match[5] === "0",
    signed: match[6] === "-",
    float: 0,
    factor: Number(match[7]),
    offset: Number(match[8]),
    minimum: Number(match[9] ?? 0),
    maximum: Number(match[10] ?? 0),
    unit: match[11] ?? "",
    labels: new Map(),
    multiplexor: mux.endsWith("M"),
    condition: selector === undefined ? undefined : { by: "", ranges: [[value, value]] },
    line,
  };
}

function labelsOf(text: string): Map<number, string> {
  const labels = new Map<number, string>();
  for (const [, raw, label] of text.matchAll(/([-+]?\d+)\s+"([^"]*)"/g)) labels.set(Number(raw), label as string);
  return labels;
}
