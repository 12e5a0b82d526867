/**
 * Registers of simulated devices: how a value becomes words, and what a gateway has to read out of these words. Written
 * from the devices' documents, not from the drivers: a mistake there must not be hidden by the same mistake here.
 */

/** Two registers or more hold the most significant word first, bytes big-endian. */
export type RegisterType = "u16" | "i16" | "u32" | "f32" | "hex" | "dotted";
export type Value = number | string;

export interface Register<Model> {
  /** The gateway's name for it (OCPP measurand). */
  readonly name: string;
  readonly fc: 3 | 4;
  /** Wire address, from 0. */
  readonly at: number;
  readonly type: RegisterType;
  readonly unit?: string;
  /** The gateway's value is raw x times / per, with this many decimals. */
  readonly times?: number;
  readonly per?: number;
  readonly decimals?: number;
  /** Which bits count, for `texts`. */
  readonly shift?: number;
  readonly mask?: number;
  readonly texts?: Readonly<Record<number, string>>;
  /** Bytes of a hex or dotted text. */
  readonly bytes?: number;
  /** The raw value as the device holds it; numbers of integer types are rounded and kept within their range. */
  readonly raw: (model: Model) => number | readonly number[];
}

/** Readable words in one piece; what no register names in it reads as 0. */
export interface Block {
  readonly fc: 3 | 4;
  readonly at: number;
  readonly words: number;
}

export function wordsOf(register: Register<never>): number {
  switch (register.type) {
    case "u16":
    case "i16":
      return 1;
    case "u32":
    case "f32":
      return 2;
    default:
      return Math.ceil((register.bytes ?? 2) / 2);
  }
}

/** Writes the register's words at `offset` (bytes). */
export function encodeRegister<Model>(register: Register<Model>, model: Model, view: DataView, offset: number): void {
  const raw = register.raw(model);
  if (typeof raw !== "number") {
    for (const [i, byte] of raw.entries()) view.setUint8(offset + i, byte);
    return;
  }
  if (register.type === "u16") view.setUint16(offset, within(raw, 0, 0xffff));
  else if (register.type === "i16") view.setInt16(offset, within(raw, -0x8000, 0x7fff));
  else if (register.type === "u32") view.setUint32(offset, within(raw, 0, 0xffff_ffff));
  else view.setFloat32(offset, raw);
}

/** The value that the words at `offset` mean, in the gateway's unit; undefined where they mean none. */
export function decodeRegister(register: Register<never>, view: DataView, offset: number): Value | undefined {
  switch (register.type) {
    case "u16":
      return meaning(register, view.getUint16(offset));
    case "i16":
      return meaning(register, view.getInt16(offset));
    case "u32":
      return meaning(register, view.getUint32(offset));
    case "f32":
      return meaning(register, view.getFloat32(offset));
    case "hex":
      return bytesAt(register, view, offset).reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "");
    case "dotted":
      return bytesAt(register, view, offset).join(".");
  }
}

function meaning(register: Register<never>, raw: number): Value | undefined {
  if (!Number.isFinite(raw)) return undefined;
  if (register.texts === undefined) return decimal(raw, register);
  return register.texts[(raw >>> (register.shift ?? 0)) & (register.mask ?? 0xffff_ffff)];
}

/** Half away from zero. Multiplied before divided: integers stay exact, so 16050 mA is 16.1 A and never 16.0. */
function decimal(raw: number, { times = 1, per = 1, decimals = 0 }: Register<never>): number {
  const power = 10 ** decimals;
  const steps = (raw * times * power) / per;
  return (Math.sign(steps) * Math.round(Math.abs(steps))) / power + 0;
}

function bytesAt(register: Register<never>, view: DataView, offset: number): number[] {
  return Array.from({ length: register.bytes ?? 0 }, (_, i) => view.getUint8(offset + i));
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.round(value)));
}
