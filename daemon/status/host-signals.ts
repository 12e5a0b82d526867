import type { AssetSpec, SignalSpec } from "../../core/signals.ts";

/** Names of OpenTelemetry's semantic conventions for system, hardware and process metrics, verbatim. */
export const HOST_SIGNALS = {
  cpu: "system.cpu.utilization",
  memory: "system.memory.utilization",
  filesystem: "system.filesystem.utilization",
  temperature: "hw.temperature",
  rss: "process.memory.usage",
} as const;

export const GATEWAY_ASSET = "gateway";

/** The asset that stands for the gateway itself; its samples come from the status thread (`host` messages). */
export function gatewayAsset(): AssetSpec {
  return {
    id: GATEWAY_ASSET,
    kind: "gateway",
    source: "host",
    signals: [
      hostSignal(HOST_SIGNALS.cpu, "1", 0.001),
      hostSignal(HOST_SIGNALS.memory, "1", 0.001),
      hostSignal(HOST_SIGNALS.filesystem, "1", 0.001),
      hostSignal(HOST_SIGNALS.temperature, "degC", 0.1),
      hostSignal(HOST_SIGNALS.rss, "By", 1),
    ],
  };
}

function hostSignal(name: string, unit: string, resolution: number): SignalSpec {
  // Sampled once a minute (local-status.ts).
  return { name, type: "number", unit, resolution, maxAgeMs: 180_000, collect: "every" };
}
