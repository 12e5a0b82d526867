/** Building blocks for each module's `config.ts`: values as people write them in YAML, checked and turned into numbers. */
import { z } from "zod";

const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

export const GATEWAY_ID = /^[a-z0-9-]{1,48}$/;
export const ASSET_ID = /^[A-Za-z0-9._-]{1,48}$/;
/** Names that topics use themselves (DESIGN §2). */
const RESERVED = new Set(["bridge", "v1"]);

/** A duration such as `250 ms`, `10 s`, `5 min`, `1 h`, `7 d`; the value is milliseconds. Bounds are written the same way. */
export function duration(least: string, most: string) {
  return quantity("duration", DURATION_MS, least, most);
}

/** A size such as `32 KiB`, `2 GiB`; the value is bytes. */
export function size(least: string, most: string) {
  return quantity("size", SIZE_BYTES, least, most);
}

export function durationMs(text: string): number | undefined {
  return parseQuantity(text, DURATION_MS);
}

function quantity(what: string, units: Readonly<Record<string, number>>, least: string, most: string) {
  const low = parseQuantity(least, units) ?? 0;
  const high = parseQuantity(most, units) ?? Number.POSITIVE_INFINITY;
  const allowed = `a ${what} from ${least} to ${most}, with its unit (${Object.keys(units).join(", ")})`;
  return z
    .string({ error: `is no ${what}; allowed: ${allowed}` })
    .transform((text, context) => {
      const value = parseQuantity(text, units);
      if (value === undefined || value < low || value > high) {
        const why = value === undefined ? `"${text}" is no ${what}` : `${text} is out of range`;
        context.addIssue({ code: "custom", message: `${why}; allowed: ${allowed}` });
        return z.NEVER;
      }
      return value;
    })
    .meta({ quantity: what, least, most });
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(text);
  const unit = match === null ? undefined : units[match[2] as string];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}

export const gatewayId = z
  .string()
  .regex(GATEWAY_ID, "is no gateway id; allowed: 1 to 48 of a-z, 0-9 and -")
  .refine((id) => !RESERVED.has(id), "is reserved; allowed: any name but bridge and v1");

export const assetId = z
  .string()
  .regex(ASSET_ID, "is no asset id; allowed: 1 to 48 of A-Z, a-z, 0-9, dot, _ and -")
  .refine((id) => !RESERVED.has(id), "is reserved; allowed: any name but bridge and v1");

/** `host:port`, `[v6]:port`; the value is split. */
export const hostPort = z.string().transform((text, context) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    context.addIssue({
      code: "custom",
      message: `"${text}" is no address; allowed: host:port, such as 127.0.0.1:1883`,
    });
    return z.NEVER;
  }
  return { host: (match[1] ?? match[2]) as string, port };
});
export interface HostPort {
  readonly host: string;
  readonly port: number;
}
