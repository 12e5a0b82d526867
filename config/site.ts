/** The whole configuration file, composed of each module's own schema. */
import { z } from "zod";
import { gatewayId } from "../core/schema.ts";
import { fastPathConfig, localConfig } from "../daemon/config.ts";
import { canSourceConfig } from "../drivers/can/config.ts";
import { modbusSourceConfig } from "../drivers/modbus/config.ts";
import { storeConfig, uplinkConfig } from "../store-forward/config.ts";

export const sourceConfig = z.discriminatedUnion("driver", [modbusSourceConfig, canSourceConfig]);

export const siteConfig = z.strictObject({
  version: z.literal(1).meta({ description: "Version of this file's format" }),
  gateway: z
    .strictObject({ id: gatewayId.meta({ description: "Name of this gateway, unique in the fleet" }) })
    .meta({ description: "This gateway" }),
  uplink: uplinkConfig.meta({ description: "The way to the cloud" }),
  store: storeConfig.prefault({}).meta({ description: "The outbox" }),
  fast_path: fastPathConfig.prefault({}).meta({ description: "UDP datagrams on the local network" }),
  local: localConfig.prefault({}).meta({ description: "Local MQTT broker and status page" }),
  sources: z.array(sourceConfig).min(1).meta({ description: "The buses that are read" }),
});

export type Site = z.output<typeof siteConfig>;
export type SourceConfig = Site["sources"][number];
