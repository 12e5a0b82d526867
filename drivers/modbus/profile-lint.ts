/** What a schema cannot say of a Modbus profile: units by name, resolutions, overlaps. Pure. */
import { type ModbusProfileData, NUMBER_WORDS, type SignalData, wordsOf } from "./profile-schema.ts";

export interface ProfileIssue {
  readonly path: string[];
  readonly message: string;
}

/** The unit that a measurand has (DESIGN §4): apparent power is never active power. */
const UNIT_BY_NAME: readonly (readonly [RegExp, string | undefined])[] = [
  [/^Power\.Factor(\.|$)/, undefined],
  [/^Power\.Active\./, "W"],
  [/^Power\.Apparent\./, "VA"],
  [/^Power\.Reactive\./, "var"],
  [/^Power\.Offered(\.|$)/, "W"],
  [/^Energy\.Active\./, "Wh"],
  [/^Energy\.Apparent\./, "VAh"],
  [/^Energy\.Reactive\./, "varh"],
  [/^Current\./, "A"],
  [/^Voltage(\.|$)/, "V"],
  [/^Frequency(\.|$)/, "Hz"],
  [/^Temperature(\.|$)/, "degC"],
  [/^SoC$/, "%"],
];
/** The coarsest resolution that is allowed. */
const COARSEST: Readonly<Record<string, number>> = {
  V: 0.1,
  A: 0.1,
  W: 1,
  VA: 1,
  var: 1,
  Wh: 1,
  VAh: 1,
  varh: 1,
  Hz: 0.1,
};
const STATUS_TEXTS = ["Available", "Occupied", "Reserved", "Unavailable", "Faulted"];

/** Everything that is wrong with a profile that its schema has passed; paths are inside the file. */
export function lintProfile(profile: ModbusProfileData): ProfileIssue[] {
  const issues: ProfileIssue[] = [];
  for (const [name, entry] of Object.entries(profile.signals)) {
    const say = (key: string, message: string) => issues.push({ path: ["signals", name, key], message });
    lintPlace(entry, profile, say);
    lintValue(entry, say);
    lintNumber(name, entry, say);
    lintEnum(name, entry, say);
  }
  return [...issues, ...lintOverlaps(profile)];
}

type Say = (key: string, message: string) => void;

function lintPlace(entry: SignalData, profile: ModbusProfileData, say: Say): void {
  const words = wordsOf(entry);
  if (entry.at + words > 65_536) say("at", `${words} registers from ${entry.at} end beyond 65535`);
  if (words > profile.read.max_words)
    say("type", `takes ${words} registers; allowed: up to max_words, ${profile.read.max_words}`);
  if (entry.poll !== undefined && profile.poll[entry.poll] === undefined) {
    say("poll", `"${entry.poll}" is no poll group; allowed: ${Object.keys(profile.poll).join(", ")}`);
  }
}

function lintValue(entry: SignalData, say: Say): void {
  const isText = !(entry.type in NUMBER_WORDS);
  if (isText && entry.words === undefined) say("type", `${entry.type} needs words, the number of its registers`);
  if (!isText && entry.words !== undefined) say("words", `is for texts; a ${entry.type} has its own size`);
  if (entry.bytes !== undefined && (!isText || entry.bytes > 2 * wordsOf(entry))) {
    say("bytes", "is for texts, and at most two for each register");
  }
  if (isText) {
    for (const key of ["scale", "offset", "resolution", "unit", "enum", "bad", "shift", "mask"] as const) {
      if (entry[key] !== undefined) say(key, `is for numbers; ${entry.type} is a text`);
    }
  }
  if ((entry.mask !== undefined || entry.shift !== undefined) && entry.type !== "u16" && entry.type !== "u32") {
    say(entry.mask === undefined ? "shift" : "mask", "is for u16 and u32");
  }
}

function lintNumber(name: string, entry: SignalData, say: Say): void {
  const rule = UNIT_BY_NAME.find(([pattern]) => pattern.test(name));
  if (rule !== undefined && rule[1] !== entry.unit) {
    say("unit", `is ${entry.unit ?? "missing"}; allowed for ${name}: ${rule[1] ?? "none"}`);
  }
  const isFloat = entry.type === "f32" || entry.type === "f64";
  if (entry.resolution === undefined && (entry.unit !== undefined || isFloat)) say("resolution", "is missing");
  const coarsest = entry.unit === undefined ? undefined : COARSEST[entry.unit];
  if (coarsest !== undefined && entry.resolution !== undefined && entry.resolution > coarsest) {
    say("resolution", `${entry.resolution} ${entry.unit} is too coarse; allowed: up to ${coarsest} ${entry.unit}`);
  }
  if (entry.scale === 0) say("scale", "is 0, which would make every value 0");
}

function lintEnum(name: string, entry: SignalData, say: Say): void {
  if (entry.enum === undefined) {
    if (name === "Status") say("enum", "is missing: Status is one of OCPP's connector states");
    return;
  }
  if (entry.type.startsWith("f") || entry.type.endsWith("64")) say("enum", "is for whole numbers of up to 32 bits");
  for (const key of ["scale", "offset", "resolution", "unit"] as const) {
    if (entry[key] !== undefined) say(key, "has no meaning beside enum");
  }
  if (name !== "Status") return;
  for (const text of Object.values(entry.enum)) {
    if (!STATUS_TEXTS.includes(text))
      say("enum", `${text} is no OCPP connector state; allowed: ${STATUS_TEXTS.join(", ")}`);
  }
}

/** Two signals may share registers only as parts (shift, mask) or readings of the very same number. */
function lintOverlaps(profile: ModbusProfileData): ProfileIssue[] {
  const spans = Object.entries(profile.signals)
    .map(([name, entry]) => ({ name, entry, fc: entry.fc ?? profile.read.function, end: entry.at + wordsOf(entry) }))
    .sort((a, b) => a.fc - b.fc || a.entry.at - b.entry.at);
  const issues: ProfileIssue[] = [];
  for (const [i, one] of spans.entries()) {
    for (const other of spans.slice(i + 1)) {
      if (other.fc !== one.fc || other.entry.at >= one.end) break;
      if (sameNumber(one.entry, other.entry)) continue;
      const message = `overlaps ${one.name} (${one.entry.type} at ${one.entry.at}) and reads it in another way`;
      issues.push({ path: ["signals", other.name, "at"], message });
    }
  }
  return issues;
}

function sameNumber(a: SignalData, b: SignalData): boolean {
  return a.at === b.at && a.type === b.type && wordsOf(a) === wordsOf(b) && a.word_order === b.word_order;
}
