/** The scenario file: which devices a simulated site has, and how they behave. */
import { readFileSync } from "node:fs";
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { BusbarError, messageOf } from "../core/errors.ts";
import { assetId, duration } from "../core/schema.ts";

const unit = z.int().min(0).max(255).default(1);

const ampere = z.number().min(6).max(80);

const chargerShape = {
  id: assetId,
  unit,
  /** When the first car comes; absent: drawn from the seed, within half a minute. */
  first_plug: duration("0 s", "1 h").optional(),
  car_phases: z.literal([1, 3]).optional(),
  /** Least and most that cars take per phase when they are not limited; absent: half of max_current up to all of it. */
  car_current: z
    .tuple([ampere, ampere])
    .refine(([least, most]) => least <= most, "the most is less than the least; allowed: [least, most]")
    .optional(),
  /** It delivers so much less than it says, percent. */
  derated: z.number().min(0).max(90).default(0),
};

const terraAc = z.strictObject({
  ...chargerShape,
  profile: z.literal("abb-terra-ac"),
  max_current: z.number().min(6).max(32).default(32),
});
const energyControl = z.strictObject({
  ...chargerShape,
  profile: z.literal("heidelberg-energy-control"),
  max_current: z.number().min(6).max(16).default(16),
});
const meter = z.strictObject({
  id: assetId,
  unit,
  profile: z.literal("eastron-sdm630"),
  /** The chargers behind it. */
  measures: z.array(assetId).default([]),
});
const block = z.strictObject({
  /** With `count`, the prefix: unit-1, unit-2, … */
  id: assetId,
  unit,
  profile: z.literal("block"),
  count: z.int().min(1).max(247).optional(),
});
const van = z.strictObject({ id: assetId, profile: z.literal("busbar-sim-van") });

const device = z.discriminatedUnion("profile", [terraAc, energyControl, meter, block, van], {
  error:
    "is no device of the simulator; allowed: abb-terra-ac, heidelberg-energy-control, eastron-sdm630, busbar-sim-van, block",
});

/** YAML reads an unquoted 8E1 as the number 80. */
function unquoted(format: unknown): unknown {
  return format === 80 ? "8E1" : format;
}

const tcp = z.strictObject({ port: z.int().min(0).max(65_535).default(0) });
const rtu = z.strictObject({
  baud: z.literal([1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200]).default(19_200),
  format: z.preprocess(unquoted, z.enum(["8N1", "8N2", "8E1", "8O1"]).default("8E1")),
});

const line = z.strictObject({
  id: assetId,
  modbus_tcp: tcp.optional(),
  rtu: rtu.optional(),
  rtu_over_tcp: tcp.optional(),
  can: z.strictObject({}).optional(),
  devices: z.array(device).min(1),
});

const scenario = z
  .strictObject({
    seed: z.int(),
    /** So many simulated seconds pass in one. */
    time_scale: z.number().min(0.01).max(10_000).default(1),
    lines: z.array(line).min(1),
  })
  .superRefine(({ lines }, context) => {
    const problem = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: "custom", path, message });
    checkLines(lines, problem);
    checkIds(lines, problem);
  });

export type Scenario = z.output<typeof scenario>;
export type ScenarioLine = Scenario["lines"][number];
export type ScenarioDevice = ScenarioLine["devices"][number];
export type ModbusDevice = Exclude<ScenarioDevice, { profile: "busbar-sim-van" }>;

type Tell = (path: (string | number)[], message: string) => void;

const KINDS = ["modbus_tcp", "rtu", "rtu_over_tcp", "can"] as const;
/** The gateway's pattern of simulated buses. */
const BUS_NAME = /^[a-z0-9-]{1,48}$/;

function checkLines(lines: readonly ScenarioLine[], tell: Tell): void {
  for (const [i, one] of lines.entries()) {
    const kinds = KINDS.filter((kind) => one[kind] !== undefined);
    if (kinds.length !== 1)
      tell(["lines", i], `has ${kinds.join(" and ") || "no kind"}; allowed: one of ${KINDS.join(", ")}`);
    if (one.can !== undefined && !BUS_NAME.test(one.id)) {
      tell(["lines", i, "id"], "is no name of a bus; allowed: 1 to 48 of a-z, 0-9 and -");
    }
    checkUnits(one, (path, message) => tell(["lines", i, "devices", ...path], message));
  }
}

function checkUnits(one: ScenarioLine, tell: Tell): void {
  const serial = one.rtu !== undefined || one.rtu_over_tcp !== undefined;
  const seen = new Map<number, string>();
  for (const [i, entry] of one.devices.entries()) {
    const onCan = entry.profile === "busbar-sim-van";
    if (onCan !== (one.can !== undefined)) {
      tell(
        [i, "profile"],
        `${entry.profile} does not go on this line; allowed: ${onCan ? "a line with can" : "a Modbus line"}`,
      );
    }
    if (onCan) continue;
    for (const { id, unit: address } of unitsOf(entry)) {
      if (serial ? address < 1 || address > 247 : address > 255) {
        tell(
          [i, "unit"],
          `${address} is out of range; allowed: ${serial ? "1 to 247 on serial lines" : "0 to 255 on TCP"}`,
        );
      }
      const other = seen.get(address);
      if (other !== undefined) tell([i, "unit"], `${address} is taken by ${other}; allowed: another unit on this line`);
      seen.set(address, id);
    }
  }
}

function checkIds(lines: readonly ScenarioLine[], tell: Tell): void {
  const seen = new Set<string>();
  const chargers = new Set(
    lines.flatMap((one) => one.devices.filter((entry) => "max_current" in entry)).map(({ id }) => id),
  );
  const once = (id: string, path: (string | number)[]): void => {
    if (seen.has(id)) tell(path, `${id} is there twice; allowed: a name for each line and device`);
    seen.add(id);
  };
  for (const [i, one] of lines.entries()) {
    once(one.id, ["lines", i, "id"]);
    for (const [j, entry] of one.devices.entries()) {
      const path = ["lines", i, "devices", j];
      for (const { id } of unitsOf(entry)) once(id, [...path, "id"]);
      if (entry.profile !== "eastron-sdm630") continue;
      for (const [k, id] of entry.measures.entries()) {
        if (!chargers.has(id))
          tell([...path, "measures", k], `${id} is no charger; allowed: ${[...chargers].join(", ")}`);
      }
    }
  }
}

/** The assets that one entry stands for. */
export function unitsOf(entry: ScenarioDevice): { id: string; unit: number }[] {
  if (entry.profile === "busbar-sim-van") return [{ id: entry.id, unit: 0 }];
  if (entry.profile !== "block" || entry.count === undefined) return [{ id: entry.id, unit: entry.unit }];
  return Array.from({ length: entry.count }, (_, i) => ({ id: `${entry.id}-${i + 1}`, unit: entry.unit + i }));
}

/** Reads a scenario file. Throws BusbarError CONFIG_INVALID with every error on a line, CONFIG_UNREADABLE without a file. */
export function loadScenario(file: string): Scenario {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new BusbarError("CONFIG_UNREADABLE", `scenario ${file}: ${messageOf(cause)}`, {
      remedy: "name a readable file, such as hw-sim/scenarios/depot.yaml",
      cause,
    });
  }
  return parseScenario(text, file);
}

/** As loadScenario; `file` is what the messages call the text. */
export function parseScenario(text: string, file: string): Scenario {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, uniqueKeys: true });
  const errors = document.errors.map(
    (error) => `${file}:${error.linePos?.[0].line ?? 1}: ${error.message.split("\n")[0]}`,
  );
  if (errors.length > 0) throw new BusbarError("CONFIG_INVALID", errors.join("\n"));
  const parsed = scenario.safeParse(document.toJS());
  if (parsed.success) return parsed.data;
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length), true) as { range?: [number] } | undefined;
      if (node?.range !== undefined) return lineCounter.linePos(node.range[0]).line;
    }
    return 1;
  };
  const problems = parsed.error.issues.map(({ path, message }) => {
    return `${file}:${lineOf(path)}: ${path.map(String).join(".") || "(file)"}: ${message}`;
  });
  throw new BusbarError("CONFIG_INVALID", problems.join("\n"));
}
