import type { SiteCheck } from "../config/load.ts";
import type { SourceConfig } from "../config/site.ts";
import { checkCanSource, createCanDriver } from "../drivers/can/driver.ts";
import type { Driver } from "../drivers/driver.ts";
import { checkModbusSource, createModbusDriver } from "../drivers/modbus/driver.ts";

/** Throws BusbarError PROFILE_INVALID for what `checkDrivers` would have told. */
export function createDriver(source: SourceConfig): Driver {
  return source.driver === "modbus" ? createModbusDriver(source) : createCanDriver(source);
}

/** What only a driver can say of its part of the file: profiles that do not exist or do not load. */
export const checkDrivers: SiteCheck = (site) => {
  return site.sources.flatMap((source, i) => {
    const problems = source.driver === "modbus" ? checkModbusSource(source) : checkCanSource(source);
    return problems.map(({ path, message }) => ({ path: ["sources", i, ...path], message }));
  });
};
