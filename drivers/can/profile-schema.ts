/** The shape of profiles/can/<id>.yaml. */
import { z } from "zod";
import { duration } from "../../core/schema.ts";

/** DESIGN §4: no resolution is coarser than this. */
const COARSEST: Readonly<Record<string, number>> = { V: 0.1, A: 0.1, W: 1, Wh: 1, Hz: 0.1 };

const byte = z.int().min(0).max(255);

const checksum = z.strictObject({
  crc8: byte.meta({ description: "Polynomial of the CRC-8 (not reflected), without its leading 1" }),
  init: byte.default(0).meta({ description: "Initial value" }),
  over: z.int().min(1).max(63).meta({ description: "How many bytes, from the first, it covers" }),
  at: z.int().min(0).max(63).meta({ description: "The byte that holds it" }),
});

const signal = z
  .strictObject({
    from: z
      .string()
      .regex(/^\w+\.\w+$/, "is no DBC signal; allowed: Message.Signal")
      .meta({ description: "Message.Signal of the DBC file" }),
    unit: z.string().min(1).optional().meta({ description: "Unit of the value; default: the DBC's" }),
    scale: z
      .number()
      .refine((scale) => scale !== 0, "is 0; allowed: any other number")
      .optional()
      .meta({ description: "Multiplies the DBC's physical value; default 1" }),
    resolution: z.number().positive().optional().meta({ description: "Values are rounded to its decimals" }),
    bad: z.array(z.number()).optional().meta({ description: "Raw values that mean: no value" }),
    enum: z
      .record(z.string().regex(/^-?\d+$/, "is no raw value; allowed: an integer"), z.string().min(1))
      .optional()
      .meta({ description: "Texts of raw values; makes it an enumeration" }),
    max_age: duration("100 ms", "1 d").optional().meta({ description: "Default: the profile's" }),
  })
  .refine(({ unit, resolution }) => unit === undefined || (resolution ?? 0) <= (COARSEST[unit] ?? Infinity), {
    path: ["resolution"],
    error: "is too coarse; allowed: at most 0.1 V, 0.1 A, 1 W, 1 Wh, 0.1 Hz",
  });

export const canProfile = z.strictObject({
  profile: z.literal(1).meta({ description: "Version of this format" }),
  id: z
    .string()
    .regex(/^[a-z0-9-]{1,48}$/, "is no profile id; allowed: 1 to 48 of a-z, 0-9 and -")
    .meta({ description: "Id of the profile: the file's name" }),
  kind: z.enum(["vehicle", "dc-charger", "battery"]).meta({ description: "What the device is" }),
  vendor: z.string().min(1),
  model: z.string().min(1),
  source: z.string().min(1).meta({ description: "Where each layout comes from, and what confirmed it" }),
  dbc: z
    .string()
    .regex(/^[\w.-]+\.dbc$/, "is no DBC file beside the profile; allowed: a file name such as example-van.dbc")
    .meta({ description: "The DBC file beside this one" }),
  bus: z
    .strictObject({
      bitrate: z.int().min(10_000).max(1_000_000).meta({ description: "Bitrate in bit/s" }),
      fd: z.boolean().default(false).meta({ description: "Whether the bus has CAN FD frames" }),
    })
    .optional()
    .meta({ description: "The bus the device has, where a source tells" }),
  max_age: duration("100 ms", "1 d")
    .default(2000)
    .meta({ description: "Without a frame for this long a signal is stale" }),
  checksum: z
    .record(z.string(), checksum)
    .default({})
    .meta({ description: "Of messages that carry one: a frame whose checksum is wrong has no values" }),
  signals: z
    .record(z.string().min(1), signal)
    .refine((signals) => Object.keys(signals).length > 0, "is empty; allowed: at least one signal")
    .meta({ description: "Signal name (COVESA VSS path) to its place" }),
});

export type CanProfile = z.output<typeof canProfile>;
export type CanProfileSignal = CanProfile["signals"][string];
