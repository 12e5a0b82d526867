import { messageOf } from "../../core/errors.ts";
import type { CanDeviceConfig } from "./config.ts";
import { loadDevice } from "./device.ts";

export interface SourceIssue {
  readonly path: (string | number)[];
  readonly message: string;
}

/** What is wrong with one device; paths are inside of it. */
export function deviceIssues(device: CanDeviceConfig, source: string): SourceIssue[] {
  const issues = rules(device);
  return issues.length > 0 ? issues : loading(device, source);
}

function rules({ profile, dbc, signals }: CanDeviceConfig): SourceIssue[] {
  if (profile === undefined && dbc === undefined) {
    return [{ path: [], message: "has neither profile nor dbc; allowed: one of them" }];
  }
  if (profile !== undefined && dbc !== undefined) {
    return [{ path: ["dbc"], message: "stands beside profile; allowed: one of them" }];
  }
  if (profile !== undefined && signals !== undefined) {
    return [{ path: ["signals"], message: "stands beside profile; allowed: only with dbc" }];
  }
  if (dbc !== undefined && Object.keys(signals ?? {}).length === 0) {
    return [{ path: [], message: "has a dbc without signals; allowed: signals: { name: Message.Signal }" }];
  }
  return [];
}

function loading(device: CanDeviceConfig, source: string): SourceIssue[] {
  try {
    loadDevice(device, source);
    return [];
  } catch (error) {
    const key = device.profile === undefined ? "dbc" : "profile";
    return messageOf(error)
      .split("\n")
      .map((message) => ({ path: [key], message }));
  }
}
