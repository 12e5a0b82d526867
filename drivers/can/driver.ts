/** One CAN interface as a source: frames in, batches out. Nothing is ever sent. */
import type { AssetSpec } from "../../core/signals.ts";
import type { Driver, DriverContext } from "../driver.ts";
import type { CanBus } from "./bus.ts";
import { busFor } from "./buses.ts";
import { deviceIssues, type SourceIssue } from "./check.ts";
import type { CanSourceConfig } from "./config.ts";
import { loadDevice } from "./device.ts";
import { Intake } from "./intake.ts";
import type { DeviceModel } from "./model.ts";

/**
 * What the schema cannot know: profiles, DBC files and their signals; paths are relative to the source, such as
 * `["devices", 0, "profile"]`. Empty when `createCanDriver` will succeed.
 */
export function checkCanSource(config: CanSourceConfig): SourceIssue[] {
  return config.devices.flatMap((device, index) =>
    deviceIssues(device, config.id).map(({ path, message }) => ({ path: ["devices", index, ...path], message })),
  );
}

/** Throws BusbarError PROFILE_INVALID for what `checkCanSource` would have told. */
export function createCanDriver(config: CanSourceConfig): Driver {
  return new CanDriver(
    config,
    config.devices.map((device) => loadDevice(device, config.id)),
  );
}

class CanDriver implements Driver {
  readonly hazards = [];
  readonly id: string;
  readonly label: string;
  readonly assets: readonly AssetSpec[];
  readonly #address: string;
  readonly #devices: readonly DeviceModel[];
  #warned = false;

  constructor(config: CanSourceConfig, devices: readonly DeviceModel[]) {
    this.id = config.id;
    this.label = `can ${config.interface}`;
    this.assets = devices.map(({ asset }) => asset);
    this.#address = config.interface;
    this.#devices = devices;
  }

  async run(context: DriverContext, signal: AbortSignal): Promise<void> {
    const { clock, log } = context;
    this.#warnOnce(context);
    const intake = new Intake(this.label, this.#devices, context);
    const bus: CanBus = busFor(this.#address, {
      label: this.label,
      clock,
      log,
      wanted: intake.wanted,
      onLost: (loss) => context.lost(loss),
    });
    const timer = setInterval(() => intake.look(), intake.intervalMs);
    try {
      await bus.run((frame) => {
        if (!signal.aborted) intake.take(frame);
      }, signal);
    } finally {
      clearInterval(timer);
      intake.end();
    }
  }

  #warnOnce({ log }: DriverContext): void {
    if (this.#warned) return;
    this.#warned = true;
    const texts = new Set(this.#devices.flatMap(({ warnings }) => warnings));
    for (const text of texts) log.warn(text, { source: this.id });
  }
}
