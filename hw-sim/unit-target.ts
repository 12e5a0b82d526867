/** A unit of a Modbus line, as commands see it. */
import type { Unit } from "./devices/device.ts";
import { describeFault, type Fault, noFault, setFault } from "./faults.ts";
import type { Deratable, Pluggable } from "./models/model.ts";
import { type CommandOptions, type Target, turn, type Verb } from "./target.ts";

export interface LineUnit {
  readonly asset: string;
  readonly profile: string;
  readonly unit: number;
  readonly device: Unit;
  /** The charger behind it, where cars can come. */
  readonly pluggable: (Pluggable & Deratable) | undefined;
}

export class UnitTarget implements Target {
  readonly id: string;
  readonly profile: string;
  readonly unit: number;
  readonly device: Unit;
  readonly pluggable: (Pluggable & Deratable) | undefined;
  readonly fault: Fault = noFault();
  readonly verbs: readonly Verb[];
  readonly #changed: () => Promise<void>;

  /** `changed` is called after each command: its line opens or closes. */
  constructor({ asset, profile, unit, device, pluggable }: LineUnit, changed: () => Promise<void>) {
    this.id = asset;
    this.profile = profile;
    this.unit = unit;
    this.device = device;
    this.pluggable = pluggable;
    this.#changed = changed;
    const always = ["cut", "restore", "garble", "truncate", "late", "freeze"] as const;
    this.verbs = pluggable === undefined ? always : [...always, "derate", "plug", "unplug"];
  }

  get faults(): string[] {
    const derated = this.pluggable?.deratedPercent ?? 0;
    return [
      ...describeFault(this.fault),
      ...(this.device.frozen ? ["frozen"] : []),
      ...(derated > 0 ? [`derated by ${derated} %`] : []),
    ];
  }

  async apply(verb: Verb, options: CommandOptions): Promise<void> {
    if (verb === "freeze") this.device.frozen = true;
    if (verb === "restore") this.device.frozen = false;
    if (this.pluggable !== undefined) {
      if (verb === "derate") this.pluggable.deratedPercent = options.deratePercent;
      if (verb === "restore") this.pluggable.deratedPercent = 0;
    }
    if (verb === "plug" || verb === "unplug") turn(this.id, this.pluggable, verb);
    setFault(this.fault, verb, options);
    await this.#changed();
  }
}
