/** What can go wrong between a line and a device, in words: what it was and what to do. Pure. */
import { BusbarError } from "../../core/errors.ts";
import type { Span } from "./profile.ts";

/** Gateway path unavailable, gateway target device failed to respond: the line works, the device does not. */
const GATEWAY_CODES = new Set([10, 11]);
const EXCEPTION_NAMES: Readonly<Record<number, string>> = {
  1: "illegal function",
  2: "illegal data address",
  3: "illegal data value",
  4: "device failure",
  5: "acknowledge",
  6: "device busy",
  8: "memory parity error",
  10: "gateway path unavailable",
  11: "gateway got no reply from the device",
};

/** The gateway before it says that the device did not answer. */
export function isGatewayCode(exceptionCode: number): boolean {
  return GATEWAY_CODES.has(exceptionCode);
}

/** `where`: line and unit. */
export function silenceError(
  where: string,
  { strayBytes, timeoutMs }: { readonly strayBytes: number; readonly timeoutMs: number },
): BusbarError {
  if (strayBytes === 0) {
    const remedy = "check wiring and unit id";
    return new BusbarError("DEVICE_TIMEOUT", `${where}: no reply in ${timeoutMs} ms`, { remedy });
  }
  const remedy = "check baud rate, format, termination, and that no two devices have the same unit id";
  const what = `${strayBytes} bytes that are no reply in ${timeoutMs} ms`;
  return new BusbarError("DEVICE_GARBLED", `${where}: ${what}`, { remedy });
}

/** `where`: line and unit. */
export function exceptionError(where: string, { at, words, fc }: Span, code: number): BusbarError {
  const name = EXCEPTION_NAMES[code] ?? "unknown";
  const what = `exception ${code} (${name}) for registers ${at} to ${at + words - 1}, function ${fc}`;
  const remedy = isGatewayCode(code) ? "check the wiring behind the gateway and the unit id" : "check the profile";
  return new BusbarError(isGatewayCode(code) ? "DEVICE_TIMEOUT" : "DEVICE_EXCEPTION", `${where}: ${what}`, { remedy });
}

/** It cost the line a timeout, ours or the gateway's: such a device is asked less often. */
export function isSilence({ code }: BusbarError): boolean {
  return code === "DEVICE_TIMEOUT" || code === "DEVICE_GARBLED";
}
