import type { CanFrame } from "./bus.ts";

/** What an error frame says (linux/can/error.h). `up`: whether frames can still come. */
export interface BusState {
  readonly state: "bus-off" | "restarted" | "passive" | "warning" | "active" | "overflow" | "errors";
  readonly up: boolean;
  readonly remedy: string;
}

const CONTROLLER = 0x004;
const BUS_OFF = 0x040;
const RESTARTED = 0x100;
/** Of data byte 1 with CONTROLLER. */
const RX_OVERFLOW = 0x01;
const WARNING = 0x0c;
const PASSIVE = 0x30;
const ACTIVE = 0x40;

const WIRING = "check bitrate, wiring and termination (120 Ω at both ends)";
const STATES = {
  busOff: { state: "bus-off", up: false, remedy: `${WIRING}; the controller needs a restart (restart-ms)` },
  restarted: { state: "restarted", up: true, remedy: WIRING },
  overflow: { state: "overflow", up: true, remedy: "the controller lost frames; lower the bus load or its latency" },
  passive: { state: "passive", up: true, remedy: WIRING },
  warning: { state: "warning", up: true, remedy: WIRING },
  active: { state: "active", up: true, remedy: "none needed" },
  errors: { state: "errors", up: true, remedy: WIRING },
} as const satisfies Record<string, BusState>;

/** The state of the bus that an error frame reports. */
export function busStateOf(frame: CanFrame): BusState {
  if (frame.id & BUS_OFF) return STATES.busOff;
  if (frame.id & RESTARTED) return STATES.restarted;
  const detail = frame.id & CONTROLLER ? (frame.data[1] ?? 0) : 0;
  if (detail & RX_OVERFLOW) return STATES.overflow;
  if (detail & PASSIVE) return STATES.passive;
  if (detail & WARNING) return STATES.warning;
  return detail & ACTIVE ? STATES.active : STATES.errors;
}
