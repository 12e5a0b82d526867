/**
 * Building blocks for each module's `config.ts`: values as people write them in YAML, checked and turned into numbers.
 * Defaults are written the same way (`.prefault("10 s")`), so that the generated reference shows what a file would say.
 * `meta` says in words what is allowed: `allowed` in error messages, `kind` and `range` in the reference.
 */
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
const RESERVED = ["bridge", "v1"];
/** The asset that carries the gateway's own signals. */
const OWN_ASSET = "gateway";
const PROFILE = /^(\.{0,2}\/.+|[A-Za-z0-9_-][A-Za-z0-9._-]*)$/;
const HOST = /^([A-Za-z0-9._-]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?)$/;
const HOST_PORT = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/;

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
  const names = Object.keys(units);
  const allowed = `a ${what} from ${least} to ${most}, with its unit (${names.join(", ")})`;
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
    .meta({ allowed, kind: what, range: `${least} to ${most}`, pattern: `^\\d+(\\.\\d+)? ?(${names.join("|")})$` });
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  // A space that does not break comes along when a value is copied from a data sheet, and nobody sees the difference.
  const match = /^(\d+(?:\.\d+)?)[ \u00a0\u202f]?([A-Za-z]+)$/.exec(text);
  const unit = match !== null && Object.hasOwn(units, match[2] as string) ? units[match[2] as string] : undefined;
  return match === null || unit === undefined ? undefined : Math.round(Number(match[1]) * unit);
}

function name(what: string, pattern: RegExp, characters: string, reserved: readonly string[]) {
  const allowed = `1 to 48 of ${characters}, but not ${reserved.join(", ")}`;
  return z
    .string()
    .regex(pattern, `is no ${what}; allowed: ${allowed}`)
    .refine((id) => !reserved.includes(id), `is reserved; allowed: ${allowed}`)
    .meta({ allowed, kind: "id", not: { enum: [...reserved] } });
}

export const gatewayId = name("gateway id", GATEWAY_ID, "a-z, 0-9 and -", RESERVED);
export const assetId = name("asset id", ASSET_ID, "A-Z, a-z, 0-9, dot, _ and -", RESERVED);
/** Asset id of a configured device: any but the gateway's own. */
export const deviceId = name("asset id", ASSET_ID, "A-Z, a-z, 0-9, dot, _ and -", [...RESERVED, OWN_ASSET]);

/** A profile's id, or the path of a profile file, which starts with ./ ../ or / */
export const profileRef = z
  .string()
  .regex(PROFILE, "is no profile; allowed: a profile id, or a path that starts with ./ ../ or /")
  .meta({ kind: "profile", allowed: "a profile id, or the path of a profile file, starting with ./ ../ or /" });

/** The path of a file, relative to the configuration's folder. */
export const filePath = z.string().min(1).meta({ kind: "file", allowed: "the path of a file" });

/** A host's name or address, without a port. */
export const hostName = z
  .string()
  .regex(HOST, "is no host; allowed: a name or an address, without port")
  .meta({ kind: "host", allowed: "a name or an address, without port" });

const ADDRESS = "host:port, such as 127.0.0.1:1883 or [::1]:1883";

/** `host:port`, `[v6]:port`; the value is split. */
export const hostPort = z
  .string()
  .transform((text, context) => {
    const split = splitHostPort(text);
    if (split === undefined) {
      context.addIssue({
        code: "custom",
        message: `"${text}" is no address; allowed: ${ADDRESS}`,
      });
      return z.NEVER;
    }
    return split;
  })
  .meta({ kind: "address", allowed: ADDRESS, pattern: HOST_PORT.source });

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export function splitHostPort(text: string): { host: string; port: number } | undefined {
  const match = HOST_PORT.exec(text);
  const port = Number(match?.[3]);
  return match === null || port > 65_535 ? undefined : { host: (match[1] ?? match[2]) as string, port };
}

/** Address of an MQTT server. */
const SERVER_URL = {
  allowed: "mqtt://host:port, mqtts://host:port, ws://host:port/path or wss://host:port/path",
  shape: /^(mqtts?|wss?):\/\/[^\s/?#@]+(\/[^\s#]*)?$/,
} as const;

/** The messages do not repeat the address: somebody may have put a password there, which would show in logs and status. */
export function serverUrl() {
  const { allowed, shape } = SERVER_URL;
  const check = (text: string, context: z.RefinementCtx<string>): void => {
    if (/^\w+:\/\/[^/]*@/.test(text)) {
      context.addIssue(`holds a user name or password; allowed: ${allowed}, with username and password_file beside it`);
    } else if (!shape.test(text) || !URL.canParse(text)) {
      context.addIssue(`is no server address; allowed: ${allowed}`);
    }
  };
  return z.string().superRefine(check).meta({ allowed, pattern: shape.source });
}

/** Keys of a login with files: which need which. */
export const LOGIN_FILES = { password_file: ["username"], cert_file: ["key_file"], key_file: ["cert_file"] };
