/** What the YAML of a Modbus profile may say. */
import { z } from "zod";
import { duration } from "../../core/schema.ts";

/** Words (16-bit registers) of each number type. */
export const NUMBER_WORDS = { u16: 1, i16: 1, u32: 2, i32: 2, u64: 4, i64: 4, f32: 2, f64: 4 } as const;
export const TEXT_TYPES = ["ascii", "hex", "dotted"] as const;
export type NumberType = keyof typeof NUMBER_WORDS;
export type TextType = (typeof TEXT_TYPES)[number];

const SIGNAL_NAME = /^[A-Z][A-Za-z0-9]*(\.[A-Z][A-Za-z0-9]*(-[A-Z0-9]+)?)*$/;
const NUMBER_TYPES = Object.keys(NUMBER_WORDS) as NumberType[];

const raw = z.union([
  z.number(),
  z.string().regex(/^-?\d+$/, "is no raw value; allowed: a number, or digits in quotes"),
]);

const signal = z.strictObject({
  at: z.int().min(0).max(65_535).meta({ description: "Wire address of the first register, counted from 0" }),
  fc: z.literal([3, 4]).optional().meta({ description: "Function code, when not the profile's" }),
  type: z
    .enum([...NUMBER_TYPES, ...TEXT_TYPES])
    .meta({ description: "Numbers u16 to f64; text: ascii, hex (bytes as hex), dotted (bytes as 1.2.3)" }),
  words: z.int().min(1).max(64).optional().meta({ description: "Registers of a text" }),
  bytes: z.int().min(1).max(128).optional().meta({ description: "Bytes of a text that count, from its first" }),
  word_order: z.enum(["big", "little"]).optional().meta({ description: "Order of the words, when not the profile's" }),
  shift: z.int().min(0).max(31).optional().meta({ description: "The raw value is shifted right by this many bits" }),
  mask: z.int().min(1).max(0xffff_ffff).optional().meta({ description: "… and then cut to these bits" }),
  scale: z.number().optional().meta({ description: "value = raw * scale + offset" }),
  offset: z.number().optional(),
  resolution: z.number().positive().optional().meta({ description: "Values are rounded to multiples of this" }),
  unit: z.enum(["W", "Wh", "VA", "VAh", "var", "varh", "A", "V", "Hz", "degC", "%", "deg", "ms", "s"]).optional(),
  enum: z.record(z.string().regex(/^-?\d+$/, "is no raw value; allowed: a whole number"), z.string().min(1)).optional(),
  bad: z.array(raw).min(1).optional().meta({ description: "Raw values that mean: no value" }),
  poll: z.string().optional().meta({ description: "Poll group; default: the first" }),
});

export const modbusProfileSchema = z.strictObject({
  profile: z.literal(1),
  id: z.string().regex(/^[a-z0-9-]{1,64}$/, "is no profile id; allowed: 1 to 64 of a-z, 0-9 and -"),
  kind: z.enum(["ac-charger", "dc-charger", "meter", "inverter", "battery"]),
  vendor: z.string().min(1),
  model: z.string().min(1),
  source: z.string().min(10).meta({ description: "Which document, and where in it" }),
  metrology: z.enum(["none", "mid", "calibration-law"]).default("none"),
  serial: z
    .strictObject({
      baud: z.literal([1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200]).optional(),
      // To YAML an unquoted 8E1 is the number 80.
      format: z.preprocess((value) => (value === 80 ? "8E1" : value), z.enum(["8N1", "8N2", "8E1", "8O1"]).optional()),
      gap: duration("0 ms", "5 s").optional().meta({ description: "Silence that the device needs before a request" }),
    })
    .optional(),
  read: z.strictObject({
    function: z.literal([3, 4]),
    max_words: z.int().min(1).max(125).default(125).meta({ description: "Most registers in one request" }),
    max_hole: z.int().min(0).max(124).default(0).meta({ description: "Most unused registers read along" }),
    word_order: z.enum(["big", "little"]).default("big"),
  }),
  poll: z.record(z.string().regex(/^[a-z][a-z0-9_]*$/), duration("50 ms", "1 d")).refine((groups) => {
    return Object.keys(groups).length > 0;
  }, "needs a group; such as fast: 1 s"),
  signals: z
    .record(z.string().regex(SIGNAL_NAME, "is no signal name; allowed: words with dots, such as Voltage.L1-N"), signal)
    .refine((signals) => Object.keys(signals).length > 0, "needs a signal"),
  failsafe: z
    .strictObject({
      kind: z.enum(["poll", "write", "rewrite_setpoint"]),
      at: z.int().min(0).max(65_535).optional(),
      value: z.int().optional(),
      within: duration("100 ms", "1 h"),
      effect: z.string().optional(),
    })
    .optional()
    .meta({ description: "A duty that the device has; nothing is written unless the source says so" }),
});

export type ModbusProfileData = z.output<typeof modbusProfileSchema>;
export type SignalData = z.output<typeof signal>;

/** Registers that a signal takes; 1 for a text that does not say (which the lint refuses). */
export function wordsOf(entry: Pick<SignalData, "type" | "words">): number {
  return entry.type in NUMBER_WORDS ? NUMBER_WORDS[entry.type as NumberType] : (entry.words ?? 1);
}
