/** A serial port. The only file that imports serialport. */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { SerialPort } from "serialport";
import { BusbarError, messageOf, systemCode } from "../../core/errors.ts";
import type { Link, LinkEvents } from "./link.ts";

export interface SerialLine {
  readonly port: string;
  readonly baud: number;
  readonly format: "8N1" | "8N2" | "8E1" | "8O1";
}

const PARITY = { N: "none", E: "even", O: "odd" } as const;
const CLOSE_TIMEOUT_MS = 1000;

/** Opens a port. Throws BusbarError BUS_MISSING, BUS_DENIED or BUS_BUSY. DTR and RTS stay as the system sets them. */
export async function openSerial(line: SerialLine, label: string, events: LinkEvents): Promise<Link> {
  await checkPresent(line.port, label);
  const port = new SerialPort({
    path: line.port,
    baudRate: line.baud,
    dataBits: 8,
    parity: PARITY[line.format[1] as keyof typeof PARITY],
    stopBits: line.format[2] === "2" ? 2 : 1,
    autoOpen: false,
  });
  await new Promise<void>((resolve, reject) => {
    port.open((error) => (error ? reject(cannotOpen(error, label)) : resolve()));
  });
  return new SerialLink(port, label, events);
}

class SerialLink implements Link {
  readonly #port: SerialPort;
  readonly #label: string;

  constructor(port: SerialPort, label: string, events: LinkEvents) {
    this.#port = port;
    this.#label = label;
    const lost = (error?: unknown) => events.onLost(missing(label, error));
    port.on("data", (bytes: Uint8Array) => events.onBytes(bytes));
    port.on("error", lost);
    port.on("close", lost);
    port.on("end", lost);
  }

  write(bytes: Uint8Array): boolean {
    this.#port.write(Buffer.from(bytes));
    return true;
  }

  async flush(): Promise<void> {
    // A hung-up terminal reads as empty for ever without an error: that the device file is gone is the only sign.
    await checkPresent(this.#port.path, this.#label);
    await new Promise<void>((resolve) => {
      this.#port.flush(() => resolve());
    });
  }

  close(): Promise<void> {
    this.#port.removeAllListeners("close").removeAllListeners("end").removeAllListeners("data");
    this.#port.removeAllListeners("error").on("error", () => {});
    return new Promise((resolve) => {
      const late = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      this.#port.close(() => {
        clearTimeout(late);
        resolve();
      });
    });
  }
}

/** The binding's own errors have no codes: what can be known is asked of the system first. */
async function checkPresent(path: string, label: string): Promise<void> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
  } catch (cause) {
    if (systemCode(cause) !== "EACCES") throw missing(label, cause);
    const remedy = "add the user to the group of the port (dialout)";
    throw new BusbarError("BUS_DENIED", `${label}: no permission`, { remedy, cause });
  }
}

function missing(label: string, cause: unknown): BusbarError {
  const remedy = "check the cable and `ls /dev/serial/by-id`";
  return new BusbarError("BUS_MISSING", `${label}: no such device`, { remedy, cause });
}

function cannotOpen(cause: Error, label: string): BusbarError {
  const text = messageOf(cause);
  if (/lock|busy/i.test(text)) {
    const remedy = "end the other program that has it open (`fuser -v` names it)";
    return new BusbarError("BUS_BUSY", `${label}: in use`, { remedy, cause });
  }
  return new BusbarError("BUS_UNREACHABLE", `${label}: ${text}`, { remedy: "check that it is a serial port", cause });
}
