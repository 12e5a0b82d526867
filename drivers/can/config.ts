/** Configuration of a CAN source: one interface and the devices (vehicles, DC chargers) seen on it. */
import { z } from "zod";
import { assetId, deviceId, duration, filePath, profileRef } from "../../core/schema.ts";

export const CAN_INTERFACE = /^(socketcan:[A-Za-z0-9._-]{1,15}|sim:[a-z0-9-]{1,48}|log:.+)$/;
const INTERFACES = "socketcan:<interface>, sim:<bus> or log:<candump file>";

const device = z
  .strictObject({
    id: deviceId.meta({ description: "Asset id of the device, unique in the file" }),
    profile: profileRef.optional().meta({ description: "What the device is; this or `dbc`" }),
    dbc: filePath.optional().meta({ description: "A DBC file of yours, instead of a profile" }),
    signals: z
      .record(
        z.string(),
        z
          .string()
          .regex(/^[^.]+\.[^.]+$/)
          .meta({ allowed: "Message.Signal of the DBC file" }),
      )
      .optional()
      .meta({ description: "With `dbc`, and required there: signal name to Message.Signal" }),
    max_age: duration("100 ms", "1 d")
      .optional()
      .meta({ description: "Without a frame for this long a signal is stale; default: the profile's" }),
  })
  .meta({
    oneOf: [{ required: ["profile"] }, { required: ["dbc"] }],
    dependentRequired: { dbc: ["signals"], signals: ["dbc"] },
  });

export const canSourceConfig = z.strictObject({
  id: assetId.meta({ description: "Name of the source, unique in the file" }),
  driver: z.literal("can").meta({ description: "The family of devices" }),
  interface: z
    .string()
    .regex(CAN_INTERFACE, `is no CAN interface; allowed: ${INTERFACES}`)
    .meta({ description: "The bus, or a recording of one that is replayed", allowed: INTERFACES }),
  transmit: z.literal("none").default("none").meta({ description: "What may be sent on the bus: nothing" }),
  devices: z.array(device).min(1).meta({ description: "The devices on this bus" }),
});

export type CanSourceConfig = z.output<typeof canSourceConfig>;
export type CanDeviceConfig = CanSourceConfig["devices"][number];
