/** One error class for the whole project: a stable code by layer, the thing, the remedy, the cause. */
const CODES = {
  CONFIG_INVALID: "config",
  CONFIG_UNREADABLE: "config",
  PROFILE_INVALID: "config",
  TOPIC_INVALID: "config", // a Kafka topic is not as the configuration has it
  BUS_MISSING: "bus", // the port, the interface or the addon is not there
  BUS_UNREACHABLE: "bus", // it is there (or may be) and does not answer
  BUS_BUSY: "bus",
  BUS_DENIED: "bus",
  BUS_CLOSED: "bus",
  DEVICE_TIMEOUT: "device",
  DEVICE_EXCEPTION: "device", // the device answered with an exception
  DEVICE_GARBLED: "device",
  STORE_UNWRITABLE: "store",
  STORE_FULL: "store",
  STORE_CORRUPT: "store",
  RECORD_INVALID: "record",
  RECORD_CRC: "record",
  UPLINK_UNREACHABLE: "uplink",
  UPLINK_REFUSED: "uplink",
  UPLINK_LOST: "uplink",
  UPLINK_STALLED: "uplink",
  BRIDGE_MQTT: "bridge", // the server that the bridge reads from
  BRIDGE_KAFKA: "bridge", // the cluster that it writes to
  BRIDGE_FENCED: "bridge", // another instance has taken the partition over
  PORT_IN_USE: "local",
  INTERNAL: "internal",
} as const;

export type ErrorCode = keyof typeof CODES;
export type ErrorLayer = (typeof CODES)[ErrorCode];

export interface ErrorOptions {
  /** What the reader should do, in one clause. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

/** An error that names the thing and the remedy: `modbus rtu /dev/ttyUSB0 unit 3: no reply in 500 ms; check wiring`. */
export class BusbarError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, what: string, options: ErrorOptions = {}) {
    super(
      options.remedy === undefined ? what : `${what}; ${options.remedy}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "BusbarError";
    this.code = code;
    this.remedy = options.remedy;
  }

  get layer(): ErrorLayer {
    return CODES[this.code];
  }
}

/** Trying again can help: everything outside of configuration and our own mistakes. */
export function isRetryable(error: unknown): boolean {
  return error instanceof BusbarError && error.layer !== "config" && error.layer !== "internal";
}

/** The operator stopped it; not a failure. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || (error as { code?: unknown }).code === "ABORT_ERR");
}

/** The system's code (`ENOENT`, `EADDRINUSE`, …) of an error, or undefined. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
